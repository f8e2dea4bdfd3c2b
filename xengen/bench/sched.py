"""The scheduler measured: shares of domains that spin, how late a warped domain wakes, what a switch costs.

Invariants
  - Machines are deterministic: the figures are the same on every host. Where domains must be busy for seconds, an
    instruction takes 2**SHARES_SHIFT ns; costs are counted with one of 1 ns.
  - Domains are created, weighed and started by domain 0's control calls, as a toolstack does it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ctypes import sizeof
from dataclasses import dataclass
from pathlib import Path

from xengen.abi.sched import SchedPoll, VcpuRunstateInfo
from xengen.abi.symbols import assembler_symbols
from xengen.agent.agent import Agent, completed
from xengen.control.calls import WEIGHT_UNIT, Control, Scheduling
from xengen.control.reach import Near
from xengen.errors import XengenError
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Machine
from xengen.machine.spec import MIB, MachineSpec, Module

_VALUES = assembler_symbols()
SHARES_SHIFT = 6
SECOND, MILLISECOND = 1_000_000_000, 1_000_000
DOMAIN_PAGES = 1024
NAP_SECONDS = 0.02
PATIENCE_SECONDS = 300.0
WEIGHTS = (1000, 500, 250, 250)
RUNNABLE = (2, 16, 128)
SPINNERS = 16
ROUNDS = 20
PERIOD = 7 * MILLISECOND
FAR = 1 << 61
LATENCY_SHIFT = 4

# %eax: rounds; %esi, %edi: places of a VCPU_RUNSTATE_INFO and a SCHED_POLL. %ebx: the greatest lateness, in ns. The
# first poll, whose time has passed, is there to begin a turn.
SLEEPS = f"""
    pushl $0
    pushl %eax
    call sleep
next:
    movl VCPU_RUNSTATE_INFO_state_entry_time(%esi), %eax
    movl VCPU_RUNSTATE_INFO_state_entry_time + 4(%esi), %edx
    addl ${PERIOD}, %eax
    adcl $0, %edx
    movl %eax, SCHED_POLL_timeout(%edi)
    movl %edx, SCHED_POLL_timeout + 4(%edi)
    call sleep
    movl VCPU_RUNSTATE_INFO_state_entry_time(%esi), %eax
    subl SCHED_POLL_timeout(%edi), %eax
    cmpl 4(%esp), %eax
    jb not_worse
    movl %eax, 4(%esp)
not_worse:
    decl (%esp)
    jnz next
    popl %eax
    popl %ebx
    jmp over
sleep:
    movl $HYPERCALL_sched_op, %eax
    movl $SCHEDOP_poll, %ebx
    movl %edi, %ecx
    int $0x82
    movl $HYPERCALL_vcpu_op, %eax
    movl $VCPUOP_get_runstate_info, %ebx
    xorl %ecx, %ecx
    movl %esi, %edx
    int $0x82
    ret
over:
"""


@dataclass(frozen=True)
class Share:
    """What a domain got of the time of all of them, and what it should have got; 1 is all."""

    domain: int
    weight: int
    wanted: float
    got: float


@dataclass(frozen=True)
class Sample:
    """The actual virtual times of all domains at a moment: ns, and ns * mcu_advance by domain."""

    at: int
    times: dict[int, int]


@dataclass(frozen=True)
class Switch:
    """Instructions from one domain's yield to the next one's, with so many that only yield."""

    runnable: int
    instructions: float


@dataclass(frozen=True)
class Files:
    """The images that are measured: the hypervisor, the agent as domain 0, the guest that spins."""

    hypervisor: Path
    agent: Path
    spin: Path


@contextmanager
def host(files: Files, count: int, shift: int) -> Iterator[tuple[Machine, Agent, Control]]:
    """A machine with domain 0 and room for `count` domains of 4 MB."""
    memory = 64 + 5 * count
    spec = MachineSpec(
        files.hypervisor, "dom0_mem=16M", (Module(files.agent), Module(files.spin, "--image")),
        memory=memory * MIB, icount=True, icount_shift=shift,
    )  # fmt: skip
    with Machine(spec) as machine, Agent(machine, alone=True) as agent:
        yield machine, agent, Control(Near(agent))


def start(machine: Machine, control: Control, count: int, command_line: str = "") -> list[int]:
    """Create and start `count` domains that spin; return their numbers."""
    (image,) = control.images()
    numbers = []
    for index in range(count):
        domain = control.create(f"spin{index}", bytes(16), 0)
        control.build(domain, image, DOMAIN_PAGES, command_line)
        numbers.append(domain)
    for domain in numbers:
        control.unpause(domain)
    return numbers


@contextmanager
def asleep(agent: Agent) -> Iterator[None]:
    """Have domain 0 sleep inside the block, for good: the machine is not used by it any more."""
    with ThreadPoolExecutor(1) as pool:
        agent.mailbox.timeout = 0.5
        sleeping = pool.submit(agent.hypercall, "sched_op", _VALUES["SCHEDOP_poll"], SchedPoll(0, 0, FAR))
        sleeping.exception()
        yield


def measure_shares(files: Files, seconds: float = 10.0) -> tuple[list[Share], list[Sample]]:
    """Let domains of WEIGHTS spin for that long, and return their shares and their virtual times on the way."""
    with host(files, len(WEIGHTS), SHARES_SHIFT) as (machine, agent, control):
        numbers = start(machine, control, len(WEIGHTS))
        for domain, weight in zip(numbers, WEIGHTS, strict=True):
            control.schedule(domain, Scheduling(weight))
        with asleep(agent):
            _settled(machine)
            before, begin = _ran(machine), _now(machine)
            samples = []
            machine.resume()
            end = begin + int(seconds * SECOND)
            while _now(machine) < end:
                samples.append(Sample(_now(machine) - begin, _virtual(machine, numbers)))
                time.sleep(NAP_SECONDS)
            _settled(machine)
            ran = {domain: _ran(machine)[domain] - before[domain] for domain in numbers}
    total, weights = sum(ran.values()), sum(WEIGHTS)
    shares = [
        Share(domain, weight, weight / weights, ran[domain] / total)
        for domain, weight in zip(numbers, WEIGHTS, strict=True)
    ]
    return shares, samples


def measure_latency(files: Files) -> int:
    """Return how many ns domain 0, warped, came to run behind its time at the most, against SPINNERS that spin."""
    with host(files, SPINNERS, LATENCY_SHIFT) as (machine, agent, control):
        start(machine, control, SPINNERS)
        control.schedule(0, Scheduling(WEIGHT_UNIT // 10, warp_ms=1000.0))
        state, poll = agent.allocate(sizeof(VcpuRunstateInfo)), agent.put(SchedPoll(0, 0, 1))
        return completed(agent.ring1(SLEEPS, eax=ROUNDS, esi=state, edi=poll)).ebx


def measure_switches(files: Files, counts: Sequence[int] = RUNNABLE) -> list[Switch]:
    """Return what a switch costs for each number of domains that only yield."""
    found = []
    for count in counts:
        with host(files, count, 0) as (machine, agent, control):
            start(machine, control, count, "yield")
            _await_counters(machine, count)
            with asleep(agent):
                _settled(machine)
                before = _counted(machine), _now(machine)
                machine.resume()
                time.sleep(0.5)
                _settled(machine)
                after = _counted(machine), _now(machine)
        found.append(Switch(count, (after[1] - before[1]) / (after[0] - before[0])))
    return found


def _settled(machine: Machine) -> None:
    """Stop the processor where a guest runs."""
    machine.pause()
    while machine.registers().cpl == 0:
        machine.resume()
        machine.pause()


def _now(machine: Machine) -> int:
    """The time up to which the vcpu that runs has been charged, in ns: that of the last switch, as nobody wakes."""
    hypervisor = hypervisor_of(machine)
    return int.from_bytes(hypervisor.read(hypervisor.symbol("charged_until"), 8), "little")


def _ran(machine: Machine) -> dict[int, int]:
    domains = hypervisor_of(machine).domains()
    return {domain.id: domain.vcpu.record.runstate.time[0] for domain in domains if domain.vcpu is not None}


def _virtual(machine: Machine, numbers: Sequence[int]) -> dict[int, int]:
    domains = hypervisor_of(machine).domains()
    return {each.id: each.vcpu.record.sched.avt for each in domains if each.vcpu is not None and each.id in numbers}


def _counters(machine: Machine) -> list[int]:
    found = re.findall(r"^\(d\d+\) spin: counter at machine address 0x(\w+)$", machine.console.text, re.MULTILINE)
    return [int(address, 16) for address in found]


def _await_counters(machine: Machine, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(_counters(machine)) < count:
        if time.monotonic() > deadline:
            raise XengenError(f"{len(_counters(machine))} of {count} domains have begun to count")
        time.sleep(NAP_SECONDS)


def _counted(machine: Machine) -> int:
    return sum(machine.memory.u64(address) for address in _counters(machine))
