"""Hypercalls as operations: one alone, or several in a multicall; each says beforehand what must come of it.

Invariants
  - `prepare` places what the call points at and has the model do the call, in the order in which the hypervisor will.
  - A call that would take from an agent what it needs to live is not made: `prepare` gives None.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from ctypes import sizeof
from dataclasses import dataclass
from struct import pack
from typing import ClassVar

from xengen.abi.errno import errno_name
from xengen.abi.hypercalls import MulticallEntry, by_name
from xengen.agent.agent import Agent, completed
from xengen.agent.command import Command
from xengen.agent.names import EFAULT, EINVAL, KERNEL_CS, value
from xengen.fuzz.frame import Refused
from xengen.fuzz.world import Failure, World

OK = frozenset({0})
# The first word of a vcpu_info: whether an event is pending, and in the next byte whether events are masked.
PENDING, MASKED = 0x1, 0x100
UNTOUCHED = 0x7EADBEEF  # what stands where a result will be stored
SKIPPED = "skipped"

Finish = Callable[[int], None]


def nothing_more(result: int) -> None:
    """For calls whose result says all."""


@dataclass(frozen=True)
class Prepared:
    """A call that is ready: its name, its arguments, the results that are right, and what to look at afterwards."""

    name: str
    arguments: tuple[int, ...]
    expected: frozenset[int] = OK
    finish: Finish = nothing_more

    def examine(self, result: int) -> None:
        """Failure when the result is not right, or what `finish` looks at."""
        if result not in self.expected:
            raise Failure(f"{self.name} returned {named(result)}, not {told(self.expected)}")
        self.finish(result)


class Call(ABC):
    """A hypercall that any domain may make. allocates: whether it may give frames that the model cannot foresee."""

    allocates: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, world: World, domain: int) -> Prepared | None:
        """Have the model do it, and place its arguments."""


@dataclass(frozen=True)
class Hypercall:
    """A domain makes one call; `interrupted`: with an event pending, which comes between the pieces of a long one."""

    domain: int
    call: Call
    interrupted: bool = False

    def run(self, world: World) -> str:
        """Make it."""
        agent = world.agent(self.domain)
        prepared = None if agent is None else self.call.prepare(world, self.domain)
        if agent is None or prepared is None:
            return SKIPPED
        result = make(agent, prepared.name, prepared.arguments, interrupted=self.interrupted)
        follow_base(world, agent)
        prepared.examine(result)
        return f"{type(self.call).__name__} {named(result)}"


@dataclass(frozen=True)
class Multicall:
    """A domain makes several calls at once; `last`: how the list ends (LISTS)."""

    domain: int
    calls: tuple[Call, ...]
    last: str = "plain"
    eax: int = 0
    interrupted: bool = False

    def run(self, world: World) -> str:
        """Make them."""
        agent = world.agent(self.domain)
        if agent is None:
            return SKIPPED
        prepared = self._prepare(world)
        entries = [_entry(by_name(one.name).number, one.arguments) for one in prepared]
        behind: list[int] = []
        if self.last == "iret":
            place_iret(agent, self.eax)
            entries += [_entry(value("HYPERCALL_iret")), _entry(value("HYPERCALL_xen_version"))]
            behind = [UNTOUCHED, UNTOUCHED]
        elif self.last == "nested":
            inner = agent.put([_entry(value("HYPERCALL_xen_version"))])
            entries.append(_entry(value("HYPERCALL_multicall"), (inner, 1)))
            behind = [-EINVAL]
        elif self.last == "unknown":
            entries.append(_entry(self.eax % 0x1000 + 64))
            behind = [-value("ENOSYS")]
        count = len(entries)
        entries.append(_entry(value("HYPERCALL_sched_op"), (value("SCHEDOP_yield"), 0)))  # behind the end of the list
        address = agent.put(entries)
        result = make(agent, "multicall", (address, count), interrupted=self.interrupted)
        follow_base(world, agent)
        wanted = _signed(self.eax) if self.last == "iret" else 0
        if result != wanted:
            raise Failure(f"multicall returned {named(int(result))}, not {named(wanted)}")
        data = agent.space.read_linear(address, sizeof(MulticallEntry) * len(entries))
        results = [int(one.result) for one in (MulticallEntry * len(entries)).from_buffer_copy(data)]
        for one, each in zip(prepared, results, strict=False):
            one.examine(each)
            world.outcomes["Multicall's entry", f"{one.name} {named(each)}"] += 1
        if results[len(prepared) :] != [*behind, UNTOUCHED]:
            raise Failure(f"the multicall's last results are {results[len(prepared):]}, not {[*behind, UNTOUCHED]}")
        return f"{self.last}, {len(prepared)} calls"


    def _prepare(self, world: World) -> list[Prepared]:
        """Prepare the calls, up to one that gives frames: what follows could name one of them."""
        found = []
        for call in self.calls:
            one = call.prepare(world, self.domain)
            if one is not None:
                found.append(one)
            if call.allocates:
                break
        return found


LISTS = ("plain", "iret", "nested", "unknown")


@dataclass(frozen=True)
class Iret:
    """A domain returns from nowhere to its agent, with a value in %eax and flags that change nothing."""

    domain: int
    eax: int
    flags: int = 0

    def run(self, world: World) -> str:
        """Do it."""
        agent = world.agent(self.domain)
        if agent is None:
            return SKIPPED
        place_iret(agent, self.eax, self.flags)
        registers = agent.registers_of_hypercall("iret", 0xB0B0B0B0, 0xC0C0C0C0)
        if (registers.eax, registers.ebx, registers.ecx) != (self.eax & 0xFFFFFFFF, 0xB0B0B0B0, 0xC0C0C0C0):
            raise Failure(f"after iret the registers are {registers}")
        return "back"


def make(agent: Agent, name: str, arguments: Sequence[int], *, interrupted: bool) -> int:
    """Make a hypercall; `interrupted`: with an event pending and unmasked. Return its result."""
    call = Command(value("AGENT_HYPERCALL"), (by_name(name).number, *arguments))
    info, store = agent.address("agent_shared_info"), value("AGENT_STORE")
    before, after = Command(store, (PENDING, info)), Command(store, (MASKED, info))
    answers = agent.do_all((before, call, after)) if interrupted else agent.do_all((call,))
    return int(completed(answers[int(interrupted)], f"hypercall {name}").result)


def place_iret(agent: Agent, eax: int, flags: int = 0) -> None:
    """Put a frame where the agent's stack is at a hypercall: back to behind it, in ring 1, events masked."""
    words = (eax & 0xFFFFFFFF, agent.address("command_done"), KERNEL_CS, flags | value("EFLAGS_ONE"))
    agent.space.write_linear(agent.address("agent_stack_top"), pack("<4I", *words))


def follow_base(world: World, agent: Agent) -> None:
    """Let Python walk the page tables that the model says are in use."""
    agent.space.l3 = world.model.domains[agent.domain].base


def refusal(act: Callable[[], None]) -> frozenset[int]:
    """Have the model do something and return the results that are right."""
    try:
        act()
    except Refused as refused:
        return refused.codes
    return OK


def named(result: int) -> str:
    """Return a result in the words of the ABI."""
    if -4096 < result < 0:
        try:
            return f"-{errno_name(result)}"
        except KeyError:
            return str(result)
    return f"{result:#x}" if result > 9 else str(result)


def told(results: frozenset[int]) -> str:
    """Return results in the words of the ABI."""
    return " or ".join(sorted(named(result) for result in results))


def counted(agent: Agent, address: int, wanted: int) -> Finish:
    """Look at a counter that the call stores."""

    def look(result: int) -> None:
        found = int.from_bytes(agent.space.read_linear(address, 4), "little")
        if found != wanted:
            raise Failure(f"{found:#x} are said to be done, not {wanted:#x}")

    return look


def words(agent: Agent, address: int, count: int) -> list[int]:
    """Return 32-bit numbers from the agent's scratch memory."""
    data = agent.space.read_linear(address, 4 * count)
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


def _entry(number: int, arguments: Sequence[int] = ()) -> MulticallEntry:
    made = MulticallEntry(op=number, result=UNTOUCHED)
    for index, argument in enumerate(arguments):
        made.args[index] = argument & 0xFFFFFFFF
    return made


def _signed(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


__all__ = ["EFAULT", "LISTS", "Call", "Hypercall", "Iret", "Multicall", "Prepared"]
