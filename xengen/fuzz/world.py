"""One machine with agents, and the model of it: carries operations out and holds what happened against the model.

Invariants
  - Every step ends with the agents alive, the frames that changed as the model has them, and, every `every` steps, all
    frames so and the checker content. Else it raises Failure, whatever it was that went wrong.
  - What an agent needs to answer (its code, stacks, mailbox and the tables that map them) is never changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import unpack
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from xengen.abi.grant import GnttabSetupTable
from xengen.agent.agent import Agent
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import PTE_P, value
from xengen.errors import XengenError
from xengen.fuzz.compare import Comparison, Failure
from xengen.fuzz.contents import Contents
from xengen.fuzz.frame import Hardware, Kind
from xengen.fuzz.frames import LOW_FRAME
from xengen.fuzz.model import Model
from xengen.fuzz.places import Extra, Nobodys, Own, Place, Pool, Raw, Value
from xengen.fuzz.spaces import Domain
from xengen.inspect import layout
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Machine

POOL_PAGES = 16  # spare pages of each agent that operations use
PAGE = 4096
NOBODYS_FRAMES = {
    "vga": (0xA0, 0xB8), "bios": (0xF0, 0xFF), "apic": (0xFEE00,), "device": (0xE0000, 0xFEC00, 0xFED00),
    "beyond": (0x8000, 0x80000), "highest": (0xFFFFE,), "last": (0xFFFFF,),
}  # fmt: skip
TURNS_OF_AN_END = 200


class Operation(Protocol):
    """Something that can be done to a world."""

    def run(self, world: World) -> str:
        """Do it and return what came of it in a word or two; raises Failure, or what the machine raises."""


@dataclass
class World:
    """The machine with `count` agents on it, and its model. `outcomes`: how often which operation came to what."""

    machine: Machine
    count: int = 3
    every: int = 1
    steps: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.agents = {domain: Agent(self.machine, domain, alone=False) for domain in range(self.count)}
        self.hypervisor = hypervisor_of(self.machine)
        self.contents = Contents(self.machine.memory)
        self.model = Model(self.contents, Hardware(self.machine.spec.memory // PAGE))
        self._comparison = Comparison(self.model, self.hypervisor, self.machine.memory)
        self.extra: dict[int, list[int]] = {domain: [] for domain in self.agents}
        self._mapped: set[tuple[int, int]] = set()
        self._needed: set[int] = set()
        self._needed_slots: dict[int, dict[int, int]] = {}
        self._names: dict[int, dict[str, int]] = {}
        for domain, agent in self.agents.items():
            self._add(domain, agent)
        self._comparison.everything()
        self.model.frames.changed.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the agents; the machine stays."""
        for agent in self.agents.values():
            agent.close()

    # Doing.

    def run(self, operation: Operation) -> None:
        """Carry an operation out and compare; Failure."""
        problem = self._problem(lambda: self._step(operation))
        if problem is not None:
            raise Failure(f"{problem}\nin step {self.steps}: {operation!r}")

    def finish(self) -> None:
        """The end of a run: everything is looked at once more; Failure."""
        problem = self._problem(self.check)
        if problem is not None:
            raise Failure(f"{problem}\nafter step {self.steps}")

    def check(self) -> None:
        """Compare all frames with the model, and ask the checker."""
        self._comparison.everything()
        violations = check_machine(self.machine)
        if violations:
            raise Failure("\n".join(str(violation) for violation in violations))

    def agent(self, domain: int) -> Agent | None:
        """Return a domain's agent, None when the domain has ended."""
        found = self.model.domains.get(domain)
        return self.agents[domain] if found is not None and found.alive else None

    # Names.

    def mfn(self, place: Place) -> int:
        """Return the frame that a place means now."""
        match place:
            case Pool(domain, index):
                return self.spare(domain, index).mfn
            case Extra(domain, index):
                extra = [mfn for mfn in self.extra[domain] if self.model.frames.owned_by(mfn, domain)]
                return extra[index % len(extra)] if extra else self.spare(domain, 0).mfn
            case Own(domain, name):
                return self._own(domain, name)
            case Nobodys(name, index):
                return self._nobodys(name, index)

    def value(self, what: Value) -> int:
        """Return an entry as 64 bits."""
        return what.value if isinstance(what, Raw) else self.mfn(what.place) << 12 | what.flags

    def spare(self, domain: int, index: int) -> SparePage:
        """Return a spare page of a domain: where it was in the beginning."""
        agent = self.agents[domain]
        va = agent.address("agent_pool") + index % POOL_PAGES * PAGE
        return SparePage(va, agent.space.page(va).mfn)

    def needed(self, mfn: int, index: int) -> bool:
        """Whether an agent depends on an entry of a table, or on what a frame of its own holds."""
        frame = self.model.frames.get(mfn)
        if frame is None:
            return False
        if (mfn, index) in self._mapped:
            return True
        domain = self.model.domains[frame.owner]
        if frame.kind == Kind.TOP and frame.uses and domain.alive:
            top = (self.contents.page(domain.base)[3] & LOW_FRAME) >> 12
            return mfn == top and index in self._needed_slots[domain.id]
        return mfn in self._needed and not (frame.uses and frame.kind != Kind.WRITABLE)

    def restless(self, mfn: int) -> bool:
        """Whether what a frame holds changes by itself: an agent's own, a shared page, an L2 with the hypervisor's."""
        frame = self.model.frames.get(mfn)
        shared = frame is not None and self.model.domains[frame.owner].shared_info == mfn
        top = frame is not None and frame.kind == Kind.TOP
        return shared or top or self.needed(mfn, -1)

    def could_live_on(self, domain: int, base: int) -> bool:
        """Whether an agent could live on the page tables at `base`."""
        return all(self.model.leads_to(mfn, base, 3, slot) for slot, mfn in self._needed_slots[domain].items())

    # The end of a domain.

    def expect_end(self, domain: int, act: Callable[[Agent], object]) -> None:
        """Do what a domain dies of, see it die, and wait until its memory is free but for what others map."""
        try:
            act(self.agents[domain])
        except DomainDied:
            pass
        else:
            raise Failure(f"domain {domain} should have ended")
        self.model.end(self.model.domains[domain])
        self._bury(domain)

    def _bury(self, domain: int) -> None:
        """Wait until of a domain that has ended nothing is left but what others use; its shared pages go last."""
        frames = self.model.frames
        own = [mfn for mfn in self.model.shared(domain) if mfn in frames]
        kept = frames.owned[domain] - len(own)
        gone = not kept and all(frames[mfn].references == 1 for mfn in own)
        for mfn in own if gone else ():
            frames.unuse(mfn)
            frames.unrefer(mfn)
        other = self.agents[self.model.alive[0].id]
        for _ in range(TURNS_OF_AN_END):
            other.batch([("sched_op", value("SCHEDOP_yield"), 0)] * 8)
            found = [one.record.nr_pages for one in self.hypervisor.domains() if one.id == domain]
            if found == ([] if gone else [kept]):
                other.batch([("sched_op", value("SCHEDOP_yield"), 0)] * 8)  # its own uses of grants end last
                return
        raise Failure(f"domain {domain} has ended, but of its frames {found} are not free; others use {kept}")

    # How it is done.

    def _problem(self, act: Callable[[], None]) -> str | None:
        """Return what was wrong, so that it can be raised at one place: Hypothesis tells failures apart by theirs."""
        try:
            act()
        except (XengenError, AssertionError) as error:
            return f"{type(error).__name__}: {error}"
        return None

    def _step(self, operation: Operation) -> None:
        self.steps += 1
        self.model.begin()
        outcome = operation.run(self)
        self.outcomes[type(operation).__name__, outcome] += 1
        for domain in self.model.domains.values():
            if not domain.alive and domain.shared_info in self.model.frames:
                self._bury(domain.id)
        self._comparison.changed()
        if self.steps % self.every == 0:
            self.check()

    def _add(self, domain: int, agent: Agent) -> None:
        info = agent.start_info
        mfns = words(agent.read(info.mfn_list, 4 * info.nr_pages))
        most = agent.hypercall("memory_op", value("XENMEM_maximum_reservation"), [value("DOMID_SELF")])
        shared = info.shared_info // PAGE
        table = grant_table(agent)
        self.model.add(Domain(domain, agent.space.l3, shared, int(most)), mfns, [table], privileged=domain == 0)
        pool = {self.spare(domain, index).mfn for index in range(POOL_PAGES)}
        top = (self.contents.page(agent.space.l3)[3] & LOW_FRAME) >> 12
        slots: dict[int, int] = {}
        for slot, upper in enumerate(self.contents.page(top)[: layout.ALIAS_L2_FIRST]):
            if upper & PTE_P:
                slots[slot] = (upper & LOW_FRAME) >> 12
                for index, entry in enumerate(self.contents.page(slots[slot])):
                    mfn = (entry & LOW_FRAME) >> 12
                    if entry & PTE_P and mfn not in pool:
                        self._mapped.add((slots[slot], index))
                        self._needed.add(mfn)
        self._needed_slots[domain] = slots
        spaces = agent.space
        self._names[domain] = {
            "pool_l1": slots[self.spare(domain, 0).va >> 21 & 511],
            "code_l1": slots[agent.address("agent_code") >> 21 & 511],
            "shared_info": shared,
            "grant_table": table,
            "start_info": spaces.page(agent.mailbox.start_info_va & -PAGE).mfn,
            "p2m": spaces.page(info.mfn_list).mfn,
            "code": spaces.page(agent.address("agent_code")).mfn,
            "mailbox": spaces.page(agent.address("agent_mailbox")).mfn,
        }

    def _own(self, domain: int, name: str) -> int:
        base = self.model.domains[domain].base
        if name == "l3":
            return base
        if name == "l2":
            return (self.contents.page(base)[3] & LOW_FRAME) >> 12 if self.model.domains[domain].alive else base
        return self._names[domain][name]

    def _nobodys(self, name: str, index: int) -> int:
        if name == "free":
            free = np.flatnonzero(self.hypervisor.free)
            return int(free[-1 - index % len(free)])
        if name == "hypervisor":
            return 0x100 + index
        if name == "tables":
            return self.hypervisor.mfn(self.hypervisor.symbol("hv_l1")) + index
        if name == "records":
            domains = self.hypervisor.domains()
            return self.hypervisor.mfn(domains[index % len(domains)].record.window_l1)
        choices = NOBODYS_FRAMES[name]
        return choices[index % len(choices)]

    def settle(self) -> None:
        """Compare what has changed so far with the model: a step may have parts."""
        self._comparison.changed()
        self.model.begin()


@dataclass(frozen=True)
class SparePage:
    """A spare page of an agent: its address and frame in the beginning."""

    va: int
    mfn: int


def grant_table(agent: Agent) -> int:
    """Have a domain set up a grant table of one frame, and return that frame."""
    listed = agent.put([0])
    argument = GnttabSetupTable(dom=value("DOMID_SELF"), nr_frames=1, frame_list=listed)
    if agent.hypercall("grant_table_op", value("GNTTABOP_setup_table"), argument, 1) or argument.status:
        raise Failure(f"domain {agent.domain} cannot set up a grant table: status {argument.status}")
    return words(agent.space.read_linear(listed, 4))[0]


def words(data: bytes) -> list[int]:
    """Return 32-bit numbers."""
    return list(unpack(f"<{len(data) // 4}I", data))


__all__ = ["POOL_PAGES", "Failure", "Operation", "SparePage", "World"]
