"""What domains wrote to rings, put between the lines of COM1: one stream in the protocol of transcript.py.

Invariants
  - The result is what the hypervisor would have written, had the domains used its console: whoever reads the stream
    cannot tell, and finds each domain's text exact.
  - Only a domain's line is broken off, as the hypervisor does it. While one of the hypervisor's is under way, or a
    prefix, text of rings waits for its end.
"""

from __future__ import annotations

import re

_INTERRUPTIBLE = re.compile(rb"\((d\d+)\+?\) .*", re.S)
_END = b"\r\n"


class Mixer:
    """The state of one stream: give it COM1's bytes and rings' texts as they come, and show what it returns."""

    def __init__(self) -> None:
        self._line = b""  # of COM1, as far as it has come
        self._cut = False  # it was broken off by us
        self._speaker: int | None = None  # the domain whose ring has the stream's unfinished line
        self._broken: set[int] = set()
        self._halves: dict[int, bytes] = {}  # a CR that may be half of a line's end
        self._waiting: list[tuple[int, bytes]] = []

    def wire(self, data: bytes) -> bytes:
        """Take bytes of COM1; return what is to be shown."""
        if not data:
            return b""
        out = self._break_off() + self._resume(data)
        self._line = (self._line + data).rpartition(b"\n")[2]
        return out + self._rings()

    def ring(self, domain: int, data: bytes) -> bytes:
        """Take what a domain wrote to its ring; return what is to be shown."""
        text = self._halves.pop(domain, b"") + data
        if text.endswith(b"\r"):
            text, self._halves[domain] = text[:-1], b"\r"
        if text:
            self._waiting.append((domain, text.replace(_END, b"\n")))
        return self._rings()

    def finish(self) -> bytes:
        """Return what still waited when the machine ended."""
        self._waiting += self._halves.items()
        self._halves = {}
        out = b"" if not self._waiting or self._may_break() else _END
        self._line = self._line if self._may_break() else b""
        return out + self._rings()

    def _may_break(self) -> bool:
        line = self._line
        return not line or (_INTERRUPTIBLE.fullmatch(line) is not None and not line.endswith(b"\r"))

    def _break_off(self) -> bytes:
        """End the line of a ring, if one is unfinished."""
        if self._speaker is None:
            return b""
        self._broken.add(self._speaker)
        self._speaker = None
        return _END

    def _resume(self, data: bytes) -> bytes:
        """Return COM1's bytes, with a prefix when its line was broken off."""
        match = _INTERRUPTIBLE.fullmatch(self._line) if self._cut else None
        self._cut = False
        return data if match is None else b"(%s+) %s" % (match[1], data)

    def _rings(self) -> bytes:
        if not self._may_break():
            return b""
        waiting, self._waiting = self._waiting, []
        return b"".join(self._text(domain, text) for domain, text in waiting)

    def _text(self, domain: int, text: bytes) -> bytes:
        out = b""
        if self._line and not self._cut and self._speaker is None:
            self._cut, out = True, _END
        if self._speaker != domain:
            out += self._break_off()
            out += b"(d%d+) " % domain if domain in self._broken else b"(d%d) " % domain
            self._broken.discard(domain)
        *whole, rest = text.split(b"\n")
        for position, line in enumerate(whole):
            out += line + _END
            if position < len(whole) - 1 or rest:
                out += b"(d%d) " % domain
        self._speaker = domain if rest or not whole else None
        return out + rest
