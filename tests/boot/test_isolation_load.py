"""Three domains misbehave, one of them to death and again; a fourth keeps its share of processor, disk and network.

Invariants
  - One host for all three measurements; time counts instructions, disk and network are the host's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.harness import Images
from xengen.bench.isolation import GUESTS, LOOKS, Experiment, Files, Kept, Sample, share
from xengen.bench.isolation_plot import plot
from xengen.errors import UserError
from xengen.inspect.live import check_machine


@pytest.fixture(scope="module")
def experiment(images: Images) -> Iterator[Experiment]:
    """The host with those that misbehave."""
    guests = {name: images.guest(name) for name in GUESTS}
    with Experiment.boot(Files(images.hypervisor(), images.guest("agent"), guests)) as experiment:
        yield experiment


@pytest.mark.parametrize("what", ["processor", "disk", "network"])
def test_a_domain_keeps_its_share_while_three_others_misbehave(experiment: Experiment, what: str) -> None:
    kept: Kept = getattr(experiment, what)()
    assert kept.got >= kept.wanted * 0.95, kept
    assert not kept.missed
    assert kept.deaths >= 1
    assert kept.samples[-1].rival > 0, "nobody was in its way"
    assert len(kept.samples) == LOOKS + 1


def test_the_checker_finds_nothing_wrong_meanwhile(experiment: Experiment) -> None:
    with experiment.host.lock:
        assert check_machine(experiment.host.machine) == []


KEPT = Kept("disk", 0.5, 0.48, 3, (Sample(0, 0, 0, 0), Sample(10**9, 10**8, 4800, 5200)))


@pytest.mark.parametrize(("got", "missed"), [(0.5, False), (0.476, False), (0.474, True), (0.0, True)])
def test_a_share_is_missed_when_more_than_a_twentieth_of_it_is_lost(got: float, missed: bool) -> None:
    assert Kept("disk", 0.5, got, 0, ()).missed is missed


@pytest.mark.parametrize(("fourth", "rival", "part"), [(1, 3, 0.25), (0, 0, 0.0), (5, 0, 1.0)])
def test_a_share_is_what_it_has_got_of_what_both_have(fourth: int, rival: int, part: float) -> None:
    assert share(Sample(1, 0, fourth, rival)) == part


def test_a_picture_is_drawn_of_it(tmp_path: Path) -> None:
    plot([KEPT, KEPT, KEPT], tmp_path / "isolation.svg")
    assert "its share: 50%" in (tmp_path / "isolation.svg").read_text()


def test_a_picture_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must end in one of"):
        plot([KEPT], tmp_path / "isolation.txt")
