"""The model of grants: each line of ABI 10.9, on frames without a machine."""

from __future__ import annotations

import pytest

from xengen.agent.names import DOMID_SELF, PTE_A, PTE_D, PTE_P, PTE_RW
from xengen.fuzz.contents import ENTRIES, Contents
from xengen.fuzz.frame import Frame, Hardware, Kind, Refused
from xengen.fuzz.model import Model
from xengen.fuzz.sharing import (
    ACCEPT,
    BAD_DOMAIN,
    BAD_HANDLE,
    BAD_PAGE,
    BAD_REF,
    DEVICE,
    GENERAL,
    HOST,
    PERMIT,
    READ_ONLY_GRANT,
    READING,
    READONLY,
    TRANSFERRED,
    WRITING,
)
from xengen.fuzz.spaces import Domain

USER, OWNER = 0, 1
L3S, L2, L1, PAGE, TABLES, SHARED = (0x200, 0x210), 0x220, 0x221, 0x230, (0x240, 0x241), (0x250, 0x251)
REF, VA = 9, 5 << 12
ENTRY = PTE_P | PTE_RW | PTE_A | PTE_D


class Blank(Contents):
    """Contents that are zero where nothing was written, and that nobody forgets."""

    def __init__(self) -> None:
        self._pages: dict[int, list[int]] = {}
        self._written: set[int] = set()

    def now(self, mfn: int) -> list[int]:
        """Nothing."""
        return [0] * ENTRIES


@pytest.fixture
def model() -> Model:
    """Two domains; the user's slot 0 has an L2 with one L1, and the owner has a page."""
    made = Model(Blank(), Hardware(0x1000))
    for number, l3 in ((USER, L3S[0]), (OWNER, L3S[1])):
        tops = l3 + 1
        made.contents.write(l3, 3, tops << 12 | PTE_P)
        if number == USER:
            made.contents.write(l3, 0, L2 << 12 | PTE_P)
            made.contents.write(L2, 0, L1 << 12 | ENTRY)
        frames = [l3, tops, *((L2, L1) if number == USER else (PAGE, PAGE + 1))]
        made.add(Domain(number, l3, SHARED[number], 100), frames, [TABLES[number]], privileged=False)
    grant(made, PERMIT)
    return made


def grant(model: Model, flags: int, *, to: int = USER, mfn: int = PAGE, table: int = TABLES[1]) -> None:
    """Write the entry REF."""
    model.contents.write(table, REF, mfn << 32 | to << 16 | flags)


def marks(model: Model) -> int:
    """The marks of the entry REF."""
    return model.sharing.entry(OWNER, REF) & (READING | WRITING)


def mapped(model: Model, flags: int = HOST) -> int:
    """Map the entry REF at VA under handle 7."""
    model.sharing.handles.setdefault(USER, {})[7] = model.sharing.map(USER, OWNER, REF, flags, VA)
    return 7


def held(model: Model) -> tuple[Kind, int, int]:
    """Kind, uses and references of the page."""
    frame = model.frames[PAGE]
    return frame.kind, frame.uses, frame.references


@pytest.mark.parametrize("flags, marked, holds", [
    (HOST, READING | WRITING, (Kind.WRITABLE, 2, 2)),
    (HOST | READONLY, READING, (Kind.NONE, 0, 2)),
    (DEVICE, READING | WRITING, (Kind.WRITABLE, 1, 1)),
    (HOST | DEVICE, READING | WRITING, (Kind.WRITABLE, 2, 2)),
])
def test_a_mapping_marks_and_holds_until_it_ends(model: Model, flags: int, marked: int, holds: object) -> None:
    number = mapped(model, flags)
    assert (marks(model), held(model)) == (marked, holds)
    model.sharing.unmap(USER, number, VA, PAGE << 12 if flags & DEVICE else 0)
    assert (marks(model), held(model)[1:]) == (0, (0, 0))
    with pytest.raises(Refused) as caught:
        model.sharing.unmap(USER, number, VA, 0)
    assert caught.value.codes == {BAD_HANDLE}


@pytest.mark.parametrize("entry, to, mfn, flags, status", [
    (0, USER, PAGE, HOST, GENERAL), (ACCEPT, USER, PAGE, HOST, GENERAL), (PERMIT, OWNER, PAGE, HOST, GENERAL),
    (PERMIT | READ_ONLY_GRANT, USER, PAGE, HOST, GENERAL), (PERMIT, USER, L1, HOST, GENERAL),
    (PERMIT, USER, L3S[1], HOST, GENERAL), (PERMIT, USER, 0xB8, HOST | READONLY, GENERAL),
    (PERMIT, USER, PAGE, 0, BAD_REF),
])  # fmt: skip
def test_nothing_is_mapped_by(model: Model, entry: int, to: int, mfn: int, flags: int, status: int) -> None:
    grant(model, entry, to=to, mfn=mfn)
    with pytest.raises(Refused) as caught:
        mapped(model, flags)
    assert caught.value.codes == {status}
    assert (marks(model), held(model)[1:]) == (0, (0, 0))


@pytest.mark.parametrize("domid, ref, status", [
    (9, REF, BAD_DOMAIN), (OWNER, 512, BAD_REF), (DOMID_SELF, REF, GENERAL),
])  # fmt: skip
def test_there_is_no_grant_of(model: Model, domid: int, ref: int, status: int) -> None:
    with pytest.raises(Refused) as caught:
        model.sharing.map(USER, domid, ref, HOST, VA)
    assert caught.value.codes == {status}


def test_an_entry_that_was_taken_away_leaves_the_grant_in_use(model: Model) -> None:
    number = mapped(model)
    model.map(USER, VA, 0, USER)
    with pytest.raises(Refused):
        model.sharing.unmap(USER, number, VA, 0)
    assert (marks(model), held(model)) == (READING | WRITING, (Kind.WRITABLE, 1, 1))


def test_a_frame_changes_hands_once(model: Model) -> None:
    grant(model, ACCEPT, to=OWNER, mfn=0, table=TABLES[0])
    assert model.sharing.transfer(OWNER, PAGE, USER, REF, 1) == USER
    assert model.frames[PAGE] == Frame(USER)
    assert model.sharing.entry(USER, REF) == PAGE << 32 | OWNER << 16 | ACCEPT | TRANSFERRED
    with pytest.raises(Refused) as caught:
        model.sharing.transfer(OWNER, PAGE, USER, REF, 1)
    assert caught.value.codes == {BAD_PAGE}


def test_the_uses_of_a_domain_end_with_it(model: Model) -> None:
    mapped(model)
    model.end(model.domains[USER])
    assert (marks(model), held(model)[1:]) == (0, (0, 0))
