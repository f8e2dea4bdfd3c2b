"""Rings' texts between the lines of COM1 (xengen/machine/mixer.py)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xengen.machine.mixer import Mixer
from xengen.machine.transcript import HYPERVISOR, transcribe

# What is done, and what is shown: "w" gives bytes of COM1, a number the text of that domain's ring.
MIXES: dict[str, tuple[list[tuple[int | str, bytes]], bytes]] = {
    "a line of a ring has its domain's number": ([(1, b"hello\n")], b"(d1) hello\r\n"),
    "CR LF is one line's end": ([(1, b"hello\r"), (1, b"\nyou\r\n")], b"(d1) hello\r\n(d1) you\r\n"),
    "a prompt is shown": ([(1, b"login: ")], b"(d1) login: "),
    "a prompt goes on": ([(1, b"login: "), (1, b"me\n")], b"(d1) login: me\r\n"),
    "a ring's line is broken off": (
        [(1, b"hel"), ("w", b"(d0) a\r\n"), (1, b"lo\n")],
        b"(d1) hel\r\n(d0) a\r\n(d1+) lo\r\n",
    ),
    "another ring breaks it off": ([(1, b"hel"), (2, b"a\n"), (1, b"lo")], b"(d1) hel\r\n(d2) a\r\n(d1+) lo"),
    "a domain's line is broken off": (
        [("w", b"(d0) hel"), (1, b"a\n"), ("w", b"lo\r\n")],
        b"(d0) hel\r\n(d1) a\r\n(d0+) lo\r\n",
    ),
    "a hypervisor's is not": ([("w", b"(xengen) hel"), (1, b"a\n"), ("w", b"lo\r\n")], b"(xengen) hello\r\n(d1) a\r\n"),
    "nor is a prefix": ([("w", b"(d"), (1, b"a\n"), ("w", b"0) lo\r\n")], b"(d0) lo\r\n(d1) a\r\n"),
    "nor is a line's end": ([("w", b"(d0) a\r"), (1, b"b\n"), ("w", b"\n")], b"(d0) a\r\n(d1) b\r\n"),
    "what waits is not lost": ([("w", b"(xengen) hel"), (1, b"a\r")], b"(xengen) hel\r\n(d1) a\r"),
}


def mixed(steps: list[tuple[int | str, bytes]]) -> bytes:
    """Return the stream that comes of `steps`."""
    mixer = Mixer()
    shown = [mixer.wire(data) if isinstance(who, str) else mixer.ring(who, data) for who, data in steps]
    return b"".join(shown) + mixer.finish()


@pytest.mark.parametrize("name", MIXES)
def test_rings_and_com1_are_one_stream(name: str) -> None:
    steps, expected = MIXES[name]
    assert mixed(steps) == expected


WORDS = st.text("ab \n", max_size=6).map(str.encode)
WIRE_LINES = st.lists(st.tuples(st.sampled_from([HYPERVISOR, 0]), st.text("ab ", max_size=5)), max_size=4)


@given(WIRE_LINES, st.lists(st.tuples(st.integers(1, 2), WORDS), max_size=6), st.data())
def test_each_text_is_exact_however_they_meet(
    lines: list[tuple[int, str]], texts: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    prefixes = {HYPERVISOR: "(xengen) ", 0: "(d0) "}
    wire = "".join(f"{prefixes[source]}{text}\r\n" for source, text in lines).encode()
    steps: list[tuple[int | str, bytes]] = []
    for domain, text in texts:
        cut = data.draw(st.integers(0, len(wire)))
        steps += [("w", wire[:cut]), (domain, text)]
        wire = wire[cut:]
    found = transcribe(mixed([*steps, ("w", wire)]))
    for source in (HYPERVISOR, 0):
        assert found.raw(source) == "".join(f"{text}\n" for who, text in lines if who == source).encode()
    for domain in (1, 2):
        written = b"".join(text for who, text in texts if who == domain)
        # A line that was broken off and never went on counts as whole (transcript.py).
        assert found.raw(domain) in (written, written + b"\n")
