"""Operations on descriptor tables: set_gdt, update_descriptor, loads of segment registers.

Invariants
  - What could be loaded ends below the hypervisor's private part: the processor itself is asked, by `lsl`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from xengen.agent.names import EFAULT, GP, HV_PRIVATE_START, NP, PF, SS
from xengen.agent.outcome import FAILSAFE, Fault
from xengen.fuzz.calls import SKIPPED, Call, Prepared, refusal
from xengen.fuzz.places import Place, Value
from xengen.fuzz.world import Failure, World

SELECTOR_LDT = 4
REGISTERS = ("ds", "es", "fs", "gs")
PER_FRAME = 512
UNREADABLE = 0x12345000
# Loads a register, then asks for the segment's limit and rights.
LOAD = "movl %eax, %{0}\nlsll %eax, %ebx\nlarl %eax, %ecx"
EXPAND_DOWN, IS_DATA = 0x400, 0x800  # in the rights: for data, whether the limit is the lower end


@dataclass(frozen=True)
class SetGdt(Call):
    """set_gdt. entries: how many; of the frames that they need `places` are the first, repeated as often as needed."""

    places: tuple[Place, ...]
    entries: int

    def prepare(self, world: World, domain: int) -> Prepared:
        """See Call."""
        count = -(-self.entries // PER_FRAME)
        if not self.places and 0 < count <= 14:
            return Prepared("set_gdt", (UNREADABLE, self.entries), frozenset({-EFAULT}))
        known = [world.mfn(place) for place in self.places]
        mfns = [known[index % len(known)] for index in range(min(count, 14))] if known else []
        expected = refusal(partial(world.model.set_gdt, domain, mfns, self.entries))
        return Prepared("set_gdt", (world.agents[domain].put(mfns) if mfns else 0, self.entries), expected)


@dataclass(frozen=True)
class UpdateDescriptor(Call):
    """update_descriptor. offset: from where the entry is to be."""

    place: Place
    index: int
    value: Value
    offset: int = 0

    def prepare(self, world: World, domain: int) -> Prepared | None:
        """See Call."""
        mfn, given = world.mfn(self.place), world.value(self.value)
        machine = (mfn << 12) + 8 * self.index + self.offset
        if world.needed(mfn, self.index):
            return None
        expected = refusal(partial(world.model.update_descriptor, domain, machine, given))
        arguments = (machine & 0xFFFFFFFF, machine >> 32, given & 0xFFFFFFFF, given >> 32)
        return Prepared("update_descriptor", arguments, expected)


@dataclass(frozen=True)
class LoadSegment:
    """Ring 1 or 3 of a domain loads a segment register."""

    domain: int
    ring: int
    register: str
    selector: int

    def run(self, world: World) -> str:
        """Do it."""
        agent = world.agent(self.domain)
        if agent is None:
            return SKIPPED
        if self.selector & SELECTOR_LDT:
            world.model.use_ldt(self.domain, self.selector)
        run = agent.ring1 if self.ring == 1 else agent.ring3
        outcome = run(LOAD.format(self.register), eax=self.selector, ebx=0, ecx=0)
        if isinstance(outcome, Fault):
            if outcome.vector not in (GP, NP, SS, PF, FAILSAFE):
                raise Failure(f"loading {self.selector:#x} raised {outcome!r}")
            return f"ring {self.ring} {outcome!r}"[:12]
        down = outcome.ecx & IS_DATA == 0 and outcome.ecx & EXPAND_DOWN
        if outcome.ebx >= HV_PRIVATE_START and not down:
            raise Failure(f"selector {self.selector:#x} has limit {outcome.ebx:#x} in ring {self.ring}")
        return f"ring {self.ring} loaded"
