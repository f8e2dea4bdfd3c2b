"""Rules about frames in hand: what memory_op has taken for a vcpu and not given yet, or has yet to free (mm/hand.s).

Invariants
  - A chain that cannot be followed is a violation; what was found of it up to there counts as in hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xengen.abi import hypervisor as abi
from xengen.inspect import layout
from xengen.inspect.survey import Survey
from xengen.inspect.views import Flags, Numbers
from xengen.inspect.violation import Rule, Violation


@dataclass(frozen=True)
class Hand:
    """What the vcpu of a domain has in hand: its frames, and what is wrong with how they hang together, if anything."""

    domain: int
    frames: Numbers
    fault: str = ""


def hands(survey: Survey) -> tuple[Hand, ...]:
    """Return the hand of each vcpu that has one."""
    return tuple(
        _hand(survey, domain.id, domain.vcpu.record.hand) for domain in survey.domains if domain.vcpu is not None
    )


def frames_in_hand(survey: Survey) -> Flags:
    """Whether each frame is in somebody's hand: bool[max_frame]."""
    found = np.zeros(len(survey.records), dtype=np.bool_)
    for hand in hands(survey):
        found[hand.frames] = True
    return found


def in_hand(survey: Survey) -> Iterator[Violation]:
    """A frame in hand has no owner, no type, one reference, is not free, and is in hand once."""
    records = survey.records
    seen = np.zeros(len(records), dtype=np.int64)
    for hand in hands(survey):
        if hand.fault:
            yield Violation(Rule.HAND, hand.fault, domain=hand.domain)
        np.add.at(seen, hand.frames, 1)
        record = records[hand.frames]
        bad = (record["count"] != (layout.FRAME_ALLOCATED | 1)) | (record["type"] != 0) | (record["owner"] != 0)
        for mfn in hand.frames[bad | survey.free[hand.frames]]:
            yield Violation(Rule.HAND, "it is in hand, but its record says otherwise", int(mfn), hand.domain)
    for mfn in np.flatnonzero(seen > 1):
        yield Violation(Rule.HAND, "it is in hand twice", int(mfn))


def _hand(survey: Survey, domain: int, hand: abi.Hand) -> Hand:
    found: list[Numbers] = []
    size, mfn = 1 << min(hand.order, layout.MAX_EXTENT_ORDER), hand.first
    while mfn and len(found) < hand.extents:
        here = hand.rest if not hand.limit and not found else size
        if mfn + here > len(survey.records) or here > size:
            return Hand(domain, _joined(found), f"its hand leads to frame {mfn:#x}, and {here} from there on")
        found.append(np.arange(mfn, mfn + here))
        mfn = int(survey.records["link"][mfn])
    fault = ""
    if mfn or len(found) != hand.extents:
        fault = f"its hand has {hand.extents} extents, but the chain of them has {'more' if mfn else len(found)}"
    return Hand(domain, _joined(found), fault)


def _joined(extents: list[Numbers]) -> Numbers:
    return np.concatenate(extents) if extents else np.zeros(0, dtype=np.int64)
