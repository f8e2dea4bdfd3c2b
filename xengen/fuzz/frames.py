"""The model of frames: owners, references, types, and what page-table entries take and give back (ABI 6.1 to 6.5).

Invariants
  - Written from the ABI, not from the hypervisor's code nor the checker's; contents of tables come from contents.py.
  - What cannot be done raises Refused, and then nothing has changed (`attempt`).
  - A frame without an allocation and without a reference is nobody's and is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from xengen.agent.names import (
    EBUSY,
    EINVAL,
    EPERM,
    PTE_G,
    PTE_P,
    PTE_PCD,
    PTE_PSE,
    PTE_PWT,
    PTE_RW,
)
from xengen.fuzz.contents import ENTRIES, Contents
from xengen.fuzz.frame import IO_OWNER, UPPER, Frame, Hardware, Kind, Refused
from xengen.fuzz.segments import checked

ADDRESS_HIGH = 0xFFFFF << 32
HIGH = 0x7FFFFFFF << 32
LOW_FRAME = 0xFFFFF000
CACHE_BITS = PTE_PWT | PTE_PCD | PTE_PSE


class Frames:
    """All frames of all domains. `guest_entries`: how many entries of its L2 of slot 3 a domain has for itself."""

    def __init__(self, contents: Contents, hardware: Hardware, guest_entries: Callable[[int], int]) -> None:
        self.contents = contents
        self.hardware = hardware
        self.privileged: set[int] = {IO_OWNER}
        self.owned: Counter[int] = Counter()
        self.changed: set[int] = set()
        self._guest_entries = guest_entries
        self._frames: dict[int, Frame] = {}
        self._journals: list[dict[int, Frame | None]] = []

    # Records.

    def __contains__(self, mfn: int) -> bool:
        return mfn in self._frames

    def __getitem__(self, mfn: int) -> Frame:
        return self._frames[mfn]

    def get(self, mfn: int) -> Frame | None:
        """Return a frame's record, None when it is no domain's."""
        return self._frames.get(mfn)

    def items(self) -> Iterator[tuple[int, Frame]]:
        """All frames of domains."""
        return iter(self._frames.items())

    def add(self, mfn: int, frame: Frame) -> None:
        """A domain gets a frame."""
        self._log(mfn)
        self._frames[mfn] = frame
        self.owned[frame.owner] += 1

    def hand_over(self, mfn: int, owner: int) -> None:
        """A frame becomes another domain's."""
        frame = self.change(mfn)
        self.owned[frame.owner] -= 1
        frame.owner = owner
        self.owned[owner] += 1

    def of(self, owner: int) -> list[int]:
        """Return all frames of a domain."""
        return [mfn for mfn, frame in self._frames.items() if frame.owner == owner]

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """What is refused inside changes nothing."""
        journal: dict[int, Frame | None] = {}
        self._journals.append(journal)
        try:
            yield
        except Refused:
            self._journals.pop()
            for mfn, old in journal.items():
                self._restore(mfn, old)
            raise
        self._journals.pop()
        if self._journals:
            for mfn, old in journal.items():
                self._journals[-1].setdefault(mfn, old)

    def change(self, mfn: int) -> Frame:
        """Return a frame's record to be changed."""
        self._log(mfn)
        return self._frames[mfn]

    # References.

    def owned_by(self, mfn: int, owner: int) -> bool:
        """Whether a frame is a domain's."""
        frame = self._frames.get(mfn)
        return frame is not None and frame.owner == owner

    def refer(self, mfn: int) -> None:
        """One reference more."""
        self.change(mfn).references += 1

    def unrefer(self, mfn: int) -> None:
        """One reference less."""
        frame = self.change(mfn)
        frame.references -= 1
        self._forget_unused(mfn, frame)

    def give_up(self, mfn: int) -> None:
        """The domain's own allocation goes."""
        frame = self.change(mfn)
        frame.allocated = False
        self._forget_unused(mfn, frame)

    # Types.

    def use(self, mfn: int, kind: Kind) -> None:
        """Take a use as `kind`; Refused when the frame is something else, or cannot be that."""
        frame = self.change(mfn)
        if frame.uses:
            if frame.kind != kind or not frame.whole:
                raise Refused(-EINVAL)
            frame.uses += 1
            return
        frame.kind, frame.uses, frame.whole, frame.balance = kind, 1, False, 0
        try:
            self._validate(mfn, kind, frame.owner)
        except Refused as refused:
            # An upper table may be given up in pieces, and then the reason is not known any more.
            raise Refused(*refused.codes, *((-EINVAL,) if kind in UPPER else ())) from refused
        self.change(mfn).whole = True

    def unuse(self, mfn: int) -> None:
        """Give a use back; the last one gives back what the table's entries hold."""
        frame = self.change(mfn)
        frame.uses -= 1
        if frame.uses:
            return
        entries = self.contents.page(mfn) if frame.kind not in (Kind.WRITABLE, Kind.SEGMENTS) else []
        if frame.kind == Kind.L1:
            for entry in entries:
                self.l1_put(entry)
        elif frame.kind in (Kind.L2, Kind.TOP):
            for entry in entries[: self.own_entries(mfn)]:
                self.l2_put(entry, mfn)
        elif frame.kind == Kind.L3:
            for entry in entries[:4]:
                self.l3_put(entry)

    def own_entries(self, mfn: int) -> int:
        """Return how many entries of an L2 are its domain's."""
        frame = self._frames[mfn]
        return self._guest_entries(frame.owner) if frame.kind == Kind.TOP else ENTRIES

    # Entries.

    def l1_get(self, entry: int, owner: int) -> None:
        """Take what an L1 entry needs; `owner`: whose frames may be mapped."""
        if not entry & PTE_P:
            return
        if entry & CACHE_BITS and owner not in self.privileged:
            raise Refused(-EINVAL)
        mfn = (entry & LOW_FRAME) >> 12
        if entry & ADDRESS_HIGH or not (mfn in self._frames or self.hardware.is_ram(mfn)):
            self._io_get(entry, owner)
            return
        if not self.owned_by(mfn, owner):
            raise Refused(-EBUSY)
        if entry & PTE_RW:
            try:
                with self.attempt():
                    self.use(mfn, Kind.WRITABLE)
            except Refused as refused:
                raise Refused(-EBUSY) from refused
        self.refer(mfn)

    def l1_put(self, entry: int) -> None:
        """Give back what an L1 entry holds."""
        mfn = (entry & LOW_FRAME) >> 12
        if entry & PTE_P and not entry & ADDRESS_HIGH and mfn in self._frames:
            if entry & PTE_RW:
                self.unuse(mfn)
            self.unrefer(mfn)

    def l2_get(self, entry: int, table: int) -> None:
        """Take what an entry of the L2 `table` needs: an L1, or by a read-only entry an L2."""
        if not entry & PTE_P:
            return
        mfn = self._table_target(entry, self._frames[table].owner)
        if not entry & PTE_RW:
            if mfn == table:
                return
            target = self._frames[mfn]
            if target.uses and target.whole and target.kind in (Kind.L2, Kind.TOP):
                self._linear_get(mfn, table)
                return
        self.use(mfn, Kind.L1)
        self.refer(mfn)

    def l2_put(self, entry: int, table: int) -> None:
        """Give back what an entry of the L2 `table` holds."""
        mfn = (entry & LOW_FRAME) >> 12
        if not entry & PTE_P or mfn == table:
            return
        target = self.change(mfn)
        if target.kind != Kind.L1:
            target.balance -= 1
            self.change(table).balance += 1
        self.unuse(mfn)
        self.unrefer(mfn)

    def l3_get(self, entry: int, slot: int, owner: int) -> None:
        """Take what an L3 entry needs."""
        if not entry & PTE_P:
            return
        if entry >> 32:
            raise Refused(-EINVAL)
        mfn = self._table_target(entry, owner)
        if slot == 3 and self._frames[mfn].uses:
            raise Refused(-EINVAL)  # an L2 of slot 3 is in one L3 only
        self.use(mfn, Kind.TOP if slot == 3 else Kind.L2)
        self.refer(mfn)

    def l3_put(self, entry: int) -> None:
        """Give back what an L3 entry holds."""
        if entry & PTE_P:
            mfn = (entry & LOW_FRAME) >> 12
            self.unuse(mfn)
            self.unrefer(mfn)

    # How it is done.

    def _log(self, mfn: int) -> None:
        self.changed.add(mfn)
        if self._journals and mfn not in self._journals[-1]:
            frame = self._frames.get(mfn)
            self._journals[-1][mfn] = None if frame is None else replace(frame)

    def _restore(self, mfn: int, old: Frame | None) -> None:
        now = self._frames.pop(mfn, None)
        if now is not None:
            self.owned[now.owner] -= 1
        if old is not None:
            self._frames[mfn] = old
            self.owned[old.owner] += 1

    def _forget_unused(self, mfn: int, frame: Frame) -> None:
        if not frame.allocated and not frame.references:
            del self._frames[mfn]
            self.owned[frame.owner] -= 1
            self.contents.forget(mfn)

    def _validate(self, mfn: int, kind: Kind, owner: int) -> None:
        entries = self.contents.page(mfn) if kind != Kind.WRITABLE else []
        if kind == Kind.L1:
            for entry in entries:
                self.l1_get(entry, owner)
        elif kind in (Kind.L2, Kind.TOP):
            for entry in entries[: self.own_entries(mfn)]:
                self.l2_get(entry, mfn)
        elif kind == Kind.L3:
            if not entries[3] & PTE_P:
                raise Refused(-EINVAL)
            for slot in range(4):
                self.l3_get(entries[slot], slot, owner)
        elif kind == Kind.SEGMENTS:
            for index, given in enumerate(list(entries)):
                good = checked(given)
                if good is None:
                    raise Refused(-EINVAL)
                if good != given:
                    self.contents.write(mfn, index, good)

    def _table_target(self, entry: int, owner: int) -> int:
        """Return the table that an L2 or L3 entry leads to, if its bits are good and the frame is the owner's."""
        mfn = (entry & LOW_FRAME) >> 12
        if entry & (CACHE_BITS | PTE_G | HIGH) or not self.owned_by(mfn, owner):
            raise Refused(-EINVAL)
        return mfn

    def _linear_get(self, mfn: int, table: int) -> None:
        if self._frames[table].balance > 0 or self._frames[mfn].balance < 0:
            raise Refused(-EINVAL)
        target, holder = self.change(mfn), self.change(table)
        target.uses += 1
        target.balance += 1
        holder.balance -= 1
        self.refer(mfn)

    def _io_get(self, entry: int, owner: int) -> None:
        beyond = entry & ADDRESS_HIGH
        if beyond | entry & LOW_FRAME == ADDRESS_HIGH | LOW_FRAME:
            raise Refused(-EINVAL)
        if owner not in self.privileged or (entry & LOW_FRAME) >> 12 == self.hardware.apic:
            raise Refused(-EPERM)
