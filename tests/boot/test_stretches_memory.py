"""memory_op with its worst arguments: interrupts are never off for more than 40,000 instructions (issue 3, section 2).

Claim: taking, giving and exchanging memory is done in pieces, even within an extent of 2 MB. Danger: a domain that
stops everybody's clock for half a million instructions. Method: stretches.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest

from tests.boot.harness import Booter
from tests.boot.reservations import (
    INVALID,
    NOWHERE,
    array,
    free_an_extent,
    give,
    m2p,
    memory_op,
    record,
    reservation,
    spare_mfns,
    take,
)
from tests.boot.stretches import Stretches, begun, measured
from tests.boot.tables import frame
from xengen.abi.memory import XenMemoryExchange, XenMemoryReservation
from xengen.agent.agent import Agent
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import EFAULT, EINVAL, ENOMEM, value
from xengen.bench.operations import INTERRUPTS_OFF
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.inspect.views import Flags
from xengen.machine.machine import Machine

LARGE = 9
FRAMES = 1 << LARGE
MANY = 1500


def stretches(agent: Agent, command: str, argument: XenMemoryReservation | XenMemoryExchange) -> Stretches:
    """memory_op XENMEM_command."""
    return measured(agent, "memory_op", value(f"XENMEM_{command}"), agent.put(argument))


def free(machine: Machine) -> Flags:
    """Which frames are free."""
    return hypervisor_of(machine).free


def large_extent(agent: Agent) -> int:
    """Take 2 MB, at pfns that nobody else has, and return the first frame."""
    free_an_extent(agent, LARGE)
    (mfn,) = take(agent, [500_000], LARGE)
    return mfn


def exchange(
    agent: Agent, given: Sequence[int] | int, wanted: Sequence[int] | int, *, in_order: int = 0, out_order: int = 0
) -> XenMemoryExchange:
    """What asks for an exchange; lists of numbers, or the address of an array that has as many as the other."""
    frames = (1 << in_order) * (1 if isinstance(given, int) else len(given))
    old = reservation(agent, given, order=in_order, size=-1 if not isinstance(given, int) else 1)
    new = reservation(agent, wanted, order=out_order, size=-1 if not isinstance(wanted, int) else frames >> out_order)
    return XenMemoryExchange(old, new, 0)


@dataclass(frozen=True)
class Worst:
    """A call of memory_op with as much to do as there can be: what it is, how it is made, and its result."""

    name: str
    command: str
    argument: Callable[[Agent], XenMemoryReservation | XenMemoryExchange]
    result: int


def _taken(agent: Agent) -> XenMemoryReservation:
    free_an_extent(agent, LARGE)
    return reservation(agent, [510_000], order=LARGE)


def _singles_taken(agent: Agent) -> XenMemoryReservation:
    assert give(agent, spare_mfns(agent, MANY)) == MANY
    return reservation(agent, list(range(520_000, 520_000 + MANY)))


def _pfns(count: int) -> range:
    return range(530_000, 530_000 + count)


WORST = (
    Worst("2 MB taken", "populate_physmap", _taken, 1),
    Worst("2 MB taken without pfns", "increase_reservation", _taken, 1),
    Worst("2 MB given", "decrease_reservation", lambda a: reservation(a, [large_extent(a)], order=LARGE), 1),
    Worst("frames taken", "populate_physmap", _singles_taken, MANY),
    Worst("frames given", "decrease_reservation", lambda a: reservation(a, spare_mfns(a, MANY)), MANY),
    Worst("no array", "populate_physmap", lambda a: reservation(a, NOWHERE, order=LARGE, size=(1 << 26) - 1), 0),
    Worst("2 MB for frames", "exchange", lambda a: exchange(a, [large_extent(a)], _pfns(FRAMES), in_order=LARGE), 0),
    Worst("frames for 2 MB", "exchange", lambda a: exchange(a, spare_mfns(a, FRAMES), _pfns(1), out_order=LARGE), 0),
    Worst(
        "2 MB for 2 MB", "exchange",
        lambda a: exchange(a, [large_extent(a)], _pfns(1), in_order=LARGE, out_order=LARGE), 0,
    ),
    Worst("frames for frames", "exchange", lambda a: exchange(a, spare_mfns(a, MANY), _pfns(MANY)), 0),
    Worst(
        "2 MB of which the last frame is not its own", "exchange",
        lambda a: exchange(a, [large_extent(a) + 1], _pfns(1), in_order=LARGE, out_order=LARGE), -EINVAL,
    ),
    Worst("an unreadable list", "exchange", lambda a: exchange(a, NOWHERE, _pfns(1)), -EFAULT),
    Worst(
        "numbers that cannot be told", "exchange",
        lambda a: exchange(a, [large_extent(a)], NOWHERE, in_order=LARGE), -EFAULT,
    ),
)  # fmt: skip


@pytest.mark.parametrize("worst", WORST, ids=lambda worst: worst.name)
def test_memory_changes_hands_in_pieces(counting_agent: Agent, worst: Worst) -> None:
    argument = worst.argument(counting_agent)
    found = stretches(counting_agent, worst.command, argument)
    assert found.result == worst.result
    assert 0 < found.longest <= INTERRUPTS_OFF
    assert check_machine(counting_agent.machine) == []


def test_all_of_memory_can_be_asked_for_in_one_call(counting_agent: Agent) -> None:
    """Extents that nobody is told of, as many as there are: the call ends when there are no more."""
    before = record(counting_agent).nr_pages
    found = stretches(
        counting_agent, "increase_reservation", reservation(counting_agent, 0, order=LARGE, size=(1 << 26) - 1)
    )
    assert found.longest <= INTERRUPTS_OFF
    assert record(counting_agent).nr_pages == before + (found.result << LARGE)
    hypervisor = hypervisor_of(counting_agent.machine)
    untold = (hypervisor.frames["owner"] != 0) & (hypervisor.m2p[: hypervisor.max_frame] == INVALID)
    untold[counting_agent.start_info.shared_info >> 12] = False
    extents = [int(mfn) for mfn in np.flatnonzero(untold) if mfn % FRAMES == 0 and untold[mfn : mfn + FRAMES].all()]
    assert give(counting_agent, extents[: found.result], LARGE) == found.result


def test_the_frames_of_an_extent_that_is_being_prepared_are_nobodys(counting_agent: Agent) -> None:
    """A call that is never gone on with: what it had in hand is free again after the next one."""
    agent = counting_agent
    free_an_extent(agent, LARGE)
    before, pages = int(free(agent.machine).sum()), record(agent).nr_pages
    started(agent, "populate_physmap", reservation(agent, [540_000], order=LARGE))
    hand = hypervisor_of(agent.machine).vcpus[0].record.hand
    assert (hand.extents, hand.order) == (1, LARGE)
    assert (record(agent).nr_pages, int(free(agent.machine).sum())) == (pages, before - FRAMES)
    assert agent.map(agent.page().va, hand.first << 12 | 1) < 0
    assert check_machine(agent.machine) == []
    assert give(agent, []) == 0
    assert give(agent, spare_mfns(agent, 1)) == 1
    assert int(free(agent.machine).sum()) == before + 1


def started(agent: Agent, command: str, argument: XenMemoryReservation | XenMemoryExchange) -> None:
    """Begin a call of memory_op, and never go on with it."""
    begun(agent, "memory_op", value(f"XENMEM_{command}"), agent.put(argument))


def test_what_a_dying_domain_has_in_hand_is_free_again(boot: Booter) -> None:
    machine = boot("agent", "agent", append="dom0_mem=16M domu_mem=24M", trace=False)
    with Agent(machine, 0), Agent(machine, 1) as second:
        free_an_extent(second, LARGE)
        started(second, "populate_physmap", reservation(second, [540_000], order=LARGE))
        hand = hypervisor_of(machine).vcpus[1].record.hand
        with pytest.raises(DomainDied):
            second.ring1("xorl %esp, %esp\nud2")
    machine.console.expect(r"^\(xengen\) domain 1 is gone$")
    assert free(machine)[hand.first : hand.first + FRAMES].all()
    assert check_machine(machine) == []


@pytest.mark.parametrize("first", ["populate_physmap", "exchange"])
def test_what_is_in_hand_serves_only_what_it_was_taken_for(counting_agent: Agent, first: str) -> None:
    agent = counting_agent
    free_an_extent(agent, LARGE)
    argument: XenMemoryReservation | XenMemoryExchange = reservation(agent, [550_000], order=LARGE)
    if first == "exchange":
        argument = exchange(agent, spare_mfns(agent, FRAMES), _pfns(1), out_order=LARGE)
    before, pages = int(free(agent.machine).sum()), record(agent).nr_pages
    started(agent, first, argument)
    (mfn,) = take(agent, [560_000], 3)
    assert (record(agent).nr_pages, int(free(agent.machine).sum())) == (pages + 8, before - 8)
    assert all(agent.machine.memory.read((mfn + index) * 4096, 4096) == bytes(4096) for index in range(8))
    assert give(agent, [mfn], 3) == 1


def test_a_chunk_for_which_memory_runs_out_is_as_before(counting_agent: Agent) -> None:
    """An extent of 512 frames is wanted as two of 256, and there is one: the one that was prepared is free again."""
    agent = counting_agent
    mine, other = large_extent(agent), large_extent(agent)
    rest = everything(agent)
    assert give(agent, [other], 8) == 1
    before, pages = free(agent.machine).copy(), record(agent).nr_pages
    argument = exchange(agent, [mine], [570_000, 571_000], in_order=LARGE, out_order=8)
    found = stretches(agent, "exchange", argument)
    assert (found.result, record(agent).nr_pages) == (-ENOMEM, pages)
    assert found.longest <= INTERRUPTS_OFF
    assert np.array_equal(free(agent.machine), before)
    assert frame(agent, mine).references == 1
    assert m2p(agent, mine) == 500_000
    for order, extents in rest.items():
        assert give(agent, extents, order) == len(extents)


def everything(agent: Agent) -> dict[int, list[int]]:
    """Take all frames that are free, the largest extents first; return them by their order."""
    found: dict[int, list[int]] = {}
    for order in range(LARGE, -1, -1):
        argument = reservation(agent, [580_000] * 3000, order=order)
        done = memory_op(agent, "populate_physmap", argument)
        found[order] = array(agent, argument)[:done]
    assert not free(agent.machine).any()
    return found


def test_memory_is_taken_to_the_last_frame_and_comes_together_again(counting_agent: Agent) -> None:
    """Given back frame by frame, in no order: afterwards there are as many extents of each order as before."""
    taken = everything(counting_agent)
    frames = [mfn + index for order, extents in taken.items() for mfn in extents for index in range(1 << order)]
    assert memory_op(counting_agent, "populate_physmap", reservation(counting_agent, [590_000])) == 0
    Random(3).shuffle(frames)
    for start in range(0, len(frames), MANY):
        assert give(counting_agent, frames[start : start + MANY]) == len(frames[start : start + MANY])
    again = everything(counting_agent)
    assert {order: len(extents) for order, extents in again.items()} == {
        order: len(extents) for order, extents in taken.items()
    }
    for order, extents in again.items():
        assert give(counting_agent, extents, order) == len(extents)
