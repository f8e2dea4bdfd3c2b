"""What the tests of timers have agents do: listen to virtual interrupts, read the clock, wait for the upcall.

Invariants
  - The guest computes the time itself, as the ABI says (4.3), from what the hypervisor has published.
  - Machines are deterministic: an instruction is a nanosecond, so what is measured is exact and always the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from xengen.abi.event import EvtchnBindVirq, EvtchnClose
from xengen.agent.agent import Agent
from xengen.agent.names import value
from xengen.agent.outcome import completed

MICROSECOND, MILLISECOND, SECOND = 1_000, 1_000_000, 1_000_000_000
LATEST = 50 * MICROSECOND

# A routine: %edx:%eax = system time. It uses all registers.
CLOCK = """
    .set TIME, agent_shared_info + VCPU_INFO_time_version
clock:
    movl TIME, %ebp
    rdtsc
    subl agent_shared_info + VCPU_INFO_time_tsc_timestamp, %eax
    sbbl agent_shared_info + VCPU_INFO_time_tsc_timestamp + 4, %edx
    movb agent_shared_info + VCPU_INFO_time_tsc_shift, %cl
    testb %cl, %cl
    js clock_right
    shldl %cl, %eax, %edx
    shll %cl, %eax
    jmp clock_shifted
clock_right:
    negb %cl
    shrdl %cl, %edx, %eax
    shrl %cl, %edx
clock_shifted:
    movl %edx, %edi
    mull agent_shared_info + VCPU_INFO_time_tsc_to_system_mul
    movl %edx, %esi
    movl %edi, %eax
    mull agent_shared_info + VCPU_INFO_time_tsc_to_system_mul
    addl %esi, %eax
    adcl $0, %edx
    addl agent_shared_info + VCPU_INFO_time_system_time, %eax
    adcl agent_shared_info + VCPU_INFO_time_system_time + 4, %edx
    testl $1, %ebp
    jnz clock
    cmpl TIME, %ebp
    jne clock
    ret
"""

NOW = "call clock\njmp now_done\n" + CLOCK + "now_done:\n"

# Long blocks are cheap to emulate, and interrupted to the instruction all the same.
SPIN = "spin:\n" + "nop\n" * 250 + "jmp spin\n"

# Unmasks events; one that is pending already arrives with the hypercall.
LET_EVENTS_IN = """
    movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask
    movl $HYPERCALL_xen_version, %eax
    xorl %ebx, %ebx
    int $0x82
"""

BLOCK = """
block:
    movl $HYPERCALL_sched_op, %eax
    movl $SCHEDOP_block, %ebx
    int $0x82
    jmp block
"""

SET_TIMER = "movl $HYPERCALL_set_timer_op, %eax\nint $0x82\n"
CALLBACK = """
    movl $FLAT_KERNEL_CS, %ebx
    movl $upcall, %ecx
    movl %ebx, %edx
    movl %ecx, %esi
    movl $HYPERCALL_set_callbacks, %eax
    int $0x82
"""


@dataclass(frozen=True)
class Arrival:
    """When an event was wanted, and when its handler read the clock: system times in ns."""

    wanted: int
    came: int

    @property
    def late(self) -> int:
        """How much later it came, in ns; negative: too early."""
        return self.came - self.wanted


def listen(agent: Agent, virq: str = "VIRQ_TIMER") -> int:
    """Bind a virtual interrupt and unmask its port, with events masked; return the port."""
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 1
    argument = EvtchnBindVirq(value(virq), 0)
    assert agent.hypercall("event_channel_op", value("EVTCHNOP_bind_virq"), argument) == 0
    port = int(argument.port)
    agent.shared_info.evtchn_mask[port // 32] &= ~(1 << port % 32)
    clear(agent)
    return port


def close(agent: Agent, port: int) -> None:
    """Close a port."""
    assert agent.hypercall("event_channel_op", value("EVTCHNOP_close"), EvtchnClose(port)) == 0


def clear(agent: Agent) -> None:
    """Take all events that are pending."""
    shared = agent.shared_info
    shared.vcpu_info[0].evtchn_upcall_pending = 0
    shared.vcpu_info[0].evtchn_pending_sel = 0
    for word in range(32):
        shared.evtchn_pending[word] = 0


def is_pending(agent: Agent, port: int) -> bool:
    """Whether a port has an event."""
    return bool(agent.shared_info.evtchn_pending[port // 32] >> port % 32 & 1)


def now(agent: Agent) -> int:
    """System time as the guest computes it."""
    after = completed(agent.ring1(NOW))
    return after.edx << 32 | after.eax


def spin_until(agent: Agent, time: int) -> None:
    """Have the guest spin until its clock shows `time`."""
    completed(agent.ring1(
        "pushl %edx\npushl %eax\nagain:\n" + "nop\n" * 250 + "call clock\ncmpl (%esp), %eax\nsbbl 4(%esp), %edx\n"
        "jb again\njmp spun\n" + CLOCK + "spun:\n",
        eax=time & 0xFFFFFFFF, edx=time >> 32,
    ))  # fmt: skip


def arrival(agent: Agent, preparation: str, waiting: str = SPIN) -> Arrival:
    """Have the guest carry out `preparation`, which leaves in %ecx:%ebx when the event is wanted, and wait for it.

    Events are let in behind that, and masked again by the upcall, which reads the clock and ends it all.
    """
    place = agent.allocate(8)
    clear(agent)
    after = completed(agent.ring1(
        CALLBACK + preparation + f"movl %ebx, {place}\nmovl %ecx, {place + 4}\n" + LET_EVENTS_IN + waiting
        + CLOCK + f"upcall:\ncall clock\nmovl {place}, %ebx\nmovl {place + 4}, %ecx\n"
    ))  # fmt: skip
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 1
    return Arrival(after.ecx << 32 | after.ebx, after.edx << 32 | after.eax)


def after(delta: int, then: str) -> str:
    """A preparation: %ecx:%ebx = now + `delta` ns, then the instructions `then`, which preserve them."""
    return f"""
    call clock
    addl ${delta & 0xFFFFFFFF:#x}, %eax
    adcl ${delta >> 32 & 0xFFFFFFFF:#x}, %edx
    movl %eax, %ebx
    movl %edx, %ecx
    """ + then  # fmt: skip


def arrivals(agent: Agent, duration: int, most: int = 256) -> list[int]:
    """Have the guest spin for `duration` ns with events let in; return when each upcall came, in system time."""
    place = agent.allocate(16 + 8 * most)
    end, cursor, stack, first = place, place + 8, place + 12, place + 16
    clear(agent)
    completed(agent.ring1(CALLBACK + after(duration, "") + f"""
        movl %ebx, {end}
        movl %ecx, {end + 4}
        movl ${first}, {cursor}
        movl %esp, {stack}
    again:
        {LET_EVENTS_IN}
    spin:
    """ + "nop\n" * 250 + f"""
        call clock
        cmpl {end}, %eax
        sbbl {end + 4}, %edx
        jb spin
        movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask
        jmp spun
    upcall:
        call clock
        movl {cursor}, %ebx
        movl %eax, (%ebx)
        movl %edx, 4(%ebx)
        addl $8, {cursor}
        movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_pending
        movl $0, agent_shared_info + VCPU_INFO_evtchn_pending_sel
        movl $0, agent_shared_info + SHARED_INFO_evtchn_pending
        movl {stack}, %esp
        jmp again
    {CLOCK}
    spun:
    """))  # fmt: skip
    count = (int.from_bytes(agent.space.read_linear(cursor, 4), "little") - first) // 8
    assert count < most
    data = agent.space.read_linear(first, 8 * count)
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
