"""What guests do without a hypercall: reads and writes, privileged instructions; and writes through stale translations.

Invariants
  - Nothing touches the private part of the hypervisor's region: QEMU would not stop ring 1 (docs/emulators.md).
  - A translation that was flushed cannot be used: each access is preceded by a flush in the same request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xengen.abi.mmu import MmuextArg1, MmuextOp
from xengen.agent.agent import Agent
from xengen.agent.command import Command
from xengen.agent.names import BP, DB, DOMID_SELF, GP, NP, PF, PTE_A, PTE_P, TS, UD, value
from xengen.agent.outcome import Fault, Outcome, Registers, completed
from xengen.fuzz.calls import SKIPPED, refusal
from xengen.fuzz.frame import Kind, Refused
from xengen.fuzz.mmu import address
from xengen.fuzz.places import Place, Value
from xengen.fuzz.spaces import Translation
from xengen.fuzz.world import Failure, World

FLUSH = 6
WRITABLE_TABLES = 1 << value("VMASST_TYPE_writable_pagetables")
CODE_OF_A_PAGE = 0x1000
# Instructions and whether ring 3 must be refused them (by #GP); ring 1 may have them emulated or be refused.
INSTRUCTIONS: dict[str, bool] = {
    "cli": True, "sti": True, "hlt": True, "clts": True, "invd": True, "wbinvd": True, "lgdt agent_user_data": True,
    "lidt agent_user_data": True, "lldt %ax": True, "ltr %ax": True, "lmsw %ax": True, "invlpg (%eax)": True,
    "movl %cr0, %eax": True, "movl %cr2, %eax": True, "movl %cr3, %eax": True, "movl %cr4, %eax": True,
    "movl %eax, %cr3": True, "movl %dr7, %eax": True, "rdmsr": True, "wrmsr": True, "inb $0x80, %al": True,
    "outb %al, $0x80": True, "inb %dx, %al": True, "insb": True, "outsb": True, "sgdt agent_user_data": False,
    "sidt agent_user_data": False, "smsw %ax": False, "str %ax": False, "rdtsc": False, "cpuid": False, "int3": False,
    "int $0x40": True, "int $0x82": False, "int $0xff": True, "ud2": False, "lret": False,
    "ljmp $0xe008, $0": True, "lcall $0xe010, $0": True, "pushl $0xe008\nlret": False, "sysenter": False, "iret": False,
    "movl $0xe011, %eax\nmovl %eax, %ds": True, "movl $0xe041, %eax\nmovl %eax, %es": True, "popfl": False,
}  # fmt: skip
WORD = 0xFFFFFFFF
# Ways to write an entry at %esi, old in %edx:%eax, new in %ecx:%ebx: the instruction, which half of the entry it is at
# when it writes no more than that, and what the entry becomes.
STORES: dict[str, tuple[str, int, Callable[[int, int], int]]] = {
    "low": ("movl %ebx, (%esi)", 0, lambda old, new: old & ~WORD | new & WORD),
    "high": ("movl %ecx, 4(%esi)", 4, lambda old, new: old & WORD | new & ~WORD),
    "both": ("lock\ncmpxchg8b (%esi)", 0, lambda old, new: new),
    "exchange": ("xchgl %ebx, (%esi)", 0, lambda old, new: old & ~WORD | new & WORD),
    "or": ("orl %ebx, (%esi)", 0, lambda old, new: old | new & WORD),
    "and": ("lock\nandl %ebx, (%esi)", 0, lambda old, new: old & (new | ~WORD)),
    "clear": ("movl $0, (%esi)", 0, lambda old, new: old & ~WORD),
    "byte": ("movb %bl, (%esi)", 0, lambda old, new: old & ~0xFF | new & 0xFF),
}
NOT_IN_RING_1 = frozenset({"int $0x82", "lret", "pushl $0xe008\nlret", "iret", "popfl"})
VECTORS = frozenset({GP, UD, BP, DB, PF, NP, TS, 0x80, 11, 12})


@dataclass(frozen=True)
class Access:
    """A domain reads a word, or writes 0 there."""

    domain: int
    va: int | Place
    write: bool = False
    ring: int = 1

    def run(self, world: World) -> str:
        """Do it."""
        agent = world.agent(self.domain)
        if agent is None:
            return SKIPPED
        va = address(world, self.domain, self.va)
        found = world.model.walk(self.domain, va)
        if self.write and found is not None and (_vital(world, found) if found.writable else self._emulated(world)):
            return SKIPPED
        outcome = self._do(agent, va)
        right = found is not None and (not self.write or found.writable) and (self.ring == 1 or found.user)
        if not right:
            expected = Fault(PF, bool(found) | self.write << 1 | (self.ring == 3) << 2)
            if outcome != expected:
                raise Failure(f"{va:#x}: {outcome!r}, not {expected!r}")
            return f"ring {self.ring} {expected!r}"
        if not isinstance(outcome, Registers):
            raise Failure(f"{va:#x}: {outcome!r}, but it is mapped: {found}")
        if self.write and found is not None and found.mfn is not None:
            index, old = va >> 3 & 511, world.contents.page(found.mfn)[va >> 3 & 511]
            world.contents.write(found.mfn, index, old & (0xFFFFFFFF if va & 4 else 0xFFFFFFFF << 32))
        return f"ring {self.ring} {'written' if self.write else 'read'}"

    def _emulated(self, world: World) -> bool:
        """Whether a write to a table may be an update of it: that is WriteTable's."""
        return bool(world.model.domains[self.domain].assists & WRITABLE_TABLES)

    def _do(self, agent: Agent, va: int) -> Outcome:
        if self.ring == 3:
            flush(agent)
            return agent.ring3("movl %ecx, (%ebx)" if self.write else "movl (%ebx), %eax", ebx=va)
        operation = agent.put(MmuextOp(FLUSH))
        verb = value("AGENT_STORE" if self.write else "AGENT_LOAD")
        call = Command(value("AGENT_HYPERCALL"), (value("HYPERCALL_mmuext_op"), operation, 1, 0, DOMID_SELF))
        return agent.do_all((call, Command(verb, (0, va))))[1]


@dataclass(frozen=True)
class WriteTable:
    """A domain writes to an entry of a spare page that is a table, by the instruction `form` (STORES)."""

    domain: int
    page: int
    entry: int
    form: str
    value: Value

    def run(self, world: World) -> str:
        """Do it."""
        agent = world.agent(self.domain)
        if agent is None:
            return SKIPPED
        va = world.spare(self.domain, self.page).va + 8 * self.entry
        found = world.model.walk(self.domain, va)
        if found is None or found.mfn is None or found.writable or world.needed(found.mfn, self.entry):
            return SKIPPED
        old, new = world.contents.page(found.mfn)[self.entry], world.value(self.value)
        instruction, offset, result = STORES[self.form]
        flush(agent)
        low, high = new & WORD, new >> 32
        outcome = agent.ring1(instruction, esi=va, ebx=low, ecx=high, eax=old & WORD, edx=old >> 32)
        expected = self._predict(world, found.mfn, result(old, new), offset)
        if expected is not None and outcome != expected:
            raise Failure(f"{self.form} at {va:#x} of {new:#x}: {outcome!r}, not {expected!r}")
        if expected is None and not isinstance(outcome, Registers):
            raise Failure(f"{self.form} at {va:#x} of {new:#x}: {outcome!r}, but it is allowed")
        return f"{self.form} {expected or 'done'!s}"

    def _predict(self, world: World, mfn: int, new: int, offset: int) -> Fault | None:
        """Have the model do it; return the fault that it must be."""
        model = world.model
        frame, fault = model.frames.get(mfn), Fault(PF, 3)
        assists = model.domains[self.domain].assists & WRITABLE_TABLES
        if frame is None or frame.owner != self.domain or frame.kind != Kind.L1 or not frame.uses or not assists:
            return fault
        try:
            model.set_l1(mfn, self.entry, new, self.domain)
        except Refused:
            if offset != 4 or not new & PTE_P:
                return fault
            # The upper half comes first: the entry is not present until its lower half is written.
            model.set_l1(mfn, self.entry, new & ~PTE_P, self.domain)
        return None


@dataclass(frozen=True)
class Execute:
    """A domain executes an instruction of INSTRUCTIONS."""

    domain: int
    ring: int
    instruction: str

    def run(self, world: World) -> str:
        """Do it."""
        agent = world.agent(self.domain)
        if agent is None or (self.ring == 1 and self.instruction in NOT_IN_RING_1):
            return SKIPPED
        zero = dict.fromkeys(("eax", "ebx", "ecx", "edx"), 0)
        outcome = (agent.ring1 if self.ring == 1 else agent.ring3)(self.instruction, **zero)
        if isinstance(outcome, Fault):
            if outcome.vector not in VECTORS:
                raise Failure(f"{self.instruction} in ring {self.ring} raised {outcome!r}")
            return f"ring {self.ring} {outcome!r}"
        if self.ring == 3 and INSTRUCTIONS[self.instruction]:
            raise Failure(f"ring 3 could do {self.instruction}")
        return f"ring {self.ring} done"


@dataclass(frozen=True)
class StaleWrite:
    """A domain writes to a spare page, takes its write permission away without a flush, uses it, and writes again."""

    domain: int
    index: int
    kind: int = 1

    def run(self, world: World) -> str:
        """Do it."""
        agent = world.agent(self.domain)
        if agent is None:
            return SKIPPED
        page = world.spare(self.domain, self.index)
        found = world.model.walk(self.domain, page.va)
        emulates = world.model.domains[self.domain].assists & WRITABLE_TABLES
        if found is None or found.mfn != page.mfn or not found.writable or emulates:
            return SKIPPED
        word = world.contents.page(page.mfn)[0]
        world.contents.write(page.mfn, 0, word & 0xFFFFFFFF << 32)  # what the first write does
        entry = page.mfn << 12 | PTE_P | PTE_A
        mapped = refusal(lambda: world.model.map(self.domain, page.va, entry, self.domain))
        kind = (Kind.L1, Kind.L2)[self.kind % 2]
        pinned = refusal(lambda: world.model.pin(page.mfn, kind, self.domain))
        pin = agent.put(MmuextOp(int(kind) - 1, MmuextArg1(mfn=page.mfn)))
        hypercall, store = value("AGENT_HYPERCALL"), value("AGENT_STORE")
        answers = agent.do_all((
            Command(store, (0, page.va)),
            Command(hypercall, (value("HYPERCALL_update_va_mapping"), page.va, entry & 0xFFFFFFFF, 0, 0)),
            Command(hypercall, (value("HYPERCALL_mmuext_op"), pin, 1, 0, DOMID_SELF)),
            Command(store, (0x7EADBEEF, page.va)),
        ))  # fmt: skip
        results = tuple(completed(answer).result for answer in answers[1:3])
        if results[0] not in mapped or results[1] not in pinned:
            raise Failure(f"update_va_mapping and pin: {results}, not {set(mapped)} and {set(pinned)}")
        if results[1] == 0 and isinstance(answers[3], Registers):
            raise Failure("a page table was written through a translation from before")
        if results[1] != 0 and isinstance(answers[3], Registers):
            low = world.contents.page(page.mfn)[0] & 0xFFFFFFFF << 32
            world.contents.write(page.mfn, 0, low | 0x7EADBEEF)
        return "pinned" if results[1] == 0 else "not pinned"


def flush(agent: Agent) -> None:
    """Forget all translations."""
    agent.hypercall("mmuext_op", agent.put(MmuextOp(FLUSH)), 1, 0, DOMID_SELF)


def _vital(world: World, found: Translation) -> bool:
    return found.mfn is not None and world.needed(found.mfn, CODE_OF_A_PAGE)
