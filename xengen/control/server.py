"""The process behind `xengen up`: answers calls (channel.py) with the methods of one object.

Invariants
  - A method whose name begins with `watch_` is a generator that runs beside the others, for as long as its caller
    listens; all others run one at a time, in the order of their arrival: two users of one host do not meet.
  - A UserError or XengenError of a method is the caller's answer. Anything else is a bug: the caller gets a sentence,
    the log the traceback, and the server goes on.
"""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xengen.control.channel import Gone, Lines
from xengen.errors import XengenError

WATCH = "watch_"


@dataclass
class Server:
    """Serves the public methods of `target` at the socket `path` until `stop` is called."""

    target: object
    path: Path
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._connections: set[Lines] = set()

    def serve(self) -> None:
        """Take connections until `stop`."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            lines = Lines(connection)
            self._connections.add(lines)
            threading.Thread(target=self._talk, args=(lines,), daemon=True).start()

    def stop(self) -> None:
        """Take no more connections, and have `serve` return; calls under way are answered."""
        self.stopped.set()
        self.path.unlink(missing_ok=True)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _talk(self, lines: Lines) -> None:
        try:
            while (request := lines.receive()) is not None:
                self._answer(lines, request)
        except Gone:
            pass
        finally:
            self._connections.discard(lines)
            lines.close()

    def _answer(self, lines: Lines, request: dict[str, Any]) -> None:
        name, arguments = str(request.get("method", "")), request.get("arguments", {})
        method = None if name.startswith("_") else getattr(self.target, name, None)
        if not callable(method) or not isinstance(arguments, dict):
            lines.send(error=f"this host knows no {name!r}: it is of another version than the program")
            return
        try:
            result = None
            if name.startswith(WATCH):
                self._send_items(lines, method(**arguments))
            else:
                result = self._call(method, arguments)
        except XengenError as error:
            lines.send(error=str(error))
        except Gone:
            raise
        except Exception as error:
            traceback.print_exc()
            lines.send(error=f"a bug in xengen: {type(error).__name__}: {error}; the host's log has more")
        else:
            lines.send(result=result)

    def _call(self, method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        with self.one_at_a_time:
            return method(**arguments)

    def _send_items(self, lines: Lines, items: Iterator[Any]) -> None:
        for item in items:
            if self.stopped.is_set():
                return
            lines.send(item=item)
