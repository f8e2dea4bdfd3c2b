"""The program as a whole (xengen/cli/app.py)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import xengen as package
from tests.unit.cli.conftest import Xengen
from xengen.cli.app import VERBS
from xengen.cli.status import ExitStatus

PROGRAM = (sys.executable, "-m", "xengen.cli.main")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(xengen: Xengen, verb: str) -> None:
    said = xengen(verb, "--help")
    assert said.status == 0
    assert f"Example: xengen {verb}" in said.out


def test_the_help_names_every_verb(xengen: Xengen) -> None:
    said = xengen("--help")
    assert said.status == 0
    assert [verb for verb in VERBS if f" {verb} " not in said.out] == []


def test_the_version_is_the_packages(xengen: Xengen) -> None:
    assert xengen("--version").out == f"{package.__version__}\n"


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["run", "--frobnicate"], "xengen run: no such option: --frobnicate (see xengen run --help)"),
        (["fly"], "xengen: no such command 'fly' (see xengen --help)"),
        (["run", "--timeout", "soon"], "xengen run: invalid value for '--timeout': "),
        (["run", "--timeout", "-1"], "--timeout wants a number of seconds above 0, not -1"),
        (["run", "--until", "("], "--until '(' is not a regular expression: missing ), unterminated subpattern at"),
        (["run", "--memory", "lots"], "--memory wants a size such as 128M or 1G, not 'lots'"),
        (["run", "--guest", ""], "--guest wants FILE or FILE,CMDLINE, not ''"),
        (["run", "--hypervisor", "/no/xen", "--guest", "/no/guest"], "no such file: /no/xen"),
    ],
)
def test_misuse_is_one_sentence_on_stderr(xengen: Xengen, words: list[str], sentence: str) -> None:
    said = xengen(*words)
    assert said.status == ExitStatus.MISUSE
    assert said.err.startswith(sentence)
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_missing_qemu_is_one_sentence_and_misuse(
    xengen: Xengen, monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = xengen("run", "--dry-run")
    assert said.status == ExitStatus.MISUSE
    assert said.err.startswith("no QEMU found (looked for qemu-system-i386): install qemu-system-x86")


def test_exit_statuses_are_those_of_the_readme() -> None:
    assert {status.name: status.value for status in ExitStatus} == {
        "YES": 0, "NO": 1, "MISUSE": 2, "GUEST_DIED": 3, "PANIC": 4, "TIME_OUT": 5, "INTERRUPTED": 130,
    }  # fmt: skip


def test_starting_imports_no_verb_and_nothing_heavy() -> None:
    script = "import sys, xengen.cli.app; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "keystone", "capstone", "elftools", "jinja2", "qemu.qmp", "xengen.cli.run", "xengen.cli.build"}
    assert heavy.intersection(modules) == set()


def test_the_program_runs_as_a_module() -> None:
    done = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{package.__version__}\n"


@pytest.mark.parametrize("words", [["--version"], ["abi"], ["doctor"], ["doctor", "--json"]])
def test_output_that_cannot_be_written_is_one_sentence_and_misuse(words: list[str]) -> None:
    """A full disk was a traceback, or, with little to say, a complaint of Python's own at its end."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == ExitStatus.MISUSE
    assert done.stderr == "xengen: what it has to say cannot be written: No space left on device\n"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_standard_files_that_are_closed_are_as_good_as_empty_ones(closed: tuple[int, ...]) -> None:
    """A machine's memory was opened as descriptor 0, and QEMU was given /dev/null in its place: it could not boot."""
    script = (
        "import os, subprocess, sys; from xengen.cli.app import open_standard_files; open_standard_files()\n"
        "lowest = os.open(os.devnull, os.O_RDONLY)\n"
        "print('said'); print('complained', file=sys.stderr); sys.exit(lowest)"
    )
    redirections = " ".join(f"{descriptor}{'<&-' if descriptor == 0 else '>&-'}" for descriptor in closed)
    shell = f'exec "$0" -c "$1" {redirections}'
    done = subprocess.run(["sh", "-c", shell, sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 3
    assert (done.stdout, done.stderr) == ("" if 1 in closed else "said\n", "" if 2 in closed else "complained\n")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    with subprocess.Popen(
        [*PROGRAM, "doctor", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdout is not None and program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == ""
