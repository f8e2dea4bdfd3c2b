"""A serial line of the machine, as something to wait on.

Invariants
  - Nothing that was written is lost: `text` is everything since the start. `expect` moves a mark through it, and each
    next `expect` looks behind the mark only.
  - Waiting ends with what was waited for, or with an exception that says why it can no longer come.
  - CR LF on the wire is a line end (LF) in texts; `raw` has the bytes as they were.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

from xengen.machine.pump import Pump

# A match may span this many bytes at the most: what is older is not searched again when more arrives.
WINDOW = 1 << 16


def to_text(raw: bytes) -> str:
    """Return serial bytes as text: LF for CR LF, and bytes that are no UTF-8 as \\xNN."""
    return raw.replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace")


def _searchable(raw: bytes) -> str:
    """Return serial bytes as text from which they can be had back; `raw` may begin in the middle of a character."""
    return raw.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")


class Console:
    """Serial line number `index` of the machine that `pump` runs. `fail` raises the exception for a wait in vain."""

    def __init__(self, pump: Pump, index: int, fail: Callable[[str, bool], NoReturn]) -> None:
        self._pump = pump
        self._index = index
        self._fail = fail
        self._mark = 0

    @property
    def raw(self) -> bytes:
        """Every byte so far."""
        with self._pump.changed:
            return bytes(self._pump.consoles[self._index])

    @property
    def text(self) -> str:
        """Everything so far, as text."""
        return to_text(self.raw)

    def send(self, data: bytes) -> None:
        """Type `data` into the line."""
        self._pump.send(self._index, data)

    def since(self, position: int, timeout: float) -> bytes:
        """Return the bytes from `position` on; when there are none, wait up to `timeout` seconds for some."""
        self._wait_beyond(position, time.monotonic() + timeout)
        with self._pump.changed:
            return bytes(self._pump.consoles[self._index][position:])

    def expect(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        """Wait until `pattern` (a regular expression, MULTILINE) matches behind the mark; the mark moves behind it.

        Raises Hang after `timeout` seconds, and TripleFault, HypervisorPanic, QemuExited or EndedEarly when the machine
        ended without it.
        """
        expression = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        searched = self._mark
        while True:
            with self._pump.changed:
                ended = self._pump.ended
                raw = self._pump.consoles[self._index]
                start = max(self._mark, searched - WINDOW)
                # CR LF may have been cut in two by its arrival.
                fresh = bytes(raw[start:]).removesuffix(b"\r")
                searched = start + len(fresh)
            match = expression.search(_searchable(fresh))
            if match is not None:
                self._mark = start + _raw_length(fresh, match.string[: match.end()])
                return match
            if ended:
                self._fail(f"{pattern!r} on the console", False)
            if not self._wait_beyond(searched, deadline):
                self._fail(f"{pattern!r} on the console for {timeout:g} s", True)

    def follow(self, timeout: float | None = None, tick: float | None = None) -> Iterator[bytes]:
        """Yield what is written, from the start and as it comes, until the machine has ended.

        Raises Hang after `timeout` seconds in all; None waits for ever. When nothing is written for `tick` seconds,
        that is yielded: nothing.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        position = 0
        while True:
            with self._pump.changed:
                fresh = bytes(self._pump.consoles[self._index][position:])
                ended = self._pump.ended
            if fresh:
                position += len(fresh)
                yield fresh
            elif ended:
                return
            elif tick is not None:
                yield b""
            overdue = deadline is not None and time.monotonic() >= deadline
            next_tick = deadline if tick is None else time.monotonic() + tick
            if overdue or not (self._wait_beyond(position, next_tick) or tick is not None):
                self._fail(f"the machine's end for {timeout:g} s", True)

    def lines(self, timeout: float | None = None) -> Iterator[str]:
        """Yield complete lines as they come, until the machine has ended (then also an unfinished last line)."""
        pending = b""
        for fresh in self.follow(timeout):
            *complete, pending = (pending + fresh).split(b"\n")
            yield from (to_text(line + b"\n").rstrip("\n") for line in complete)
        if pending:
            yield to_text(pending)

    def _wait_beyond(self, position: int, deadline: float | None) -> bool:
        """Wait until there are bytes at `position` or the machine has ended; return False when time ran out first."""
        with self._pump.changed:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            return self._pump.changed.wait_for(
                lambda: len(self._pump.consoles[self._index]) > position or self._pump.ended, left
            )


def _raw_length(raw: bytes, text: str) -> int:
    """Return how many bytes of `raw` make `text`, the beginning of what `_searchable` gives for it."""
    left = len(text.encode("utf-8", "surrogateescape"))
    position = 0
    for line in raw.split(b"\r\n"):
        if left <= len(line):
            return position + left
        left -= len(line) + 1
        position += len(line) + 2
    return len(raw)
