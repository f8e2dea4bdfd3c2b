"""The memory of an agent guest: its symbols, its scratch memory, its page tables.

Invariants
  - Nothing here has the guest do anything: its memory is read and written from outside.
  - Scratch memory is handed out in turn and comes around again: what `put` gave is good for 64 KB of further use.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import Structure, sizeof
from typing import TypeVar

from xengen.abi.shared import SharedInfo
from xengen.abi.symbols import assembler_symbols
from xengen.agent.mailbox import Mailbox
from xengen.agent.pool import Scratch
from xengen.agent.space import PAGE
from xengen.machine.machine import Machine
from xengen.machine.symbols import SymbolTable

StructureT = TypeVar("StructureT", bound=Structure)
_SCRATCH_BYTES = assembler_symbols()["AGENT_SCRATCH_PAGES"] * PAGE


class AgentMemory:
    """The memory of the agent in domain `domain` of `machine`, whose boot module of that number is its ELF file."""

    def __init__(self, machine: Machine, domain: int) -> None:
        self.machine = machine
        self.domain = domain
        self.symbols = SymbolTable.from_file(machine.spec.modules[domain].path)
        self.mailbox = Mailbox(machine, domain, self.symbols)
        self.space = self.mailbox.space
        self.start_info = self.mailbox.start_info
        self._scratch = Scratch(self.address("agent_scratch"), _SCRATCH_BYTES)

    def address(self, name: str) -> int:
        """Return the address of one of the agent's symbols; KeyError when it has none of that name."""
        return self.symbols.address(name)

    @property
    def edge(self) -> int:
        """The end of a page of memory behind which nothing is mapped."""
        return self.address("agent_edge_end")

    def allocate(self, size: int) -> int:
        """Return the address of `size` bytes of scratch memory, aligned to 8; readable and writable, contents any."""
        return self._scratch.allocate(size)

    def put_bytes(self, data: bytes) -> int:
        """Place bytes in scratch memory and return their address."""
        address = self.allocate(len(data))
        self.space.write_linear(address, data)
        return address

    def put(self, what: Structure | Sequence[Structure] | Sequence[int] | bytes) -> int:
        """Place bytes, structures or 32-bit numbers in scratch memory and return their address."""
        if isinstance(what, bytes):
            return self.put_bytes(what)
        items = (what,) if isinstance(what, Structure) else what
        return self.put_bytes(
            b"".join(bytes(item) if isinstance(item, Structure) else item.to_bytes(4, "little") for item in items)
        )

    def get(self, kind: type[StructureT], va: int) -> StructureT:
        """Return a copy of the structure at `va`, through the page tables in use."""
        return kind.from_buffer_copy(self.space.read(va, sizeof(kind)))

    def pfn(self, va: int) -> int:
        """Return the pfn behind an address of the initial mapping."""
        return self.space.pfn(va)

    def mfn(self, pfn: int) -> int:
        """Return the machine frame of a pfn, as the P2M list says."""
        return self.space.mfn(pfn)

    def pte(self, va: int, level: int = 1) -> int:
        """Return the entry for `va` in the page tables in use; 0 where there is no table."""
        return self.space.entry(va, level)

    @property
    def shared_info(self) -> SharedInfo:
        """The shared page itself, live."""
        view = self.machine.memory.view(self.start_info.shared_info, sizeof(SharedInfo))
        return SharedInfo.from_buffer(view)
