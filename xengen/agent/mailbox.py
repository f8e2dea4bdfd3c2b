"""The mailbox protocol: commands in, results out, and a wait that never ends in silence.

Invariants
  - One request at a time; a request has at most `capacity` commands.
  - A wait ends with the agent's answer, or with a MachineError that has the machine's report: its end, the domain's
    death, or Hang.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from ctypes import sizeof

from xengen.abi.agent import AgentCommand, AgentMailbox, AgentTrap
from xengen.abi.start import StartInfo
from xengen.abi.symbols import assembler_symbols
from xengen.agent.outcome import Trap
from xengen.agent.space import PAGE, Space
from xengen.errors import XengenError
from xengen.machine.machine import Machine
from xengen.machine.postmortem import EndedEarly, Hang, MachineError
from xengen.machine.symbols import SymbolTable
from xengen.machine.transcript import domain_ends

_VALUES = assembler_symbols()
CAPACITY = _VALUES["AGENT_COMMANDS"]
TRAPS = _VALUES["AGENT_TRAPS"]
MAGIC = _VALUES["AGENT_MAGIC"]

SPIN_SECONDS = 0.0005
NAP_SECONDS = 0.0001
LOOK_SECONDS = 0.1

# Words of the mailbox.
REQUEST, DONE, COUNT, TRAP_COUNT, SPINS, NAP = (
    getattr(AgentMailbox, name).offset // 4 for name in ("request", "done", "count", "traps", "spins", "nap")
)
ACTIONS = AgentMailbox.actions.offset // 4

_READY = re.compile(r"agent: mailbox at machine address 0x([0-9a-f]{8})")


class DomainDied(MachineError):
    """The domain that was asked for something is dead."""


class Mailbox:
    """The mailbox of domain `domain` on `machine`; `symbols` are the agent's. Waits until the agent is ready."""

    def __init__(self, machine: Machine, domain: int, symbols: SymbolTable, timeout: float = 30.0) -> None:
        self.machine = machine
        self.domain = domain
        self.timeout = timeout
        self._symbols = symbols
        mailbox = self._await_ready(timeout)
        memory = machine.memory
        if memory.u32(mailbox) != MAGIC:
            raise XengenError(f"domain {domain} says that its mailbox is at {mailbox:#x}, but it is not there")
        record = AgentMailbox.from_buffer_copy(memory.read(mailbox, sizeof(AgentMailbox)))
        self.start_info_va = int(record.start_info)
        self.space = self._space(record)
        self.start_info = StartInfo.from_buffer_copy(self.space.read_linear(self.start_info_va, sizeof(StartInfo)))
        self.space.l3 = self.space.mfn(self.space.pfn(self.start_info.pt_base))
        pages = (4 * self.start_info.nr_pages + PAGE - 1) // PAGE
        self.space.extend_p2m(self.start_info.mfn_list, pages)
        self._words = memory.view(mailbox, PAGE).cast("I")
        commands = self.space.contiguous(symbols.address("agent_commands"), CAPACITY * sizeof(AgentCommand))
        self._commands = memory.view(commands, CAPACITY * sizeof(AgentCommand))
        traps = self.space.contiguous(symbols.address("agent_traps"), TRAPS * sizeof(AgentTrap))
        self._traps = memory.view(traps, TRAPS * sizeof(AgentTrap))

    @property
    def actions(self) -> memoryview:
        """What a handler does in the end, by vector, live: u32[258]."""
        return self._words[ACTIONS : ACTIONS + _VALUES["AGENT_ACTIONS"]]

    @property
    def spins(self) -> int:
        """How often the agent looks before it yields; 0: it never yields."""
        return int(self._words[SPINS])

    @spins.setter
    def spins(self, value: int) -> None:
        self._words[SPINS] = value

    @property
    def nap(self) -> int:
        """For how many ns an idle agent sleeps at a time; 0: it yields."""
        return int(self._words[NAP])

    @nap.setter
    def nap(self, value: int) -> None:
        self._words[NAP] = value

    def submit(self, commands: bytes, count: int) -> memoryview:
        """Have `count` commands carried out; return their records, live until the next request."""
        if count > CAPACITY:
            raise ValueError(f"{count} commands in one request: {CAPACITY} is the most")
        self._commands[: len(commands)] = commands
        self._words[COUNT] = count
        request = (self._words[REQUEST] + 1) & 0xFFFFFFFF
        self._words[REQUEST] = request
        self._await(request)
        return self._commands[: len(commands)]

    def traps(self) -> Sequence[Trap]:
        """Return the traps of the last request, in order; of more than TRAPS the last stands for all that follow."""
        count = min(int(self._words[TRAP_COUNT]), TRAPS)
        size = sizeof(AgentTrap)
        return [
            Trap.of(AgentTrap.from_buffer_copy(self._traps[index * size : (index + 1) * size]))
            for index in range(count)
        ]

    def trap_count(self) -> int:
        """Return how many traps the last request had."""
        return int(self._words[TRAP_COUNT])

    def _await(self, request: int) -> None:
        start = time.monotonic()
        look = start + LOOK_SECONDS
        words = self._words
        while words[DONE] != request:
            now = time.monotonic()
            if now - start < SPIN_SECONDS:
                continue
            if now >= look:
                self._look(f"answer of the agent in domain {self.domain}")
                if now - start > self.timeout:
                    what = f"waited in vain for the agent in domain {self.domain} for {self.timeout:g} s"
                    raise Hang(what, self.machine.report())
                look = now + LOOK_SECONDS
            time.sleep(NAP_SECONDS)

    def _await_ready(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while True:
            match = _READY.search(self.machine.transcript.text(self.domain))
            if match is not None:
                return int(match[1], 16)
            self._look(f"agent in domain {self.domain}")
            if time.monotonic() > deadline:
                what = f"no agent in domain {self.domain} for {timeout:g} s"
                raise Hang(what, self.machine.report())
            time.sleep(0.01)

    def _look(self, wanted: str) -> None:
        """Raise when what is waited for cannot come any more."""
        ending = self.machine.ending()
        ends = [end for end in domain_ends(self.machine.transcript.hypervisor) if end.domain == self.domain]
        if ends and self.domain == 0:
            ending = self.machine.wait(self.timeout)  # the machine ends with domain 0, a moment later
        if ending is not None:
            raise EndedEarly(f"the machine {ending.value}, and there was no {wanted}", self.machine.report())
        for end in ends:
            how = "died" if end.died else "shut down"
            report = self.machine.report()
            self.machine.resume()  # the report stopped it, and the other domains have not ended
            raise DomainDied(f"domain {self.domain} {how}: {end.reason}", report)

    def _space(self, record: AgentMailbox) -> Space:
        first = self._symbols.segments[0]
        return Space(self.machine.memory, first.virtual - first.physical, int(record.p2m))
