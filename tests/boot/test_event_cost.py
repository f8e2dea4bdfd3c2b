"""What an event to another domain costs, counted in instructions (issue 4: 300 to an idle domain and back).

Two guests send to each other (asm/guests/rounds). A round has two events, two upcalls and two switches of domains;
where its instructions are, docs/costs.md says. What there is must not get worse.
"""

from __future__ import annotations

import pytest

from tests.boot.harness import Images
from xengen.bench.instruction import Kind
from xengen.bench.rounds import KINDS, Round, measure_rounds, parts, trace_round
from xengen.bench.trace import Trace

MOST = (430, 520, 150)


@pytest.fixture(scope="module")
def rounds(images: Images) -> tuple[Round, ...]:
    """All kinds, measured on the release build."""
    return measure_rounds(images.hypervisor(debug=False), images.guest("rounds"))


@pytest.fixture(scope="module")
def trace(images: Images) -> Trace:
    """One round to a domain that is idle, and back."""
    return trace_round(images.hypervisor(debug=False), images.guest("rounds"))


@pytest.mark.parametrize("number", range(len(KINDS)), ids=["idle", "without a pause", "not first"])
def test_an_event_to_another_domain_costs_no_more_than_it_did(rounds: tuple[Round, ...], number: int) -> None:
    assert rounds[number].instructions <= MOST[number]


def test_what_is_stepped_through_is_what_was_counted(rounds: tuple[Round, ...], trace: Trace) -> None:
    assert sum(part.instructions for part in parts(trace)) == len(trace.steps) == rounds[0].instructions


def test_a_round_loads_two_address_spaces_and_no_segment(trace: Trace) -> None:
    """Three times `int` and `iret` between the rings, and the `iret` of two upcalls, which stay in theirs."""
    kinds = trace.kinds()
    assert (kinds[Kind.CR3], kinds[Kind.SEGMENT], kinds[Kind.OTHER], kinds[Kind.RING]) == (2, 0, 0, 8)
