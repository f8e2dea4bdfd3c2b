"""The deepest stack: of a chain of calls, with recursion, on top of a fault, and against the hypervisor's stack."""

from __future__ import annotations

from tests.unit.lint.cases import routine
from tests.unit.lint.conftest import Check

STACK = """{{ space("hypervisor_stack", "BYTES", 16) }}
        .pushsection .bss
hypervisor_stack_top:
        .popsection
"""
START = routine("start", "movl $hypervisor_stack_top, %esp; call outer; hlt; jmp start", out="does not return")
OUTER = routine("outer", "pushl %eax; pushl %ebx; call inner; popl %ebx; popl %eax; ret")
INNER = routine("inner", "pushal; popal; ret")
ENTRY = routine("interrupt", "pushal; call inner; popal; iret", out="does not return")


def hypervisor(*routines: str, stack: int = 4096) -> dict[str, str]:
    text = "        .text\n" + "".join(routines) + STACK.replace("BYTES", str(stack))
    return {"asm/hypervisor/main.s": text}


def test_the_deepest_chain_counts_pushes_and_return_addresses(check_files: Check) -> None:
    report = check_files(hypervisor(START, OUTER, INNER))
    assert report.images[0].findings == ()
    assert report.routines == 3
    stack = report.images[0].stack
    assert stack.deepest.routines == (("start", 0), ("outer", 4), ("inner", 16))
    assert stack.deepest.bytes == 48
    assert str(stack.deepest) == "start (0) > outer (4) > inner (16)"
    assert stack.size == 4096


def test_an_entry_begins_with_the_processors_frame(check_files: Check) -> None:
    stack = check_files(hypervisor(START, OUTER, INNER, ENTRY)).images[0].stack
    assert stack.fault.routines == (("interrupt", 24), ("inner", 60))
    assert stack.fault.bytes == 92
    assert stack.deepest == stack.fault


def test_an_entry_may_say_what_is_on_its_stack(check_files: Check) -> None:
    entry = routine("interrupt", "pushal; call inner; popal; iret", out="does not return", more="frame: 32")
    stack = check_files(hypervisor(START, OUTER, INNER, entry)).images[0].stack
    assert stack.fault.bytes == 100


def test_a_routine_that_calls_itself_counts_as_often_as_it_may_be_active(check_files: Check) -> None:
    outer = routine("outer", "pushl %eax; call outer; popl %eax; ret", more="depth: 3")
    stack = check_files(hypervisor(START, outer)).images[0].stack
    assert stack.deepest.routines == (("start", 0), ("outer", 4), ("outer", 12), ("outer", 20))
    assert stack.deepest.bytes == 28


def test_a_new_stack_below_the_top_counts_from_the_top(check_files: Check) -> None:
    start = START.replace("$hypervisor_stack_top", "$hypervisor_stack_top - 40")
    assert check_files(hypervisor(start, OUTER, INNER)).images[0].stack.deepest.bytes == 88


def test_a_stack_that_the_deepest_chain_does_not_fit_in_is_a_finding(check_files: Check) -> None:
    report = check_files(hypervisor(START, OUTER, INNER, ENTRY, stack=128))
    assert [str(finding) for finding in report.images[0].findings] == [
        "asm/hypervisor/main.s:46: hypervisor_stack has 128 bytes, and 184 are needed: interrupt (24) > inner (60),"
        " then a fault: interrupt (24) > inner (60)"
    ]


def test_a_function_without_a_header_is_a_finding(check_files: Check) -> None:
    bare = "        .type bare, @function\nbare:\n        ret\n        .size bare, .-bare\n"
    report = check_files(hypervisor(START, OUTER, INNER, bare))
    assert [str(finding) for finding in report.images[0].findings] == [
        "asm/hypervisor/main.s:41: routine bare: has no header: it is not made by routine() or entry()"
    ]
