"""The verbs that talk to a running host, with a host that is none: what they ask for, and what they show."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Xengen
from xengen.cli.status import ExitStatus
from xengen.cli.top import shares_between
from xengen.control.places import places
from xengen.control.server import Server
from xengen.errors import UserError

WEB: dict[str, Any] = {
    "id": 1, "name": "web", "state": "blocked", "reason": "", "memory": 16 << 20, "cpu_ns": 1_500_000_000, "weight": 10,
    "upcalls": 3, "hypercalls": 77,
}  # fmt: skip
DEAD = {**WEB, "id": 2, "name": "db", "state": "died", "reason": "a page fault"}


class FakeHost:
    """Answers as a host does, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.now = 0

    def domains(self) -> list[dict[str, Any]]:
        return [WEB, DEAD]

    def look(self) -> dict[str, Any]:
        self.now += 1_000_000_000
        return {"now_ns": self.now, "domains": [{**WEB, "cpu_ns": self.now // 4}, {**DEAD, "cpu_ns": self.now // 2}]}

    def pause(self, domain: str) -> dict[str, Any]:
        return self._one("pause", domain)

    def unpause(self, domain: str) -> dict[str, Any]:
        return self._one("unpause", domain)

    def destroy(self, domain: str) -> dict[str, Any]:
        return self._one("destroy", domain)

    def create(self, **arguments: Any) -> Generator[dict[str, int], None, dict[str, Any]]:
        self.asked.append(("create", arguments))
        yield {"uploaded": 10, "bytes": 20}
        return {**WEB, "name": arguments["name"]}

    def sched(self, domain: str, **arguments: Any) -> dict[str, Any]:
        self.asked.append(("sched", domain, arguments))
        return {"weight": 20, "warp_ms": 5.0, "warp_limit_ms": 0.0, "unwarp_ms": 0.0}

    def memory(self, domain: str, size: int | None = None) -> dict[str, Any]:
        self.asked.append(("memory", domain, size))
        return {"memory": 16 << 20, "target": size or 16 << 20}

    def dmesg(self) -> str:
        return "(xengen) banner\n"

    def store_ls(self, path: str) -> list[str]:
        return ["name", "domid"]

    def store_read(self, path: str) -> str:
        return "web"

    def store_write(self, path: str, value: str) -> None:
        self.asked.append(("write", path, value))

    def store_rm(self, path: str) -> None:
        self.asked.append(("rm", path))

    def watch_console(self, domain: str, follow: bool) -> Iterator[str]:
        yield "login: "
        yield "ok\n"

    def _one(self, what: str, domain: str) -> dict[str, Any]:
        if domain not in ("web", "1"):
            raise UserError(f"no domain is called {domain}: xengen list shows them")
        self.asked.append((what, domain))
        return WEB


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for sockets that is this test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def host() -> Iterator[FakeHost]:
    """A host called default."""
    target = FakeHost()
    server = Server(target, places().socket)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield target
    server.stop()
    thread.join(10)


VERBS = [
    ["list"], ["pause", "web"], ["unpause", "web"], ["destroy", "web"], ["create", "web", "--image", "hello"],
    ["sched", "web"], ["memory", "web"], ["dmesg"], ["top"], ["store", "ls", "/"], ["console", "web"], ["down"],
]  # fmt: skip


@pytest.mark.parametrize("words", VERBS, ids=[words[0] for words in VERBS])
def test_without_a_host_a_verb_says_how_to_start_one(xengen: Xengen, words: list[str]) -> None:
    said = xengen(*words)
    assert (said.status, said.out) == (ExitStatus.MISUSE, "")
    assert said.err == "no host is running: start one with xengen up\n"


@pytest.mark.parametrize("words", VERBS, ids=[words[0] for words in VERBS])
def test_each_verb_has_help_with_an_example(xengen: Xengen, words: list[str]) -> None:
    assert f"Example: xengen {words[0]}" in xengen(words[0], "--help").out


def test_list_shows_a_line_for_each_domain(xengen: Xengen, host: FakeHost) -> None:
    lines = [line.split() for line in xengen("list").out.splitlines()]
    assert lines[1] == ["1", "web", "blocked", "16", "MB", "1.50", "s", "10", "3", "77"]
    assert lines[2][:6] == ["2", "db", "died", "(a", "page", "fault)"]


def test_list_as_json_is_what_the_host_said(xengen: Xengen, host: FakeHost) -> None:
    assert json.loads(xengen("list", "--json").out) == [WEB, DEAD]


@pytest.mark.parametrize(
    ("verb", "past"), [("pause", "paused"), ("unpause", "unpaused"), ("destroy", "destroyed")]
)  # fmt: skip
def test_a_domain_is_named_by_name_or_number(xengen: Xengen, host: FakeHost, verb: str, past: str) -> None:
    for name in ("web", "1"):
        assert xengen(verb, name).out == f"domain 1 (web) is {past}\n"
    assert host.asked == [(verb, "web"), (verb, "1")]


def test_an_unknown_domain_is_one_sentence(xengen: Xengen, host: FakeHost) -> None:
    said = xengen("pause", "nobody")
    assert (said.status, said.err) == (ExitStatus.MISUSE, "no domain is called nobody: xengen list shows them\n")


def test_create_asks_for_what_was_said(xengen: Xengen, host: FakeHost, tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(b"")
    said = xengen("create", "web", "--image", str(kernel), "--memory", "8M", "--weight", "3", "--cmdline", "a b")
    assert said.out == "domain 1 (web) is running\n"
    ((_, arguments),) = host.asked
    assert arguments == {
        "name": "web", "image": str(kernel), "memory": 8 << 20, "weight": 3, "cmdline": "a b", "initrd": "",
        "paused": False, "on_crash": "destroy", "most_memory": 0, "disks": [], "nics": [],
    }  # fmt: skip


def test_an_image_that_is_no_file_is_the_hosts(xengen: Xengen, host: FakeHost) -> None:
    xengen("create", "web", "--image", "hello.elf", "--paused")
    ((_, arguments),) = host.asked
    assert (arguments["image"], arguments["paused"]) == ("hello.elf", True)


@pytest.mark.parametrize("size", ["0", "x", "16T", "-1"])
def test_a_size_that_is_none_is_refused(xengen: Xengen, host: FakeHost, size: str) -> None:
    said = xengen("create", "web", "--image", "hello", f"--memory={size}")
    assert said.status == ExitStatus.MISUSE
    assert "--memory wants a size such as 16M" in said.err
    assert host.asked == []


def test_sched_sets_only_what_was_said(xengen: Xengen, host: FakeHost) -> None:
    said = xengen("sched", "web", "--weight", "20", "--warp", "5")
    assert host.asked == [("sched", "web", {"weight": 20, "warp_ms": 5.0})]
    assert said.out.splitlines()[0].split() == ["weight", "20"]


def test_memory_without_a_size_only_looks(xengen: Xengen, host: FakeHost) -> None:
    assert xengen("memory", "web").out == "has 16 MB, is to have 16 MB\n"
    assert xengen("memory", "web", "8M").out == "has 16 MB, is to have 8 MB\n"
    assert host.asked == [("memory", "web", None), ("memory", "web", 8 << 20)]


def test_dmesg_is_the_hypervisors_text(xengen: Xengen, host: FakeHost) -> None:
    assert xengen("dmesg").out == "(xengen) banner\n"
    assert json.loads(xengen("dmesg", "--json").out) == {"text": "(xengen) banner\n"}


def test_the_store_is_listed_read_and_written(xengen: Xengen, host: FakeHost) -> None:
    assert xengen("store", "ls", "/x").out == "name\ndomid\n"
    assert xengen("store", "read", "/x/name").out == "web\n"
    assert xengen("store", "write", "/x/name", "db").out == ""
    assert xengen("store", "rm", "/x/name").out == ""
    assert host.asked == [("write", "/x/name", "db"), ("rm", "/x/name")]


@pytest.mark.parametrize("words", [["write", "/x"], ["read", "/x", "y"], ["ls", "/x", "y"]])
def test_a_store_request_with_the_wrong_number_of_words_is_refused(
    xengen: Xengen, host: FakeHost, words: list[str]
) -> None:
    assert xengen("store", *words).status == ExitStatus.MISUSE


def test_console_shows_what_the_domain_wrote(xengen: Xengen, host: FakeHost) -> None:
    assert xengen("console", "web").out == "login: ok\n"
    assert json.loads(xengen("console", "web", "--json").out) == {"text": "login: ok\n"}


def test_top_shows_shares_of_the_time_between_two_looks(xengen: Xengen, host: FakeHost) -> None:
    found = json.loads(xengen("top", "--json", "--interval", "0.01").out)
    assert [(one["name"], one["share"]) for one in found] == [("db", 0.5), ("web", 0.25)]
    lines = xengen("top", "--once", "--interval", "0.01").out.splitlines()
    assert "50.0 %" in lines[1] and "25.0 %" in lines[2]


def test_a_domain_that_is_new_has_used_what_it_has() -> None:
    now = {"now_ns": 200, "domains": [{**WEB, "cpu_ns": 50}]}
    assert shares_between({"now_ns": 100, "domains": []}, now)[0]["share"] == 0.5
