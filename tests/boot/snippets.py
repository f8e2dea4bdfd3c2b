"""Guests of a few lines that several boot tests use, as sources for the fixture `guest`; and a machine to look at.

Invariants
  - Each shuts its domain down in order, but for IDLE, which never ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.boot.harness import Booter, Guest, Images
from xengen.machine.machine import Machine

# The frame of a guest: its instructions go where BODY stands. `argument` is a shutdown's: poweroff.
_GUEST = r"""
        .text
# start: what is to be tried, then the end.
{% call routine("start") %}
        cld
BODY
        movl    $SCHEDOP_shutdown, %ebx
        movl    $argument, %ecx
        {{ hypercall("sched_op") }}
        ud2
{% endcall %}
{{ space("argument", 4) }}
{{ space("buffer", 16) }}
"""


def doing(body: str) -> str:
    """Return a guest that carries out the instructions `body` and shuts its domain down; it has `buffer`, 16 bytes."""
    return _GUEST.replace("BODY", body)


ENDS = doing("")

# Never more than one turn.
IDLE = doing(r"""
next_turn:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        jmp     next_turn
""")

# Says "ready" and waits for a key; what follows is up to the test.
KEY = r"""
{{ print("ready\\n") }}
wait_for_key:
        movl    $CONSOLEIO_read, %ebx
        movl    $1, %ecx
        movl    $buffer, %edx
        {{ hypercall("console_io") }}
        testl   %eax, %eax
        jz      wait_for_key
"""


def turns(count: int) -> str:
    """Return instructions that let the others run `count` times. They use %eax, %ebx and %ebp."""
    return f"""
        movl    ${count}, %ebp
1:
        movl    $SCHEDOP_yield, %ebx
        {{{{ hypercall("sched_op") }}}}
        decl    %ebp
        jnz     1b
"""


def writing(symbol: str, length: str) -> str:
    """Return instructions that write `length` bytes at `symbol` to the console."""
    return f"""
        movl    $CONSOLEIO_write, %ebx
        movl    ${length}, %ecx
        movl    ${symbol}, %edx
        {{{{ hypercall("console_io") }}}}
"""


def bytes_at(symbol: str, data: bytes) -> str:
    """Return a definition of `data` in read-only memory under the name `symbol`."""
    rows = (data[start : start + 64] for start in range(0, len(data), 64))
    lines = "\n".join("        .byte   " + ", ".join(str(byte) for byte in row) for row in rows)
    return f"        .pushsection .rodata\n{symbol}:\n{lines}\n        .popsection\n"


def stop_in_guest(machine: Machine) -> None:
    """Stop the processor where a guest runs: what the hypervisor was about is done then."""
    machine.pause()
    while machine.registers().cpl == 0:
        machine.resume()
        machine.pause()


@contextmanager
def standing(images: Images, *guests: Guest, **options: Any) -> Iterator[Machine]:
    """Boot `guests` and stop the processor in the first one's first turn: for tests that look and touch nothing."""
    booter = Booter(images)
    try:
        machine = booter(*guests, trace=False, **options)
        machine.console.expect("entering domain 0$")
        stop_in_guest(machine)
        yield machine
    finally:
        booter.close()
