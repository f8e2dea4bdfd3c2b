"""Where everything of a new domain must be: a model of the ABI's sections 1.6 and 1.7.

Invariants
  - Written from the ABI's tables, not from the builder: it shares numbers of the formats with it and no logic.
  - Addresses are the guest's virtual ones, of the first byte; ends are of the first byte behind.
"""

from __future__ import annotations

from dataclasses import dataclass

PAGE = 0x1000
TABLE_REACH = 2 << 20
PADDING = 512 << 10
END_MULTIPLE = 4 << 20
# The L3 and the L2 of each of its four slots (ABI 1.8, guests.md).
UPPER_TABLES = 5


def rounded_up(value: int, multiple: int) -> int:
    """Return the lowest multiple of `multiple` that is not below `value`."""
    return -(-value // multiple) * multiple


@dataclass(frozen=True)
class InitialLayout:
    """The layout for a kernel that ends at `kernel_end`; `initrd` is the size of one that is mapped, else 0."""

    virt_base: int
    kernel_end: int
    nr_pages: int
    is_domain_0: bool
    initrd: int = 0

    @property
    def initrd_start(self) -> int:
        """The initrd."""
        return rounded_up(self.kernel_end, PAGE)

    @property
    def p2m(self) -> int:
        """The P2M list."""
        return self.initrd_start + rounded_up(self.initrd, PAGE)

    @property
    def nr_p2m_frames(self) -> int:
        """Pages of the P2M list."""
        return rounded_up(4 * self.nr_pages, PAGE) // PAGE

    @property
    def start_info(self) -> int:
        """The start_info page."""
        return self.p2m + self.nr_p2m_frames * PAGE

    @property
    def store(self) -> int:
        """The xenstore page, which domain 0 does not have."""
        return self.start_info + PAGE

    @property
    def console(self) -> int:
        """The console page, which domain 0 does not have."""
        return self.store + PAGE

    @property
    def page_tables(self) -> int:
        """The L3, and behind it all other tables."""
        return self.start_info + PAGE if self.is_domain_0 else self.console + PAGE

    @property
    def nr_pt_frames(self) -> int:
        """How many page tables there are: the fewest that map themselves and all the rest."""
        first = self.virt_base // TABLE_REACH
        count = UPPER_TABLES
        while (needed := UPPER_TABLES + self._end(count) // TABLE_REACH - first) > count:
            count = needed
        return count

    @property
    def stack(self) -> int:
        """The boot stack's page."""
        return self.page_tables + self.nr_pt_frames * PAGE

    @property
    def end(self) -> int:
        """The end of the initial area."""
        return self._end(self.nr_pt_frames)

    @property
    def pages(self) -> int:
        """Pages of the initial area."""
        return (self.end - self.virt_base) // PAGE

    def pfn(self, address: int) -> int:
        """Return the pseudo-physical frame at an address of the initial area."""
        return (address - self.virt_base) // PAGE

    def _end(self, tables: int) -> int:
        return rounded_up(self.page_tables + (tables + 1) * PAGE + PADDING, END_MULTIPLE)
