"""`xengen fuzz`: what it prints, what it saves, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.boot.harness import TREE, Images
from tests.model.worlds import spec_of
from xengen.cli.app import run_command_line
from xengen.fuzz import campaign
from xengen.fuzz.frame import Kind
from xengen.fuzz.mmu import PINS


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round is a run of a few steps."""
    monkeypatch.setattr(campaign, "RUNS_OF_A_ROUND", 1)
    monkeypatch.setattr(campaign, "STEPS", 5)


@pytest.mark.usefixtures("short")
def test_a_campaign_that_finds_nothing_says_what_it_did(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["fuzz", "--minutes", "0", "--seed", "3"]) == 0
    out, err = capfd.readouterr()
    assert out.endswith("nothing was found\n")
    assert "5 steps in 1 runs" in out
    assert err.startswith("seed 3, 0 minutes\n")
    assert "round 1 (seed 3): 1 runs, 5 steps" in err


@pytest.mark.usefixtures("short")
def test_the_same_seed_does_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    found = []
    for _ in range(2):
        assert run_command_line(["fuzz", "--minutes", "0", "--seed", "4", "--json"]) == 0
        found.append(json.loads(capfd.readouterr().out))
    assert found[0]["outcomes"] == found[1]["outcomes"]
    assert (found[0]["seed"], found[0]["rounds"], found[0]["problem"]) == (4, 1, None)


def test_a_negative_time_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["fuzz", "--minutes", "-1"]) == 2
    assert capfd.readouterr().err == "--minutes wants a number that is not negative, not -1\n"


SPOILED = """
from xengen.fuzz.frame import Kind
from xengen.fuzz.mmu import PINS

PINS[0] = Kind.L3
"""


def test_what_is_found_is_made_short_and_saved_as_a_test_that_fails(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flaw is the model's: it takes the pin of an L1 for that of an L3."""
    monkeypatch.setitem(PINS, 0, Kind.L3)
    monkeypatch.setattr(campaign, "STEPS", 12)
    said: list[str] = []
    report = campaign.campaign(spec_of(images), 0, 5, tmp_path, said.append)
    assert report.problem is not None and report.reproducer is not None
    assert 1 <= report.operations <= 3
    assert "making the run of" in said[-1]
    for spoiled, status in ((SPOILED, 1), ("", 0)):
        (tmp_path / "conftest.py").write_text(spoiled, encoding="utf-8")
        words = ("-m", "pytest", "-n0", "-p", "no:cacheprovider", f"--rootdir={TREE}", str(report.reproducer))
        done = subprocess.run([sys.executable, *words], cwd=TREE, capture_output=True, text=True, timeout=120)
        assert done.returncode == status, done.stdout + done.stderr
