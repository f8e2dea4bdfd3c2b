"""One QEMU: its process, monitor, live memory, consoles, symbols, and what is known when it fails.

Start at `machine.Machine` and `spec.MachineSpec`. This package depends on `xengen.abi` and `xengen.errors` only.
"""
