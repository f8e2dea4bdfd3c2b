"""Whose code an address is in, when a hypervisor and several guests share the address space.

Invariants
  - The privilege decides: ring 0 is the kernel that was booted, rings 1 to 3 are the guests.
  - Several guests may have the same address; then the first of them gives the name, and the text says which it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from xengen.machine.symbols import SymbolTable


@dataclass(frozen=True)
class Names:
    """The symbol tables of one machine: the kernel's, and each guest's with its file's name."""

    kernel: SymbolTable | None = None
    guests: tuple[tuple[str, SymbolTable], ...] = ()

    def describe(self, address: int, cpl: int) -> str:
        """Return what is known of `address` in ring `cpl`, "" when nothing is."""
        prefix, table = self._table(address, cpl)
        return prefix + table.describe(address) if table is not None else ""

    def describe_caller(self, address: int, cpl: int) -> str:
        """Return what is known of the call that pushed `address`."""
        prefix, table = self._table(address, cpl)
        return prefix + table.describe_caller(address) if table is not None else ""

    def is_return_address(self, address: int, cpl: int) -> bool:
        """Return whether a call instruction of ring `cpl` ends right before `address`."""
        _, table = self._table(address, cpl)
        return table is not None and table.is_return_address(address)

    def _table(self, address: int, cpl: int) -> tuple[str, SymbolTable | None]:
        if cpl == 0:
            return "", self.kernel
        for name, table in self.guests:
            if table.virtual(address) is not None:
                return f"{name}: ", table
        return "", None
