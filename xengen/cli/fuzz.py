"""`xengen fuzz`: agents in several domains do valid and hostile things for some minutes, and a model watches.

Invariants
  - Progress goes to stderr, the result to stdout; status 1 means that something went wrong, and a test was saved.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from xengen.cli.images import built, image_path, source_tree
from xengen.cli.status import ExitStatus
from xengen.errors import UserError

if TYPE_CHECKING:
    from xengen.fuzz.campaign import Report

SEEDS = 1 << 31
IMAGES = ("hypervisor", "agent")


def fuzz(
    minutes: Annotated[float, typer.Option("--minutes", metavar="N", help="How long to go on.")] = 1.0,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="S", help="Where to begin: the same seed does the same things.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object in place of the table.")] = False,
) -> int:
    """Try to break the hypervisor: random calls of three domains, a model of their results, the checker.

    Exit status: 0 nothing was found; 1 something was: a test that shows it is in build/fuzz; 2 misuse.

    Example: xengen fuzz --minutes 10 --seed 7
    """
    if minutes < 0:
        raise UserError(f"--minutes wants a number that is not negative, not {minutes:g}")
    try:
        from xengen.fuzz.campaign import campaign, machine_of
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise UserError("xengen fuzz needs the Python package hypothesis: run make setup") from error
    tree = source_tree()
    built(tree, IMAGES)
    begin = time.time_ns() % SEEDS if seed is None else seed
    say(f"seed {begin}, {minutes:g} minutes")
    with TemporaryDirectory(prefix="xengen-fuzz-") as folder:
        # A campaign is long, and the tree may be built anew meanwhile.
        spec = machine_of(*(Path(copy(image_path(tree, name), folder)) for name in IMAGES))
        report = campaign(spec, 60 * minutes, begin, tree / "build" / "fuzz", say)
    if as_json:
        typer.echo(json.dumps(report.as_object(), indent=1))
    else:
        for line in told(report):
            typer.echo(line)
    return int(ExitStatus.YES if report.problem is None else ExitStatus.NO)


def say(text: str) -> None:
    """Report progress."""
    print(text, file=sys.stderr, flush=True)


def told(report: Report) -> list[str]:
    """Return the result in words: what was done how often with which result, and what was found."""
    counts: dict[str, Counter[str]] = {}
    for (name, outcome), count in report.outcomes.items():
        counts.setdefault(name, Counter())[outcome] += count
    lines = []
    for name, outcomes in sorted(counts.items()):
        lines.append(f"{name}: {outcomes.total()}")
        lines += [f"    {count:7}  {outcome}" for outcome, count in outcomes.most_common()]
    lines.append(
        f"{report.steps} steps in {report.runs} runs, {report.seconds:.0f} s; seeds {report.seed} to "
        f"{report.seed + report.rounds - 1}"
    )
    if report.problem is None:
        lines.append("nothing was found")
    else:
        again = f"{report.operations} operations show it: .venv/bin/pytest {report.reproducer}"
        lines += ["", report.problem, "", again]
    return lines
