"""The picture of a run of the scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest

from xengen.bench.plot import plot
from xengen.bench.sched import Sample, Share
from xengen.errors import UserError

SAMPLES = [Sample(10**9 * second, {1: 5 * 10**9 * second, 2: 5 * 10**9 * second}) for second in range(5)]
SHARES = [Share(1, 1000, 0.75, 0.751), Share(2, 333, 0.25, 0.249)]


def test_each_domain_has_a_line_with_its_weight_and_its_share(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures")
    plot(SAMPLES, SHARES, tmp_path / "run.svg")
    text = (tmp_path / "run.svg").read_text(encoding="utf-8")
    for line in ("domain 1: weight 1000, 75.1%", "domain 2: weight 333, 24.9%", "real time, s"):
        assert f"<!-- {line} -->" in text


def test_an_unknown_kind_of_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"run\.txt must end in one of \.png, \.svg, \.pdf$"):
        plot(SAMPLES, SHARES, tmp_path / "run.txt")
