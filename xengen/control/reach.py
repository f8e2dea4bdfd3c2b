"""How the toolstack reaches the agent in domain 0: through the machine's memory, or over a serial line.

Invariants
  - Both do the same; what is above this file does not know which it has.
  - A domain's page stays reachable, and the domain's frame in being, until it is let go.
"""

from __future__ import annotations

from ctypes import sizeof
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from xengen.abi.agent import AgentCommand
from xengen.abi.start import StartInfo
from xengen.abi.symbols import assembler_symbols
from xengen.agent.agent import Agent
from xengen.agent.command import Argument, Command, hypercall_command
from xengen.agent.pool import Pool, Scratch
from xengen.control.line import Line
from xengen.errors import XengenError
from xengen.machine.symbols import SymbolTable

_VALUES = assembler_symbols()
PAGE = 4096

# Between requests the agent sleeps, so that domains have the processor; behind one it looks for the next for a while.
NAP_NS = 1_000_000
SPINS = 20_000


class SharedPage(Protocol):
    """4096 bytes that a domain can change at any moment."""

    def __getitem__(self, place: slice, /) -> bytes | memoryview:
        """Return bytes as they are now."""

    def __setitem__(self, place: slice, value: bytes, /) -> None:
        """Change bytes."""


class Reach(Protocol):
    """The agent, as far as the toolstack needs it."""

    def hypercall(self, call: str, *arguments: Argument) -> int:
        """Have domain 0 make a hypercall; return its result. Structures among the arguments are brought up to date."""

    def put(self, data: bytes) -> int:
        """Place bytes in domain 0's scratch memory; return their address, good for 64 KB of further use."""

    def read(self, address: int, size: int) -> bytes:
        """Return bytes that `put` has placed, as they are now."""

    def page(self, domain: int, mfn: int) -> SharedPage:
        """Return a page of a domain's."""

    def let_go(self, page: SharedPage) -> None:
        """Do without a page from now on."""


@dataclass(frozen=True)
class Near:
    """The agent through its mailbox, in a machine whose memory is mapped."""

    agent: Agent

    def __post_init__(self) -> None:
        self.agent.mailbox.nap = NAP_NS
        self.agent.mailbox.spins = SPINS

    def hypercall(self, call: str, *arguments: Argument) -> int:
        """As Reach."""
        return int(self.agent.hypercall(call, *arguments))

    def put(self, data: bytes) -> int:
        """As Reach."""
        return self.agent.put_bytes(data)

    def read(self, address: int, size: int) -> bytes:
        """As Reach."""
        return self.agent.space.read_linear(address, size)

    def page(self, domain: int, mfn: int) -> SharedPage:
        """As Reach: the memory itself."""
        return self.agent.machine.memory.view(mfn * PAGE, PAGE)

    def let_go(self, page: SharedPage) -> None:
        """As Reach: there is nothing to do."""


@dataclass(frozen=True)
class FarPage:
    """A domain's page that domain 0 has mapped at `address`."""

    line: Line
    address: int

    def __getitem__(self, place: slice) -> bytes:
        """Read over the line."""
        start, stop, _ = place.indices(PAGE)
        return self.line.read(self.address + start, stop - start)

    def __setitem__(self, place: slice, value: bytes) -> None:
        """Write over the line."""
        self.line.write(self.address + place.indices(PAGE)[0], bytes(value))


class Far:
    """The agent over `line`; `image` is the agent's ELF file."""

    def __init__(self, line: Line, image: Path) -> None:
        self.line = line
        symbols = SymbolTable.from_file(image)
        self._commands = symbols.address("agent_commands")
        self._scratch = Scratch(symbols.address("agent_scratch"), _VALUES["AGENT_SCRATCH_PAGES"] * PAGE)
        self._pool = Pool(symbols.address("agent_pool"), _VALUES["AGENT_POOL_PAGES"])
        first = symbols.segments[0]
        self._virt_base = first.virtual - first.physical
        start_info = StartInfo.from_buffer_copy(self._peek(line.start_info, sizeof(StartInfo)))
        self._p2m = int(start_info.mfn_list)

    def hypercall(self, call: str, *arguments: Argument) -> int:
        """As Reach."""
        command, placed = hypercall_command(call, arguments, self.put)
        result = int(self._do(command, f"hypercall {call}").after.eax)
        for item in placed:
            item.refresh(self.line.read)
        return result - (1 << 32) if result >> 31 else result

    def put(self, data: bytes) -> int:
        """As Reach."""
        address = self._scratch.allocate(len(data))
        self.line.write(address, data)
        return address

    def read(self, address: int, size: int) -> bytes:
        """As Reach."""
        return self.line.read(address, size)

    def page(self, domain: int, mfn: int) -> SharedPage:
        """As Reach: mapped in place of a spare page of domain 0's."""
        address = self._pool.take()
        self._map(address, mfn, domain)
        return FarPage(self.line, address)

    def let_go(self, page: SharedPage) -> None:
        """As Reach: the spare page comes back to where it was."""
        assert isinstance(page, FarPage)
        index = (page.address - self._virt_base) // PAGE
        own = int.from_bytes(self._peek(self._p2m + 4 * index, 4), "little")
        self._map(page.address, own, _VALUES["DOMID_SELF"])
        self._pool.take_back(page.address)

    def _do(self, command: Command, what: str) -> AgentCommand:
        """Have one command carried out; XengenError when it was trapped."""
        self.line.write(self._commands, command.encode())
        if self.line.run(1):
            raise XengenError(f"the agent was trapped in {what}")
        return AgentCommand.from_buffer_copy(self.line.read(self._commands, sizeof(AgentCommand)))

    def _peek(self, address: int, size: int) -> bytes:
        """Return bytes from anywhere in domain 0."""
        copy = self._scratch.allocate(size)
        self._do(Command(_VALUES["AGENT_COPY"], (0, 0, size, 0, address, copy)), f"a read at {address:#x}")
        return self.line.read(copy, size)

    def _map(self, address: int, mfn: int, domain: int) -> None:
        entry = mfn << 12 | _VALUES["PTE_P"] | _VALUES["PTE_RW"] | _VALUES["PTE_A"] | _VALUES["PTE_D"]
        words = (address, entry & 0xFFFFFFFF, entry >> 32, _VALUES["UVMF_INVLPG"], domain)
        result = self.hypercall("update_va_mapping_otherdomain", *words)
        if result:
            raise XengenError(f"domain 0 cannot map frame {mfn:#x} of domain {domain}: {result}")
