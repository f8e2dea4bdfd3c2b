"""Messages of the store as bytes (ABI 11.3): a head of 16 bytes, then up to 4096 bytes of payload.

Invariants
  - A stream may be cut anywhere; `Parser` puts messages together again.
  - A head that announces too much ends the stream: nobody can know where the next message begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import sizeof
from dataclasses import dataclass
from enum import IntEnum

from xengen.abi.rings import CONSTANTS, XsdSockmsg
from xengen.errors import XengenError

HEAD = sizeof(XsdSockmsg)
PAYLOAD_BYTES = 4096

_NUMBERS = {one.name.removeprefix("XS_"): one.value for one in CONSTANTS if one.name.startswith("XS_")}


class Kind(IntEnum):
    """What a message is."""

    CONTROL = _NUMBERS["CONTROL"]
    DIRECTORY = _NUMBERS["DIRECTORY"]
    READ = _NUMBERS["READ"]
    GET_PERMS = _NUMBERS["GET_PERMS"]
    WATCH = _NUMBERS["WATCH"]
    UNWATCH = _NUMBERS["UNWATCH"]
    TRANSACTION_START = _NUMBERS["TRANSACTION_START"]
    TRANSACTION_END = _NUMBERS["TRANSACTION_END"]
    INTRODUCE = _NUMBERS["INTRODUCE"]
    RELEASE = _NUMBERS["RELEASE"]
    GET_DOMAIN_PATH = _NUMBERS["GET_DOMAIN_PATH"]
    WRITE = _NUMBERS["WRITE"]
    MKDIR = _NUMBERS["MKDIR"]
    RM = _NUMBERS["RM"]
    SET_PERMS = _NUMBERS["SET_PERMS"]
    WATCH_EVENT = _NUMBERS["WATCH_EVENT"]
    ERROR = _NUMBERS["ERROR"]
    IS_DOMAIN_INTRODUCED = _NUMBERS["IS_DOMAIN_INTRODUCED"]
    RESUME = _NUMBERS["RESUME"]
    SET_TARGET = _NUMBERS["SET_TARGET"]
    RESET_WATCHES = _NUMBERS["RESET_WATCHES"]
    DIRECTORY_PART = _NUMBERS["DIRECTORY_PART"]


class BadStream(XengenError):
    """What came is no message."""


@dataclass(frozen=True)
class Message:
    """One message. `kind` is a Kind or a number that nobody knows."""

    kind: int
    payload: bytes = b""
    request: int = 0
    transaction: int = 0

    def encode(self) -> bytes:
        """Return the message as it goes over the wire."""
        head = XsdSockmsg(type=self.kind, req_id=self.request, tx_id=self.transaction, len=len(self.payload))
        return bytes(head) + self.payload

    def answer(self, payload: bytes) -> Message:
        """Return the reply to this request."""
        return Message(self.kind, payload, self.request, self.transaction)

    def refusal(self, name: str) -> Message:
        """Return the reply that says why not."""
        return Message(Kind.ERROR, name.encode() + b"\0", self.request, self.transaction)


class Parser:
    """Makes messages of a stream of bytes."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete with `data`; BadStream when a head announces too much."""
        self._bytes += data
        while len(self._bytes) >= HEAD:
            head = XsdSockmsg.from_buffer_copy(self._bytes)
            if head.len > PAYLOAD_BYTES:
                raise BadStream(f"a message of {head.len} bytes: the store takes {PAYLOAD_BYTES} at the most")
            end = HEAD + head.len
            if len(self._bytes) < end:
                return
            payload = bytes(self._bytes[HEAD:end])
            del self._bytes[:end]
            yield Message(head.type, payload, head.req_id, head.tx_id)
