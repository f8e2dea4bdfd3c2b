"""How long the hypervisor keeps interrupts off, as a guest can tell: measured by an event that is always pending.

The agent makes a call with an event pending and unmasked, on a machine whose time stamp counter counts instructions.
Whenever the hypervisor lets interrupts in, it delivers the event; the handler here looks at the clock, makes the event
pending again and goes back without the hypervisor's help. So the longest time between two looks is the longest stretch,
and a few instructions of the guest's own.

Invariants
  - What is measured is the release build, on a machine under icount: an `agent` that counts (`counting_agent`).
  - The agent's handlers and callbacks are its own again after a measurement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ctypes import c_uint32
from dataclasses import dataclass

import pytest

from tests.boot.harness import BOOTER, Booter, Images
from xengen.abi.structure import AbiStructure
from xengen.agent.agent import Agent, completed
from xengen.agent.names import value
from xengen.agent.outcome import Result
from xengen.inspect.live import check_machine
from xengen.machine.spec import MIB

REGISTERS = ("eax", "ebx", "ecx", "edx", "esi", "edi")


@dataclass(frozen=True)
class Stretches:
    """A call's result, the instructions of its longest stretch, and in how many stretches it was done."""

    result: Result
    longest: int
    pieces: int


class _Clock(AbiStructure):
    """What the snippet keeps: the last look, the longest time between two, how many, and the call's registers."""

    _fields_ = (
        ("last", c_uint32),
        ("longest", c_uint32),
        ("pieces", c_uint32),
        *((register, c_uint32) for register in REGISTERS),
    )


SNIPPET = """
        movl    $FLAT_KERNEL_CS, %ebx
        movl    $at_event, %ecx
        movl    $FLAT_KERNEL_CS, %edx
        movl    $at_event, %esi
        movl    $HYPERCALL_set_callbacks, %eax
        int     $0x82
        movl    {ebx}, %ebx
        movl    {ecx}, %ecx
        movl    {esi}, %esi
        movl    {edi}, %edi
        movb    $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending
        movb    $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask
        rdtsc
        movl    %eax, {last}
        movl    {edx}, %edx
        movl    {eax}, %eax
        {instruction}
        movb    $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask
        movb    $0, agent_shared_info + VCPU_INFO_evtchn_upcall_pending
        jmp     done
at_event:
        pushl   %eax
        pushl   %edx
        rdtsc
        subl    {last}, %eax
        cmpl    {longest}, %eax
        jbe     not_longer
        movl    %eax, {longest}
not_longer:
        incl    {pieces}
        movb    $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending
        movb    $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask
        rdtsc
        movl    %eax, {last}
        popl    %edx
        popl    %eax
        iret
done:
"""


@pytest.fixture(scope="module")
def counting_machine(images: Images) -> Iterator[tuple[Booter, Agent]]:
    """A machine under icount with an agent that has half of its memory; it serves all tests of a module."""
    booter = Booter(images)
    machine = booter("agent", append="dom0_mem=128M", memory=256 * MIB, icount=True, debug=False, trace=False)
    with Agent(machine) as agent:
        yield booter, agent
    booter.close()


@pytest.fixture
def counting_agent(request: pytest.FixtureRequest, counting_machine: tuple[Booter, Agent]) -> Iterator[Agent]:
    """The agent on that machine; afterwards the checker must find nothing wrong."""
    booter, agent = counting_machine
    request.node.stash[BOOTER] = booter
    yield agent
    assert check_machine(agent.machine) == []


def measured(agent: Agent, call: str, *arguments: int) -> Stretches:
    """Make a hypercall by name, its arguments numbers, and return how long its stretches were."""
    registers = dict(zip(REGISTERS[1:], arguments, strict=False))
    return measured_at(agent, "int $0x82", {"eax": value(f"HYPERCALL_{call}"), **registers})


def measured_at(agent: Agent, instruction: str, registers: Mapping[str, int]) -> Stretches:
    """Have ring 1 execute an instruction that leads into the hypervisor; %esp is the snippet's own."""
    clock = agent.put(_Clock(**registers))
    places = {name: f"{clock + getattr(_Clock, name).offset:#x}" for name, *_ in _Clock._fields_}
    try:
        after = completed(agent.ring1(SNIPPET.format(instruction=instruction, **places)), instruction)
    finally:
        agent.reset()
    found = agent.get(_Clock, clock)
    return Stretches(after.result, found.longest, found.pieces)


FIRST_PAUSE = """
        movl    $FLAT_KERNEL_CS, %ebx
        movl    $at_event, %ecx
        movl    $FLAT_KERNEL_CS, %edx
        movl    $at_event, %esi
        movl    $HYPERCALL_set_callbacks, %eax
        int     $0x82
        movl    {ebx}, %ebx
        movl    {ecx}, %ecx
        movl    {edx}, %edx
        movl    {esi}, %esi
        movl    {edi}, %edi
        movl    {eax}, %eax
        movb    $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending
        movb    $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask
        int     $0x82
at_event:
        movb    $0, agent_shared_info + VCPU_INFO_evtchn_upcall_pending
"""


def begun(agent: Agent, call: str, *arguments: int) -> None:
    """Make a hypercall up to its first pause, and leave it at that: it is never gone on with."""
    registers = dict(zip(REGISTERS[1:], arguments, strict=False))
    clock = agent.put(_Clock(**{"eax": value(f"HYPERCALL_{call}"), **registers}))
    places = {name: f"{clock + getattr(_Clock, name).offset:#x}" for name in REGISTERS}
    try:
        completed(agent.ring1(FIRST_PAUSE.format(**places)), f"hypercall {call}")
    finally:
        agent.reset()
