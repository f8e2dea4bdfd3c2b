"""What the tests of the scheduler look at: who ran for how long, by the hypervisor's own account and by the guests'.

Invariants
  - Machines are deterministic: an instruction takes 2**SHIFT ns, so that a second of busy domains is cheap, and every
    run says the same.
  - Parameters are written into the vcpus while the processor stands; how domain 0 sets them: test_sched_parameters.py.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from ctypes import sizeof
from dataclasses import dataclass

from tests.boot.harness import Booter, Guest
from tests.boot.snippets import doing
from xengen.abi import hypervisor as abi
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Machine

MICROSECOND, MILLISECOND, SECOND = 1_000, 1_000_000, 1_000_000_000
SHIFT = 6
ALLOWANCE = 5 * MILLISECOND
MCU = 100 * MICROSECOND
DEFAULT_ADVANCE = 10
BEGIN = 2 * SECOND
SMALL = "dom0_mem=4M domu_mem=4M"
NAP_SECONDS = 0.02
PATIENCE_SECONDS = 240.0

# Sleeps until BEGIN; then `rounds` times for `period` ns, and works `work` times 1000 instructions in between; says how
# late it came to run at the most, in ns, and sleeps for ever. A vcpu's run state tells when it came to run.
SLEEPER = r"""
        movl    $BEGIN, poll + SCHED_POLL_timeout
        movl    $SCHEDOP_poll, %%ebx
        movl    $poll, %%ecx
        {{ hypercall("sched_op") }}
        movl    $ROUNDS, %%ebp
next_round:
        movl    $WORK, %%ecx
work:
        movl    $500, %%eax
work_inner:
        decl    %%eax
        jnz     work_inner
        loop    work
        call    state_get
        movl    state + VCPU_RUNSTATE_INFO_state_entry_time, %%eax
        movl    state + VCPU_RUNSTATE_INFO_state_entry_time + 4, %%edx
        addl    $PERIOD, %%eax
        adcl    $0, %%edx
        movl    %%eax, poll + SCHED_POLL_timeout
        movl    %%edx, poll + SCHED_POLL_timeout + 4
        movl    $SCHEDOP_poll, %%ebx
        movl    $poll, %%ecx
        {{ hypercall("sched_op") }}
        call    state_get
        movl    state + VCPU_RUNSTATE_INFO_state_entry_time, %%eax
        subl    poll + SCHED_POLL_timeout, %%eax
        cmpl    worst, %%eax
        jb      not_worse
        movl    %%eax, worst
not_worse:
        decl    %%ebp
        jnz     next_round
{{ print("late by %%u ns\\n", "worst") }}
sleep_for_ever:
        movl    $0, poll + SCHED_POLL_timeout
        movl    $0, poll + SCHED_POLL_timeout + 4
        movl    $SCHEDOP_poll, %%ebx
        movl    $poll, %%ecx
        {{ hypercall("sched_op") }}
        jmp     sleep_for_ever
state_get:
        movl    $VCPUOP_get_runstate_info, %%ebx
        xorl    %%ecx, %%ecx
        movl    $state, %%edx
        {{ hypercall("vcpu_op") }}
        ret
        .set    BEGIN, %(begin)d
        .set    ROUNDS, %(rounds)d
        .set    PERIOD, %(period)d
        .set    WORK, %(work)d
        .pushsection .bss
        .balign 8
state:  .skip   VCPU_RUNSTATE_INFO_size
poll:   .skip   SCHED_POLL_size
worst:  .skip   4
        .popsection
"""


def sleeper(rounds: int, period: int, work: int = 1) -> str:
    """Return a guest (for the fixture `guest`) that sleeps `rounds` times for `period` ns, and says how late it was."""
    return doing(SLEEPER % {"begin": BEGIN, "rounds": rounds, "period": period, "work": work})


def lateness(machine: Machine, domain: int) -> int:
    """Let a machine that stands run until the sleeper in `domain` has said how late it was, in ns."""
    assert system_time(machine) < BEGIN, "it began to count before the test was ready"
    machine.resume()
    return int(machine.console.expect(rf"^\(d{domain}\) late by (\d+) ns$", timeout=PATIENCE_SECONDS)[1])


@dataclass(frozen=True)
class Usage:
    """A domain's vcpu at one moment: ns that it has run, by its run state, and its virtual times."""

    ran: int
    avt: int
    evt: int
    entered: int


def booted(boot: Booter, *guests: Guest, shift: int = SHIFT, append: str = SMALL, memory: int = 256 << 20) -> Machine:
    """Boot guests on a deterministic machine, and stop it when all that spin have said where they count."""
    machine = boot(*guests, memory=memory, append=append, icount=True, icount_shift=shift, trace=False)
    spinners = sum("spin" in (guest[:1] if isinstance(guest, tuple) else (guest,)) for guest in guests)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(counters(machine)) < spinners:
        assert time.monotonic() < deadline, machine.console.text
        time.sleep(NAP_SECONDS)
    stop(machine)
    return machine


def counters(machine: Machine) -> dict[int, int]:
    """Return the machine address of the counter of each domain that spins."""
    found = re.findall(r"^\(d(\d+)\) spin: counter at machine address 0x(\w+)$", machine.console.text, re.MULTILINE)
    return {int(domain): int(address, 16) for domain, address in found}


def counts(machine: Machine) -> dict[int, int]:
    """Return how far each domain that spins has counted."""
    return {domain: machine.memory.u64(address) for domain, address in counters(machine).items()}


def poke(machine: Machine, domain: int, **fields: int) -> None:
    """Write fields of VCPU_SCHED of a domain; the processor must stand."""
    hypervisor = hypervisor_of(machine)
    (found,) = (each for each in hypervisor.domains() if each.id == domain)
    for name, value in fields.items():
        field = getattr(abi.VcpuSched, name)
        address = found.record.vcpu + abi.Vcpu.sched.offset + field.offset
        machine.memory.write(hypervisor.physical(address), value.to_bytes(field.size, "little"))
    plain = found.record.vcpu + abi.Vcpu.plain.offset  # as sched_parameters_set does
    machine.memory.write(hypervisor.physical(plain), bytes(abi.Vcpu.plain.size))


def is_running(machine: Machine, domain: int) -> bool:
    """Whether it is a domain's turn."""
    hypervisor = hypervisor_of(machine)
    (found,) = (each for each in hypervisor.domains() if each.id == domain)
    return bool(hypervisor.word("running_vcpu") == found.record.vcpu)


def weigh(machine: Machine, advances: Sequence[int]) -> None:
    """Give the domains their mcu_advance, in order; a larger one is a smaller share."""
    for domain, advance in enumerate(advances):
        poke(machine, domain, mcu_advance=advance)


def set_word(machine: Machine, name: str, value: int) -> None:
    """Write a 32-bit variable of the hypervisor's."""
    hypervisor = hypervisor_of(machine)
    machine.memory.write(hypervisor.physical(hypervisor.symbol(name)), value.to_bytes(4, "little"))


def usages(machine: Machine) -> dict[int, Usage]:
    """Return what each domain has used, complete up to the last switch."""
    assert sizeof(abi.VcpuSched) == abi.Vcpu.sched.size
    found = {}
    for domain in hypervisor_of(machine).domains():
        assert domain.vcpu is not None
        sched, state = domain.vcpu.record.sched, domain.vcpu.record.runstate
        evt = sched.evt - (1 << 64) if sched.evt >> 63 else sched.evt
        found[domain.id] = Usage(state.time[0], sched.avt, evt, state.state_entry_time)
    return found


def system_time(machine: Machine) -> int:
    """Return the time of the last switch."""
    return max(usage.entered for usage in usages(machine).values())


def stop(machine: Machine) -> None:
    """Stop the processor in a guest, or where nobody can run: the hypervisor's records are complete then."""
    machine.pause()
    registers = machine.registers()
    while registers.cpl == 0 and not registers.halted:
        machine.resume()
        machine.pause()
        registers = machine.registers()


def run_for(machine: Machine, ns: int) -> list[int]:
    """Let a machine that stands run for a time, to the switch behind it; return what each domain ran, in ns.

    Domains that end meanwhile are left out.
    """
    before = usages(machine)
    end = max(usage.entered for usage in before.values()) + ns
    deadline = time.monotonic() + PATIENCE_SECONDS
    after = before
    while max(usage.entered for usage in after.values()) < end:
        machine.resume()
        while system_time(machine) < end:  # it runs on meanwhile: what counts is read when it stands
            assert time.monotonic() < deadline, f"{ns} ns have not passed"
            time.sleep(NAP_SECONDS)
        stop(machine)
        after = usages(machine)
    return [late.ran - before[domain].ran for domain, late in after.items()]
