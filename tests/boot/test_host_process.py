"""`xengen up` and what follows, as a user types it: a process in the background, and verbs that find it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.harness import Images
from tests.support.programs import PYTHON

SECONDS = 60


@dataclass(frozen=True)
class Said:
    """What a command line did."""

    status: int
    out: str
    err: str


Type = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, images: Images) -> Iterator[Type]:
    """`run("list", "--json")`: carry out a command line; its host is this test's own, and goes with it."""
    images.hypervisor()
    images.guest("agent")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}

    def carry_out(*words: str) -> Said:
        command = [*PYTHON, "-m", "xengen.cli.main", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=SECONDS, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    yield carry_out
    carry_out("down")


def pid_of_host(folder: Path) -> int:
    """Return the process that has the host's socket folder on its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"xengen.control.process" in words and str(folder).encode() in words[-2]:
                return int(entry.name)
    raise AssertionError("there is no such process")


def test_a_domain_lives_from_create_to_destroy(run: Type, images: Images) -> None:
    assert run("up", "--memory", "128M").out.startswith("the host is up: ")
    made = run("create", "web", "--image", str(images.guest("spin")), "--memory", "4M", "--weight", "30")
    assert (made.status, made.out) == (0, "domain 1 (web) is running\n")
    (dom0, web) = json.loads(run("list", "--json").out)
    assert (dom0["id"], web["name"], web["memory"], web["weight"]) == (0, "web", 4 << 20, 30)
    shares = json.loads(run("top", "--json", "--interval", "0.3").out)
    assert shares[0]["name"] == "web" and 0.5 < shares[0]["share"] <= 1.0
    assert "domain 1: spin.elf, 1024 pages" in run("dmesg").out
    assert run("store", "read", "/local/domain/1/name").out == "web\n"
    assert run("info", "web").out.splitlines()[0].split() == ["id", "1"]
    assert run("destroy", "web").out == "domain 1 (web) is destroyed\n"
    down = run("down")
    assert (down.status, down.out) == (0, "the host is down\n")
    assert run("list").err == "no host is running: start one with xengen up\n"


def test_a_second_host_of_one_name_is_refused_and_one_of_another_is_not(run: Type) -> None:
    assert run("up", "--memory", "64M").status == 0
    again = run("up", "--memory", "64M")
    assert (again.status, again.out) == (2, "")
    assert again.err.startswith("a host is running already: xengen down ends it")
    assert run("up", "--memory", "64M", "--host", "other").status == 0
    assert run("down", "--host", "other").status == 0
    assert run("list").status == 0


def test_a_host_that_cannot_start_is_one_sentence(run: Type) -> None:
    said = run("up", "--memory", "8M")
    assert said.status == 2
    assert said.err.startswith("the host did not start: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_a_host_that_died_is_missed_and_can_be_started_again(run: Type, tmp_path: Path, number: int) -> None:
    assert run("up", "--memory", "64M").status == 0
    pid = pid_of_host(tmp_path)
    os.kill(pid, number)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    said = run("list")
    assert (said.status, said.err) == (2, "no host is running: start one with xengen up\n")
    assert run("up", "--memory", "64M").status == 0


@pytest.mark.parametrize("name", ["a/b", "", ".."])
def test_a_hosts_name_is_a_word(run: Type, name: str) -> None:
    said = run("list", "--host", name)
    assert said.status == 2
    assert "cannot be a host's name" in said.err
