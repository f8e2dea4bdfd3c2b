"""`xengen up` and what follows, as a user types it: a process in the background, and verbs that find it."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.harness import Images
from tests.boot.hosting import make_grub, until
from tests.support.disk_images import fat_disk
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


def test_a_stranger_reads_a_file_of_its_disk_and_its_user_types_at_its_console(run: Type, tmp_path: Path) -> None:
    """GRUB, with its own front end, on a disk that was made here: all of it as one types it."""
    grub = make_grub(tmp_path, "cat", "part_msdos", "fat")
    disk = fat_disk(tmp_path / "web.img", {"hello.txt": b"hello from the host\n"})
    assert run("up", "--memory", "128M", "--disk", str(disk)).status == 0
    assert run("create", "grub", "--image", str(grub), "--memory", "64M", "--disk", "web.img:0-48M:rw").status == 0
    shown = [line.split() for line in run("disk").out.splitlines()]
    assert shown[0][:5] == ["0:", "web.img", "(disk0),", "48", "M;"]
    assert shown[2:] == [
        ["p1", "2048", "65536", "32", "M", "FAT16"], ["grub", "xvda", "0", "98304", "48", "M", "rw"],
    ]  # fmt: skip
    said = type_at_console(tmp_path, "grub", "cat (xen/xvda,msdos1)/hello.txt\r", "hello from the host")
    assert "Welcome to GRUB!" in said
    assert "connected" in run("disk", "list", "grub").out


def test_a_domain_answers_this_computer_and_its_user_says_what_may_come_in(run: Type, images: Images) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run("up", "--memory", "64M", "--net", f"user,model=e1000,forward=udp:{port}:7").status == 0
    echo = str(images.guest("echo"))
    line = ("--memory", "8M", "--cmdline", "ip=10.0.2.15", "--nic", "ip=10.0.2.15,allow=icmp")
    assert run("create", "web", "--image", echo, *line).status == 0
    until(lambda: "echo" in run("store", "ls", "/local/domain/1/data").out)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.connect(("127.0.0.1", port))
        ours.settimeout(1.0)
        ours.send(b"unheard")
        with pytest.raises(TimeoutError):
            ours.recv(100)
        assert run("net", "accept", "web", "udp:7").out == "it is rule 2 for what goes in\n"
        ours.settimeout(30.0)
        ours.send(b"heard")
        assert ours.recv(100) == b"heard"
    rules = [line.split() for line in run("net", "rules", "web").out.splitlines()]
    assert rules[3][:6] == ["in", "2", "type=ip", "protocol=udp", "destination_port=7", "accept"]
    shown = json.loads(run("net", "--json").out)
    assert (shown["interfaces"][0]["state"], shown["interfaces"][0]["filtered"] > 0) == ("connected", True)


def type_at_console(folder: Path, domain: str, keys: str, answer: str) -> str:
    """Attach a terminal to a domain's console, wait for its prompt, type, wait for the answer, leave with Ctrl-]."""
    ours, theirs = pty.openpty()
    command = [*PYTHON, "-m", "xengen.cli.main", "console", domain]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    said = b""
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as program:
        try:
            for awaited, typed in (("grub> ", keys), (answer, "\x1d")):
                while awaited.encode() not in said and select.select([ours], [], [], SECONDS)[0]:
                    said += os.read(ours, 4096)
                assert awaited.encode() in said
                os.write(ours, typed.encode())
            deadline = time.monotonic() + SECONDS
            while program.poll() is None and time.monotonic() < deadline:
                if select.select([ours], [], [], 0.05)[0]:
                    os.read(ours, 4096)  # it waits until its terminal has shown all
            assert program.poll() == 0
        finally:
            program.kill()
    os.close(theirs)
    os.close(ours)
    return said.decode(errors="replace")


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
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert said.err.startswith("the host has died: xengen up --log shows its last words")
    assert run("up", "--memory", "64M").status == 0


def test_a_machine_that_ends_takes_its_host_along_and_whoever_listens(
    run: Type, tmp_path: Path, images: Images
) -> None:
    """A console waited for ever for a domain of a machine that was gone, and no other host could be started."""
    assert run("up", "--memory", "64M").status == 0
    pid = pid_of_host(tmp_path)
    children = [task.joinpath("children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    (qemu,) = "".join(children).split()
    assert run("create", "web", "--image", str(images.guest("spin")), "--memory", "4M").status == 0
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [*PYTHON, "-m", "xengen.cli.main", "console", "web"]
    nowhere, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(command, stdout=nowhere, stderr=pipe, text=True, env=environment) as one:
        os.kill(int(qemu), signal.SIGKILL)
        _, words = one.communicate(timeout=SECONDS)
    assert (one.returncode, words.count("\n"), words.startswith("the host has died: ")) == (2, 1, True)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    said = run("list")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert said.err.startswith("the host has died: ")
    assert "QEMU ended unexpectedly: killed by signal 9" in run("up", "--log").out
    assert run("up", "--memory", "64M").status == 0


@pytest.mark.parametrize("name", ["a/b", "", ".."])
def test_a_hosts_name_is_a_word(run: Type, name: str) -> None:
    said = run("list", "--host", name)
    assert said.status == 2
    assert "cannot be a host's name" in said.err
