"""The agent's memory as Python sees it: its pages found by the P2M list or by its page tables, live.

Invariants
  - The initial mapping is linear (ABI 1.7): a virtual address there is VIRT_BASE + pfn * 4096, and the domain's own P2M
    list says which machine frame that is. The agent's own pages never move, so they are found this way.
  - Everything else is found by a walk of the page tables at `l3`, which whoever switches the base pointer keeps true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xengen.errors import XengenError
from xengen.machine.memory import PhysicalMemory
from xengen.machine.paging import Walk, walk

PAGE = 4096
ENTRY_SIZE = 8
PFNS_PER_PAGE = PAGE // 4


@dataclass(frozen=True)
class Page:
    """A page of the domain: its virtual address in the initial mapping, its pfn and its machine frame."""

    va: int
    pfn: int
    mfn: int

    @property
    def machine(self) -> int:
        """Its machine address."""
        return self.mfn * PAGE


class Space:
    """Memory of the domain whose VIRT_BASE is `virt_base`; `p2m` is the machine address of its P2M list's first page.

    `p2m_va` is where the guest has that list, `l3` the machine frame of the page tables in use.
    """

    def __init__(self, memory: PhysicalMemory, virt_base: int, p2m: int) -> None:
        self.memory = memory
        self.virt_base = virt_base
        self.l3 = 0
        self._p2m = [p2m]

    def extend_p2m(self, p2m_va: int, pages: int) -> None:
        """Find all `pages` pages of the P2M list, which begins at `p2m_va` in the initial mapping."""
        first = self.pfn(p2m_va)
        if first + pages > PFNS_PER_PAGE:
            raise XengenError("the P2M list does not lie in the first 4 MB of the domain")
        self._p2m = [self.mfn(first + index) * PAGE for index in range(pages)]

    def pfn(self, va: int) -> int:
        """Return the pfn behind an address of the initial mapping."""
        return (va - self.virt_base) // PAGE

    def mfn(self, pfn: int) -> int:
        """Return the machine frame of `pfn`, as the P2M list says."""
        page, index = divmod(pfn, PFNS_PER_PAGE)
        if not 0 <= page < len(self._p2m):
            raise XengenError(f"pfn {pfn:#x} is not in the P2M list")
        return self.memory.u32(self._p2m[page] + 4 * index)

    def page(self, va: int) -> Page:
        """Return the page at `va` in the initial mapping."""
        pfn = self.pfn(va)
        return Page(va, pfn, self.mfn(pfn))

    def machine(self, va: int) -> int:
        """Return the machine address behind an address of the initial mapping."""
        return self.mfn(self.pfn(va)) * PAGE + va % PAGE

    def contiguous(self, va: int, size: int) -> int:
        """Return the machine address of `size` bytes at `va` that lie together in the machine; XengenError if not."""
        first = self.mfn(self.pfn(va))
        for index in range((size + va % PAGE + PAGE - 1) // PAGE):
            if self.mfn(self.pfn(va) + index) != first + index:
                raise XengenError(f"the {size} bytes at {va:#x} are scattered over the machine's memory")
        return first * PAGE + va % PAGE

    def walk(self, va: int) -> Walk:
        """Walk the page tables in use."""
        return walk(self.memory, va, self.l3 * PAGE, pae=True)

    def entry(self, va: int, level: int = 1) -> int:
        """Return the entry for `va` in its table of that level; 0 when there is no such table."""
        address = self.entry_address(va, level)
        return 0 if address is None else self.memory.u64(address)

    def entry_address(self, va: int, level: int = 1) -> int | None:
        """Return the machine address of the entry for `va` in its table of that level; None without a table."""
        for entry in self.walk(va).entries:
            if entry.level == level:
                return entry.address
        return None

    def read(self, va: int, size: int) -> bytes:
        """Return `size` bytes at `va`, through the page tables in use; XengenError where nothing is mapped."""
        return b"".join(self.memory.read(machine, step) for machine, step in self._pieces(va, size))

    def write(self, va: int, data: bytes) -> None:
        """Put `data` at `va`, through the page tables in use and whatever they forbid."""
        done = 0
        for machine, step in self._pieces(va, len(data)):
            self.memory.write(machine, data[done : done + step])
            done += step

    def read_linear(self, va: int, size: int) -> bytes:
        """Return `size` bytes at `va` of the initial mapping, found by the P2M list."""
        return b"".join(self.memory.read(self.machine(at), step) for at, step in _steps(va, size))

    def write_linear(self, va: int, data: bytes) -> None:
        """Put `data` at `va` of the initial mapping, found by the P2M list."""
        for at, step in _steps(va, len(data)):
            self.memory.write(self.machine(at), data[at - va : at - va + step])

    def _pieces(self, va: int, size: int) -> list[tuple[int, int]]:
        found = []
        for at, step in _steps(va, size):
            where = self.walk(at)
            if where.physical is None:
                raise XengenError(str(where))
            found.append((where.physical, step))
        return found


def _steps(va: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (address, bytes) for each page that `size` bytes at `va` lie in."""
    end = va + size
    while va < end:
        step = min(end - va, PAGE - va % PAGE)
        yield va, step
        va += step
