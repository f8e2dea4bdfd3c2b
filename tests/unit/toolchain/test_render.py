"""Templates: what they know, and that every line remembers where it was written."""

from __future__ import annotations

import pytest

from tests.unit.toolchain.conftest import Tree
from xengen.toolchain.image import Image, Origin, Statement

MACROS = """\
{# Macros of the tests. #}
{% macro pair(first) %}
        pushl   {{ first }}
        nop
        popl    {{ first }}
{% endmacro %}
{% macro around() %}
        cld
{{ caller() }}
        std
{% endmacro %}
{% macro outer(name) %}
        cld
{{ pair(name) }}
{% endmacro %}
{% macro fresh() %}
{{ unique("here") }}:
        std
{% endmacro %}
{% macro if_debug() %}
{% if debug %}
        int3
{% endif %}
{% endmacro %}
"""


def statement(image: Image, text: str) -> Statement:
    """Return the only statement with this text."""
    (found,) = (statement for statement in image.statements if statement.text == text)
    return found


def places(tree: Tree, source: str) -> dict[str, str]:
    """Return statement -> "line" or "line in MACRO:LINE" for a source with the tests' macros."""
    tree.write("templates/macros.s", MACROS)
    image = tree.make(source).image
    found = {}
    for item in image.statements:
        origin = item.origin
        assert origin.file == "asm/guests/g/g.s"
        macro = f" in {origin.macro.replace(', templates/macros.s', '')}" if origin.macro else ""
        found[item.text] = f"{origin.line}{macro}"
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("_start: nop\n        ret\n", {"nop": "1", "ret": "2"}),
        ("# a comment\n\n_start:\n        ret\n", {"ret": "4"}),
        ("{# one\n   two #}\n_start: ret\n", {"ret": "3"}),
        ("{% set a = 1 %}\n_start: ret\n", {"ret": "2"}),
        ("{% set a = [1,\n            2] %}\n_start: ret\n", {"ret": "3"}),
        ("_start:\n{% for r in ['eax',\n            'ebx'] %}\n        incl %{{ r }}\n{% endfor %}\n        ret\n",
         {"incl %eax": "4", "incl %ebx": "4", "ret": "6"}),
        ("_start:\n{% if debug %}\n        nop\n{% else %}\n        hlt\n{% endif %}\n        ret\n",
         {"nop": "3", "ret": "7"}),
        ("_start:\n        cli\n{% if debug %}        nop\n{% endif %}\n        ret\n",
         {"cli": "2", "nop": "3", "ret": "5"}),
        ("_start:\n        movl {{ '$1,'\n                 ~ ' %eax' }}\n        ret\n",
         {"movl $1, %eax": "2", "ret": "4"}),
        ("_start: nop; cli\n        ret # {a}\n", {"nop": "1", "cli": "1", "ret": "2"}),
        ("_start: nop /* one\n two */ cli\n        ret\n", {"nop": "1", "cli": "2", "ret": "3"}),
    ],
)  # fmt: skip
def test_a_line_knows_its_template_line(tree: Tree, source: str, expected: dict[str, str]) -> None:
    assert places(tree, source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("_start:\n{{ pair('%eax') }}\n        ret\n",
         {"pushl %eax": "2 in pair:3", "nop": "2 in pair:4", "popl %eax": "2 in pair:5", "ret": "3"}),
        ("_start:\n        {{ pair('%eax') }}\n        ret\n",
         {"pushl %eax": "2 in pair:3", "nop": "2 in pair:4", "popl %eax": "2 in pair:5", "ret": "3"}),
        ("_start:\n{{ outer('%eax') }}\n        ret\n",
         {"cld": "2 in outer:13", "pushl %eax": "2 in pair:3", "nop": "2 in pair:4", "popl %eax": "2 in pair:5",
          "ret": "3"}),
        ("_start:\n{% call around() %}\n        cli\n        sti\n{% endcall %}\n        ret\n",
         {"cld": "2 in around:8", "cli": "3", "sti": "4", "std": "5 in around:10", "ret": "6"}),
        ("{% macro own() %}\n        hlt\n{% endmacro %}\n_start:\n        nop\n{{ own() }}\n        ret\n",
         {"nop": "5", "hlt": "6 in own, asm/guests/g/g.s:2", "ret": "7"}),
    ],
)  # fmt: skip
def test_a_line_of_a_macro_belongs_to_its_call_and_names_the_macro_line(
    tree: Tree, source: str, expected: dict[str, str]
) -> None:
    assert places(tree, source) == expected


def test_an_included_file_keeps_its_own_lines(tree: Tree) -> None:
    tree.write("templates/part.s", "        nop\n        cld\n")
    image = tree.make('_start:\n{% include "templates/part.s" %}\n        ret\n').image
    assert statement(image, "cld").origin == Origin("templates/part.s", 2)
    assert statement(image, "ret").origin == Origin("asm/guests/g/g.s", 3)


def test_macros_are_there_without_an_import_and_by_import(tree: Tree) -> None:
    tree.write("templates/macros.s", MACROS)
    imported = '{% from "templates/macros.s" import outer %}\n_start: {{ outer("%eax") }}\n'
    assert tree.make(imported).image.section(".text").data == tree.code('{{ outer("%eax") }}')


def test_a_later_macro_file_knows_the_macros_of_an_earlier_one(tree: Tree) -> None:
    tree.write("templates/a.s", "{% macro first() %}nop{% endmacro %}\n")
    tree.write("templates/b.s", "{% macro second() %}\n        {{ first() }}\n{% endmacro %}\n")
    toml = tree.root / "asm/guests/g/image.toml"
    toml.write_text(toml.read_text() + 'macros = ["templates/a.s", "templates/b.s"]\n')
    assert tree.code("{{ second() }}") == b"\x90"


def test_debug_is_false_in_a_release_build(tree: Tree) -> None:
    tree.write("templates/macros.s", MACROS)
    tree.write("asm/guests/g/g.s", "_start: ret\n{{ if_debug() }}\n")
    assert tree.make(debug=True).image.section(".text").data == b"\xc3\xcc"
    assert tree.make(debug=False).image.section(".text").data == b"\xc3"


def test_unique_gives_every_caller_another_label_and_starts_anew_for_every_image(tree: Tree) -> None:
    tree.write("templates/macros.s", MACROS)
    source = "_start:\n{{ fresh() }}\n{{ fresh() }}\n"
    made = [tree.make(source), tree.make(source)]
    assert [line for line in made[0].source.splitlines() if ".Lhere" in line] == [".Lhere_0:", ".Lhere_1:"]
    assert made[0].source == made[1].source


def test_labels_belong_to_their_routine(tree: Tree) -> None:
    source = '{% set A = labels("a") %}{% set B = labels("b") %}_start: jmp {{ B("x") }}\n'
    source += '{{ A("x") }}: nop\n{{ B("x") }}: ret\n'
    assert tree.make(source).image.section(".text").data.hex() == "eb0190c3"


def test_a_template_sees_the_abi_and_the_hypercall_table(tree: Tree) -> None:
    from xengen.abi.hypercalls import HYPERCALLS

    source = "_start: movl ${{ abi.EINVAL + 1 }}, %eax\n        .long {{ hypercalls | length }}\n"
    assert tree.make(source).image.section(".text").data.hex() == f"b817000000{len(HYPERCALLS):02x}000000"


def test_only_the_abi_symbols_that_are_used_are_defined_in_the_rendered_source(tree: Tree) -> None:
    source = tree.make("_start: movl $EINVAL, %eax\n").source
    assert [line for line in source.splitlines() if line.startswith(".set")] == [".set EINVAL, 0x16"]


def test_the_rendered_source_has_line_markers_where_lines_jump(tree: Tree) -> None:
    tree.write("templates/macros.s", MACROS)
    source = tree.make("_start:\n        nop\n\n{{ outer('%eax') }}\n        ret\n").source.splitlines()[1:]
    name = '"asm/guests/g/g.s"'
    assert [line.strip() for line in source] == [
        f"# 1 {name}", "_start:", "nop", f"# 4 {name}", "cld", f"# 4 {name}", "pushl   %eax", f"# 4 {name}", "nop",
        f"# 4 {name}", "popl    %eax", "ret",
    ]  # fmt: skip
