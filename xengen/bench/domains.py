"""What domains cost: the hypervisor's memory for each, and making them, one after the other up to 128.

Invariants
  - The machine counts instructions, so the figures are the same on every host. What is counted is the hypervisor's own
    work in domain 0's control calls (control/stretch.s), not domain 0's and the toolstack's.
  - Memory is what the heap has grown by: nothing else of the hypervisor's grows with the number of domains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from xengen.bench.sched import DOMAIN_PAGES, Files, host
from xengen.control.reach import PAGE
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Machine

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)
MOST_BYTES = 16 << 10


@dataclass(frozen=True)
class DomainCost:
    """So many domains of 4 MB: bytes of the hypervisor's for each; instructions to create, to build and to destroy one.

    Instructions are those of the last of them; `destroy` is that of the last one's destruction.
    """

    domains: int
    bytes_each: int
    create: int
    build: int
    destroy: int

    @property
    def missed(self) -> bool:
        """Whether a domain takes more than it may."""
        return self.bytes_each > MOST_BYTES


def measure_domains(files: Files, counts: tuple[int, ...] = COUNTS) -> Iterator[DomainCost]:
    """Yield what a domain costs for each of `counts`, which grow; the domains are paused."""
    with host(files, counts[-1], 0) as (machine, _, control):
        (image,) = control.images()
        before = control.machine().heap_pages
        for first, last in pairwise((0, *counts)):
            for number in range(first, last):
                spent = _spent(machine)
                domain = control.create(f"domain {number}", bytes(16), 0)
                created = _spent(machine)
                control.build(domain, image, DOMAIN_PAGES, "")
                built = _spent(machine)
            grown = (control.machine().heap_pages - before) * PAGE
            at = _spent(machine)
            control.destroy(domain)
            destroyed = _spent(machine)
            control.build(control.create("again", bytes(16), 0), image, DOMAIN_PAGES, "")
            yield DomainCost(last, grown // last, created - spent, built - created, destroyed - at)


def _spent(machine: Machine) -> int:
    """Return the instructions of all control calls so far."""
    hypervisor = hypervisor_of(machine)
    return int.from_bytes(hypervisor.read(hypervisor.symbol("stretch_total"), 8), "little")
