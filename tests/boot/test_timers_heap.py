"""The heap of timers (time/timers.s) against a model: the hypervisor's own file, in a guest that sets and stops many.

Invariants
  - The guest gives the file a clock that stands still, and an alarm that counts how often it was set.
  - Deadlines are all different, so there is one right order.
"""

from __future__ import annotations

import random

import pytest

from tests.boot.harness import TREE, Booter, GuestMaker
from xengen.abi.symbols import assembler_symbols
from xengen.machine.machine import Ending

TIMERS = 100
SET, STOP, RUN = range(3)
AT_ONCE = assembler_symbols()["TIMERS_AT_ONCE"]

DRIVER = r"""
        .text

# start: carries out the table, and says which timers were due in each RUN.
{% call routine("start") %}
        movl    $operations, %esi
next_operation:
        movl    4(%esi), %edi
        shll    $4, %edi
        addl    $timers, %edi
        movl    8(%esi), %eax
        movl    12(%esi), %edx
        movl    (%esi), %ecx
        addl    $16, %esi
        cmpl    $1, %ecx
        jb      set
        je      stop
        cmpl    $2, %ecx
        je      run
        movl    $SCHEDOP_shutdown, %ebx
        movl    $argument, %ecx
        {{ hypercall("sched_op") }}
        ud2
set:
        movl    $one_due, TIMER_routine(%edi)
        call    timer_set
        jmp     next_operation
stop:
        call    timer_stop
        jmp     next_operation
run:
        movl    %eax, fake_now
        movl    %edx, fake_now + 4
        pushl   %esi
        call    timers_run
        popl    %esi
{{ print("| %u\\n", "timer_count") }}
        jmp     next_operation
{% endcall %}

# one_due(timer): says which one it is.
{% call routine("one_due") %}
        subl    $timers, %edi
        shrl    $4, %edi
{{ print("%u ", "%edi") }}
        ret
{% endcall %}

# clock_now(): what the table says.
{% call routine("clock_now") %}
        movl    fake_now, %eax
        movl    fake_now + 4, %edx
        ret
{% endcall %}

# alarm_set(): for the earliest timer.
{% call routine("alarm_set") %}
        pushl   %eax
        pushl   %ecx
        movl    timer_heap + 4, %ecx
        movl    TIMER_deadline(%ecx), %eax
        movl    %eax, alarm_at
        movl    TIMER_deadline_high(%ecx), %eax
        movl    %eax, alarm_at + 4
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

# panic: more timers than there may be.
{% call routine("panic") %}
        ud2
{% endcall %}

{{ space("timers", "16 * COUNT", 16) }}
{{ space("fake_now", 8) }}
{{ space("argument", 4) }}

        .section .rodata
operations:
TABLE
        .long   3, 0, 0, 0
"""


def history(seed: int, spread: int, length: int = 600) -> tuple[list[tuple[int, int, int]], list[str]]:
    """Return operations (what, timer, time), and the line that the guest must write for each RUN."""
    chance = random.Random(seed)
    deadlines = chance.sample(range(1, spread), length)
    operations: list[tuple[int, int, int]] = []
    lines: list[str] = []
    timers: dict[int, int] = {}
    now = 0
    for deadline in deadlines:
        what = chance.choices((SET, STOP, RUN), (70, 20, 10))[0]
        number = chance.randrange(TIMERS)
        if what == RUN:
            now += spread // length * chance.randrange(8)
            due = sorted((time, number) for number, time in timers.items() if time < now)[:AT_ONCE]
            for _, number in due:
                timers.pop(number)
            lines.append("".join(f"{number} " for _, number in due) + f"| {len(timers)}")
            operations.append((RUN, 0, now))
        elif what == SET:
            timers[number] = deadline
            operations.append((SET, number, deadline))
        else:
            timers.pop(number, None)
            operations.append((STOP, number, 0))
    return operations, lines


def carried_out(boot: Booter, guest: GuestMaker, operations: list[tuple[int, int, int]]) -> list[str]:
    """Let the guest carry out operations; return a line for each RUN."""
    table = "\n".join(
        f"        .long   {what}, {number}, {time & 0xFFFFFFFF}, {time >> 32}" for what, number, time in operations
    )
    driver = DRIVER.replace("COUNT", str(TIMERS)).replace("TABLE", table)
    source = (TREE / "asm/hypervisor/time/timers.s").read_text(encoding="utf-8")
    machine = boot(guest(source + driver))
    assert machine.wait(20) is Ending.POWEROFF
    return machine.transcript.text(0).splitlines()


@pytest.mark.parametrize("seed, spread", [(1, 10_000), (2, 1 << 31), (3, 1 << 40), (4, 1 << 62)])
def test_timers_are_due_in_their_order_whatever_was_set_and_stopped_before(
    boot: Booter, guest: GuestMaker, seed: int, spread: int
) -> None:
    operations, expected = history(seed, spread)
    assert carried_out(boot, guest, operations) == expected


def test_of_many_that_are_due_at_once_an_interrupt_takes_so_many_and_the_next_one_the_rest(
    boot: Booter, guest: GuestMaker
) -> None:
    operations = [(SET, number, 1000 + number) for number in range(TIMERS)] + [(RUN, 0, 5000), (RUN, 0, 5000)]
    first, second = "".join(f"{number} " for number in range(AT_ONCE)), "".join(f"{n} " for n in range(AT_ONCE, TIMERS))
    assert carried_out(boot, guest, operations) == [f"{first}| {TIMERS - AT_ONCE}", f"{second}| 0"]
