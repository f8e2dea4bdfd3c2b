"""The toolstack's end of the control agent's serial line (xengen/abi/wire.py): requests that survive a bad line.

Invariants
  - One request at a time. It is sent again until its answer comes, or `patience` is over; the agent does it once.
  - What comes and is no sound frame, or the answer to something else, is passed over.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Iterator
from ctypes import sizeof
from typing import Protocol

from xengen.abi.symbols import assembler_symbols
from xengen.abi.wire import WireHead, WireRange, WireWelcome
from xengen.errors import UserError, XengenError
from xengen.machine.console import Console

_VALUES = assembler_symbols()
FLAG, ESCAPE, TURN = (_VALUES[f"WIRE_{name}"] for name in ("FLAG", "ESCAPE", "TURN"))
HELLO, READ, WRITE, RUN, REFUSED, ANSWER = (
    _VALUES[f"WIRE_{name}"] for name in ("HELLO", "READ", "WRITE", "RUN", "REFUSED", "ANSWER")
)
DATA_BYTES = _VALUES["WIRE_DATA_BYTES"]
FIRST_WAIT, LONGEST_WAIT = 0.25, 2.0
SLOWEST = 2000  # bytes a second that a line carries at least, else it is thought to have lost them


class Wire(Protocol):
    """Bytes to and from the other end; either may be lost, changed or made up on the way."""

    def send(self, data: bytes) -> None:
        """Send bytes."""

    def receive(self, seconds: float) -> bytes:
        """Return what has come, waiting for at most that long for something; empty when nothing came."""


class ConsoleWire:
    """The machine's serial line `console` as a wire."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._position = 0

    def send(self, data: bytes) -> None:
        """Send bytes; XengenError when the machine is gone."""
        self._console.send(data)

    def receive(self, seconds: float) -> bytes:
        """Return what has come since the last time."""
        data = self._console.since(self._position, seconds)
        self._position += len(data)
        return data


class RequestRefused(XengenError):
    """The agent says that a request cannot be."""


def frame(body: bytes) -> bytes:
    """Return a body with its CRC as it goes over the line."""
    whole = body + zlib.crc32(body).to_bytes(4, "little")
    sent = bytearray([FLAG])
    for byte in whole:
        sent += bytes([ESCAPE, byte ^ TURN]) if byte in (FLAG, ESCAPE) else bytes([byte])
    sent.append(FLAG)
    return bytes(sent)


class Frames:
    """Finds the sound bodies in a stream of bytes."""

    def __init__(self) -> None:
        self._part = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each body, without its CRC, that ends in `data`."""
        for byte in data:
            if byte != FLAG:
                self._part.append(byte)
                continue
            body = self._unescaped()
            self._part.clear()
            if len(body) >= sizeof(WireHead) + 4 and zlib.crc32(body[:-4]) == int.from_bytes(body[-4:], "little"):
                yield body[:-4]

    def _unescaped(self) -> bytes:
        found = bytearray()
        turn = 0
        for byte in self._part:
            if byte == ESCAPE:
                turn = TURN
            else:
                found.append(byte ^ turn)
                turn = 0
        return bytes(found)


class Line:
    """A conversation with the agent over `wire`. `patience`: how many seconds without an answer are the end."""

    def __init__(self, wire: Wire, patience: float = 30.0) -> None:
        self._wire = wire
        self._frames = Frames()
        self._patience = patience
        self._sequence = random.randrange(1 << 16)
        self.repeated = 0
        number = random.getrandbits(32)
        answer = WireWelcome.from_buffer_copy(self._ask(HELLO, number.to_bytes(4, "little")))
        if answer.number != number:
            raise XengenError("the agent has answered another toolstack: is there a second one on this line?")
        self.start_info = int(answer.start_info)

    def read(self, address: int, size: int) -> bytes:
        """Return bytes of the agent's own memory; RequestRefused when it is not."""
        data = b""
        while len(data) < size:
            piece = min(DATA_BYTES, size - len(data))
            data += self._ask(READ, bytes(WireRange(address + len(data), piece)))
        return data

    def write(self, address: int, data: bytes) -> None:
        """Change bytes of the agent's own memory; RequestRefused when it is not."""
        for offset in range(0, len(data), DATA_BYTES):
            piece = data[offset : offset + DATA_BYTES]
            self._ask(WRITE, bytes(WireRange(address + offset, len(piece))) + piece)

    def run(self, count: int) -> int:
        """Have the first `count` commands of the mailbox carried out; return how many traps there were."""
        return int.from_bytes(self._ask(RUN, count.to_bytes(4, "little")), "little")

    def _ask(self, kind: int, payload: bytes) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFF
        request = frame(bytes(WireHead(self._sequence, kind)) + payload)
        deadline = time.monotonic() + self._patience
        wait = FIRST_WAIT + len(request) / SLOWEST
        self._wire.send(request)
        again = time.monotonic() + wait
        while True:
            for body in self._frames.feed(self._wire.receive(max(0.0, again - time.monotonic()))):
                head = WireHead.from_buffer_copy(body)
                if head.sequence != self._sequence:
                    continue
                if head.kind == REFUSED | ANSWER:
                    raise RequestRefused(f"the agent refuses request {kind} of {len(payload)} bytes")
                if head.kind == kind | ANSWER:
                    return body[sizeof(WireHead) :]
            now = time.monotonic()
            if now >= deadline:
                raise UserError(f"the agent at the other end of the line has not answered for {self._patience:g} s")
            if now >= again:
                self.repeated += 1
                self._wire.send(request)
                wait = min(2 * wait, LONGEST_WAIT)
                again = now + wait
