"""The model of frames alone: types and references by the ABI's rules (6.1 to 6.5), on tables that are plain lists."""

from __future__ import annotations

import pytest

from xengen.agent.names import EBUSY, EINVAL, EPERM, PTE_G, PTE_NX, PTE_P, PTE_PCD, PTE_PSE, PTE_RW, PTE_US
from xengen.fuzz.contents import ENTRIES, Contents
from xengen.fuzz.frame import IO_OWNER, Frame, Hardware, Kind, Refused
from xengen.fuzz.frames import Frames

GUEST_ENTRIES = 428
RW = PTE_P | PTE_RW
DATA, L1, L2, L3, TOP, OTHER = 0x1000, 0x1001, 0x1002, 0x1003, 0x1004, 0x1005
FOREIGN, FREE, VIDEO = 0x1010, 0x1020, 0xA0
OWNER, NEIGHBOUR = 1, 2


class Pages(Contents):
    """Contents that are in no machine."""

    def __init__(self) -> None:
        self._pages: dict[int, list[int]] = {}
        self._written: set[int] = set()

    def now(self, mfn: int) -> list[int]:
        return [0] * ENTRIES


@pytest.fixture
def frames() -> Frames:
    """Frames of two domains, all zero."""
    made = Frames(Pages(), Hardware(0x4000), lambda owner: GUEST_ENTRIES)
    for mfn in (DATA, L1, L2, L3, TOP, OTHER):
        made.add(mfn, Frame(OWNER))
    made.add(FOREIGN, Frame(NEIGHBOUR))
    return made


def put(frames: Frames, mfn: int, entries: dict[int, int]) -> None:
    """Write entries into a frame."""
    for index, entry in entries.items():
        frames.contents.write(mfn, index, entry)


def refused(frames: Frames, mfn: int, kind: Kind) -> frozenset[int]:
    """Try to use a frame as `kind`; return the errors, none when it can be."""
    try:
        with frames.attempt():
            frames.use(mfn, kind)
    except Refused as error:
        return error.codes
    return frozenset()


def test_a_table_holds_what_its_entries_lead_to(frames: Frames) -> None:
    put(frames, L1, {0: DATA << 12 | RW, 1: DATA << 12 | PTE_P, 2: DATA << 12})
    put(frames, L2, {0: L1 << 12 | RW})
    frames.use(L2, Kind.L2)
    assert (frames[L1].kind, frames[L1].uses, frames[L1].references) == (Kind.L1, 1, 1)
    assert (frames[DATA].kind, frames[DATA].uses, frames[DATA].references) == (Kind.WRITABLE, 1, 2)
    frames.unuse(L2)
    assert [frames[mfn].references for mfn in (DATA, L1, L2)] == [0, 0, 0]
    assert frames[DATA].uses == frames[L1].uses == 0


@pytest.mark.parametrize("entry, owner, codes", [
    (FOREIGN << 12 | PTE_P, OWNER, {-EBUSY}),
    (FREE << 12 | PTE_P, OWNER, {-EBUSY}),
    (VIDEO << 12 | PTE_P, OWNER, {-EPERM}),
    (DATA << 12 | PTE_P | PTE_PCD, OWNER, {-EINVAL}),
    (DATA << 12 | PTE_P | PTE_PSE, OWNER, {-EINVAL}),
    (DATA << 12 | PTE_P | 1 << 40, OWNER, {-EPERM}),
    (0xFFFFFFFFFF000 | PTE_P, OWNER, {-EINVAL}),
    (DATA << 12 | PTE_P, IO_OWNER, {-EBUSY}),
    (0xFEE00 << 12 | PTE_P, IO_OWNER, {-EPERM}),
])
def test_an_l1_entry_that_is_refused(frames: Frames, entry: int, owner: int, codes: set[int]) -> None:
    with pytest.raises(Refused) as error:
        frames.l1_get(entry, owner)
    assert error.value.codes == codes


@pytest.mark.parametrize("entry, owner", [
    (DATA << 12 | PTE_P | PTE_G | PTE_US | PTE_NX, OWNER),
    (VIDEO << 12 | RW | PTE_PCD, IO_OWNER),
    (FOREIGN << 12, OWNER),
])
def test_an_l1_entry_that_is_taken(frames: Frames, entry: int, owner: int) -> None:
    frames.l1_get(entry, owner)


def test_a_frame_has_one_type_at_a_time(frames: Frames) -> None:
    put(frames, L1, {0: DATA << 12 | RW})
    frames.use(L1, Kind.L1)
    for kind in (Kind.L1, Kind.L2, Kind.SEGMENTS):
        assert refused(frames, DATA, kind) == {-EINVAL}
    with pytest.raises(Refused) as error:
        frames.l1_get(L1 << 12 | RW, OWNER)
    assert error.value.codes == {-EBUSY}
    frames.l1_get(L1 << 12 | PTE_P, OWNER)


def test_what_is_refused_changes_nothing(frames: Frames) -> None:
    put(frames, L1, {0: DATA << 12 | RW, 511: FOREIGN << 12 | PTE_P})
    put(frames, L2, {0: L1 << 12 | PTE_P})
    before = {mfn: str(frame) for mfn, frame in frames.items()}
    assert refused(frames, L2, Kind.L2) == {-EBUSY, -EINVAL}
    assert {mfn: str(frame) for mfn, frame in frames.items()} == before


def test_an_l2_shows_itself_or_one_more_and_only_for_reading(frames: Frames) -> None:
    put(frames, L2, {0: L2 << 12 | PTE_P})
    frames.use(L2, Kind.L2)
    assert (frames[L2].uses, frames[L2].references) == (1, 0)
    put(frames, OTHER, {0: L2 << 12 | PTE_P})
    frames.use(OTHER, Kind.L2)
    assert (frames[L2].uses, frames[L2].balance, frames[OTHER].balance) == (2, 1, -1)
    for entry in (L2 << 12 | RW, OTHER << 12 | RW):
        with pytest.raises(Refused):
            frames.l2_get(entry, OTHER)
    with pytest.raises(Refused):
        frames.l2_get(OTHER << 12 | PTE_P, L2)
    frames.unuse(OTHER)
    assert (frames[L2].uses, frames[L2].balance) == (1, 0)


def test_the_l2_of_slot_3_is_in_one_l3_alone(frames: Frames) -> None:
    put(frames, L3, {0: L2 << 12 | PTE_P, 3: TOP << 12 | PTE_P})
    put(frames, TOP, {GUEST_ENTRIES: FOREIGN << 12 | RW})  # the hypervisor's own part, which nobody looks at
    frames.use(L3, Kind.L3)
    assert (frames[TOP].kind, frames[L2].kind) == (Kind.TOP, Kind.L2)
    put(frames, OTHER, {3: TOP << 12 | PTE_P})
    assert refused(frames, OTHER, Kind.L3) == {-EINVAL}
    assert refused(frames, TOP, Kind.L2) == {-EINVAL}


def test_an_l3_without_slot_3_is_none(frames: Frames) -> None:
    put(frames, L3, {0: L2 << 12 | PTE_P})
    assert refused(frames, L3, Kind.L3) == {-EINVAL}


def test_a_frame_is_nobodys_after_its_last_reference(frames: Frames) -> None:
    frames.refer(DATA)
    frames.give_up(DATA)
    assert frames.owned_by(DATA, OWNER)
    frames.unrefer(DATA)
    assert DATA not in frames
    assert frames.owned[OWNER] == 5


def test_descriptors_are_corrected_up_to_the_bad_one(frames: Frames) -> None:
    flat, system = 0x00CF93000000FFFF, 0x00008B0000000067
    put(frames, DATA, {1: flat, 2: system, 3: flat})
    assert refused(frames, DATA, Kind.SEGMENTS) == {-EINVAL}
    assert [bool(frames.contents.page(DATA)[index] >> 45 & 3) for index in (1, 3)] == [True, False]
