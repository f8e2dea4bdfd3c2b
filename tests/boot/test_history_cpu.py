"""Flaws that hypervisors for paravirtual guests have had, on the processor's side: see test_history.py.

Each docstring has claim, danger, method.
"""

from __future__ import annotations

import pytest

from tests.boot.privilege import bitmap, iopl, is_refused
from tests.boot.segments import DB as BIG
from tests.boot.segments import FLAT, WRITE, G, P, S, descriptor
from tests.boot.tables import PRESENT, extend, frame, table
from xengen.agent.agent import Agent, completed
from xengen.agent.names import DB, DOMID_SELF, GP, KERNEL_CS, value
from xengen.agent.outcome import FAILSAFE, Fault, Registers

STORE = "agent_scratch + 0x8000"
IRET = "movl $HYPERCALL_iret, %eax\nint $0x82\nud2\n"
ENTRIES = {
    "a hypercall, the short way": "movl $17, %eax\nxorl %ebx, %ebx\nint $0x82",
    "a hypercall, the long way": "movl $12, %eax\nmovl $2, %ebx\nint $0x82",
    "a fault": "movl 0xdead0000, %eax",
    "an interrupt that is bounced": "int $0x80",
    "an instruction that is emulated": "movl %cr0, %eax",
}


# The debug exception.


# What is taken off the stack is watched, so only what puts nothing onto it may follow `pop %ss`.
LOADS = [(f"movw {STORE}, %ss", entry) for entry in ENTRIES] + [("popl %ss", entry) for entry in list(ENTRIES)[:2]]


@pytest.mark.parametrize("load, entry", LOADS)
def test_a_debug_exception_that_a_load_of_the_stack_segment_holds_back_is_not_the_hypervisors(
    agent: Agent, load: str, entry: str
) -> None:
    """Claim: #DB on the hypervisor's first instruction is taken note of, and no more.

    Danger: a data breakpoint on what `mov %ss` or `pop %ss` reads is reported one instruction late; if that one is
    `int`, in ring 0, where the handler takes the frame for its own (CVE-2018-8897). Method: that, before each kind of
    entry.
    """
    address = agent.address("agent_scratch") + 0x8000
    agent.space.write_linear(address, value("FLAT_KERNEL_SS").to_bytes(8, "little"))
    for register, number in ((0, address), (6, 0), (7, 0xF0001)):
        assert agent.hypercall("set_debugreg", register, number) == 0
    text = f"movl %esp, %ebp\nmovl ${STORE}, %esp\n{load}\n" if load == "popl %ss" else f"{load}\n"
    back = "\nmovl $agent_code_stack_top, %esp"
    with agent.action(DB, 1):
        outcome = agent.ring1(text + ENTRIES[entry] + back)
    assert agent.hypercall("set_debugreg", 7, 0) == 0
    assert isinstance(outcome, (Registers, Fault))
    assert agent.hypercall("xen_version", 0) > 0


@pytest.mark.parametrize("entry", ENTRIES)
def test_single_steps_and_alignment_checks_end_at_the_gate(agent: Agent, entry: str) -> None:
    """Claim: TF and AC of a guest are its own: in ring 0 nothing is stepped, and nothing need be aligned.

    Danger: #DB or #AC within the hypervisor: a panic, or a frame that is taken for a guest's. Method: each kind of
    entry with both flags; a step is seen by the guest, on its own instructions alone.
    """
    flags = "pushfl\norl $(EFLAGS_TF | EFLAGS_AC), (%esp)\npopfl\n"
    with agent.action(DB, 1):
        outcome = agent.ring1(flags + "nop\n" + ENTRIES[entry] + "\nnop\npushl $EFLAGS_ONE\npopfl")
    steps = [trap for trap in agent.traps if trap.vector == DB]
    assert isinstance(outcome, (Registers, Fault))
    assert all(trap.cs & 3 == 1 for trap in steps)
    assert steps
    assert agent.hypercall("xen_version", 0) > 0


def test_the_hypercall_gate_is_shut_for_applications(agent: Agent) -> None:
    """Claim: `int $0x82` from ring 3 is a protection fault of the guest's.

    Danger: an application that makes its kernel's hypercalls. Method: calls that would be seen; and a gate that the
    guest opens, next to it.
    """
    for number in (17, 12, 26, 23, 29):
        outcome = agent.ring3("int $0x82", eax=number, ebx=value("XENMEM_maximum_ram_page"))
        assert outcome == Fault(GP, 0x82 * 8 + 2)
    assert agent.trap_table({0x80: 3}) == 0
    assert agent.ring3("int $0x80") == Fault(0x80)


# Flags.


PRESENTED = [
    (way, name)
    for way in ("popf", "iret", "hypercall")
    for name in ("NT", "RF", "VM", "IOPL", "DF", "AC", "TF")
    # QEMU's processor takes VM from an iret of ring 1, which real ones do not: `ring1_iret_vm` of hostile, under Bochs.
    if (way, name) != ("iret", "VM")
]


@pytest.mark.parametrize("way, name", PRESENTED)
def test_flags_that_a_guest_presents_give_it_nothing_and_harm_nobody(agent: Agent, way: str, name: str) -> None:
    """Claim: whatever flags a guest has or asks for, it has no I/O privilege, its interrupts stay on, and ring 0 works.

    Danger: NT makes the hypervisor's iret a task switch; DF turns its copies around; IOPL and VM are privileges; RF and
    TF are for debuggers. Method: each flag by popf, by iret and by the iret hypercall, then calls that copy, and a
    fault.
    """
    bit = f"$(EFLAGS_{name} | EFLAGS_IF | EFLAGS_ONE)"
    calls = (
        "movl $17, %eax\nmovl $1, %ebx\nmovl $agent_scratch, %ecx\nint $0x82\nmovl %eax, %esi\n"
        "movl $12, %eax\nmovl $2, %ebx\nint $0x82\nmovl %eax, %edi\npushfl\npopl %ebx\ncld\npushl $EFLAGS_ONE\npopfl"
    )
    presented = {
        "popf": f"pushl {bit}\npopfl\n{calls}",
        "iret": f"pushl {bit}\npushl %cs\npushl $2f\niret\n2:\n{calls}",
        "hypercall": f"pushl {bit}\npushl %cs\npushl $2f\npushl $0\n{IRET}2:\n{calls}",
    }[way]
    with agent.action(DB, 1):
        outcome = agent.ring1(presented)
    if isinstance(outcome, Registers):
        assert outcome.ebx & (value("EFLAGS_IOPL") | value("EFLAGS_VM") | value("EFLAGS_IF")) == value("EFLAGS_IF")
        assert outcome.esi == 0
        assert outcome.edi > 0
    else:
        assert name in ("NT", "VM"), outcome
    assert is_refused(agent.ring3("inb $0x80, %al"))
    assert agent.hypercall("xen_version", 0) > 0


@pytest.mark.parametrize("eax", [0, 23, -1, -22, -38, -85, -512, 0x7FFFFFFF])
def test_an_iret_returns_whatever_is_in_eax(agent: Agent, eax: int) -> None:
    """Claim: what a guest has in %eax when it comes back from a handler is data.

    Danger: -ERESTART (-85) among ourselves means that a call is to be made again: the guest's eip went two bytes back,
    and its %ebx and %ecx became arguments of a call that somebody else had made. Method: iret with errors for values.
    """
    text = f"pushl $EFLAGS_ONE\npushl %cs\npushl $2f\npushl ${eax}\n{IRET}2:"
    after = completed(agent.ring1(text, ebx=0xB0B0B0B0, ecx=0xC0C0C0C0))
    assert (after.result, after.ebx, after.ecx) == (eax, 0xB0B0B0B0, 0xC0C0C0C0)


# Selectors on the way out.

ARGUMENTS = ("eax", "ebx", "ecx", "edx", "esi")
BAD_SELECTORS = {
    "null": 0, "null with a privilege": 3, "beyond the table": 0xFFFB, "not present": 0x9, "ring 0's code": 0xE008,
    "ring 0's data": 0xE010, "the task": 0xE040, "an LDT that is not there": 0xF, "code": 0xE019,
    "ring 3's code": 0xE02B,
}  # fmt: skip


@pytest.mark.parametrize("selector", BAD_SELECTORS)
@pytest.mark.parametrize("register", ["cs", "ss"])
def test_a_selector_that_cannot_be_loaded_on_the_way_out_is_the_guests_loss(
    agent: Agent, register: str, selector: str
) -> None:
    """Claim: what an iret of ours cannot load leads to the failsafe callback or the guest's fault, with ring 0 intact.

    Danger: a fault in ring 0 that nothing expects, or one on a stack that is half taken down. Method: bad selectors for
    %cs and for %ss of ring 3, by the iret hypercall; %ds to %gs are left with what the guest has loaded itself.
    """
    page = table(agent, {1: descriptor(0, FLAT, S | WRITE | G | BIG)})
    assert agent.hypercall("set_gdt", [page.mfn], 512) == 0
    chosen = BAD_SELECTORS[selector]
    cs, ss = (chosen | 1, 0xE033) if register == "cs" else (0xE02B, chosen)
    where = f"pushl ${ss}\npushl $agent_user_stack_top\npushl $(EFLAGS_IF | 2)\npushl ${cs}\npushl $agent_user_code\n"
    agent.ring3("nop")
    harmless = register == "cs" and chosen | 1 in (KERNEL_CS, 0xE02B)
    outcome = agent.ring1(where + "pushl $0\n" + IRET)
    if not harmless:
        assert isinstance(outcome, Fault) and outcome.vector in (FAILSAFE, GP)
    assert agent.hypercall("xen_version", 0) > 0
    assert agent.hypercall("set_gdt", 0, 0) == 0
    agent.give_back(page)


@pytest.mark.parametrize("kind", ["gdt", "ldt"])
@pytest.mark.parametrize("how", ["taken away", "not present", "smaller"])
@pytest.mark.parametrize("register", ["ds", "es", "fs", "gs"])
def test_a_descriptor_that_goes_while_its_selector_is_loaded(agent: Agent, register: str, how: str, kind: str) -> None:
    """Claim: the selectors of a guest are loaded again as if for the first time, with a way out for each that fails.

    Danger: %ds and %es are popped in ring 0 on the way out, %fs and %gs at a switch: a descriptor or a whole page that
    has gone meanwhile is a fault there. Method: load a selector, take its descriptor away by hypercall, return.
    """
    good = descriptor(0, FLAT, P | S | WRITE | G | BIG)
    page = table(agent, {1: good})
    if kind == "gdt":
        assert agent.hypercall("set_gdt", [page.mfn], 512) == 0
    else:
        assert extend(agent, "SET_LDT", page.va, 512) == 0
    selector = 0x9 if kind == "gdt" else 0xD
    operation = agent.put([13, page.va, 1] if how == "smaller" else [13, 0, 0])
    gdt = ("set_gdt", agent.put([page.mfn]), 1 if how == "smaller" else 0, 0, 0)
    ldt = ("mmuext_op", operation, 1, 0, DOMID_SELF)
    away = ("update_descriptor", page.machine + 8, 0, 0, 0) if how == "not present" else gdt if kind == "gdt" else ldt
    numbers = (value(f"HYPERCALL_{away[0]}"), *away[1:])
    load = "\n".join(f"movl ${number}, %{where}" for number, where in zip(numbers, ARGUMENTS, strict=True))
    turn = "int $0x82\nxorl %ebx, %ebx\nmovl $29, %eax\nint $0x82\n"
    outcome = agent.ring1(f"movl ${selector}, %eax\nmovl %eax, %{register}\n{load}\n{turn}movl %{register}, %ecx")
    assert isinstance(outcome, Registers) or outcome.vector in (FAILSAFE, GP), outcome
    assert agent.hypercall("xen_version", 0) > 0
    agent.reset()
    assert frame(agent, page.mfn).uses == 0
    agent.give_back(page)


# Emulation.


@pytest.mark.parametrize("ports", [0, 1, 7, 8, 0x80, 0x81])
def test_a_bitmap_of_ports_ends_where_the_guest_said(agent: Agent, ports: int) -> None:
    """Claim: a port beyond the bitmap is refused, and not looked up in what lies behind it.

    Danger: one more byte is read than there is, and its zeroes are permissions. Method: bitmaps of all zeroes that end
    right before the port, and right before the end of memory.
    """
    size = ports + 7 >> 3
    address = agent.edge - size
    agent.space.write_linear(agent.edge - 4096, bytes(4096))
    with bitmap(agent, address, ports):
        assert is_refused(agent.ring3("inb %dx, %al", edx=ports))
        if ports:
            assert not is_refused(agent.ring3("inb %dx, %al", edx=ports - 1))
        assert is_refused(agent.ring3("inw %dx, %ax", edx=ports - 1 if ports else 0))


@pytest.mark.parametrize("instruction, given", [
    ("movl %eax, %cr0", 0), ("movl %eax, %cr0", 0xFFFFFFFF), ("movl %eax, %cr0", 0x80000011),
    ("movl %eax, %cr4", 0xFFFFFFFF), ("movl %eax, %cr4", 0), ("movl %eax, %cr3", 0xFFFFFFFF), ("movl %eax, %cr3", 0),
    ("movl $0xc0000080, %ecx\nmovl $-1, %edx\nwrmsr", 0xFFFFFFFF), ("movl $0xc0000080, %ecx\nwrmsr", 0),
    ("movl $0x1b, %ecx\nwrmsr", 0), ("movl $0x277, %ecx\nmovl $-1, %edx\nwrmsr", 0xFFFFFFFF),
    ("movl $0x174, %ecx\nwrmsr", 0xE008), ("movl $0x40000000, %ecx\nwrmsr", 0xFFFFFFFF),
    ("movl $0xffffffff, %ecx\nwrmsr", 0xFFFFFFFF), ("movl $0x1d9, %ecx\nwrmsr", 0xFFFFFFFF),
])  # fmt: skip
def test_reserved_bits_of_registers_that_are_emulated_reach_no_register(
    agent: Agent, instruction: str, given: int
) -> None:
    """Claim: the guest's value is never put into a control or model-specific register as it is.

    Danger: reserved bits fault in ring 0, where nothing expects it; others switch protection off. Method: writes of
    zero and of ones; the real registers before and after, but for what is the guest's: CR0.TS, CR4.TSD, CR4.DE.
    """
    before = agent.machine.registers()
    outcome = agent.ring1(instruction, eax=given, edx=0)
    after = agent.machine.registers()
    assert isinstance(outcome, Registers) or outcome == Fault(GP, 0)
    found, kept = ((one.cr0 & ~8, one.cr3, one.cr4 & ~0xC, one.efer) for one in (after, before))
    assert found == kept
    completed(agent.ring1("movl %eax, %cr4\nclts", eax=0))
    assert agent.hypercall("xen_version", 0) > 0


def test_what_was_decoded_is_what_is_done(agent: Agent) -> None:
    """Claim: the bytes of an instruction are read once.

    Danger: they are fetched again after the check, and have become others. Method: a port is read into the instruction
    itself; and an instruction is unmapped under the processor, so that the emulator finds nothing where it faulted.
    """
    code = agent.address("agent_code")
    with iopl(agent, 1):
        after = completed(agent.ring1("insb\nmovl $1, %ebx", edx=0x20, edi=code))
        assert (after.edi, after.ebx) == (code + 1, 1)
        page = agent.page()
        agent.write(page.va, b"\xec\xc3")  # inb %dx, %al; ret
        unmap = f"movl $14, %eax\nmovl ${page.va:#x}, %ebx\nxorl %ecx, %ecx\nxorl %edx, %edx\nxorl %esi, %esi\n"
        unmap += "int $0x82\n"
        outcome = agent.ring1(f"call *%edi\n{unmap}movl $0x20, %edx\ncall *%edi", edi=page.va, edx=0x20)
        assert isinstance(outcome, Registers) or outcome.details.cr2 == page.va
    assert agent.map(page.va, page.machine | PRESENT) == 0
    agent.give_back(page)
