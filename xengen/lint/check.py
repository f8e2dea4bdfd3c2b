"""The whole check: the text of the templates, and every routine of every image against its header.

Invariants
  - A report depends on the tree and the images only, and its findings are sorted and each there once, so that a
    library that is part of five images is reported once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xengen.lint.contract import check_routine
from xengen.lint.depth import Depths, StackUse
from xengen.lint.findings import Finding, unique
from xengen.lint.flow import walk
from xengen.lint.sources import Source
from xengen.lint.world import World
from xengen.toolchain.image import Image


@dataclass(frozen=True)
class ImageReport:
    """What the check of one image says: its routines as (file, name), its use of the stack, and its findings."""

    name: str
    routines: frozenset[tuple[str, str]]
    stack: StackUse
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """What the check of a tree says."""

    images: tuple[ImageReport, ...]
    findings: tuple[Finding, ...]

    @property
    def routines(self) -> int:
        """How many different routines were checked."""
        return len(frozenset().union(*(image.routines for image in self.images)))

    @property
    def deepest(self) -> ImageReport | None:
        """The image with the deepest chain of calls, None without images."""
        return max(self.images, key=lambda image: image.stack.deepest.bytes, default=None)


def check_image(image: Image, sources: dict[str, Source]) -> ImageReport:
    """Hold every routine of `image` against its header in `sources` (see `read_tree`)."""
    world = World(image, sources)
    walks = {routine.name: walk(world, routine) for routine in world.routines}
    findings = list(world.findings)
    for walked in walks.values():
        findings.extend(check_routine(world, walked))
    depths = Depths(world, walks)
    stack = depths.stack_use()
    findings.extend(depths.findings)
    routines = frozenset((routine.origin.file, routine.name) for routine in world.routines)
    return ImageReport(image.name, routines, stack, unique(findings))


def check_tree(sources: dict[str, Source], images: Iterable[Image]) -> Report:
    """Check the text of all `sources`, and all `images` that were made of them."""
    reports = tuple(check_image(image, sources) for image in images)
    findings = [finding for source in sources.values() for finding in source.findings]
    findings.extend(finding for report in reports for finding in report.findings)
    return Report(reports, unique(findings))
