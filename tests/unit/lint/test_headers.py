"""The header of a routine: its form, and what of it is contract and what is prose."""

from __future__ import annotations

import pytest

from xengen.lint.header import INTERRUPT_FRAME, Header, meant, parse_header

GOOD = (
    "# do_thing(a, b): does it.",
    "#",
    "# in:    %ebx = a, %ecx = b;",
    "#        %ebp = current vcpu",
    "# out:   %eax = 0, or -EINVAL",
    "# clob:  %dl, %es",
    "# errs:  -EINVAL",
    "# calls: do_*, idle",
    "# depth: 2",
    "# why:   it must be",
)


def read(lines: tuple[str, ...], name: str = "do_thing", literal: bool = True) -> tuple[Header, list[str]]:
    comment = list(enumerate(lines, start=1))
    header, findings = parse_header(name, "asm/x.s", len(lines) + 1, comment, literal=literal)
    return header, [str(finding).removeprefix("asm/x.s:") for finding in findings]


def test_a_whole_header_is_read_without_findings() -> None:
    header, findings = read(GOOD)
    assert findings == []
    assert header.takes == {"ebx", "ecx", "ebp"}
    assert header.out == {"eax"}
    assert header.clobbers == {"edx", "es"}
    assert header.returns
    assert header.calls == ("do_*", "idle")
    assert header.depth == 2
    assert header.frame == INTERRUPT_FRAME
    assert header.fields["in"] == "%ebx = a, %ecx = b; %ebp = current vcpu"


def test_a_call_pattern_names_routines_as_a_shell_does() -> None:
    header, _ = read(GOOD)
    assert [header.may_call(name) for name in ("do_iret", "idle", "idle_more")] == [True, True, False]


@pytest.mark.parametrize(("text", "registers"), [
    ("%eax", "eax"),
    ("%eax = length of %esi", "eax"),
    ("%eax = 0, or -EINVAL", "eax"),
    ("%eax, %edx = quotient, remainder", "eax edx"),
    ("%edx:%eax = the product", "eax edx"),
    ("%eax = 0 (or 1, %ecx in it); %edi = behind it", "eax edi"),
    ("%eax = 1 and %edx = 2", "eax edx"),
    ("%al = the letter", "eax"),
    ("the variables below", ""),
    ("carry set when %esi = 0 is reached", "esi"),
])
def test_out_names_the_registers_before_an_equals_sign(text: str, registers: str) -> None:
    assert meant(text) == set(registers.split())


@pytest.mark.parametrize(("text", "registers"), [
    ("%ecx, %edi", "ecx edi"),
    ("all", "eax ebx ecx edx esi edi ebp"),
    ("all, %ds", "eax ebx ecx edx esi edi ebp ds"),
    ("none", ""),
    ("-", ""),
    ("flags", ""),
    ("none: it saves what it uses", ""),
])
def test_clob_names_what_may_change(text: str, registers: str) -> None:
    header, findings = read((*GOOD[:5], f"# clob:  {text}", "# errs:  none"))
    assert findings == []
    assert header.clobbers == set(registers.split())


def test_a_routine_that_does_not_return_needs_no_more_than_in_and_out() -> None:
    header, findings = read(("# entry: somewhere.", "# in:    -", "# out:   does not return; halts"), name="entry")
    assert findings == []
    assert not header.returns
    assert header.out == set()


def test_an_entry_says_how_many_bytes_are_on_its_stack() -> None:
    header, _ = read(("# e: x", "# in:    -", "# out:   does not return", "# frame: 32, of the stub"), name="e")
    assert header.frame == 32


def test_a_header_made_in_a_loop_has_any_name() -> None:
    lines = ("# full_{{ call.name }}: leads on.", "# in:    -", "# out:   does not return")
    assert read(lines, name='"full_" ~ call.name', literal=False)[1] == []


@pytest.mark.parametrize(("lines", "finding"), [
    ((), "1: routine do_thing: has no header: the comment right above it"),
    (("# What happens here", *GOOD[1:]),
     "1: routine do_thing: its header must begin with `# do_thing(arguments): what it does`"),
    (("# do_other(): does it.", *GOOD[1:]), "1: routine do_thing: its header is that of do_other"),
    ((*GOOD[:5], *GOOD[6:]), "1: routine do_thing: its header has no line `clob:`"),
    ((*GOOD[:4], GOOD[5], GOOD[4], *GOOD[6:]),
     "6: routine do_thing: its header's line `out:` must stand before `clob:`"),
    ((*GOOD[:6], "# clob:  %ecx", *GOOD[6:]), "7: routine do_thing: its header has two lines `clob:`"),
    ((*GOOD[:6], "# errs:", *GOOD[7:]), "7: routine do_thing: its header's line `errs:` is empty: write `none`"),
    ((*GOOD[:7], "# and so on", *GOOD[7:]),
     "8: routine do_thing: its header goes on after `errs:` with a line that is neither a field nor indented deeper"),
    ((*GOOD[:5], "# clob:  nothing much", *GOOD[6:]),
     "1: routine do_thing: its header's line `clob:` names no register: write `%eax, %edx`, `all` or `none`"),
    ((*GOOD[:5], "# clob:  %esp", *GOOD[6:]),
     "1: routine do_thing: its header names %esp, which a routine always gives back"),
    ((*GOOD[:8], "# depth: often", *GOOD[9:]),
     "1: routine do_thing: its header's line `depth:` must begin with a decimal number"),
])
def test_a_header_that_breaks_the_form_is_named_with_the_rule(lines: tuple[str, ...], finding: str) -> None:
    assert read(lines)[1] == [finding]


def test_a_header_may_leave_out_the_do_of_a_hypercall() -> None:
    assert read(("# thing(a, b): does it.", *GOOD[1:]))[1] == []
