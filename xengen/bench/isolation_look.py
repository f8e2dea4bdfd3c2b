"""A look at what domains have got so far, all of it at one moment: the machine stands still meanwhile.

Invariants
  - Nothing runs for a look, domain 0 neither: it is a reading of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xengen.abi.symbols import assembler_symbols
from xengen.abi.vbd import Vbd
from xengen.abi.vif_records import Vif
from xengen.inspect.live import hypervisor_of
from xengen.inspect.views import BadStructure, Hypervisor
from xengen.inspect.virtual_devices import devices
from xengen.machine.machine import Machine

_VALUES = assembler_symbols()
TRIES = 20


@dataclass(frozen=True)
class Look:
    """now: the machine's time, and domain_0: how much of it domain 0 has had, in ns, as of when domain 0 last began or
    ceased to run, which is a millisecond ago at the most. sectors, packets: moved and sent so far, by domain. extra:
    what the caller wanted to know.
    """

    now: int
    domain_0: int
    sectors: dict[int, int]
    packets: dict[int, int]
    extra: int


def look(machine: Machine, extra: Callable[[], int] = lambda: 0) -> Look:
    """Look at a machine. BadStructure when the hypervisor's lists are never in order."""
    for left in reversed(range(TRIES)):
        with machine.paused():
            try:
                return _look(hypervisor_of(machine), extra())
            except BadStructure:  # it was just changing one
                if not left:
                    raise
    raise AssertionError("one of the tries ends this")


def _look(hypervisor: Hypervisor, extra: int) -> Look:
    domains = {domain.address: domain for domain in hypervisor.domains()}
    times = next(domain.vcpu.record.runstate.time for domain in domains.values() if domain.id == 0 and domain.vcpu)
    sectors: dict[int, int] = {}
    packets: dict[int, int] = {}
    for device in devices(hypervisor):
        domain = domains.get(device.record.domain)
        if domain is None:
            continue
        if device.record.kind == _VALUES["IO_VBD"]:
            vbd = hypervisor.structure(Vbd, device.address)
            sectors[domain.id] = int(vbd.sectors_read + vbd.sectors_written)
        else:
            packets[domain.id] = int(hypervisor.structure(Vif, device.address).tx_packets)
    return Look(sum(times), int(times[_VALUES["RUNSTATE_running"]]), sectors, packets, extra)
