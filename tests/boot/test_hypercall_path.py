"""The way of a hypercall: how long it is, what it leaves alone, and what a missing call says.

Invariants
  - Instructions are counted by the processor's own clock under icount, where a tick of the TSC is an instruction.
  - What each call does is in test_hypercalls.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.boot.harness import Booter, GuestMaker, Images
from tests.boot.snippets import doing
from xengen.abi.hypercalls import HYPERCALLS
from xengen.machine.machine import Ending, Machine

NAMES = {call.number: call.name for call in HYPERCALLS}
PRESENT = {call.number for call in HYPERCALLS if call.entry is not None}
ABSENT = sorted({*range(64)} - PRESENT)

REGISTERS = ("ebx", "ecx", "edx", "esi", "edi", "ebp")

# Makes every call that is not there, by its number, and says what came of it and which registers changed.
ASKS_ALL = "".join(
    f"""
        movl    $0x1b, %ebx
        movl    $0x1c, %ecx
        movl    $0x1d, %edx
        movl    $0x51, %esi
        movl    $0xd1, %edi
        movl    $0xb9, %ebp
        movl    ${number}, %eax
        int     $0x82
{{{{ print("{number}: %d %x %x %x %x %x %x\\\\n", "%eax", {", ".join(f'"%{name}"' for name in REGISTERS)}) }}}}
"""
    for number in (*ABSENT, 64, 1000)
)


@pytest.fixture(scope="module")
def asked(images: Images, guest: GuestMaker) -> Iterator[Machine]:
    """A machine whose guest has asked for everything that is not there, with the log at debug level."""
    booter = Booter(images)
    try:
        machine = booter(guest(doing(ASKS_ALL)), append="log=debug")
        assert machine.wait(20) is Ending.POWEROFF
        yield machine
    finally:
        booter.close()


def answer(machine: Machine, number: int) -> list[str]:
    """Return result and registers, in hexadecimal, of a call of ASKS_ALL."""
    match = re.search(rf"^{number}: (.*)$", machine.transcript.text(0), re.MULTILINE)
    assert match is not None
    return match[1].split()


# What is not there.


@pytest.mark.parametrize("number", ABSENT)
def test_a_call_that_is_not_there_answers_enosys_and_is_named_in_the_log(asked: Machine, number: int) -> None:
    assert answer(asked, number)[0] == "-38"
    name = NAMES.get(number, "(no such call)")
    line = f"domain 0: hypercall {name} ({number}) is not there: -ENOSYS\n"
    assert asked.transcript.hypervisor.count(line) == 1


@pytest.mark.parametrize("number", [64, 1000])
def test_a_number_beyond_the_table_answers_enosys(asked: Machine, number: int) -> None:
    assert answer(asked, number)[0] == "-38"


def test_no_call_that_is_there_is_said_to_be_missing(asked: Machine) -> None:
    missed = re.findall(r"hypercall \S.* \((\d+)\) is not there", asked.transcript.hypervisor)
    assert [int(number) for number in missed] == ABSENT


def test_a_call_that_is_not_there_leaves_all_registers_but_the_result_alone(asked: Machine) -> None:
    for number in (*ABSENT, 64, 1000):
        assert answer(asked, number)[1:] == ["1b", "1c", "1d", "51", "d1", "b9"]


def test_below_debug_level_nothing_is_said_of_a_missing_call(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(guest(doing('{{ hypercall("domctl") }}')))
    assert machine.wait(20) is Ending.POWEROFF
    assert "domctl" not in machine.console.text


# What a call costs.

# Counts the instructions of 100 rounds without a call, and of 100 with one.
COUNTS = r"""
{% for call in ["", "int $0x82"] %}
        rdtsc
        movl    %eax, %edi
        movl    $100, %ebp
1:
        xorl    %ebx, %ebx
        movl    $HYPERCALL_xen_version, %eax
        {{ call }}
        decl    %ebp
        jnz     1b
        rdtsc
        subl    %edi, %eax
{{ print("%u\\n", "%eax") }}
{% endfor %}
"""


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "release"])
def test_a_null_hypercall_takes_at_most_30_instructions_from_guest_to_guest(
    boot: Booter, guest: GuestMaker, debug: bool
) -> None:
    machine = boot(guest(doing(COUNTS)), icount=True, trace=False, debug=debug)
    assert machine.wait(20) is Ending.POWEROFF
    without, with_calls = (int(line) for line in machine.transcript.text(0).split())
    # The two that load number and argument belong to the call.
    assert 4 <= (with_calls - without) / 100 + 2 <= 30


def test_the_cost_of_a_call_is_the_same_in_every_run(boot: Booter, guest: GuestMaker) -> None:
    texts = []
    for _ in range(2):
        machine = boot(guest(doing(COUNTS)), icount=True, trace=False)
        assert machine.wait(20) is Ending.POWEROFF
        texts.append(machine.transcript.text(0))
    assert texts[0] == texts[1]


# What a call leaves alone.

# Calls of each kind of entry: bare, split and full.
KINDS = {"stack_switch": "BARE", "xen_version": "SPLIT", "sched_op": "SPLIT", "vm_assist": "FULL"}


def test_the_calls_that_stand_for_a_kind_of_entry_are_of_that_kind() -> None:
    assert {call.name: call.entry.name for call in HYPERCALLS if call.name in KINDS and call.entry} == KINDS


@pytest.mark.parametrize("name", KINDS)
def test_a_call_leaves_all_registers_but_the_result_alone(boot: Booter, guest: GuestMaker, name: str) -> None:
    # The arguments mean: this stack; the version; yield; an assist that is on or not. All of them can be made again.
    first, second = {
        "stack_switch": ("$FLAT_RING1_SS", "%esp"), "xen_version": ("$0", "$0x2c"),
        "sched_op": ("$SCHEDOP_yield", "$0x2c"), "vm_assist": ("$VMASST_CMD_enable", "$VMASST_TYPE_4gb_segments"),
    }[name]  # fmt: skip
    body = f"""
        movl    {first}, %ebx
        movl    {second}, %ecx
        movl    %ebx, buffer
        movl    %ecx, buffer + 4
        movl    $0x2d, %edx
        movl    $0x61, %esi
        movl    $0xe1, %edi
        movl    $0xba, %ebp
        {{{{ hypercall("{name}") }}}}
        subl    buffer, %ebx
        subl    buffer + 4, %ecx
{{{{ print("%x %x %x %x %x %x\\\\n", {", ".join(f'"%{name}"' for name in REGISTERS)}) }}}}
"""
    machine = boot(guest(doing(body)))
    assert machine.wait(20) is Ending.POWEROFF
    assert machine.transcript.text(0) == "0 0 2d 61 e1 ba\n"
