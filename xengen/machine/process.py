"""A child process that cannot outlive us, and the descriptors that it inherits.

Invariants
  - The kernel kills the child when the thread that started it ends, however it ends (PR_SET_PDEATHSIG): so the starter
    must be a thread that lives as long as the child is wanted. A killed Python leaves nothing behind.
  - The child has a session of its own: Ctrl-C in a terminal reaches Python, which ends the child in order.
  - Descriptors only, no names: memory, monitor and consoles exist in no file system and vanish with their last user.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from io import FileIO

PR_SET_PDEATHSIG = 1


def _dying_with(parent: int) -> Callable[[], None]:
    """Return what the child runs between fork and exec. libc is found before the fork."""
    libc = ctypes.CDLL(None, use_errno=True)

    def tie() -> None:
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            os._exit(127)
        if os.getppid() != parent:
            os._exit(127)

    return tie


def start(command: Sequence[str], inherited: Sequence[int], output: int) -> subprocess.Popen[bytes]:
    """Start `command` with the descriptors `inherited` kept open and both its outputs going to `output`."""
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=tuple(inherited),
        start_new_session=True,
        preexec_fn=_dying_with(os.getpid()),
    )


class Descriptors:
    """Descriptors for one child: its ends, closed here once it runs, and ours, closed by whoever took them."""

    def __init__(self) -> None:
        self._theirs: list[int] = []

    @property
    def theirs(self) -> tuple[int, ...]:
        """The descriptors that the child inherits."""
        return tuple(self._theirs)

    def close_theirs(self) -> None:
        """Close the child's ends on our side."""
        while self._theirs:
            os.close(self._theirs.pop())

    def memory_file(self, name: str, size: int = 0, contents: bytes = b"") -> int:
        """Make a file in memory only; return its descriptor (the child's too)."""
        descriptor = os.memfd_create(name)
        self._theirs.append(descriptor)
        if size:
            os.ftruncate(descriptor, size)
        if contents:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(contents)
        return descriptor

    def open_file(self, path: os.PathLike[str]) -> int:
        """Open `path` for reading; return its descriptor (the child's too)."""
        descriptor = os.open(path, os.O_RDONLY)
        self._theirs.append(descriptor)
        return descriptor

    def datagrams(self) -> tuple[socket.socket, int]:
        """Return a connected pair that keeps messages: our socket, and the child's descriptor."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._theirs.append(theirs.detach())
        return ours, self._theirs[-1]

    def socket(self, *, deep: bool = False) -> tuple[socket.socket, int]:
        """Return a connected pair: our socket, and the child's descriptor.

        A deep one takes more than 200,000 bytes that are written one by one and not read yet, an ordinary one 278.
        """
        ours, theirs = _deep_pair() if deep else socket.socketpair()
        ours.setblocking(False)
        self._theirs.append(theirs.detach())
        return ours, self._theirs[-1]

    def pipe(self) -> tuple[FileIO, int]:
        """Return a pipe from the child to us: our reading end (not blocking), and the child's descriptor."""
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        self._theirs.append(theirs)
        return FileIO(ours), theirs


def _deep_pair() -> tuple[socket.socket, socket.socket]:
    """Return two ends of a TCP connection, which keeps bytes, not messages. Nobody else can have come in between.

    Neither end waits for more bytes before it sends: what was written is there for the other end at once.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        while True:
            ours = socket.create_connection(listener.getsockname())
            theirs, peer = listener.accept()
            if peer == ours.getsockname():
                for end in (ours, theirs):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return ours, theirs
            ours.close()
            theirs.close()
