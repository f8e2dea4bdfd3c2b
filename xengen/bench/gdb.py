"""A client of QEMU's gdb server: breakpoints, letting the machine run to them, and a step off them.

Invariants
  - One request is under way at a time, and each is answered before the next.
"""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType

from xengen.errors import XengenError

SIGTRAP = 5


class GdbError(XengenError):
    """The gdb server did not answer as it should."""


class Gdb:
    """A connection to the gdb server at the Unix socket `path`; an answer may take `timeout` seconds."""

    def __init__(self, path: Path, timeout: float = 60.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._pending = b""
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise GdbError(f"QEMU's gdb server cannot be reached: {error.strerror}") from error

    def __enter__(self) -> Gdb:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def breakpoint(self, address: int) -> None:
        """Stop before the instruction at `address` (virtual) is executed."""
        self._expect_ok(f"Z0,{address:x},1")

    def clear(self, address: int) -> None:
        """Take the breakpoint at `address` back."""
        self._expect_ok(f"z0,{address:x},1")

    def proceed(self) -> bool:
        """Let the machine run until it stops; return whether it is at a breakpoint (else it has ended).

        A breakpoint where it stands now stops it at once: `step` leads off it.
        """
        return self._stopped("c")

    def step(self) -> bool:
        """Execute one instruction, whether there is a breakpoint or not; return as `proceed`."""
        return self._stopped("s")

    def _stopped(self, request: str) -> bool:
        answer = self._ask(request)
        if answer[:1] not in ("T", "S"):
            raise GdbError(f"QEMU's gdb server says {answer!r} instead of why the machine stopped")
        return int(answer[1:3], 16) == SIGTRAP

    def _expect_ok(self, request: str) -> None:
        answer = self._ask(request)
        if answer != "OK":
            raise GdbError(f"QEMU's gdb server refuses {request!r}: {answer!r}")

    def _ask(self, request: str) -> str:
        data = request.encode()
        try:
            self._socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))
            return self._answer()
        except TimeoutError as error:
            raise GdbError(f"QEMU's gdb server does not answer {request!r}") from error
        except OSError as error:
            raise GdbError(f"the connection to QEMU's gdb server broke: {error.strerror}") from error

    def _answer(self) -> str:
        while True:
            start = self._pending.find(b"$")
            end = self._pending.find(b"#", max(start, 0))
            if 0 <= start < end <= len(self._pending) - 3:
                answer, self._pending = self._pending[start + 1 : end], self._pending[end + 3 :]
                self._socket.sendall(b"+")
                return answer.decode("ascii", "replace")
            more = self._socket.recv(1 << 16)
            if not more:
                raise GdbError("QEMU's gdb server hung up")
            self._pending += more
