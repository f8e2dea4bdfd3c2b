"""Snippets of assembly, assembled for a place in the agent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xengen.agent.snippet import SnippetAssembler
from xengen.toolchain.errors import BuildError


@pytest.fixture
def snippets() -> Iterator[SnippetAssembler]:
    """An assembler that knows two names."""
    with SnippetAssembler({"EINVAL": 22, "somewhere": 0xC0103456}) as assembler:
        yield assembler


def test_a_snippet_is_its_own_bytes_and_nothing_else(snippets: SnippetAssembler) -> None:
    assert snippets.assemble("nop\nud2", 0xC0200000) == b"\x90\x0f\x0b"


def test_a_jump_reaches_its_name_from_wherever_the_snippet_is(snippets: SnippetAssembler) -> None:
    for address in (0xC0200000, 0xC0200010, 0xC0203FF8):
        code = snippets.assemble("jmp somewhere", address)
        assert code[0] == 0xE9
        assert (address + 5 + int.from_bytes(code[1:], "little")) & 0xFFFFFFFF == 0xC0103456


def test_names_and_labels_are_known(snippets: SnippetAssembler) -> None:
    assert snippets.assemble("movl $-EINVAL, %eax\njz 1f\nnop\n1:", 0xC0200000) == b"\xb8\xea\xff\xff\xff\x74\x01\x90"


def test_the_same_text_may_be_assembled_again_and_for_another_place(snippets: SnippetAssembler) -> None:
    first = snippets.assemble("at: jmp at", 0xC0200000)
    assert snippets.assemble("at: jmp at", 0xC0200000) == first == snippets.assemble("at: jmp at", 0xC0300100)


@pytest.mark.parametrize("text, message", [
    ("nop\nmovl nothing, %eax", r"^snippet:2: unknown symbol nothing"),
    ("frob %eax", r"^snippet:1: "),
    ("nop\nnop\nmovl %ax, 4(%ebx)", r"^snippet:3: "),
])
def test_what_cannot_be_assembled_names_its_line(snippets: SnippetAssembler, text: str, message: str) -> None:
    for address in (0xC0200000, 0xC0200040):
        with pytest.raises(BuildError, match=message):
            snippets.assemble(text, address)
