"""What frames hold, as the model sees it while it predicts: memory as it is, and what the calls under way will change.

Invariants
  - A frame is read once per step, before the step is carried out; afterwards only the model's own writes count.
  - The accessed and dirty bits are the processor's: they are never compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from xengen.agent.names import PTE_A, PTE_D
from xengen.machine.memory import PhysicalMemory

PAGE = 4096
ENTRIES = 512
UNCERTAIN = PTE_A | PTE_D


class Difference(NamedTuple):
    """An entry that is not what the model says."""

    mfn: int
    entry: int
    expected: int
    found: int


class Contents:
    """Frames of `memory` as 512 numbers of 64 bits each."""

    def __init__(self, memory: PhysicalMemory) -> None:
        self._memory = memory
        self._pages: dict[int, list[int]] = {}
        self._written: set[int] = set()

    def begin(self) -> None:
        """Begin a step: what is known of frames is forgotten."""
        self._pages.clear()
        self._written.clear()

    def page(self, mfn: int) -> list[int]:
        """Return the entries of a frame; not to be changed."""
        if mfn not in self._pages:
            self._pages[mfn] = self.now(mfn)
        return self._pages[mfn]

    def now(self, mfn: int) -> list[int]:
        """Return what memory has now."""
        entries: list[int] = np.frombuffer(self._memory.read(mfn * PAGE, PAGE), dtype="<u8").tolist()
        return entries

    def write(self, mfn: int, index: int, value: int) -> None:
        """Predict that an entry will have a value."""
        self.page(mfn)[index] = value
        self._written.add(mfn)

    def fill(self, mfn: int, entries: Sequence[int]) -> None:
        """Predict a whole frame."""
        self._pages[mfn] = list(entries)
        self._written.add(mfn)

    def forget(self, mfn: int) -> None:
        """A frame's contents are not predicted any more: it has become the hypervisor's, or somebody else's."""
        self._written.discard(mfn)

    def differences(self) -> Iterator[Difference]:
        """Yield where memory is not as predicted, in the frames that were predicted to change."""
        for mfn in sorted(self._written):
            expected, found = self._pages[mfn], self.now(mfn)
            for index in range(ENTRIES):
                if (expected[index] ^ found[index]) & ~UNCERTAIN:
                    yield Difference(mfn, index, expected[index], found[index])
