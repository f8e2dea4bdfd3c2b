"""Calls over a Unix socket: a JSON object a line, requests one way, answers the other.

A request is {"method", "arguments"}. An answer is any number of {"item"} and then {"result"}, or {"error"}: a sentence.

Invariants
  - One connection carries one call at a time. Whoever loses the other end gets `Gone`, never half an answer.
  - Only the user who started the server can connect: the socket is in a folder of mode 0700.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from xengen.errors import UserError, XengenError

DIED = "the host has died: xengen up --log shows its last words, xengen up starts another"
LINE_BYTES = 64 << 20  # an image to upload is one line


class Gone(XengenError):
    """The other end of the connection is not there any more."""


class Lines:
    """JSON objects over a connected socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")

    def send(self, **fields: Any) -> None:
        """Send one object; Gone."""
        try:
            self._connection.sendall(json.dumps(fields).encode() + b"\n")
        except OSError as error:
            raise Gone(str(error)) from error

    def receive(self) -> dict[str, Any] | None:
        """Return the next object; None when the other end has closed. Gone when that was in the middle of one."""
        try:
            line = self._reader.readline(LINE_BYTES)
        except OSError as error:
            raise Gone(str(error)) from error
        if not line:
            return None
        try:
            found = json.loads(line)
        except ValueError as error:
            raise Gone("half a line") from error
        if not isinstance(found, dict):
            raise Gone("a line that is no object")
        return found

    def close(self) -> None:
        """Close the connection, whatever its state: another thread that waits for an object is woken."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._connection.close()


class Client:
    """Makes calls to the server that listens at `path`. UserError when nobody does."""

    def __init__(self, path: Path) -> None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            if isinstance(error, ConnectionRefusedError):  # a socket that nobody listens at: nobody took it away
                raise UserError(DIED) from None
            raise UserError("no host is running: start one with xengen up") from None
        self._lines = Lines(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._lines.close()

    def call(self, method: str, **arguments: Any) -> Any:
        """Make a call and return its result; UserError with the server's sentence, or when the host has died."""
        *_, result = self.stream(method, **arguments)
        return result

    def stream(self, method: str, **arguments: Any) -> Iterator[Any]:
        """Make a call and yield its items as they come, and its result last; errors as `call`."""
        try:
            self._lines.send(method=method, arguments=arguments)
            while True:
                answer = self._lines.receive()
                if answer is None:
                    raise Gone("closed")
                if "error" in answer:
                    raise UserError(str(answer["error"]))
                if "result" in answer:
                    yield answer["result"]
                    return
                yield answer["item"]
        except Gone as error:
            raise UserError(DIED) from error
