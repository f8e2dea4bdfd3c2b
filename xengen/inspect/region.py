"""Rules about the hypervisor's own mappings: the table hv_l1, which every address space shares.

Invariants
  - The region is cut into parts; each says what may be done there and which frames may be shown.
  - Only the M2P table's read-only part can be reached by guests; it shows M2P pages alone, and read-only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xengen.inspect import layout
from xengen.inspect.devices import nics
from xengen.inspect.images import kept_images
from xengen.inspect.survey import FREE, HYPERVISOR, NO_RAM, OWNED, Survey
from xengen.inspect.views import Flags, Hypervisor, Numbers
from xengen.inspect.vif import frames as vif_frames
from xengen.inspect.violation import Rule, Violation


@dataclass(frozen=True)
class Part:
    """The addresses [start, end) of the region: what may be done there, and which kinds of frames may be there."""

    name: str
    start: int
    end: int
    writable: bool = False
    executable: bool = False
    kinds: tuple[int, ...] = (HYPERVISOR,)

    @property
    def pages(self) -> slice:
        """The part's entries in hv_l1."""
        first = (self.start - layout.HV_START) >> layout.PAGE_SHIFT
        return slice(first, (self.end - layout.HV_START + layout.PAGE_SIZE - 1) >> layout.PAGE_SHIFT)


def parts(hypervisor: Hypervisor) -> tuple[Part, ...]:
    """Return the parts of the region, in order; nothing may be mapped between them."""

    def section(name: str, writable: bool = False, executable: bool = False) -> Part:
        start, end = (hypervisor.symbol(f"__{name}_{side}") for side in ("start", "end"))
        return Part(name, start, end, writable, executable)

    cache_end = layout.MAP_CACHE + layout.MAP_CACHE_SLOTS * layout.PAGE_SIZE
    image = (
        section("text", executable=True),
        section("rodata"),
        section("init", executable=True),
        section("data", writable=True),
        section("bss", writable=True),
    )
    return (
        Part("M2P for guests", layout.M2P_READ_ONLY, layout.M2P_READ_ONLY + layout.M2P_BYTES),
        Part("M2P", layout.M2P, layout.M2P + layout.M2P_BYTES, True),
        *sorted(image, key=lambda part: part.start),
        Part("heap", layout.HEAP_START, layout.HEAP_END, True, kinds=(HYPERVISOR, OWNED)),
        Part("idle window", layout.DOMAIN_WINDOW, layout.MAP_CACHE, True),
        Part("map cache", layout.MAP_CACHE, cache_end, True, kinds=(HYPERVISOR, OWNED, FREE, NO_RAM)),
        Part("fixed mappings", layout.FIXMAP_APIC, layout.LINEAR_TABLES, True, kinds=(HYPERVISOR, NO_RAM)),
        Part("frame table", layout.FRAME_TABLE, layout.HV_END, True),
    )


def frames_shown(survey: Survey) -> Iterator[Violation]:
    """Each part of the region shows its own kind of frames: no guest's, but in the map cache and what is shared."""
    entries = survey.hypervisor.hv_l1
    frames = _frames(entries)
    mapped = (entries & layout.PTE_P) != 0
    kinds = _kinds(survey, frames)
    anywhere = np.zeros(len(entries), dtype=np.bool_)
    shared = np.array([holding.mfn for holding in survey.holdings], dtype=np.int64)
    for part in parts(survey.hypervisor):
        anywhere[part.pages] = True
        bad = np.zeros(len(entries), dtype=np.bool_)
        bad[part.pages] = mapped[part.pages] & ~np.isin(kinds[part.pages], part.kinds)
        if part.name == "heap":
            bad[part.pages] |= mapped[part.pages] & (kinds[part.pages] == OWNED) & ~np.isin(frames[part.pages], shared)
        for page in np.flatnonzero(bad):
            yield _violation(survey, page, frames, f"{part.name} shows {_whose(survey, int(frames[page]))}")
    for page in np.flatnonzero(mapped & ~anywhere):
        yield _violation(survey, page, frames, "nothing may be mapped here")
    yield from _image(survey, mapped, frames)
    yield from _guests_m2p(survey, mapped, frames)


def permissions(survey: Survey) -> Iterator[Violation]:
    """Text is not writable, only text is executable, constants are read-only, and ring 3 reaches none of it."""
    hypervisor = survey.hypervisor
    entries = hypervisor.hv_l1
    frames = _frames(entries)
    mapped = (entries & layout.PTE_P) != 0
    has_nx = hypervisor.word("no_execute_high") != 0
    for page in np.flatnonzero(mapped & ((entries & layout.PTE_US) != 0)):
        yield _violation(survey, page, frames, "ring 3 may use the page", Rule.PERMISSIONS)
    for part in parts(hypervisor):
        inside = np.zeros(len(entries), dtype=np.bool_)
        inside[part.pages] = True
        if not part.writable:
            for page in np.flatnonzero(inside & mapped & ((entries & layout.PTE_RW) != 0)):
                yield _violation(survey, page, frames, f"{part.name} is writable", Rule.PERMISSIONS)
        if has_nx and not part.executable:
            for page in np.flatnonzero(inside & mapped & ((entries & layout.PTE_NX) == 0)):
                yield _violation(survey, page, frames, f"{part.name} is executable", Rule.PERMISSIONS)


def alias_table(survey: Survey) -> Iterator[Violation]:
    """The table behind the M2P alias shows one page of invalid entries, read-only."""
    hypervisor = survey.hypervisor
    entries = hypervisor.table("invalid_m2p_l1")
    last = int(_frames(hypervisor.hv_l1[parts(hypervisor)[0].pages])[-1])
    unwanted = layout.PTE_RW | layout.PTE_US
    bad = ((entries & layout.PTE_P) == 0) | ((entries & unwanted) != 0) | (_frames(entries) != last)
    for index in np.flatnonzero(bad):
        detail = f"invalid_m2p_l1[{index}] is {int(entries[index]):#x}, not a read-only view of frame {last:#x}"
        yield Violation(Rule.REGION, detail, int(_frames(entries)[index]))


def known_frames(survey: Survey) -> Flags:
    """Whether each frame is one that hv_l1 shows, or would show, as the hypervisor's: bool[max_frame]."""
    hypervisor = survey.hypervisor
    entries = hypervisor.hv_l1
    count = len(survey.records)
    known = np.zeros(count, dtype=np.bool_)
    for part in parts(hypervisor):
        if part.name != "map cache":
            shown = entries[part.pages]
            frames = _frames(shown)[(shown & layout.PTE_P) != 0]
            known[frames[frames < count]] = True
    for domain in survey.domains:  # the heap's own frame, while its page shows a vcpu_info
        if domain.vcpu is not None and domain.vcpu.record.info_page and domain.vcpu.record.info_spare < count:
            known[domain.vcpu.record.info_spare] = True
    for image in kept_images(hypervisor):
        known[[mfn for mfn in image.frames if mfn < count]] = True
    for nic in nics(hypervisor):
        known[[mfn for mfn in nic.buffers if mfn < count]] = True
    known[[mfn for mfn in vif_frames(hypervisor) if mfn < count]] = True
    for grants in survey.grants:
        known[[mfn for mfn in grants.hidden if mfn < count]] = True
    return known


def _image(survey: Survey, mapped: Flags, frames: Numbers) -> Iterator[Violation]:
    """Each page of the image shows its own frame; only .init may be gone."""
    for part in parts(survey.hypervisor):
        if not layout.IMAGE_WINDOW <= part.start < layout.HEAP_START:
            continue
        first, last = part.pages.start, part.pages.stop
        own = np.arange(first, last) + ((layout.HV_START - layout.IMAGE_LOAD_OFFSET) >> layout.PAGE_SHIFT)
        for index in np.flatnonzero(mapped[part.pages] & (frames[part.pages] != own)):
            yield _violation(survey, first + index, frames, f"{part.name} shows a frame that is not the image's")
        if part.name != "init":
            for index in np.flatnonzero(~mapped[part.pages]):
                yield _violation(survey, first + index, frames, f"{part.name} is not mapped")


def _guests_m2p(survey: Survey, mapped: Flags, frames: Numbers) -> Iterator[Violation]:
    """Guests see the pages of the M2P table, and behind them one page of invalid entries."""
    table, writable = parts(survey.hypervisor)[:2]
    used = -(-4 * len(survey.records) // layout.PAGE_SIZE)
    shown, own = frames[table.pages], frames[writable.pages].copy()
    own[used:] = shown[-1]
    for index in np.flatnonzero(~mapped[table.pages] | (shown != own)):
        yield _violation(survey, table.pages.start + index, frames, "guests see another page than one of the M2P table")
    invalid = int(shown[-1])
    if invalid < len(survey.pages) and np.any(survey.pages[invalid] != np.uint64(0xFFFF_FFFF_FFFF_FFFF)):
        yield Violation(Rule.M2P, "the page of invalid M2P entries has valid ones", invalid)


def _kinds(survey: Survey, frames: Numbers) -> Numbers:
    inside = frames < len(survey.kinds)
    return np.where(inside, survey.kinds[np.where(inside, frames, 0)], NO_RAM)


def _frames(entries: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]) -> Numbers:
    return ((entries & layout.PTE_ADDRESS) >> layout.PAGE_SHIFT).astype(np.int64)


def _whose(survey: Survey, mfn: int) -> str:
    kind = int(_kinds(survey, np.array([mfn]))[0])
    owner = survey.domain_of(mfn)
    names = {NO_RAM: "what is no RAM", FREE: "a free frame", HYPERVISOR: "a frame of the hypervisor's"}
    return names.get(kind, f"a frame of domain {owner}")


def _violation(
    survey: Survey, page: int | np.int64, frames: Numbers, detail: str, rule: Rule = Rule.REGION
) -> Violation:
    address = layout.HV_START + (int(page) << layout.PAGE_SHIFT)
    mfn = int(frames[page])
    return Violation(rule, f"{address:#x}: {detail}", mfn, survey.domain_of(mfn))
