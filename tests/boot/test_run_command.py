"""`xengen run` with the real images: each exit status, and each option that changes what is booted or shown.

Invariants
  - The command line is carried out in this process, as the program does it; what is looked at is what a user sees.
  - How options are read, and endings that need no hypervisor, are in tests/unit/cli.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.boot.harness import GuestMaker, Images
from tests.boot.snippets import IDLE, doing, turns
from xengen.cli.app import run_command_line
from xengen.cli.status import ExitStatus


@dataclass(frozen=True)
class Said:
    """What a command line did: its exit status, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object on stdout."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


Run = Callable[..., Said]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], images: Images) -> Run:
    """`run("--timeout", "5")`: carry out `xengen run`."""
    images.hypervisor()
    images.guest("hello")

    def carry_out(*words: str) -> Said:
        capfd.readouterr()
        status = run_command_line(["run", *words])
        return Said(status, *capfd.readouterr())

    return carry_out


DIES = doing("        ud2\n")
WAITS_AND_ENDS = doing(turns(40))


# Exit statuses.


def test_without_arguments_the_demo_guest_runs_to_its_end(run: Run) -> None:
    said = run()
    assert said.status == ExitStatus.YES
    lines = said.out.splitlines()
    assert lines[0].startswith("(xengen) xengen ")
    assert "(d0) hello from ring 1: cs = 0xe019" in said.out
    assert lines[-1] == "(xengen) domain 0 shut down: poweroff"
    assert said.err == ""


def test_a_guest_that_dies_is_status_3(run: Run, guest: GuestMaker) -> None:
    said = run("--guest", str(guest(DIES)))
    assert said.status == ExitStatus.GUEST_DIED
    assert re.search(r"^xengen: domain 0 died: .+ \(\d+\.\d\d s\)$", said.err, re.MULTILINE)


def test_a_guest_that_dies_beside_domain_0_is_status_3_too(run: Run, guest: GuestMaker) -> None:
    said = run("--guest", str(guest(WAITS_AND_ENDS)), "--guest", str(guest(DIES)))
    assert said.status == ExitStatus.GUEST_DIED
    assert "(xengen) domain 0 shut down: poweroff" in said.out


def test_a_kernel_that_is_refused_as_domain_0_is_status_2_with_the_reason(run: Run, tmp_path: Path) -> None:
    """It was a panic of the hypervisor, with registers and return addresses: what was wrong was the file."""
    plain = tmp_path / "plain"
    plain.write_bytes(b"this is no kernel" * 10)
    said = run("--guest", str(plain))
    assert said.status == ExitStatus.MISUSE
    assert said.err.startswith("xengen: there is no domain 0: plain was refused: it is no ELF file (")
    assert "PANIC" not in said.out


def test_a_guest_that_does_not_end_in_time_is_status_5(run: Run, guest: GuestMaker) -> None:
    said = run("--guest", str(guest(IDLE)), "--timeout", "1")
    assert said.status == ExitStatus.TIME_OUT
    assert "waited in vain for the machine's end for 1 s" in said.err


def test_a_text_that_is_seen_is_status_0_at_once(run: Run, guest: GuestMaker) -> None:
    said = run("--guest", str(guest(IDLE)), "--until", "entering domain 0")
    assert said.status == ExitStatus.YES


def test_a_text_that_is_not_seen_is_status_1(run: Run) -> None:
    said = run("--until", "good night")
    assert said.status == ExitStatus.NO
    assert "'good night' was not seen before the machine ended (shut down in order)" in said.err


def test_a_guest_that_is_not_there_is_status_2(run: Run, tmp_path: Path) -> None:
    said = run("--guest", f"{tmp_path}/nothing.elf")
    assert (said.status, said.out, said.err) == (ExitStatus.MISUSE, "", f"no such file: {tmp_path}/nothing.elf\n")


# What is booted.


def test_each_guest_is_a_domain_with_its_command_line(run: Run, images: Images, guest: GuestMaker) -> None:
    hello = images.guest("hello")
    said = run(
        "--json", "--guest", str(guest(WAITS_AND_ENDS)), "--guest", f"{hello},one two", "--guest", f"{hello},a,b=c"
    )
    assert said.status == ExitStatus.YES
    domains = said.json["domains"]
    assert sorted(domains) == ["1", "2"]
    assert domains["1"].endswith('  command line "one two"\n')
    assert domains["2"].endswith('  command line "a,b=c"\n')


def test_an_initrd_is_the_guests_module(run: Run, tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.write_bytes(b"i" * 12345)
    said = run("--json", "--initrd", str(initrd))
    assert re.search(r"^  module at 0xc0\w{6}, 12345 bytes$", said.json["domains"]["0"], re.MULTILINE)


@pytest.mark.parametrize("size, frames", [("64M", 16352), ("256", 65504)])
def test_the_machine_has_the_memory_that_was_asked_for(run: Run, size: str, frames: int) -> None:
    # QEMU's firmware keeps 128 KB at the end.
    assert f"\nmemory: {frames} frames, " in run("--json", "--memory", size).json["hypervisor"]


def test_the_hypervisors_command_line_is_passed_on(run: Run) -> None:
    said = run("--json", "--append", "dom0_mem=24M log=debug")
    assert re.search(r"^command line: \S+ dom0_mem=24M log=debug$", said.json["hypervisor"], re.MULTILINE)
    assert "\nmemory: 6144 pages (24 MB)\n" in said.json["domains"]["0"]


def test_under_icount_two_runs_say_the_same(run: Run) -> None:
    first, second = (run("--icount").out for _ in range(2))
    clock = re.compile(r"system time 0 is \d+ seconds after 1970")
    assert clock.sub("", first) == clock.sub("", second)


# What is shown.


def test_the_json_object_has_how_it_ended_and_every_text(run: Run) -> None:
    said = run("--json")
    found = said.json
    assert found["seconds"] > 0
    assert (found["reason"], found["exit_status"], found["message"]) == ("shutdown", 0, "shut down in order")
    assert found["ends"] == [{"domain": 0, "reason": "poweroff", "died": False}]
    assert found["domains"]["0"].startswith("hello from ring 1: ")
    assert found["hypervisor"].startswith("xengen ")
    assert found["report"] == ""
    assert "(d0) hello from ring 1" in said.err


def test_the_json_object_says_who_died_of_what(run: Run, guest: GuestMaker) -> None:
    found = run("--json", "--guest", str(guest(DIES))).json
    assert (found["reason"], found["exit_status"]) == ("guest-died", 3)
    (end,) = found["ends"]
    assert (end["domain"], end["died"]) == (0, True)


def test_a_dry_run_starts_nothing_and_its_command_boots_the_same(run: Run, tmp_path: Path) -> None:
    said = run("--dry-run", "--append", "dom0_mem=20M")
    assert (said.status, said.out.count("\n"), said.err) == (0, 1, "")
    done = subprocess.run(shlex.split(said.out), stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert b"\r\n(d0) memory: 5120 pages (20 MB)\r\n" in done.stdout
    assert done.stdout.endswith(b"(xengen) domain 0 shut down: poweroff\r\n")
