"""The process behind `xengen up`: answers calls (channel.py) with the methods of one object.

Invariants
  - Methods run one at a time, in the order of their arrival: two users of one host do not meet. A generator's items go
    to the caller as they come, and what it returns is the result.
  - A method whose name begins with `watch_` is a generator that runs beside all others, while its caller listens.
  - A UserError of a method is the caller's answer. Of what else goes wrong the caller gets a sentence, and the log all
    of it; the server goes on.
"""

from __future__ import annotations

import socket
import sys
import threading
import traceback
from collections.abc import Generator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xengen.control.channel import Gone, Lines
from xengen.errors import UserError, XengenError

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
        self.path.unlink(missing_ok=True)
        self.die()

    def die(self) -> None:
        """As `stop`, but in distress: who comes later finds a socket without a server, as after a crash."""
        self.stopped.set()
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
            beside = nullcontext() if name.startswith(WATCH) else self.one_at_a_time
            with beside:
                result = method(**arguments)
                if isinstance(result, Generator):
                    result = self._send_items(lines, result)
        except UserError as error:
            lines.send(error=str(error))
        except XengenError as error:
            print(error, file=sys.stderr, flush=True)
            lines.send(error=f"the host is in trouble: {str(error).splitlines()[0]} (see xengen up --log)")
        except Gone:
            raise
        except Exception as error:
            traceback.print_exc()
            lines.send(error=f"a bug in xengen: {type(error).__name__}: {error}; the host's log has more")
        else:
            lines.send(result=result)

    def _send_items(self, lines: Lines, items: Generator[Any, None, Any]) -> Any:
        """Send what the generator yields and return what it returns; None when the server stops before."""
        try:
            while not self.stopped.is_set():
                lines.send(item=next(items))
        except StopIteration as end:
            return end.value
        finally:
            items.close()
        if self.path.exists():
            raise Gone("the machine has ended")
        return None
