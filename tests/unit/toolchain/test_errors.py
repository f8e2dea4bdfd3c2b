"""What an author reads when a source is wrong: the exact text, for every kind of error."""

from __future__ import annotations

import pytest

from tests.unit.toolchain.conftest import Tree
from xengen.errors import UserError
from xengen.toolchain.spec import read_spec

G = "asm/guests/g/g.s"
MACROS = """\
{% macro wrong(size) %}
        movl    %ax, {{ size }}(%edi)
{% endmacro %}
{% macro undefined_inside() %}
        nop
        movl ${{ nothing }}, %eax
{% endmacro %}
"""

CASES = {
    "unknown symbol": (
        "counter: .long 0\n_start:\n        movl    countre, %eax\n",
        f"{G}:3: unknown symbol countre; did you mean counter?\n        movl    countre, %eax",
    ),
    "unknown symbol that resembles nothing": (
        "_start: call zzzzzz\n",
        f"{G}:1: unknown symbol zzzzzz\n        _start: call zzzzzz",
    ),
    "misspelt ABI symbol": (
        "_start: movl $EINVALL, %eax\n",
        f"{G}:1: unknown symbol EINVALL; did you mean EINVAL?\n        _start: movl $EINVALL, %eax",
    ),
    "duplicate label": (
        "_start: nop\nagain: nop\nagain: nop\n",
        f"{G}:3: again is defined twice: first at {G}:2\n        again: nop",
    ),
    "constant and label of one name": (
        "_start: nop\n.set _start, 1\n",
        f"{G}:2: _start is defined twice: first at {G}:1\n        .set _start, 1",
    ),
    "label named like an ABI symbol": (
        "_start: nop\nEINVAL: nop\n",
        f"{G}:2: EINVAL is a symbol of the ABI: choose another name\n        EINVAL: nop",
    ),
    "label named like a linker symbol": (
        "_start: nop\n__bss_end: nop\n",
        f"{G}:2: __bss_end is the linker's own symbol\n        __bss_end: nop",
    ),
    "no numeric label before": ("_start: jmp 1b\n", f"{G}:1: no label 1: before this\n        _start: jmp 1b"),
    "no numeric label after": (
        "_start: nop\n1: jmp 2f\n",
        f"{G}:2: no label 2: after this\n        1: jmp 2f",
    ),
    "bad operand": (
        "_start:\n        movl    (%eax,%ebx,3), %ecx\n",
        f"{G}:2: invalid operand\n        movl (%eax,%ebx,3), %ecx",
    ),
    "operand sizes that differ": (
        "_start:\n        movl    %ax, 4(%edi)\n",
        f"{G}:2: operand size mismatch\n        movl %ax, 4(%edi)",
    ),
    "operands that nothing is emitted for": (
        "_start:\n        shll    $300, %eax\n",
        f"{G}:2: the assembler emits nothing for this: are the operands right?\n        shll $300, %eax",
    ),
    "unknown register": (
        "_start: movl %eaz, %eax\n",
        f"{G}:1: unknown register %eaz; did you mean %eax?\n        _start: movl %eaz, %eax",
    ),
    "unknown instruction": (
        "_start:\n        frob    %eax\n",
        f"{G}:2: no instruction has this name and these operands\n        frob %eax",
    ),
    "a jump that does not reach": (
        "_start: jecxz far\n        .skip 128\nfar: ret\n",
        f"{G}:1: the jump is 128 bytes far: it reaches -128 to 127\n        jecxz far",
    ),
    "unknown directive": (
        "_start: nop\n        .rept   4\n",
        f"{G}:2: unknown directive .rept\n        .rept   4",
    ),
    "misspelt directive": (
        "_start: nop\n        .asciiz \"a\"\n",
        f"{G}:2: unknown directive .asciiz; did you mean .asciz?\n        .asciiz \"a\"",
    ),
    "bad directive": (
        "_start: nop\n        .balign 3\n",
        f"{G}:2: .balign goes up to a page, 4096 bytes, by powers of two\n        .balign 3",
    ),
    "unknown section": (
        "_start: nop\n        .section .oops\n",
        f"{G}:2: unknown section .oops: there are .text, .rodata, .ex_table, .where, .init, .data, .bss and .note.*"
        "\n        .section .oops",
    ),
    "section left open": (
        "_start: nop\n        .pushsection .data\n",
        f"{G}:2: .pushsection without .popsection",
    ),
    "section closed twice": (
        "_start: nop\n        .popsection\n",
        f"{G}:2: .popsection without .pushsection\n        .popsection",
    ),
    "contents in .bss": (
        "_start: nop\n        .bss\n        .long 1\n",
        f"{G}:3: .bss has no contents: use .skip here, or .data\n        .long 1",
    ),
    "space of less than nothing": (
        "_start: nop\n        .skip 4 - (. - _start) - 8\n",
        f"{G}:2: a size of -5 bytes: 0 to 67108864 can be\n        .skip 4 - (. - _start) - 8",
    ),
    "type without a symbol": (
        "_start: nop\n        .type   nobody, @function\n",
        f"{G}:2: .type of nobody, which is not defined\n        .type   nobody, @function",
    ),
    "comment without an end": ("_start: nop\n/* and\nso on\n", f"{G}:2: comment without an end"),
    "string without an end": (
        "_start: nop\n        .ascii \"a\n",
        f"{G}:2: string without an end\n        .ascii \"a",
    ),
    "unbalanced parenthesis": (
        "_start: movl 4(%eax, %ebx\n",
        f"{G}:1: parenthesis without its partner\n        _start: movl 4(%eax, %ebx",
    ),
    "an error within a macro": (
        "_start: nop\n{{ wrong('EINVAL') }}\n",
        f"{G}:2: operand size mismatch\n        movl %ax, EINVAL(%edi)\n  in macro wrong, templates/macros.s:2",
    ),
    "template syntax": (
        "_start: nop\n{% for x in %}\n",
        f"{G}:2: Expected an expression, got 'end of statement block'",
    ),
    "template without an end": (
        "_start: nop\n{% if debug %}\n        nop\n",
        f"{G}:3: Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'. "
        "The innermost block that needs to be closed is 'if'",
    ),
    "undefined name in a template": (
        "_start: nop\n        movl ${{ nothing }}, %eax\n",
        f"{G}:2: 'nothing' is undefined",
    ),
    "undefined name within a macro": (
        "_start: nop\n\n{{ undefined_inside() }}\n",
        f"{G}:3: 'nothing' is undefined\n  in macro undefined_inside, templates/macros.s:6",
    ),
    "unknown attribute of the ABI": (
        "_start: movl ${{ abi.NOTHING }}, %eax\n",
        f"{G}:1: 'xengen.toolchain.render.AbiNames object' has no attribute 'NOTHING'",
    ),
    "a template's own error": (
        "_start: nop\n{{ error('this must not be') }}\n",
        f"{G}:2: this must not be",
    ),
    "labels asked for twice": (
        "{% set A = labels('a') %}\n_start: nop\n{% set B = labels('a') %}\n",
        f"{G}:3: labels(\"a\") was asked for before: one routine, one set of labels",
    ),
    "wrong arguments to a macro": (
        "_start: nop\n{{ wrong(1, 2) }}\n",
        f"{G}:2: TypeError: macro 'wrong' takes not more than 1 argument(s)",
    ),
    "missing template": (
        "_start: nop\n{% include 'templates/none.s' %}\n",
        f"{G}:2: there is no file templates/none.s",
    ),
    "a template from elsewhere": (
        "_start: nop\n{% include 'asm/guests/other/o.s' %}\n",
        f"{G}:2: asm/guests/other/o.s is not in asm/guests/g/, asm/lib/, templates/",
    ),
    "glue": (
        "_start: nop\n{%- if debug %}\n{% endif %}\n",
        f"{G}:2: '{{%-' and '-%}}' glue lines together: the whitespace is trimmed already, leave the '-' out\n"
        "        {%- if debug %}",
    ),
}


@pytest.mark.parametrize(("source", "expected"), CASES.values(), ids=CASES)
def test_an_error_names_the_place_and_the_matter(tree: Tree, source: str, expected: str) -> None:
    tree.write("templates/macros.s", MACROS)
    assert tree.refusal(source) == expected


def test_a_file_that_is_not_text_is_an_error_with_its_line(tree: Tree) -> None:
    (tree.root / G).write_bytes(b"_start: nop\n# \xff\n")
    from xengen.toolchain.errors import BuildError

    with pytest.raises(BuildError) as caught:
        tree.make()
    assert str(caught.value) == f"{G}:2: not UTF-8 text"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('entry = "_start"', ""), "asm/guests/g/image.toml: key 'entry' is missing"),
        (('entry = "_start"', "entry = 1"), "asm/guests/g/image.toml: 'entry' must be of type str"),
        (('entry = "_start"', 'entry = "_start"\nbuzz = 1'), "asm/guests/g/image.toml: unknown key 'buzz'"),
        (("base = 0xc0100000", "base = 0xc0100004"), "asm/guests/g/image.toml: 'base' must be a multiple of 4096"),
        (('entry = "_start"', 'entry = "_start"\nlibs = ["no.s"]'),
         "asm/guests/g/image.toml: there is no file asm/lib/no.s"),
        (('entry = "_start"', 'entry = "_strat"'),
         "asm/guests/g/image.toml:4: the entry '_strat' is no label; did you mean _start?"),
        (("about = ", "about "),
         "asm/guests/g/image.toml: Expected '=' after a key in a key/value pair (at line 1, column 7)"),
    ],
)  # fmt: skip
def test_a_wrong_image_description_is_named(tree: Tree, change: tuple[str, str], expected: str) -> None:
    toml = tree.root / "asm/guests/g/image.toml"
    toml.write_text(toml.read_text().replace(*change))
    with pytest.raises(UserError) as caught:
        read_spec(tree.root, "asm/guests/g")
        tree.make()
    assert str(caught.value) == expected
