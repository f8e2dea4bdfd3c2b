"""What must become of every attempt of the guest hostile, on a processor that keeps to the manuals.

None of it was taken from a run: flat.py, own.py and kernel.py name their sources.

Invariants
  - `EXPECTED` has each attempt that one domain makes, `DEADLY` each that needs a domain of its own, by name.
  - No name is there twice, so no outcome hides another.
"""

from __future__ import annotations

from itertools import chain

from tests.boot.isolation import flat, kernel, own
from tests.boot.isolation.outcomes import Expected, Row

_ROWS: tuple[Row, ...] = tuple(
    chain(
        flat.permitted(), flat.accesses(), flat.stacks(), flat.selectors(), flat.transfers(),
        own.segments(), own.gates(), own.validated(), own.direct(), own.failsafe(),
        kernel.instructions(), kernel.interrupts(), kernel.flags(), kernel.debug(), kernel.hypercalls(),
    )
)  # fmt: skip

EXPECTED: dict[str, Expected] = dict(_ROWS)
DEADLY: dict[str, Expected] = dict(kernel.deadly())
assert len(EXPECTED) == len(_ROWS)
