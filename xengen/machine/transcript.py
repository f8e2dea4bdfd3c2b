"""COM1's bytes taken apart: what the hypervisor said, and exactly what each domain wrote.

The protocol
  - A line of the hypervisor begins with "(xengen) ", a line of domain N with "(dN) ". Lines end with CR LF.
  - When somebody else speaks while a domain's line is unfinished, the line is broken off with CR LF, and what is left
    of it comes later on a line that begins with "(dN+) ".

Invariants
  - The bytes may be cut into pieces anywhere: the result does not depend on where.
  - A domain's text is exact. Whether a line break on the wire was the domain's own is known only when the domain's
    next line begins, so it is owed until then, and counted at the end.
  - A line without a prefix belongs to `OTHER` (firmware, a boot loader).
  - Xen marks its lines with "(XEN) " and domain 0's not at all: behind its first line, unmarked ones are domain 0's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HYPERVISOR = -1
OTHER = -2

# Nothing longer than this at a line's start can still become a prefix.
LONGEST_PREFIX = 16

XEN = b"XEN"
_PREFIX = re.compile(rb"\((?:(xengen|XEN)|d(\d+)(\+?))\) ")


@dataclass(frozen=True)
class Piece:
    """Part of one line on the wire, without prefix and line end.

    `source` is a domain's number, HYPERVISOR or OTHER. `opens` and `closes` say whether the line begins and ends here;
    `continues` (with `opens`) that the line carries on one that was broken off;
    `prefix` is what stood before the line on the wire.
    """

    source: int
    data: bytes
    opens: bool
    closes: bool
    continues: bool = False
    prefix: str = ""


class Transcript:
    """The state of one COM1. Feed it bytes as they come; ask for texts at any time."""

    def __init__(self) -> None:
        self._plain = OTHER
        self._pending = b""
        self._line: tuple[int, bool, str] | None = None
        self._texts: dict[int, bytearray] = {}
        self._owed: set[int] = set()

    def feed(self, data: bytes) -> list[Piece]:
        """Take more bytes; return what they complete, in order. A beginning that may be a prefix is kept back."""
        self._pending += data
        pieces = list(self._take(final=False))
        for piece in pieces:
            self._record(piece)
        return pieces

    def finish(self) -> list[Piece]:
        """Say that no more bytes come; return what was kept back."""
        pieces = list(self._take(final=True))
        for piece in pieces:
            self._record(piece)
        return pieces

    @property
    def domains(self) -> tuple[int, ...]:
        """The numbers of the domains that wrote something, in order."""
        return tuple(sorted(source for source in self._texts if source >= 0))

    def raw(self, source: int) -> bytes:
        """Return exactly what `source` (a domain, HYPERVISOR or OTHER) wrote so far, with LF as line end."""
        return bytes(self._texts.get(source, b"")) + (b"\n" if source in self._owed else b"")

    def text(self, source: int) -> str:
        """Return `raw(source)` as text; bytes that are no UTF-8 appear as \\xNN."""
        return self.raw(source).decode("utf-8", "backslashreplace")

    @property
    def hypervisor(self) -> str:
        """What the hypervisor itself said."""
        return self.text(HYPERVISOR)

    def _take(self, final: bool) -> Iterator[Piece]:
        while self._pending:
            opens = self._line is None
            if opens and not self._open(final):
                return
            assert self._line is not None
            source, continues, prefix = self._line
            end = self._pending.find(b"\n")
            if end >= 0:
                text, self._pending = self._pending[:end], self._pending[end + 1 :]
                self._line = None
                yield Piece(source, text.removesuffix(b"\r"), opens, True, opens and continues, prefix)
                continue
            # A CR at the very end may be half of the line's end.
            keep = 1 if self._pending.endswith(b"\r") and not final else 0
            text, self._pending = self._pending[: len(self._pending) - keep], self._pending[len(self._pending) - keep :]
            if text or opens:
                yield Piece(source, text, opens, False, opens and continues, prefix)
            return

    def _open(self, final: bool) -> bool:
        match = _PREFIX.match(self._pending)
        if match is None:
            if not final and self._may_become_a_prefix():
                return False
            self._line = (self._plain, False, "")
            return True
        self._pending = self._pending[match.end() :]
        prefix = match[0].decode()
        if match[1] == XEN:
            self._plain = 0
        self._line = (HYPERVISOR, False, prefix) if match[1] else (int(match[2]), bool(match[3]), prefix)
        return True

    def _may_become_a_prefix(self) -> bool:
        start = self._pending
        return len(start) < LONGEST_PREFIX and re.fullmatch(rb"\((?:[A-Za-z]*|d\d*\+?)\)?", start) is not None

    def _record(self, piece: Piece) -> None:
        text = self._texts.setdefault(piece.source, bytearray())
        if piece.opens and piece.source in self._owed:
            self._owed.discard(piece.source)
            if not piece.continues:
                text += b"\n"
        text += piece.data
        if piece.closes:
            self._owed.add(piece.source)


def transcribe(data: bytes) -> Transcript:
    """Return the finished transcript of `data`."""
    transcript = Transcript()
    transcript.feed(data)
    transcript.finish()
    return transcript


@dataclass(frozen=True)
class DomainEnd:
    """How a domain ended, as the hypervisor announced it. `died` is False for an orderly end."""

    domain: int
    reason: str
    died: bool


_DOMAIN_END = re.compile(r"^domain (\d+) (died|shut down): (.*)$", re.M)
_PANIC = re.compile(r"^PANIC: (.*)$", re.M)
_REFUSAL = re.compile(r"^(\S+) refused: (.*)$", re.M)
_NO_DOMAIN_0 = re.compile(r"^there is no domain 0: ", re.M)
# The same two facts in Xen's words (xen/common/shutdown.c, xen/drivers/char/console.c).
_XEN_CRASH = re.compile(r"^Hardware Dom(\d+) crashed", re.M)
_XEN_PANIC = re.compile(r"^Panic on CPU \d+:\n(.*)$", re.M)


def domain_ends(hypervisor_text: str) -> tuple[DomainEnd, ...]:
    """Return the ends of domains that the hypervisor announced, in order. A shutdown for reason "crash" is a death."""
    ours = tuple(
        DomainEnd(int(number), reason, how == "died" or reason == "crash")
        for number, how, reason in _DOMAIN_END.findall(hypervisor_text)
    )
    return ours + tuple(DomainEnd(int(number), "crash", True) for number in _XEN_CRASH.findall(hypervisor_text))


def panic_reason(hypervisor_text: str) -> str | None:
    """Return why the hypervisor panicked, or None when it did not."""
    match = _PANIC.search(hypervisor_text) or _XEN_PANIC.search(hypervisor_text)
    return match[1] if match else None


def no_domain_0(hypervisor_text: str) -> str | None:
    """Return why the hypervisor says that there is no domain 0 (what it refused, and why), None when it does not."""
    if not _NO_DOMAIN_0.search(hypervisor_text):
        return None
    match = _REFUSAL.search(hypervisor_text)
    return f"{match[1]} was refused: {match[2]}" if match else "there was no boot module"
