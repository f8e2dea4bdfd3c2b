"""`xengen lint`: the assembly contracts, checked.

Invariants
  - Findings and the summary go to stdout; both builds, debug and release, are checked, and a finding of both is said
    once.
  - Status 0: all contracts hold; 1: one is broken; 2: the sources cannot be built (a `UserError`).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from xengen.cli.images import source_tree
from xengen.cli.status import ExitStatus
from xengen.lint.check import Report, check_tree
from xengen.lint.depth import Chain
from xengen.lint.sources import read_tree
from xengen.toolchain.build import make
from xengen.toolchain.image import Image
from xengen.toolchain.keystone import Assembler
from xengen.toolchain.spec import select_images


def lint(
    as_json: Annotated[bool, typer.Option("--json", help="Print findings and stack depths as one object.")] = False,
) -> None:
    """Hold every assembly routine's header against its instructions, and the stack against the deepest chain of calls.

    Example: xengen lint
    """
    tree = source_tree()
    report = check_tree(read_tree(tree), every_image(tree))
    typer.echo(json.dumps(as_object(report), indent=2) if as_json else as_text(report))
    if report.findings:
        raise typer.Exit(ExitStatus.NO)


def every_image(tree: Path) -> list[Image]:
    """Return all images of the tree, each as debug and as release build; a `UserError` when one cannot be built."""
    with Assembler() as assembler:
        return [
            replace(made.image, name=f"{spec.name} ({'debug' if debug else 'release'})")
            for spec in select_images(tree, None)
            for debug in (True, False)
            for made in (make(tree, spec, assembler, debug=debug),)
        ]


def as_text(report: Report) -> str:
    """Return one line for each finding, then the deepest chain of each image and the summary."""
    lines = [str(finding) for finding in report.findings]
    for image in report.images:
        stack = image.stack
        of = "" if stack.size is None else f" of {stack.size}, {stack.needed} with a fault on top"
        lines.append(f"{image.name}: {stack.deepest.bytes} bytes of stack{of}: {stack.deepest}")
    deepest = max((image.stack.deepest.bytes for image in report.images), default=0)
    routines, findings = _count(report.routines, "routine"), _count(len(report.findings), "finding")
    lines.append(f"{routines}, deepest stack {deepest} bytes: {findings}")
    return "\n".join(lines)


def as_object(report: Report) -> dict[str, object]:
    """Return the report as plain data: `findings`, `images` with their stack use in bytes, `routines`."""
    return {
        "routines": report.routines,
        "images": [
            {
                "name": image.name,
                "routines": len(image.routines),
                "stack": image.stack.size,
                "needed": image.stack.needed,
                "deepest": _chain(image.stack.deepest),
                "fault": _chain(image.stack.fault),
            }
            for image in report.images
        ],
        "findings": [
            {"file": found.file, "line": found.line, "routine": found.routine, "message": found.message}
            for found in report.findings
        ],
    }


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _chain(chain: Chain) -> dict[str, object]:
    return {"bytes": chain.bytes, "routines": [{"name": name, "bytes": at} for name, at in chain.routines]}
