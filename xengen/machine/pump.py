"""The thread that owns one QEMU: starts it, listens to everything it says, and knows when and how it ended.

Invariants
  - One thread per machine, with one event loop; it starts the child and lives until the child is gone (process.py).
  - What was heard is changed by that thread only, under `changed`; others read it under `changed` and wait there.
  - Whoever sees `shutdown` or `exit_status` set sees all output that came before it: the channels are drained first.
  - No error of a dying QEMU escapes: it ends in `exit_status`, `output` and `trace`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from io import FileIO
from typing import Any, TypeVar

from qemu.qmp import EventListener, QMPClient, QMPError

from xengen.errors import XengenError
from xengen.machine import process
from xengen.machine.tail import Tail
from xengen.machine.trace import RECORD_SIZE

T = TypeVar("T")

TRACE_LIMIT = 256 * RECORD_SIZE
OUTPUT_LIMIT = 16 << 10
CHUNK = 1 << 16
START_SECONDS = 30.0


class MonitorLost(XengenError):
    """QEMU does not answer on its monitor, or refused a command."""


@dataclass(frozen=True)
class Channels:
    """Our ends of what QEMU was given: sockets for monitor and consoles, pipes for the trace and for its own output."""

    monitor: socket.socket
    consoles: tuple[socket.socket, ...]
    trace: FileIO
    output: FileIO


class Pump:
    """One running QEMU. `start` once, `stop` once; everything in between from any thread."""

    def __init__(self, channels: Channels) -> None:
        self.changed = threading.Condition()
        self.consoles = tuple(bytearray() for _ in channels.consoles)
        self.trace = Tail(TRACE_LIMIT)
        self.output = Tail(OUTPUT_LIMIT)
        self.shutdown: str | None = None
        self.exit_status: int | None = None
        self.pid = 0
        self._channels = channels
        self._monitor = QMPClient("xengen")
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started = threading.Event()
        self._start_error: BaseException | None = None
        self._stopping = False
        self._gone: asyncio.Event | None = None
        self._listener: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether the machine stopped for good. Hold `changed` for more than a glance."""
        return self.shutdown is not None or self.exit_status is not None

    def start(self, command: Sequence[str], inherited: Sequence[int], output: int) -> None:
        """Start QEMU and return when its monitor answers, or when it is gone again (`exit_status`)."""
        self._thread = threading.Thread(
            target=self._run, args=(command, inherited, output), name="xengen-machine", daemon=True
        )
        self._thread.start()
        self._started.wait()
        if self._start_error is not None:
            error = self._start_error
            self.stop()
            raise error

    def stop(self) -> None:
        """Kill QEMU if it is there, wait for it, end the thread and close our ends. May be called twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._kill)
            thread.join()
        self._close()

    def execute(self, command: str, arguments: Mapping[str, Any] | None = None, timeout: float = 10.0) -> Any:
        """Run a QMP command and return its result; MonitorLost when QEMU is gone, silent, or says no."""
        return self._call(lambda: self._monitor.execute(command, dict(arguments) if arguments else None), timeout)

    def send(self, console: int, data: bytes, timeout: float = 10.0) -> None:
        """Write `data` to a console's input; MonitorLost when QEMU does not take it."""
        self._call(lambda: self._loop.sock_sendall(self._channels.consoles[console], data), timeout)

    def _call(self, action: Callable[[], Awaitable[T]], timeout: float) -> T:
        async def bounded() -> T:
            return await asyncio.wait_for(action(), timeout)

        if self._thread is None or self.exit_status is not None:
            raise MonitorLost("QEMU is not running")
        future = asyncio.run_coroutine_threadsafe(bounded(), self._loop)
        try:
            return future.result(timeout + 5)
        except QMPError as error:
            raise MonitorLost(f"QEMU's monitor: {error}") from error
        except CancelledError as error:
            raise MonitorLost("QEMU ended before it answered") from error
        except (TimeoutError, OSError) as error:
            raise MonitorLost(f"QEMU did not answer within {timeout:g} s") from error

    def _run(self, command: Sequence[str], inherited: Sequence[int], output: int) -> None:
        try:
            self._loop.run_until_complete(self._main(command, inherited, output))
        finally:
            self._loop.close()
            self._started.set()

    async def _main(self, command: Sequence[str], inherited: Sequence[int], output: int) -> None:
        self._gone = asyncio.Event()
        try:
            self._process = process.start(command, inherited, output)
        except OSError as error:
            self._start_error = MonitorLost(f"cannot start {command[0]}: {error.strerror}")
            return
        self.pid = self._process.pid
        watch = os.pidfd_open(self.pid)
        self._loop.add_reader(watch, self._reap)
        if self._stopping:
            self._process.kill()
        for index, console in enumerate(self._channels.consoles):
            self._loop.add_reader(console, self._read_console, index)
        self._loop.add_reader(self._channels.trace, self._read_pipe, self._channels.trace, self.trace)
        self._loop.add_reader(self._channels.output, self._read_pipe, self._channels.output, self.output)
        try:
            await self._connect()
            self._started.set()
            await self._gone.wait()
        except BaseException as error:
            self._start_error = error
            self._kill()
            await self._gone.wait()
        finally:
            self._loop.remove_reader(watch)
            os.close(watch)
            await self._disconnect()

    async def _connect(self) -> None:
        assert self._gone is not None
        connecting = asyncio.create_task(self._monitor.connect(self._channels.monitor))
        leaving = asyncio.create_task(self._gone.wait())
        await asyncio.wait({connecting, leaving}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done() and not leaving.done():
            connecting.cancel()
            leaving.cancel()
            raise MonitorLost(f"QEMU did not answer on its monitor within {START_SECONDS:g} s")
        if connecting.done() and connecting.exception() is None:
            leaving.cancel()
            self._listener = asyncio.create_task(self._listen())
            return
        # A connection that failed means a QEMU that is leaving: its own words come with its end.
        connecting.cancel()
        with contextlib.suppress(QMPError, asyncio.CancelledError):
            await connecting
        await asyncio.wait({leaving}, timeout=START_SECONDS)

    async def _disconnect(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        # The connection died with QEMU, and says so here once more.
        with contextlib.suppress(QMPError, EOFError, OSError):
            await self._monitor.disconnect()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _listen(self) -> None:
        events = EventListener(("SHUTDOWN",))
        with self._monitor.listen(events):
            async for event in events:
                data = event["data"]
                assert isinstance(data, dict)
                reason = str(data["reason"])
                if reason.startswith("host-"):
                    continue  # QEMU itself was told to end: its exit follows
                self._drain()
                with self.changed:
                    self.shutdown = reason
                    self.changed.notify_all()

    def _kill(self) -> None:
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def _reap(self) -> None:
        assert self._process is not None and self._gone is not None
        status = self._process.wait()
        self._drain()
        with self.changed:
            self.exit_status = status
            self.changed.notify_all()
        self._gone.set()

    def _drain(self) -> None:
        for index in range(len(self._channels.consoles)):
            while self._read_console(index):
                pass
        while self._read_pipe(self._channels.trace, self.trace):
            pass
        while self._read_pipe(self._channels.output, self.output):
            pass

    def _read_console(self, index: int) -> bool:
        console = self._channels.consoles[index]
        try:
            data = console.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(console)
            return False
        with self.changed:
            self.consoles[index].extend(data)
            self.changed.notify_all()
        return True

    def _read_pipe(self, pipe: FileIO, tail: Tail) -> bool:
        data = pipe.read(CHUNK)
        if data is None:
            return False
        if not data:
            self._loop.remove_reader(pipe)
            return False
        with self.changed:
            tail.add(data)
        return True

    def _close(self) -> None:
        channels = self._channels
        for channel in (channels.monitor, *channels.consoles):
            channel.close()
        channels.trace.close()
        channels.output.close()
