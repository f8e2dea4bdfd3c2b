"""Calls over a socket: results, items, errors, and ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from xengen.control.channel import Client, Gone, Lines
from xengen.control.server import Server
from xengen.errors import UserError


class Target:
    """Something to call."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.go = threading.Event()

    def add(self, a: int, b: int) -> int:
        return a + b

    def refuse(self) -> None:
        raise UserError("no domain is called web: xengen list shows them")

    def broken(self) -> None:
        raise ZeroDivisionError("division by zero")

    def slow(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.02)
        self.inside -= 1

    def watch_numbers(self, count: int) -> Iterator[int]:
        yield from range(count)

    def work(self) -> Generator[str, None, str]:
        yield "half"
        return "done"

    def watch_for_ever(self) -> Iterator[str]:
        while True:
            yield "x" * 1000

    def _private(self) -> int:
        return 1


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def path(target: Target, tmp_path: Path) -> Iterator[Path]:
    server = Server(target, tmp_path / "socket")
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server.path
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_a_call_has_a_result(path: Path) -> None:
    with Client(path) as client:
        assert client.call("add", a=2, b=3) == 5
        assert client.call("add", a=2, b=4) == 6


def test_a_refusal_is_the_callers_error(path: Path) -> None:
    with Client(path) as client:
        with pytest.raises(UserError, match="no domain is called web"):
            client.call("refuse")
        assert client.call("add", a=1, b=1) == 2


def test_a_bug_is_a_sentence_and_the_server_goes_on(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Client(path) as client:
        with pytest.raises(UserError, match="a bug in xengen: ZeroDivisionError: division by zero"):
            client.call("broken")
        assert client.call("add", a=1, b=1) == 2
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize("method", ["nothing", "_private", "__init__", "inside"])
def test_what_is_no_public_method_is_unknown(path: Path, method: str) -> None:
    with Client(path) as client, pytest.raises(UserError, match="knows no"):
        client.call(method)


def test_a_stream_has_items(path: Path) -> None:
    with Client(path) as client:
        assert list(client.stream("watch_numbers", count=3)) == [0, 1, 2, None]


def test_a_long_call_tells_how_far_it_is(path: Path) -> None:
    with Client(path) as client:
        assert list(client.stream("work")) == ["half", "done"]


def test_who_stops_listening_to_a_stream_disturbs_nobody(path: Path) -> None:
    with Client(path) as client:
        next(iter(client.stream("watch_for_ever")))
    with Client(path) as client:
        assert client.call("add", a=1, b=1) == 2


def test_who_waits_for_an_object_is_woken_when_its_connection_is_closed() -> None:
    ours, theirs = socket.socketpair()
    lines = Lines(ours)
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(lines.receive()), daemon=True)
    waiting.start()
    time.sleep(0.05)  # it is in the middle of its read then
    closing = threading.Thread(target=lines.close, daemon=True)
    closing.start()
    for thread in (closing, waiting):
        thread.join(10)
        assert not thread.is_alive()
    assert found == [None]
    theirs.close()


def test_calls_of_several_users_come_one_after_the_other(path: Path, target: Target) -> None:
    def use() -> None:
        with Client(path) as client:
            client.call("slow")

    users = [threading.Thread(target=use) for _ in range(5)]
    for user in users:
        user.start()
    for user in users:
        user.join(10)
    assert target.most == 1


def test_without_a_server_the_sentence_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no host is running: start one with xengen up"):
        Client(tmp_path / "socket")


def test_a_server_that_dies_is_one_sentence(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen()
    with Client(tmp_path / "socket") as client:
        connection, _ = listener.accept()
        connection.close()
        with pytest.raises(UserError, match="the host has died"):
            client.call("add", a=1, b=1)
    listener.close()


@pytest.mark.parametrize("junk", [b"{", b"[1]\n", b"junk\n", b"\xff\n"])
def test_junk_ends_the_conversation(junk: bytes) -> None:
    ours, theirs = socket.socketpair()
    lines = Lines(ours)
    theirs.sendall(junk)
    theirs.close()
    with pytest.raises(Gone):
        lines.receive()
    lines.close()


def test_the_end_is_no_junk() -> None:
    ours, theirs = socket.socketpair()
    lines = Lines(ours)
    theirs.close()
    assert lines.receive() is None
    lines.close()
