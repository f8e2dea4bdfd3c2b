"""A picture of a run: each domain's virtual time over real time.

Invariants
  - matplotlib is imported here and nowhere else, when a picture is asked for; it needs no screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xengen.bench.sched import Sample, Share
from xengen.errors import UserError

SECOND = 1e9
SUFFIXES = (".png", ".svg", ".pdf")


def plot(samples: Sequence[Sample], shares: Sequence[Share], file: Path) -> None:
    """Draw the actual virtual times of `samples` to `file`; the suffix says how.

    UserError when matplotlib is not there, or the suffix is none of SUFFIXES.
    """
    if file.suffix not in SUFFIXES:
        raise UserError(f"--plot: {file} must end in one of {', '.join(SUFFIXES)}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError("--plot needs matplotlib: install it (pip install matplotlib)") from error
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.add_subplot()
    at = [sample.at / SECOND for sample in samples]
    for share in shares:
        times = [(sample.times[share.domain] - samples[0].times[share.domain]) / SECOND for sample in samples]
        axes.plot(at, times, label=f"domain {share.domain}: weight {share.weight}, {share.got:.1%}")
    axes.set_xlabel("real time, s")
    axes.set_ylabel("actual virtual time, s * mcu_advance")
    axes.set_title("BVT: the virtual times of domains that spin")
    axes.legend()
    figure.savefig(file)
