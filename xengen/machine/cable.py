"""Our end of a cable to one of a machine's network interfaces: Ethernet frames, whole, in and out.

Invariants
  - A thread takes frames as they come, so that the machine never waits for us; what comes is kept in order.
  - At most KEPT frames wait for `receive`; the oldest ones go, and are counted in `lost`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque

from xengen.errors import XengenError

KEPT = 1 << 16
LARGEST = 1 << 16


class CableEnd:
    """Sends and receives over `end`, a datagram socket; `close` ends its thread."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._end.setblocking(True)
        self._frames: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.lost = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def send(self, frame: bytes) -> None:
        """Send an Ethernet frame (without checksum). XengenError when the machine is gone."""
        try:
            self._end.send(frame)
        except OSError as error:
            raise XengenError(f"the machine's network interface is gone: {error.strerror}") from error

    def receive(self, timeout: float = 5.0) -> bytes | None:
        """Return the next frame from the machine; None after `timeout` seconds, or when the machine is gone."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._frames:
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    return None
                self._changed.wait(left)
            return self._frames.popleft()

    def close(self) -> None:
        """Let go of the cable. May be called twice."""
        if not self._closed:
            with contextlib.suppress(OSError):
                self._end.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._end.close()

    def _listen(self) -> None:
        while True:
            try:
                frame = self._end.recv(LARGEST)
            except OSError:
                frame = b""
            with self._changed:
                if not frame:
                    self._closed = True
                    self._changed.notify_all()
                    return
                if len(self._frames) == KEPT:
                    self._frames.popleft()
                    self.lost += 1
                self._frames.append(frame)
                self._changed.notify_all()
