"""COM1's bytes taken apart (xengen/machine/transcript.py)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xengen.machine.transcript import (
    HYPERVISOR,
    OTHER,
    DomainEnd,
    Piece,
    Transcript,
    domain_ends,
    panic_reason,
    transcribe,
)

WIRE = (
    b"SeaBIOS\r\n(xengen) banner\r\n(d0) hel\r\n(xengen) interrupts\r\n(d1) other\r\n(d0+) lo\r\n"
    b"(d0) \r\n(d12) (d0) not a prefix\r\n(d0) $ "
)


def test_a_line_belongs_to_whoever_its_prefix_names() -> None:
    transcript = transcribe(b"(xengen) a\r\n(d0) b\r\n(d7) c\r\n(d0) d\r\n")
    assert transcript.hypervisor == "a\n"
    assert transcript.text(0) == "b\nd\n"
    assert transcript.text(7) == "c\n"
    assert transcript.domains == (0, 7)


def test_a_line_that_was_broken_off_is_whole_again() -> None:
    assert transcribe(WIRE).text(0) == "hello\n\n$ "


def test_a_domain_that_writes_a_prefix_stays_itself() -> None:
    assert transcribe(WIRE).text(12) == "(d0) not a prefix\n"


def test_a_line_without_a_prefix_is_nobodys() -> None:
    transcript = transcribe(b"GNU GRUB\r\n(xengen) a\r\n(debug) b\r\n")
    assert transcript.text(OTHER) == "GNU GRUB\n(debug) b\n"


def test_an_unfinished_line_has_no_line_end() -> None:
    assert transcribe(b"(d0) login: ").text(0) == "login: "


def test_a_line_may_be_broken_off_more_than_once() -> None:
    wire = b"(d0) a\r\n(xengen) x\r\n(d0+) b\r\n(xengen) y\r\n(d0+) c\r\n(d0) d\r\n"
    assert transcribe(wire).text(0) == "abc\nd\n"


def test_a_character_that_was_broken_off_between_its_bytes_is_whole_again() -> None:
    assert transcribe(b"(d0) \xc3\r\n(xengen) x\r\n(d0+) \xa9\r\n").text(0) == "é\n"


def test_bytes_that_are_no_utf8_are_shown_as_escapes() -> None:
    assert transcribe(b"(d0) \xff\r\n").text(0) == "\\xff\n"


def test_a_carriage_return_inside_of_a_line_is_the_domains_own() -> None:
    assert transcribe(b"(d0) 10%\r20%\r\n").raw(0) == b"10%\r20%\n"


def test_a_prompt_comes_out_before_its_line_ends() -> None:
    assert Transcript().feed(b"(d0) $ ") == [Piece(0, b"$ ", True, False, False, "(d0) ")]


def test_a_beginning_that_may_be_a_prefix_is_kept_back() -> None:
    transcript = Transcript()
    assert transcript.feed(b"(xen") == []
    assert transcript.feed(b"gen) a") == [Piece(HYPERVISOR, b"a", True, False, False, "(xengen) ")]


def test_what_was_kept_back_comes_at_the_end() -> None:
    transcript = Transcript()
    transcript.feed(b"(d1")
    assert transcript.finish() == [Piece(OTHER, b"(d1", True, False)]


@given(st.lists(st.integers(0, len(WIRE)), max_size=12))
def test_the_texts_do_not_depend_on_where_the_bytes_were_cut(cuts: list[int]) -> None:
    transcript = Transcript()
    edges = sorted({0, *cuts, len(WIRE)})
    for start, end in pairwise(edges):
        transcript.feed(WIRE[start:end])
    transcript.finish()
    whole = transcribe(WIRE)
    sources = (OTHER, HYPERVISOR, 0, 1, 12)
    assert [transcript.raw(source) for source in sources] == [whole.raw(source) for source in sources]


@st.composite
def _talk(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    text = st.text("ab(d0) é\n", max_size=8).map(str.encode)
    return draw(st.lists(st.tuples(st.sampled_from([HYPERVISOR, 0, 1]), text), max_size=12))


def _wire(talk: list[tuple[int, bytes]]) -> bytes:
    """Write `talk` as the hypervisor does it: a line at a time, breaking off whoever was in the middle of one."""
    wire = bytearray()
    middle: int | None = None
    unfinished: set[int] = set()
    for source, text in talk:
        if source == HYPERVISOR:
            text = text.replace(b"\n", b" ") + b"\n"
        for part in text.splitlines(keepends=True):
            if middle is not None and middle != source:
                wire += b"\r\n"
            if middle != source:
                name = b"xengen" if source == HYPERVISOR else b"d%d%b" % (source, b"+" if source in unfinished else b"")
                wire += b"(%b) " % name
            wire += part.replace(b"\n", b"\r\n")
            middle = None if part.endswith(b"\n") else source
            (unfinished.discard if middle is None else unfinished.add)(source)
    return bytes(wire)


@given(_talk())
def test_each_domain_gets_exactly_what_it_wrote(talk: list[tuple[int, bytes]]) -> None:
    # A carriage return would be a line end to splitlines; the alphabet has none.
    transcript = transcribe(_wire(talk))
    for domain in (0, 1):
        said = b"".join(text for source, text in talk if source == domain)
        # An unfinished line that was broken off for good counts as ended.
        assert transcript.raw(domain) in (said, said + b"\n")


def test_on_xens_console_unmarked_lines_are_domain_0s() -> None:
    transcript = transcribe(b"SeaBIOS\r\n(XEN) Xen version 4.17\r\nLinux version 5\r\n(d1) mini-os\r\n")
    assert transcript.text(0) == "Linux version 5\n"
    assert transcript.text(1) == "mini-os\n"
    assert transcript.text(OTHER) == "SeaBIOS\n"
    assert transcript.hypervisor == "Xen version 4.17\n"


@pytest.mark.parametrize(
    "line, end",
    [
        ("domain 0 shut down: poweroff", DomainEnd(0, "poweroff", False)),
        ("domain 3 shut down: crash", DomainEnd(3, "crash", True)),
        ("domain 2 died: no handler for #UD", DomainEnd(2, "no handler for #UD", True)),
        ("Hardware Dom0 crashed: rebooting machine in 5 seconds.", DomainEnd(0, "crash", True)),
    ],
)
def test_the_end_of_a_domain_is_read_from_the_announcement(line: str, end: DomainEnd) -> None:
    assert domain_ends(f"before\n{line}\nafter\n") == (end,)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("a\nPANIC: no memory\nb\n", "no memory"),
        ("***\nPanic on CPU 0:\nCould not construct domain 0\n***\n", "Could not construct domain 0"),
        ("a PANIC: in the middle of a line\n", None),
    ],
)
def test_the_reason_of_a_panic_is_read_from_its_report(text: str, reason: str | None) -> None:
    assert panic_reason(text) == reason
