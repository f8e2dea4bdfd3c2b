"""Keystone as a service that survives its own crashes.

Invariants
  - One `Assembler` is one child process at a time; it starts with the first request, and anew after a crash or a hang.
    `seconds` is the time that all requests took together.
  - An `Answer` has either code or the reason why there is none; a warning counts as a reason.
"""

from __future__ import annotations

import re
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from xengen.errors import UserError
from xengen.toolchain.keystone_child import NOTHING, OK, REPLY, REQUEST

if TYPE_CHECKING:
    from types import TracebackType

CHILD = Path(__file__).with_name("keystone_child.py")
PATIENCE_SECONDS = 5.0
_CODE = re.compile(r"\s*\(KS_ERR_\w+\)")
_COMPLAINT = re.compile(r"^.*?(?:error|warning):\s*(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What Keystone said: the machine code, or one clause that says why there is none."""

    code: bytes | None
    reason: str = ""


class Assembler:
    """A Keystone child process in AT&T syntax. Use it as a context manager."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._child: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop()
        self._words.close()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the child when it does not run; to call this early lets it start while we do other work."""
        if self._child is None:
            command = [sys.executable, "-P", str(CHILD)]
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words, bufsize=0
            )
        return self._child

    def assemble(self, text: str, address: int, patience: float = PATIENCE_SECONDS) -> Answer:
        """Assemble `text` at `address`. A crash, or no answer in `patience` seconds, is an `Answer` without code."""
        start = time.perf_counter()
        try:
            return self._assemble(text, address, patience)
        finally:
            self.seconds += time.perf_counter() - start

    def _assemble(self, text: str, address: int, patience: float) -> Answer:
        child = self.start()
        assert child.stdin is not None and child.stdout is not None
        self._words.seek(0)
        self._words.truncate()
        data = text.encode()
        try:
            _write(child.stdin, REQUEST.pack(len(data), address) + data)
            header = _read(child, REPLY.size, patience)
            status, size = REPLY.unpack(header)
            answer = _read(child, size, patience)
        except _Gone:
            code = self._stop()
            words = self._complaint()
            if "No module named 'keystone'" in words or "Failed to load" in words:
                raise UserError("the Python package keystone-engine is missing: run make, or pip install it") from None
            return Answer(None, f"the assembler crashed on this ({_death(code)})")
        except TimeoutError:
            self._stop()
            return Answer(None, f"the assembler hung on this (no answer in {patience:g} s)")
        words = self._complaint()
        if status == OK and not words:
            return Answer(answer)
        complaint = _COMPLAINT.search(words)
        if complaint:
            return Answer(None, complaint.group(1).strip())
        if status in (OK, NOTHING):
            return Answer(None, "the assembler emits nothing for this: are the operands right?")
        reason = _CODE.sub("", answer.decode())
        if reason == "Invalid mnemonic":
            reason = "No instruction has this name and these operands"
        return Answer(None, reason[:1].lower() + reason[1:])

    def _complaint(self) -> str:
        self._words.seek(0)
        return self._words.read().decode(errors="replace")

    def _stop(self) -> int:
        child, self._child = self._child, None
        if child is None:
            return 0
        assert child.stdin is not None and child.stdout is not None
        child.stdin.close()
        try:
            # A child that crashed, or that sees its input end, is gone at once; one that hangs is not.
            child.wait(0.5 if child.poll() is None else 0)
        except subprocess.TimeoutExpired:
            child.kill()
        child.stdout.close()
        return child.wait()


class _Gone(Exception):
    """The child has ended."""


def _read(child: subprocess.Popen[bytes], size: int, patience: float) -> bytes:
    assert child.stdout is not None
    parts = []
    while size:
        ready, _, _ = select.select([child.stdout], [], [], patience)
        if not ready:
            raise TimeoutError
        part = child.stdout.read(size)
        if not part:
            raise _Gone
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(pipe: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[pipe.write(view) :]
    except BrokenPipeError:
        raise _Gone from None


def _death(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
