"""The command line of `xengen bench`: what it refuses, and which machines it would start."""

from __future__ import annotations

from pathlib import Path

import pytest

from xengen.bench.operations import NAMES
from xengen.cli.app import run_command_line
from xengen.cli.bench import other_machine
from xengen.machine.spec import Module


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--trace", "nul"], "--trace: there is no operation 'nul': null, multicall_16, "),
        (["--append", "x"], "--append is for the image that --against names: give that as well\n"),
        (
            ["scheduler"],
            "'scheduler' is nothing that can be measured: operations, sched, domains, isolation, disk or net\n",
        ),
        (["--plot", "x.png"], "--plot goes with sched and isolation\n"),
        (["domains", "--plot", "x.png"], "--plot goes with sched and isolation\n"),
        (["domains", "--strict"], "--against, --append, --strict and --trace are for operations, not for domains\n"),
        (["net", "--plot", "x.png"], "--against, --append, --strict, --trace and --plot are not for net\n"),
        (["sched", "--strict"], "--against, --append, --strict and --trace are for operations, not for sched\n"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_status_2(
    capfd: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert run_command_line(["bench", *words]) == 2
    said = capfd.readouterr()
    assert said.err.startswith(sentence)
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_help_has_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["bench", "--help"]) == 0
    assert "Example: xengen bench --trace null" in capfd.readouterr().out


def test_another_hypervisor_gets_the_same_guest_and_speaks_on_the_serial_line() -> None:
    spec = other_machine(Path("xen.gz"), Module(Path("bench.elf")), "pv=32")
    assert spec.modules == (Module(Path("bench.elf")),)
    assert spec.command_line == "console=com1 com1=115200,8n1 pv=32"
    assert spec.icount


def test_names_are_told_apart() -> None:
    assert len(set(NAMES)) == len(NAMES)
