"""The hypervisor's own records of virtual block devices: extents of disks that domains see over rings.

Invariants
  - Each begins with a VIRTUAL_DEVICE (xengen/abi/io.py).
"""

from __future__ import annotations

from xengen.abi.structure import Constant, Declaration

STRUCTURES: tuple[Declaration, ...] = ()
CONSTANTS: tuple[Constant, ...] = ()
