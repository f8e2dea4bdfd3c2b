"""Writable page tables (ABI 6.10): a kernel's stores into its own L1 tables, carried out by the hypervisor.

Invariants
  - What an instruction does is not written down here: the processor does it on ordinary memory, and the hypervisor must
    do the same to memory, registers and flags on a table whose entries are not present (those are stored unchecked).
  - `assisted` is a validated L1 that hangs on nothing, mapped read-only, with the assist switched on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.boot.tables import PRESENT, WRITABLE, extend, frame, read_entry, read_only, table
from xengen.agent.agent import Agent, Outcome, Page, completed
from xengen.agent.names import PF, PF_PRESENT, PF_USER, PF_WRITE, PTE_P, PTE_US, value
from xengen.agent.outcome import Fault

ASSIST = value("VMASST_TYPE_writable_pagetables")
REFUSED = Fault(PF, PF_PRESENT | PF_WRITE)
OLD = 0x123456789ABCDEF0  # not present
FLAGS = {"clear": 2, "set": 0x8D7}


def assist(agent: Agent, command: str) -> None:
    """Switch the assist on (enable) or off (disable)."""
    assert agent.hypercall("vm_assist", value(f"VMASST_CMD_{command}"), ASSIST) == 0


@pytest.fixture
def agent(two_agents: tuple[Agent, Agent]) -> Agent:
    """The agent of domain 1: a privileged one may map what is no RAM."""
    return two_agents[1]


@pytest.fixture
def assisted(agent: Agent) -> Iterator[Page]:
    """An L1 table whose entries are all absent, and the assist."""
    page = table(agent)
    assert extend(agent, "PIN_L1_TABLE", page.machine >> 12) == 0
    assist(agent, "enable")
    yield page
    assist(agent, "disable")
    assert extend(agent, "UNPIN_TABLE", page.machine >> 12) == 0
    agent.give_back(page)


def poke(agent: Agent, page: Page, index: int, entry: int) -> None:
    """Put an absent entry into the table, behind everybody's back: it holds no references."""
    assert not entry & PTE_P
    agent.space.memory.write(page.machine + 8 * index, entry.to_bytes(8, "little"))


# Every instruction. %esi is the entry's address; the second operand and the expected value are even, so that what comes
# of it is never a present entry.

TWO_OPERANDS = ["mov", "add", "or", "adc", "sbb", "and", "sub", "xor", "xchg", "xadd", "cmpxchg"]
BY_SIZE = {"b": "bl", "w": "bx", "l": "ebx"}
INSTRUCTIONS = [
    *(f"{name}{size} %{register}, {offset}(%esi)" for name in TWO_OPERANDS for size, register in BY_SIZE.items()
      for offset in (0, 4)),
    *(f"{name}b %{register}, 1(%esi)" for name in ("mov", "xchg", "add")
      for register in ("ah", "bh", "ch", "dh", "cl")),
    *(f"{name}{size} $0x{number}, {offset}(%esi)" for name in ("mov", "add", "or", "and", "sub", "xor")
      for size, number, offset in (("b", "52", 3), ("w", "1356", 2), ("l", "24681356", 0), ("l", "24681356", 4))),
    *(f"{name}l ${number}, (%esi)" for name in ("add", "or", "and", "sub", "xor") for number in (-2, 16)),
    *(f"{name}{size} {offset}(%esi)" for name in ("inc", "dec", "neg", "not")
      for size, offset in (("b", 1), ("w", 2), ("l", 4))),
    *(f"{name}l ${number}, (%esi)" for name in ("bts", "btr", "btc") for number in (1, 5, 31)),
    *(f"{name}l %ecx, {offset}(%esi)" for name in ("bts", "btr", "btc") for offset in (0, 4)),
    "cmpxchg8b (%esi)", "lock\ncmpxchg8b (%esi)", "lock\nxaddl %ebx, (%esi)", "lock\nbtrl $5, (%esi)",
    "lock\ncmpxchgl %ebx, (%esi)", "lock\norl %ebx, 4(%esi)", "lock\nandl %ebx, (%esi)", "lock\nincb 5(%esi)",
]  # fmt: skip


def carry_out(agent: Agent, instruction: str, flags: int, address: int, registers: dict[str, int]) -> Outcome:
    """The instruction at `address`, with these flags before; edi holds those behind it."""
    text = f"pushl ${flags}\npopfl\n{instruction}\npushfl\npopl %edi"
    return agent.ring1(text, esi=address, **registers)


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_a_store_does_on_a_table_what_it_does_on_memory(
    agent: Agent, assisted: Page, instruction: str, flags: str
) -> None:
    memory = agent.allocate(16)
    for equal in (False, True):  # for the comparing ones
        expected = OLD if equal else 0x0202020204040404
        registers = {"eax": expected & 0xFFFFFFFF, "edx": expected >> 32, "ebx": 0x13579BDE, "ecx": 0xFFFFFFE6}
        if "bts" in instruction or "btr" in instruction or "btc" in instruction:
            registers["ecx"] = 6
        if instruction[:3] in ("adc", "sbb") and FLAGS[flags] & 1:
            registers["ebx"] |= 1
        poke(agent, assisted, 5, OLD)
        agent.space.write_linear(memory, OLD.to_bytes(8, "little"))
        reference = completed(carry_out(agent, instruction, FLAGS[flags], memory, registers))
        outcome = completed(carry_out(agent, instruction, FLAGS[flags], assisted.va + 40, registers))
        assert replace(outcome, esi=memory) == reference
        assert read_entry(agent, assisted, 5) == int.from_bytes(agent.space.read_linear(memory, 8), "little")
    poke(agent, assisted, 5, 0)


ADDRESSES = [
    "(%ebx)", "8(%eax)", "-8(%ecx)", "0x1000(%edx)", "(%eax,%ebp)", "8(%ebx,%ebp,4)", "(,%ebp,8)", "-16(%edi,%ebp,2)",
    "(%esp)", "16(%esp)", "(%ebp)", "%es:(%ebx)", "%ss:8(%ebx)", "%cs:(%eax,%ebp)", "%fs:(%ebx)", "%gs:(%ebx)",
]  # fmt: skip


@pytest.mark.parametrize("where", ADDRESSES)
def test_every_form_of_address_is_understood(agent: Agent, assisted: Page, where: str) -> None:
    at = assisted.va + 64
    displacement, _, rest = where.rpartition("(")
    base, index, scale = [*rest.rstrip(")").split(","), "", ""][:3]
    offset = int(displacement.rpartition(":")[2] or "0", 0)
    counted = 3 if index or base == "%ebp" else 0
    scaled = counted * int(scale or 1) if index else 0
    if index and not base:
        counted, scaled = at // 8, at
    start = at - offset - scaled
    setup = {"%esp": "movl %esi, %esp\n", "%ebp": "movl %esi, %ebp\n"}.get(base, f"movl %esi, {base}\n" if base else "")
    text = f"movl $FLAT_KERNEL_DS, %edi\nmovl %edi, %fs\nmovl %edi, %gs\nmovl ${counted}, %ebp\n{setup}"
    text += f"movl $0x2468ACE0, {where}\nmovl $agent_code_stack_top, %esp"
    completed(agent.ring1(text, esi=start & 0xFFFFFFFF))
    assert read_entry(agent, assisted, 8) == 0x2468ACE0
    poke(agent, assisted, 8, 0)


@pytest.mark.parametrize("instruction", ["movl %eax, {0:#x}", "movl %ebx, {0:#x}", "movb %al, {0:#x}"])
def test_an_address_may_be_in_the_instruction_itself(agent: Agent, assisted: Page, instruction: str) -> None:
    completed(agent.ring1(instruction.format(assisted.va + 80), eax=0x10, ebx=0x10))
    assert read_entry(agent, assisted, 10) == 0x10
    poke(agent, assisted, 10, 0)


@pytest.mark.parametrize("register, offset, index", [(0, 0, 0), (64, 0, 1), (192, 0, 3), (-64, 40, 4), (37, 8, 1)])
def test_a_bits_number_reaches_beyond_its_operand(
    agent: Agent, assisted: Page, register: int, offset: int, index: int
) -> None:
    completed(agent.ring1(f"btsl %ecx, {offset}(%esi)", esi=assisted.va, ecx=(register & 0xFFFFFFFF) | 1))
    assert read_entry(agent, assisted, index) == 1 << ((register | 1) % 64)
    poke(agent, assisted, index, 0)


# What is stored is validated.


def test_an_entry_that_is_written_low_half_last_maps_its_frame(agent: Agent, assisted: Page) -> None:
    target = agent.page()
    before = frame(agent, target.machine >> 12)
    completed(agent.ring1("movl $0, 4(%esi)\nmovl %ebx, (%esi)", esi=assisted.va, ebx=target.machine | WRITABLE))
    assert read_entry(agent, assisted, 0) == target.machine | WRITABLE
    after = frame(agent, target.machine >> 12)
    assert (after.uses, after.references) == (before.uses + 1, before.references + 1)
    completed(agent.ring1("movl $0, (%esi)", esi=assisted.va))
    assert frame(agent, target.machine >> 12) == before
    agent.give_back(target)


@pytest.mark.parametrize("instruction", ["movl %ebx, (%esi)", "xchgl %ebx, (%esi)", "orl %ebx, (%esi)",
                                         "lock\ncmpxchgl %ebx, (%esi)", "addl %ebx, (%esi)"])
def test_what_a_mapping_may_not_be_is_the_guests_own_fault(
    agent: Agent, assisted: Page, instruction: str
) -> None:
    l3 = agent.space.l3 << 12
    before = frame(agent, agent.space.l3)
    for entry in (l3 | WRITABLE, assisted.machine | WRITABLE, WRITABLE, l3 | PRESENT | value("PTE_PSE")):
        outcome = agent.ring1(instruction, esi=assisted.va + 16, ebx=entry, eax=0)
        assert outcome == REFUSED
        assert isinstance(outcome, Fault) and outcome.details.cr2 == assisted.va + 16
        assert read_entry(agent, assisted, 2) == 0
    assert frame(agent, agent.space.l3) == before


def test_a_table_may_be_mapped_read_only(agent: Agent, assisted: Page) -> None:
    l3 = agent.space.l3 << 12
    completed(agent.ring1("movl %ebx, (%esi)\nmovl $0, (%esi)", esi=assisted.va, ebx=l3 | PRESENT))


def test_accessed_and_dirty_bits_are_cleared_in_place(agent: Agent, assisted: Page) -> None:
    target = agent.page()
    entry = target.machine | WRITABLE | value("PTE_D")
    completed(agent.ring1("movl %ebx, (%esi)\nlock\nbtrl $5, (%esi)\nlock\nbtrl $6, (%esi)",
                          esi=assisted.va, ebx=entry))  # fmt: skip
    assert read_entry(agent, assisted, 0) == target.machine | PTE_P | value("PTE_RW")
    completed(agent.ring1("movl $0, (%esi)", esi=assisted.va))
    agent.give_back(target)


def test_a_whole_entry_may_be_exchanged_at_once(agent: Agent, assisted: Page) -> None:
    target = agent.page()
    no_execute = value("PTE_NX_HIGH")
    text = "xorl %eax, %eax\nxorl %edx, %edx\nlock\ncmpxchg8b (%esi)\npushfl\npopl %eax"
    after = completed(agent.ring1(text, esi=assisted.va, ebx=target.machine | WRITABLE, ecx=no_execute))
    assert after.eax & 0x40
    assert read_entry(agent, assisted, 0) == no_execute << 32 | target.machine | WRITABLE
    completed(agent.ring1("movl $0, (%esi)\nmovl $0, 4(%esi)", esi=assisted.va))
    agent.give_back(target)


def test_an_upper_half_that_is_bad_by_itself_makes_the_entry_absent(agent: Agent, assisted: Page) -> None:
    """Guests write the upper half of a new entry first, while the lower half is still the old, present one's."""
    old, new = agent.page(), agent.page()
    before = frame(agent, old.machine >> 12)
    completed(agent.ring1("movl %ebx, (%esi)", esi=assisted.va, ebx=old.machine | WRITABLE))
    completed(agent.ring1("movl $0x12345, 4(%esi)", esi=assisted.va))
    assert read_entry(agent, assisted, 0) == 0x12345 << 32 | (old.machine | WRITABLE) & ~PTE_P
    assert frame(agent, old.machine >> 12) == before
    text = "movl $0, 4(%esi)\nmovl %ebx, (%esi)"
    completed(agent.ring1(text, esi=assisted.va, ebx=new.machine | WRITABLE))
    assert read_entry(agent, assisted, 0) == new.machine | WRITABLE
    completed(agent.ring1("movl $0, (%esi)", esi=assisted.va))
    agent.give_back(old, new)


@pytest.mark.parametrize("store", ["movw $0x2345, 4(%esi)", "movb $0x45, 4(%esi)"])
def test_a_smaller_store_of_the_upper_half_has_no_such_licence(agent: Agent, assisted: Page, store: str) -> None:
    target = agent.page()
    completed(agent.ring1("movl %ebx, (%esi)", esi=assisted.va, ebx=target.machine | WRITABLE))
    assert agent.ring1(store, esi=assisted.va) == REFUSED
    assert read_entry(agent, assisted, 0) == target.machine | WRITABLE
    completed(agent.ring1("movl $0, (%esi)", esi=assisted.va))
    agent.give_back(target)


def test_a_table_in_use_takes_effect(agent: Agent) -> None:
    target, mapped = agent.page(), agent.page()
    agent.write(target.va, b"another page")
    entry = agent.space.entry_address(mapped.va)
    assert entry is not None
    index = next(pfn for pfn in range(agent.start_info.nr_pages) if agent.mfn(pfn) == entry >> 12)
    window = agent.page()
    assert agent.map(window.va, agent.mfn(index) << 12 | PRESENT) == 0
    assist(agent, "enable")
    text = "movl %ebx, (%esi)\nmovl (%ebp), %eax"
    after = completed(agent.ring1(text, esi=window.va + entry % 4096, ebx=target.machine | WRITABLE, ebp=mapped.va))
    assist(agent, "disable")
    assert after.eax.to_bytes(4, "little") == b"anot"
    agent.give_back(window, mapped, target)


# Whose stores are carried out, and which.


def test_without_the_assist_a_store_is_the_guests_own_fault(agent: Agent, assisted: Page) -> None:
    assist(agent, "disable")
    assert agent.ring1("movl $0, (%esi)", esi=assisted.va) == REFUSED


def test_ring_3_has_no_part_in_it(agent: Agent, assisted: Page) -> None:
    assert agent.map(assisted.va, assisted.machine | PRESENT | PTE_US) == 0
    assert agent.ring3("movl $0, (%esi)", esi=assisted.va) == Fault(PF, PF_PRESENT | PF_WRITE | PF_USER)
    assert agent.map(assisted.va, assisted.machine | PRESENT) == 0


def test_a_read_only_page_that_is_no_table_is_the_guests_own_fault(agent: Agent, assisted: Page) -> None:
    page = read_only(agent, agent.page())
    assert agent.ring1("movl $0, (%esi)", esi=page.va) == REFUSED
    agent.give_back(page)


def test_higher_tables_are_never_written_like_that(agent: Agent, assisted: Page) -> None:
    base = agent.start_info.pt_base
    before = agent.read(base, 8192)
    for page in (base, base + 4096):
        assert agent.ring1("movl $0, (%esi)", esi=page) == REFUSED
    assert agent.read(base, 8192) == before


@pytest.mark.parametrize("store", [
    "movl %ebx, 1(%esi)", "movl %ebx, 2(%esi)", "movl %ebx, 6(%esi)", "movw %bx, 3(%esi)", "cmpxchg8b 4(%esi)",
    "movl %ebx, -2(%esi)", "fstl (%esi)", "movaps %xmm0, (%esi)", "movd %xmm0, (%esi)", "popl (%esi)", "sete (%esi)",
    "shll $1, (%esi)", "movw %ds, (%esi)", "btsw $3, (%esi)", "btsw %cx, (%esi)", "fnstcw (%esi)", "stosl",
])  # fmt: skip
def test_another_kind_of_store_is_the_guests_own_fault(agent: Agent, assisted: Page, store: str) -> None:
    completed(agent.ring1("fninit"))
    outcome = agent.ring1(store, esi=assisted.va, edi=assisted.va, ecx=0)
    assert isinstance(outcome, Fault) and outcome.vector == PF
    assert outcome.details.eip == agent.address("agent_code")
    assert read_entry(agent, assisted, 0) == 0


def test_a_step_over_a_store_is_taken(agent: Agent, assisted: Page) -> None:
    text = "pushfl\norl $EFLAGS_TF, (%esp)\npopfl\nmovl $2, (%esi)\nnop"
    outcome = agent.ring1(text, esi=assisted.va)
    assert outcome == Fault(value("VECTOR_DB"))
    assert isinstance(outcome, Fault) and outcome.details.eip == agent.address("agent_code") + 15
    assert read_entry(agent, assisted, 0) == 2
    poke(agent, assisted, 0, 0)


def test_events_and_stack_stay_as_they_are(agent: Agent, assisted: Page) -> None:
    after = completed(agent.ring1("movl %esp, %eax\nmovl $2, (%esi)\nmovl %esp, %ebx\nmovl $0, (%esi)",
                                  esi=assisted.va))  # fmt: skip
    assert after.eax == after.ebx
