"""The model against memory: entries of tables, the M2P table, and the hypervisor's records of frames.

Invariants
  - Nothing is written here. What differs is a Failure that names the frame and both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

from xengen.errors import XengenError
from xengen.fuzz.contents import Difference
from xengen.fuzz.frame import Frame, Kind
from xengen.fuzz.model import Model
from xengen.inspect import layout
from xengen.inspect.views import Hypervisor
from xengen.machine.memory import PhysicalMemory

FRAME_SIZE = 16


class Failure(XengenError):
    """The hypervisor did what it must not, or did not what it must."""


class Comparison:
    """Compares `model` with what is in `memory`."""

    def __init__(self, model: Model, hypervisor: Hypervisor, memory: PhysicalMemory) -> None:
        self._model = model
        self._hypervisor = hypervisor
        self._memory = memory

    def changed(self) -> None:
        """Compare what the model says has changed; Failure."""
        for difference in self._model.contents.differences():
            if self._is_the_hypervisors(difference):
                continue
            raise Failure(
                f"frame {difference.mfn:#x}, entry {difference.entry} is {difference.found:#x}, "
                f"not {difference.expected:#x}"
            )
        for mfn in sorted(self._model.frames.changed):
            address = self._hypervisor.physical(layout.FRAME_TABLE + mfn * FRAME_SIZE)
            count, word, owner, _ = self._memory.words(address, 4)
            self._compare(mfn, self._model.frames.get(mfn), count, word, owner)
        for mfn, expected in self._model.m2p.items():
            found = self._memory.u32(self._hypervisor.physical(layout.M2P + 4 * mfn))
            if found != expected and mfn in self._model.frames:
                raise Failure(f"the M2P entry of frame {mfn:#x} is {found:#x}, not {expected:#x}")
        self._model.frames.changed.clear()

    def _is_the_hypervisors(self, difference: Difference) -> bool:
        """Whether an entry is the hypervisor's own, in the L2 of slot 3: it follows the other slots."""
        frame = self._model.frames.get(difference.mfn)
        return frame is not None and frame.kind == Kind.TOP and difference.entry >= layout.ALIAS_L2_FIRST

    def everything(self) -> None:
        """Compare the records of all frames; Failure."""
        records = self._hypervisor.frames
        for mfn, frame in self._model.frames.items():
            count, word, owner, _ = records[mfn].tolist()
            self._compare(mfn, frame, count, word, owner)

    def _compare(self, mfn: int, frame: Frame | None, count: int, word: int, owner: int) -> None:
        found = _described(count, word)
        if frame is None:
            if self._hypervisor.ram[mfn] and owner and self._domain_at(owner) is not None:
                raise Failure(f"frame {mfn:#x} should be nobody's: {found}, owner {owner:#x}")
            return
        kind = int(frame.kind) if frame.uses else 0
        expected = _Record(frame.allocated, frame.references, kind, frame.uses, frame.pinned)
        if found != expected:
            raise Failure(f"frame {mfn:#x} of domain {frame.owner} is {found}, not {expected}")

    def _domain_at(self, address: int) -> int | None:
        return next((domain.id for domain in self._hypervisor.domains() if domain.address == address), None)


@dataclass(frozen=True)
class _Record:
    allocated: bool
    references: int
    kind: int
    uses: int
    pinned: bool


def _described(count: int, word: int) -> _Record:
    allocated = bool(count & layout.FRAME_ALLOCATED)
    uses = word & layout.FRAME_COUNT_MASK
    kind = (word & layout.FRAME_TYPE_MASK) >> layout.TYPE_SHIFT if uses else 0
    references = (count & ~layout.FRAME_ALLOCATED) - allocated
    return _Record(allocated, references, kind, uses, bool(word & layout.FRAME_PINNED))
