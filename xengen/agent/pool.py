"""Which of the agent's memory is in use: scratch memory for arguments, and spare pages.

Invariants
  - Addresses only: nothing here touches memory.
  - Scratch memory comes around again when its end is reached; a spare page is somebody's until it is taken back.
"""

from __future__ import annotations

from xengen.agent.space import PAGE
from xengen.errors import XengenError

ALIGNMENT = 8


class Scratch:
    """`capacity` bytes from `start` on, handed out one after the other, over and over."""

    def __init__(self, start: int, capacity: int) -> None:
        self._start = start
        self._capacity = capacity
        self._used = 0

    def allocate(self, size: int) -> int:
        """Return the address of `size` bytes; ValueError when there never are so many."""
        if size > self._capacity:
            raise ValueError(f"{size} bytes of scratch memory: there are {self._capacity}")
        if self._used + size > self._capacity:
            self._used = 0
        address = self._start + self._used
        self._used += (size + ALIGNMENT - 1) & -ALIGNMENT
        return address


class Pool:
    """`pages` spare pages from `start` on."""

    def __init__(self, start: int, pages: int) -> None:
        self._fresh = iter(range(start, start + pages * PAGE, PAGE))
        self._returned: list[int] = []

    def take(self) -> int:
        """Return the address of a spare page; XengenError when there is none left."""
        if self._returned:
            return self._returned.pop()
        address = next(self._fresh, None)
        if address is None:
            raise XengenError("the agent has no spare page left: give pages back, or take fewer")
        return address

    def take_back(self, address: int) -> None:
        """Make a page that was taken a spare one again."""
        self._returned.append(address)
