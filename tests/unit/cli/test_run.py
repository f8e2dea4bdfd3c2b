"""`xengen run`, with kernels of a few instructions as hypervisors (xengen/cli/run.py, boot.py, stream.py)."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import PYTHON
from tests.unit.cli.conftest import Hypervisor, Xengen
from tests.unit.machine.sources import RESET, SPIN, TRIPLE_FAULT, exiting, saying
from xengen.cli.status import ExitStatus

TALK = "(xengen) banner\r\n(d0) hel\r\n(xengen) more\r\n(d0+) lo\r\n(d1) other\r\n"
DIED = "(xengen) domain 1 died: no handler\r\n"
CRASHED = "(xengen) domain 0 shut down: crash\r\n"
PANIC = "(xengen) PANIC: out of frames\r\n"
REFUSED = "(xengen) a.elf refused: it does not use PAE\r\n"
NOBODY = "(xengen) there is no domain 0: give a guest kernel as the first boot module\r\n"


@pytest.mark.parametrize(
    "source, status, message",
    [
        (saying(TALK), ExitStatus.YES, "shut down in order"),
        (saying(TALK, RESET), ExitStatus.YES, "reboot asked for"),
        (saying(TALK + DIED), ExitStatus.GUEST_DIED, "domain 1 died: no handler"),
        (saying(CRASHED), ExitStatus.GUEST_DIED, "domain 0 died: crash"),
        (exiting(0x11), ExitStatus.GUEST_DIED, "domain 0 died, and the hypervisor did not say why"),
        (saying(PANIC, exiting(0x10)), ExitStatus.PANIC, "the hypervisor panicked: out of frames"),
        (saying(DIED + PANIC, exiting(0x10)), ExitStatus.PANIC, "the hypervisor panicked: out of frames"),
        (saying(REFUSED + NOBODY, exiting(0x12)), ExitStatus.MISUSE,
         "there is no domain 0: a.elf was refused: it does not use PAE"),
        (saying(NOBODY, exiting(0x12)), ExitStatus.MISUSE, "there is no domain 0: there was no boot module"),
        (exiting(0x12), ExitStatus.MISUSE, "there is no domain 0: the hypervisor did not say why"),
        (TRIPLE_FAULT, ExitStatus.PANIC, "triple fault: the processor could not deliver a double fault"),
        (SPIN, ExitStatus.TIME_OUT, "waited in vain for the machine's end for 4 s"),
        (saying(DIED, SPIN), ExitStatus.GUEST_DIED, "domain 1 died: no handler"),
        (exiting(0x42), ExitStatus.NO, "QEMU ended unexpectedly: exit status 133"),
    ],
)
def test_the_exit_status_says_how_it_ended(
    xengen: Xengen, hypervisor: Hypervisor, guest: str, source: str, status: ExitStatus, message: str
) -> None:
    timeout = "4" if SPIN in source else "60"
    said = xengen("run", "--hypervisor", hypervisor(source), "--guest", guest, "--json", "--timeout", timeout)
    found = json.loads(said.out)
    assert (said.status, found["exit_status"], found["message"]) == (status, status, message)


@pytest.mark.parametrize(
    "pattern, status, reason",
    [
        ("banner", ExitStatus.YES, "seen"),
        (r"^\(d1\) other$", ExitStatus.YES, "seen"),
        ("^hello$", ExitStatus.YES, "seen"),
        ("goodbye", ExitStatus.NO, "shutdown"),
    ],
)
def test_until_looks_at_the_wire_and_at_each_domains_text(
    xengen: Xengen, hypervisor: Hypervisor, guest: str, pattern: str, status: ExitStatus, reason: str
) -> None:
    said = xengen("run", "--hypervisor", hypervisor(saying(TALK)), "--guest", guest, "--json", "--until", pattern)
    assert (said.status, json.loads(said.out)["reason"]) == (status, reason)


def test_until_stops_a_machine_that_would_go_on(xengen: Xengen, hypervisor: Hypervisor, guest: str) -> None:
    said = xengen("run", "--hypervisor", hypervisor(saying(TALK, SPIN)), "--guest", guest, "--until", "other")
    assert said.status == ExitStatus.YES


def test_the_console_comes_out_as_it_was_on_the_wire(xengen: Xengen, hypervisor: Hypervisor, guest: str) -> None:
    said = xengen("run", "--hypervisor", hypervisor(saying(TALK)), "--guest", guest)
    assert said.out == TALK.replace("\r\n", "\n")
    assert said.err == ""


def test_an_unfinished_line_is_ended_at_the_end(xengen: Xengen, hypervisor: Hypervisor, guest: str) -> None:
    said = xengen("run", "--hypervisor", hypervisor(saying("(d0) login: ")), "--guest", guest)
    assert said.out == "(d0) login: \n"


def test_json_is_one_object_with_every_domains_exact_text(
    xengen: Xengen, hypervisor: Hypervisor, guest: str
) -> None:
    said = xengen("run", "--hypervisor", hypervisor(saying(f"boot\r\n{TALK}{DIED}")), "--guest", guest, "--json")
    found = json.loads(said.out)
    assert found.pop("seconds") > 0
    assert found == {
        "reason": "guest-died",
        "exit_status": 3,
        "message": "domain 1 died: no handler",
        "domains": {"0": "hello\n", "1": "other\n"},
        "ends": [{"domain": 1, "reason": "no handler", "died": True}],
        "hypervisor": "banner\nmore\ndomain 1 died: no handler\n",
        "other": "boot\n",
        "report": "",
    }
    assert "(d0) hel\n" in said.err


def test_a_failure_shows_the_machines_last_state(xengen: Xengen, hypervisor: Hypervisor, guest: str) -> None:
    said = xengen("run", "--hypervisor", hypervisor(saying(TALK, TRIPLE_FAULT)), "--guest", guest)
    assert "#UD at 0008:" in said.err
    assert "eip is in fall+0x7" in said.err
    assert "| (xengen) banner" not in said.err, "the console was shown already"
    last = said.err.splitlines()[-1]
    assert last.startswith("xengen: triple fault: the processor could not deliver a double fault (0.")


def test_without_a_trace_no_exceptions_are_shown(xengen: Xengen, hypervisor: Hypervisor, guest: str) -> None:
    said = xengen("run", "--hypervisor", hypervisor(TRIPLE_FAULT), "--guest", guest, "--no-trace")
    assert said.status == ExitStatus.PANIC
    assert "#UD" not in said.err


def test_a_dry_run_prints_the_command_and_starts_nothing(xengen: Xengen) -> None:
    said = xengen(
        "run", "--dry-run", "--hypervisor", "/no/xen", "--guest", "/no/a,x=1", "--guest", "/no/b", "--initrd", "/no/c",
        "--memory", "1G", "--append", "loglvl=all", "--icount",
    )  # fmt: skip
    assert said.status == 0
    assert said.out.count("\n") == 1
    assert "qemu-system-x86_64 " in said.out
    assert "deterministic.cfg" in said.out
    assert " -m 1024M " in said.out
    assert " -append 'console=com1 com1=115200,8n1 loglvl=all' " in said.out
    assert said.out.endswith(" -kernel /no/xen " + said.out[said.out.index("-append") :])
    assert said.out.endswith(" -initrd '/no/a x=1,/no/b,/no/c'\n")


def test_a_dry_run_without_files_names_the_projects_own(xengen: Xengen) -> None:
    words = xengen("run", "--dry-run").out.split()
    assert words[0].endswith("qemu-system-i386")
    assert words[words.index("-kernel") + 1].endswith("build/hypervisor.elf")
    assert words[words.index("-initrd") + 1].endswith("build/guests/hello.elf")


def test_the_command_of_a_dry_run_boots_the_same_machine(
    xengen: Xengen, hypervisor: Hypervisor, guest: str
) -> None:
    command = xengen("run", "--dry-run", "--hypervisor", hypervisor(saying(TALK)), "--guest", guest).out
    done = subprocess.run(shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout.decode()) == (0, TALK)


def test_colours_are_for_terminals(hypervisor: Hypervisor, guest: str) -> None:
    command = [sys.executable, "-m", "xengen.cli.main", "run", "--hypervisor", hypervisor(saying(TALK))]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    # Our copy of the program's end stays open: when the last one goes, what is on its way may be lost.
    with subprocess.Popen([*command, "--guest", guest], stdout=theirs, env=environment) as program:
        shown = b""
        while b"other" not in shown and select.select([ours], [], [], 30)[0]:
            shown += os.read(ours, 4096)
        program.wait(timeout=10)
    os.close(theirs)
    os.close(ours)
    for colour in (b"\x1b[32m", b"\x1b[36m"):
        shown = shown.replace(b"\x1b[0m" + colour, b"")  # a line may come in several pieces
    assert b"\x1b[32m(d0) hel" in shown
    assert b"\x1b[36m(d1) other" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_to_end_ends_the_machine_and_the_program(
    hypervisor: Hypervisor, guest: str, number: signal.Signals
) -> None:
    command = [*PYTHON, "-m", "xengen.cli.main", "run"]
    files = ["--hypervisor", hypervisor(saying(TALK, SPIN)), "--guest", guest]
    with subprocess.Popen([*command, *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None and program.stderr is not None
            assert program.stdout.readline() == "(xengen) banner\n"
            (qemu,) = Path(f"/proc/{program.pid}/task/{_machine_thread(program.pid)}/children").read_text().split()
            program.send_signal(number)
            assert program.wait(timeout=10) == ExitStatus.INTERRUPTED
            assert "Traceback" not in program.stderr.read()
        finally:
            program.kill()
    assert not Path(f"/proc/{qemu}").exists()


def _machine_thread(pid: int) -> str:
    """Return the thread of process `pid` that has a child."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "children").read_text().strip():
            return task.name
    raise AssertionError("no thread has a child")
