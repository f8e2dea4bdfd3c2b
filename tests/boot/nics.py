"""Machines with network interfaces whose other ends are ours, and what their drivers have counted.

Invariants
  - What is read of an interface is read from the machine's memory, live.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xengen.bench.trace import SINGLE_STEP
from xengen.inspect.devices import Nic, nics
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Machine
from xengen.machine.nics import Cable, NicSpec

MODELS = ("e1000", "virtio")
MAC = "52:54:00:aa:bb:cc"
SHORTEST, LONGEST = 60, 1514


def with_cable(model: str, mac: str = MAC) -> NicSpec:
    """Return an interface whose other end is Machine.cables."""
    return NicSpec(model, Cable(), mac)


def nic(machine: Machine, number: int = 0) -> Nic:
    """Return what the hypervisor knows of an interface now."""
    return nics(hypervisor_of(machine))[number]


def set_link(machine: Machine, *, up: bool) -> None:
    """Pull the cable of the first interface out, or put it in, and wait until its driver has noticed."""
    machine.monitor(f"set_link net0 {'on' if up else 'off'}")
    until(lambda: nic(machine).has_link == up, f"the link is {'up' if up else 'down'}")


def frames(seed: int, count: int, sizes: tuple[int, ...] = ()) -> list[bytes]:
    """Return Ethernet frames of random bytes, of `sizes` in turn (without them, of any)."""
    made = random.Random(seed)
    chosen = [sizes[i % len(sizes)] if sizes else made.randint(SHORTEST, LONGEST) for i in range(count)]
    return [b"\x52" + made.randbytes(size - 1) for size in chosen]


@contextmanager
def stepping(machine: Machine, log: Path) -> Iterator[None]:
    """Inside the block QEMU writes each instruction that the processor executes into `log`."""
    switch = next(name for name in SINGLE_STEP if "unknown command" not in machine.monitor(f"{name} on"))
    machine.monitor(f"logfile {log}")
    machine.monitor("log exec,nochain")
    yield
    with machine.paused():
        machine.monitor("log none")
        machine.monitor(f"logfile {log}.unused")
        machine.monitor(f"{switch} off")


def until(fact: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait for a fact about the machine."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.001)
