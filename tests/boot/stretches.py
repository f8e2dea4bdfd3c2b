"""How long a hypercall keeps interrupts off, as a guest can tell: measured by an event that is always pending.

The agent makes the call with an event pending and unmasked, on a machine whose time stamp counter counts instructions.
Whenever the hypervisor lets interrupts in, it delivers the event; the handler here looks at the clock, makes the event
pending again and goes back without the hypervisor's help. So the longest time between two looks is the longest stretch,
and a few instructions of the guest's own.

Invariants
  - `measured` needs a machine under icount. The agent's callbacks are its own again afterwards.
"""

from __future__ import annotations

from ctypes import c_uint32
from dataclasses import dataclass

from xengen.abi.structure import AbiStructure
from xengen.agent.agent import Agent, completed
from xengen.agent.names import value
from xengen.agent.outcome import Result

# The bound of issue 3, section 2.
INTERRUPTS_OFF = 40_000


@dataclass(frozen=True)
class Stretches:
    """A hypercall's result, the instructions of its longest stretch, and in how many stretches it was done."""

    result: Result
    longest: int
    pieces: int


class _Clock(AbiStructure):
    """What the snippet keeps, at the address CLOCK."""

    _fields_ = (("last", c_uint32), ("longest", c_uint32), ("pieces", c_uint32), ("registers", c_uint32 * 6))


CALL = """
        movl    %eax, {clock} + 12
        movl    %ebx, {clock} + 16
        movl    %ecx, {clock} + 20
        movl    %edx, {clock} + 24
        movl    %esi, {clock} + 28
        movl    %edi, {clock} + 32
        movl    $FLAT_KERNEL_CS, %ebx
        movl    $at_event, %ecx
        movl    $FLAT_KERNEL_CS, %edx
        movl    $at_event, %esi
        movl    $HYPERCALL_set_callbacks, %eax
        int     $0x82
        movl    {clock} + 16, %ebx
        movl    {clock} + 20, %ecx
        movl    {clock} + 24, %edx
        movl    {clock} + 28, %esi
        movl    {clock} + 32, %edi
        movb    $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending
        movb    $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask
        pushl   %edx
        rdtsc
        movl    %eax, {clock}
        popl    %edx
        movl    {clock} + 12, %eax
        int     $0x82
        movb    $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask
        movb    $0, agent_shared_info + VCPU_INFO_evtchn_upcall_pending
        jmp     done
at_event:
        pushl   %eax
        pushl   %edx
        rdtsc
        subl    {clock}, %eax
        cmpl    {clock} + 4, %eax
        jbe     not_longer
        movl    %eax, {clock} + 4
not_longer:
        incl    {clock} + 8
        movb    $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending
        movb    $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask
        rdtsc
        movl    %eax, {clock}
        popl    %edx
        popl    %eax
        iret
done:
"""


def measured(agent: Agent, call: str, *arguments: int) -> Stretches:
    """Make a hypercall by name, its arguments numbers, and return how long its stretches were."""
    clock = agent.put(_Clock())
    registers = dict(zip(("ebx", "ecx", "edx", "esi", "edi"), arguments, strict=False))
    code = CALL.replace("{clock}", f"{clock:#x}")
    try:
        after = completed(agent.ring1(code, eax=value(f"HYPERCALL_{call}"), **registers), f"hypercall {call}")
    finally:
        agent.reset()
    found = agent.get(_Clock, clock)
    return Stretches(after.result, found.longest, found.pieces)
