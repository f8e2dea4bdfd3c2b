"""Tags are read as Jinja's own lexer reads them, or left to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2.lexer import Token

from tests.unit.toolchain.conftest import PROJECT, Tree
from xengen.toolchain.labels import written_out
from xengen.toolchain.parse import jinja_environment
from xengen.toolchain.provenance import Provenance
from xengen.toolchain.tags import parts, tokens

READ = {
    "nothing": "",
    "text": "a\n b\n",
    "expression": "a {{ b }} c\n",
    "block": "{% if a %}\nb\n{% endif %}\nc",
    "comment": "{# a\n b #}\nc {# d #} e",
    "adjacent tags": "{{ a }}{{ b }}{% if c %}{% endif %}",
    "long tag": "{% set a = [1,\n  2,\n\n  b] %}\nc {{ d(1,\n 2) }}",
    "blank lines behind": "{% if a %}\n\n\nb{% endif %}\n\n",
    "numbers": "{{ [0, 10, 0x1F] }}",
    "strings": """{{ "a" ~ 'b' ~ "it's" ~ '%}' ~ "}}" ~ "\\n\\x41\\\\" ~ 'ä' ~ "" }}""",
    "operators": "{{ a + b - c * d / e // f % g ** h ~ i < j <= k > l >= m == n != o.p | q }}",
    "brackets": "{{ a[1:2](b, c={'d': [(1,)]}) }}",
    "no blanks": "{{a}}{%if b%}{%endif%}",
    "characters of the assembler": "movl $(1 << 3), %eax # {a} { { % }\n",
}
LEFT_TO_JINJA = {
    "raw text": "{% raw %}{{ a }}{% endraw %}",
    "signs": "{%+ if a %}{% endif +%}",
    "octal": "{{ 0o17 }}",
    "grouped digits": "{{ 1_000 }}",
    "fraction": "{{ 1.5 }}",
    "letters beyond ASCII": "{{ ä }}",
    "other characters": "{{ a ; b }}",
    "open comment": "a {# b",
    "open tag": "a {% b",
    "open expression": "a {{ b",
    "open string": "{{ 'a }}",
    "bad escape": "{{ '\\xz' }}",
}


def by_jinja(source: str) -> list[Token]:
    """Return what Jinja's lexer gives, without the newline that it counts to the end of a block tag."""
    found = jinja_environment().lexer.tokenize(source)
    return [Token(line, kind, "%}" if kind == "block_end" else value) for line, kind, value in found]


@pytest.mark.parametrize("source", READ.values(), ids=READ)
def test_tokens_are_those_of_jinja(source: str) -> None:
    assert tokens(list(parts(source))) == by_jinja(source)


@pytest.mark.parametrize("source", LEFT_TO_JINJA.values(), ids=LEFT_TO_JINJA)
def test_what_is_not_read_here_has_no_tokens(source: str) -> None:
    assert tokens(list(parts(source))) is None


@pytest.mark.parametrize("source", [*READ.values(), *LEFT_TO_JINJA.values()], ids=[*READ, *LEFT_TO_JINJA])
def test_parts_joined_are_the_source_and_know_their_lines(source: str) -> None:
    found = list(parts(source))
    assert "".join(part.text for part in found) == source
    assert [part.is_tag for part in found] == [index % 2 == 1 for index in range(len(found))]
    for index, part in enumerate(found):
        assert part.line == 1 + "".join(before.text for before in found[:index]).count("\n")


def project_templates() -> list[Path]:
    """Return every template of the project."""
    found = [path for folder in ("asm", "templates") for path in (PROJECT / folder).rglob("*")]
    return sorted(path for path in found if path.suffix in (".s", ".macro"))


def test_the_tags_of_every_template_of_the_project_are_read_here_as_by_jinja() -> None:
    for path in project_templates():
        name = path.relative_to(PROJECT).as_posix()
        marked = list(Provenance().mark(name, list(written_out(parts(path.read_text())))))
        assert tokens(marked) == by_jinja("".join(part.text for part in marked)), name


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("{% raw %}nop{% endraw %}", "90"),
        ("movb ${{ 0o17 }}, %al", "b00f"),
        ("movb ${{ {'a': {'b': 1}}['a']['b'] }}, %al", "b001"),
        ("{%+ if debug +%} nop{% endif %}", "90"),
    ],
)
def test_what_is_left_to_jinja_is_built_all_the_same(tree: Tree, source: str, code: str) -> None:
    assert tree.code(source).hex() == code
