"""What the text of a template decides: widths, blanks, lengths, comments of macros, and where routines are."""

from __future__ import annotations

import pytest

from tests.unit.lint.cases import routine
from xengen.lint.sources import read_source


def findings(text: str, file: str = "asm/x.s") -> list[str]:
    return [str(finding).removeprefix("asm/x.s:") for finding in read_source(file, text).findings]


@pytest.mark.parametrize(("text", "finding"), [
    ("# " + "x" * 119, "1: is 121 columns wide, more than 120"),
    ("\n\tret", "2: holds a tab: use blanks"),
    ("        ret ", "1: ends in blanks"),
    ("{% endcall %}", "1: endcall without a call"),
    ('\n{% call object("x") %}', "2: call of object without an endcall"),
    ("# a: x\n# in:    -\n# out:   does not return\n{% call entry('a') %}\n" + "nop\n" * 121 + "{% endcall %}",
     "4: routine a: is 121 lines long, more than 120"),
])
def test_a_rule_of_the_text_is_broken(text: str, finding: str) -> None:
    assert findings(text) == [finding]


@pytest.mark.parametrize("text", [
    "# " + "x" * 118,
    "# a: x\n# in:    -\n# out:   does not return\n{% call entry('a') %}\n" + "nop\n" * 120 + "{% endcall %}",
    routine("a", '{% call each("b") %}; nop; {% endcall %}; ret'),
])
def test_what_is_just_within_the_rules_passes(text: str) -> None:
    assert findings(text) == []


def test_a_macro_of_the_templates_needs_a_comment() -> None:
    text = "{# What it does. #}\n{% macro told() %}\n{% endmacro %}\n\n{% macro untold() %}\n{% endmacro %}\n"
    assert findings(text, "templates/x.s") == ["templates/x.s:5: macro untold has no comment right above it"]


def test_a_routine_is_found_by_its_name_wherever_its_code_came_from() -> None:
    source = read_source("asm/x.s", routine("a", "ret") + "\n" + routine("b", "ret"))
    block = source.block("b", 1)
    assert block is not None
    assert (block.first, block.last) == (17, 19)


def test_a_routine_with_a_computed_name_is_found_by_its_lines() -> None:
    text = '# do_{{ n }}: x\n# in:    -\n# out:   does not return\n{% call routine("do_" ~ n) %}\n hlt\n{% endcall %}\n'
    source = read_source("asm/x.s", text)
    block = source.block("do_7", 5)
    assert block is not None
    assert block.header.line == 1
    assert source.block("do_7", 7) is None
