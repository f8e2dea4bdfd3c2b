"""Local labels that are written out early are the ones that Jinja would give."""

from __future__ import annotations

import pytest

from tests.unit.toolchain.conftest import Tree
from xengen.toolchain.labels import written_out
from xengen.toolchain.tags import parts

SET = '{% set L = labels("r") %}'
CALL = '{% call routine("r") %}'
USE = '{{ L("x") }}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{SET}\n{USE}: jmp {USE}\n", f"{SET}\n.Lr_x: jmp .Lr_x\n"),
        (f"{SET}\n{CALL}\njmp {USE}\n", f"{SET}\n{CALL}\njmp .Lr_x\n"),
        (f"{SET}{{{{ other }}}}{{# c #}}{USE}", f"{SET}{{{{ other }}}}{{# c #}}.Lr_x"),
        (f'{SET}{USE}{{% set L = labels("s") %}}{USE}', f'{SET}.Lr_x{{% set L = labels("s") %}}.Ls_x'),
        (f'{{% set M = labels("s") %}}{{{{ M("x") }}}}{USE}', f'{{% set M = labels("s") %}}.Ls_x{USE}'),
    ],
)
def test_a_local_label_is_written_out(before: str, after: str) -> None:
    assert "".join(part.text for part in written_out(parts(before))) == after


@pytest.mark.parametrize(
    "source",
    [
        USE,
        f'{SET}{{{{ L("x" ~ y) }}}}{{{{ M("x") }}}}{{{{ user("nop", fail=L("x")) }}}}',
        f"{{% set L = labels(name) %}}{USE}",
        f"{SET}{CALL}{{% endcall %}}{USE}",
        f"{SET}{CALL}{CALL}{USE}",
        f"{SET}{{% call(L) f() %}}{USE}",
        f"{SET}{{% if a %}}{USE}",
        f"{SET}{{% endif %}}{USE}",
        f"{SET}{{% for L in a %}}{USE}",
        f"{SET}{{% macro m() %}}{USE}",
        f"{SET}{{% raw %}}{USE}{{% endraw %}}",
        f"{{# {SET} #}}{USE}",
    ],
)
def test_where_it_may_be_another_or_none_it_is_left_to_jinja(source: str) -> None:
    assert "".join(part.text for part in written_out(parts(source))) == source


def test_a_macro_between_two_routines_uses_the_labels_that_hold_when_it_is_called(tree: Tree) -> None:
    source = (
        '{% set L = labels("a") %}\n{% macro jump() %}\n        jmp {{ L("x") }}\n{% endmacro %}\n'
        '{% set L = labels("b") %}\n_start:\n{{ jump() }}\n{{ L("x") }}:\n        ret\n'
    )
    lines = [line.strip() for line in tree.make(source).source.splitlines()]
    assert [line for line in lines if "_x" in line] == ["jmp .Lb_x", ".Lb_x:"]


def test_a_label_of_no_routine_is_an_error_with_its_line(tree: Tree) -> None:
    assert tree.refusal('_start:\n        jmp {{ L("x") }}\n') == "asm/guests/g/g.s:2: 'L' is undefined"
