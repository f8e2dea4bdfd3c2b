"""`xengen build`: from templates to ELF files.

Invariants
  - A thin verb over `xengen.toolchain.build.build`: results go to stdout, errors are `UserError`s of the toolchain.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xengen.cli.images import source_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xengen.toolchain.build import BuildResult


def build(
    images: Annotated[
        list[str] | None, typer.Argument(metavar="[IMAGE]...", help="Images to build: hypervisor, or a guest's name.")
    ] = None,
    release: Annotated[bool, typer.Option("--release", help="Leave asserts, counters and trace points out.")] = False,
    timings: Annotated[bool, typer.Option("--timings", help="Say how long each phase took.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where the files go.", show_default="build/ of the tree")
    ] = None,
    tree: Annotated[
        Path | None,
        typer.Option("--tree", metavar="DIR", help="The folder of asm/ and templates/.", show_default="xengen's own"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Build the hypervisor and the guests (all of them when none is named); only what changed is made anew.

    Each image gives an ELF file, a map, a listing and the rendered source.

    Example: xengen build hypervisor hello --timings
    """
    start = time.perf_counter()
    from xengen.toolchain.build import build as build_images

    tree = tree or source_tree()
    results = build_images(tree, out or tree / "build", images=images, debug=not release)
    seconds = time.perf_counter() - start
    if as_json:
        typer.echo(json.dumps(_facts(results, seconds), indent=2))
        return
    for result in results:
        typer.echo(f"{_shown(result.elf)}  {'made' if result.fresh else 'unchanged'}")
    if timings:
        for line in _timing_table(results, seconds):
            typer.echo(line)


def _shown(path: Path) -> Path:
    """Return `path` as a reader in the current folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _facts(results: Sequence[BuildResult], seconds: float) -> dict[str, object]:
    images = [
        {
            "name": result.spec.name,
            "elf": str(result.elf),
            "map": str(result.map),
            "listing": str(result.listing),
            "source": str(result.source),
            "fresh": result.fresh,
            "seconds": result.seconds,
        }
        for result in results
    ]
    return {"images": images, "seconds": seconds}


def _timing_table(results: Sequence[BuildResult], seconds: float) -> Iterator[str]:
    from xengen.toolchain.build import PHASES

    width = max(len(result.spec.name) for result in results)
    yield ""
    yield f"{'milliseconds':<{max(width, 12)}}" + "".join(f"{phase:>10}" for phase in (*PHASES, "all"))
    for result in results:
        numbers = [1000 * result.seconds.get(phase, 0.0) for phase in PHASES]
        cells = "".join(f"{number:>10.1f}" for number in (*numbers, sum(numbers)))
        yield f"{result.spec.name:<{max(width, 12)}}{cells}"
    yield f"{'total':<{max(width, 12)}}{'':>{10 * len(PHASES)}}{1000 * seconds:>10.1f}"
