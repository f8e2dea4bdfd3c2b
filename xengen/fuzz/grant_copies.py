"""Operations on grants: copies from page to page, and frames that change hands (ABI 10.9).

Invariants
  - As grants.py. Nothing is copied into what an agent lives on, nor within one page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from xengen.abi.grant import (
    GnttabCopy,
    GnttabTransfer,
)
from xengen.agent.names import DOMID_SELF, value
from xengen.fuzz.calls import Call, Prepared
from xengen.fuzz.frame import Kind, Refused
from xengen.fuzz.grants import NO_STATUS, nothing, number_of, prepared_list, status_of
from xengen.fuzz.places import Place
from xengen.fuzz.sharing import DENIED, FRAME_SHIFT, GENERAL
from xengen.fuzz.world import World

PAGE = 4096
BAD_COPY = value("GNTST_bad_copy_arg")
SOURCE_GREF, DEST_GREF = value("GNTCOPY_source_gref"), value("GNTCOPY_dest_gref")
INVALID = 0xFFFFFFFF


@dataclass(frozen=True)
class Side:
    """One side of a copy: `owner`'s entry `ref`, or with `ref` None the frame at `frame`."""

    owner: int
    ref: int | None
    frame: Place | int = 0
    offset: int = 0


@dataclass(frozen=True)
class CopyGrant(Call):
    """copy, of one element."""

    source: Side
    dest: Side
    length: int

    def prepare(self, world: World, domain: int) -> Prepared | None:
        """See Call."""
        element = GnttabCopy(len=self.length, status=NO_STATUS)
        for given, side, flag in ((self.source, element.source, SOURCE_GREF), (self.dest, element.dest, DEST_GREF)):
            number = given.ref if given.ref is not None else number_of(world, given.frame)
            side.u.ref, side.domid, side.offset = number, given.owner, given.offset
            element.flags |= flag if given.ref is not None else 0
        ends = (self.source, element.source.u.gmfn), (self.dest, element.dest.u.gmfn)
        pages = [self._leads_to(world, domain, side, number) for side, number in ends]
        if pages[0] == pages[1] or any(world.restless(page) for page in pages):
            return None  # where one page is both, what is in it depends on the order of the bytes
        expected = status_of(partial(self._copy, world, domain, ends))
        return prepared_list(world, domain, "copy", [element], [expected], [nothing])

    def _leads_to(self, world: World, domain: int, side: Side, number: int) -> int:
        """Return the frame that a side means, if it may be used at all."""
        if side.ref is None:
            return number
        try:
            granter = world.model.sharing.granter(domain, side.owner)
            return world.model.sharing.entry(granter, side.ref) >> FRAME_SHIFT
        except Refused:
            return INVALID

    def _copy(self, world: World, domain: int, ends: Sequence[tuple[Side, int]]) -> None:
        if max(self.source.offset, self.dest.offset) + self.length > PAGE:
            raise Refused(BAD_COPY)
        sharing, found, used = world.model.sharing, [], []
        try:
            for side, number in ends:
                if side.ref is None:
                    found.append(self._own(world, domain, side, number))
                else:
                    granter = sharing.granter(domain, side.owner)
                    found.append(sharing.acquire(granter, side.ref, domain, writable=side is self.dest))
                    used.append((granter, side.ref))
            self._move(world, found[0], found[1])
        finally:
            for granter, ref in used:
                sharing.unmark(granter, ref)

    def _own(self, world: World, domain: int, side: Side, mfn: int) -> int:
        if side.owner not in (DOMID_SELF, domain):
            raise Refused(DENIED)
        frame = world.model.frames.get(mfn)
        if frame is None or frame.owner != domain:
            raise Refused(GENERAL)
        if side is self.dest and frame.uses and frame.kind != Kind.WRITABLE:
            raise Refused(GENERAL)
        return mfn

    def _move(self, world: World, source: int, dest: int) -> None:
        contents, start = world.contents, self.source.offset
        data = _bytes(contents.page(source))[start : start + self.length]
        page = bytearray(_bytes(contents.page(dest)))
        page[self.dest.offset : self.dest.offset + self.length] = data
        contents.fill(dest, [int.from_bytes(page[at : at + 8], "little") for at in range(0, PAGE, 8)])


@dataclass(frozen=True)
class TransferFrames(Call):
    """transfer: frames to `to`'s entries."""

    frames: tuple[Place | int, ...]
    to: int
    refs: tuple[int, ...]

    def prepare(self, world: World, domain: int) -> Prepared:
        """See Call."""
        encoded, expected = [], []
        for place, ref in zip(self.frames, self.refs, strict=True):
            mfn = number_of(world, place)
            encoded.append(GnttabTransfer(mfn=mfn, domid=self.to, ref=ref, status=NO_STATUS))
            expected.append(status_of(partial(self._transfer, world, domain, mfn, ref)))
        return prepared_list(world, domain, "transfer", encoded, expected, [nothing] * len(encoded))

    def _transfer(self, world: World, domain: int, mfn: int, ref: int) -> None:
        model = world.model
        taker = domain if self.to == DOMID_SELF else self.to
        room = model.domains[taker].most_pages - model.pages(taker) if taker in model.domains else 1
        owner = model.sharing.transfer(domain, mfn, self.to, ref, room)
        model.m2p[mfn] = INVALID
        world.extra[owner].append(mfn)


def _bytes(entries: Sequence[int]) -> bytes:
    return b"".join(entry.to_bytes(8, "little") for entry in entries)
