"""What is expected of an attempt, and the words for it.

Invariants
  - An outcome is what the guest's line says behind the name; alternatives stand with " or " between them, where the
    manual or the ABI leaves a choice; * stands for what depends on the build.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

GP, SS, UD, NP, TS = "#GP", "#SS", "#UD", "#NP", "#TS"
P = 0xFC400000
DONE, FAILSAFE = "done", "failsafe"
PRESENT, WRITE, USER, FETCH = 1, 2, 4, 16


@dataclass(frozen=True)
class Expected:
    """One attempt's outcome.

    `by_segment`: nothing stops it but the processor's check of a segment (its limit, or that it is none), and QEMU's
    TCG makes no such check (docs/emulators.md).
    """

    outcome: str
    by_segment: bool = False

    def agrees(self, outcome: str) -> bool:
        """Return whether `outcome` is one of those that are expected."""
        return any(fnmatchcase(outcome, one.replace("[", "[[]")) for one in self.outcome.split(" or "))


Row = tuple[str, Expected]


def fault(exception: str, code: int = 0, at: str = "") -> str:
    """Return the outcome of an exception with an error code."""
    return f"{exception} {code:#x}{at}"


def page_fault(ring: int, code: int, address: int) -> str:
    """Return the outcome of a page fault: the user bit says which ring it was (ABI 5.2)."""
    return f"#PF {code | (USER if ring == 3 else 0):#x} {address:#x}"


def limit(exception: str = GP) -> Expected:
    """Return what a limit does."""
    return Expected(fault(exception), by_segment=True)


def words(text: str) -> list[str]:
    """Return the names in `text`, which are separated by blanks."""
    return text.split()


def outcomes(names: str, outcome: str) -> Iterator[Row]:
    """The same outcome for each of `names`, which are separated by blanks."""
    return ((name, Expected(outcome)) for name in words(names))
