"""A picture of the experiment of isolation: what the fourth domain and its rival have got over time.

Invariants
  - matplotlib is imported here only when a picture is asked for; it needs no screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xengen.bench.isolation import Kept
from xengen.bench.plot import SUFFIXES
from xengen.errors import UserError

SECOND = 1e9
UNITS = {"processor": ("s of processor time", 1e9), "disk": ("MB moved", 2048.0), "network": ("packets sent", 1.0)}


def plot(found: Sequence[Kept], file: Path) -> None:
    """Draw one panel for each thing that was shared; the suffix of `file` says how.

    UserError when matplotlib is not there, or the suffix is none of SUFFIXES.
    """
    if file.suffix not in SUFFIXES:
        raise UserError(f"--plot: {file} must end in one of {', '.join(SUFFIXES)}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError("--plot needs matplotlib: install it (pip install matplotlib)") from error
    figure = Figure(figsize=(12, 4), layout="constrained")
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, kept in zip(panels, found, strict=True):
        unit, scale = UNITS[kept.what]
        at = [sample.at / SECOND for sample in kept.samples]
        both = [(sample.fourth + sample.rival) / scale for sample in kept.samples]
        axes.plot(at, [sample.fourth / scale for sample in kept.samples], label=f"the fourth: {kept.got:.1%}")
        axes.plot(at, [sample.rival / scale for sample in kept.samples], label="its rivals")
        axes.plot(at, [kept.wanted * one for one in both], "--", label=f"its share: {kept.wanted:.0%}")
        axes.set_title(f"{kept.what} ({kept.deaths} deaths)")
        axes.set_xlabel("the machine's time, s")
        axes.set_ylabel(unit)
        axes.legend()
    figure.savefig(file)
