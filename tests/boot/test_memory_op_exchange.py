"""memory_op exchange (ABI 8.3): frames for frames."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

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
    spare_pfns,
    take,
)
from tests.boot.tables import WRITABLE, frame
from xengen.abi.memory import (
    XenMemoryExchange,
)
from xengen.agent.agent import Agent
from xengen.agent.names import (
    DOMID_SELF,
    EFAULT,
    EINVAL,
    EPERM,
    ESRCH,
    HV_PRIVATE_START,
)
from xengen.inspect.live import hypervisor_of


def exchange(
    agent: Agent,
    old: Sequence[int] | int,
    new: Sequence[int] | int,
    *,
    in_order: int = 0,
    out_order: int = 0,
    flags: int = 0,
    domid: int = DOMID_SELF,
    exchanged: int = 0,
) -> tuple[int, XenMemoryExchange]:
    """memory_op exchange; its result and argument."""
    given = reservation(agent, old, order=in_order, domid=domid, size=-1 if not isinstance(old, int) else 1)
    wanted = reservation(
        agent, new, order=out_order, flags=flags, domid=domid, size=-1 if not isinstance(new, int) else 1
    )
    argument = XenMemoryExchange(given, wanted, exchanged)
    return memory_op(agent, "exchange", argument), argument


def test_frames_are_exchanged_for_others(agent: Agent) -> None:
    pfns = spare_pfns(agent, 3)
    old = [agent.mfn(pfn) for pfn in pfns]
    pages = record(agent).nr_pages
    result, argument = exchange(agent, old, pfns)
    new = array(agent, argument.out)
    assert (result, argument.nr_exchanged, record(agent).nr_pages) == (0, 3, pages)
    assert set(new).isdisjoint(old)
    assert [m2p(agent, mfn) for mfn in new] == pfns
    assert [m2p(agent, mfn) for mfn in old] == [INVALID] * 3


def test_small_extents_are_exchanged_for_a_large_one(agent: Agent) -> None:
    free_an_extent(agent, 9)
    old = spare_mfns(agent, 512)
    result, argument = exchange(agent, old, [200000], out_order=9)
    (first,) = array(agent, argument.out)
    assert (result, argument.nr_exchanged, first % 512) == (0, 512, 0)
    assert [m2p(agent, first + index) for index in (0, 1, 511)] == [200000, 200001, 200511]


def test_a_large_extent_is_exchanged_for_small_ones(agent: Agent) -> None:
    mfns = spare_mfns(agent, 4)
    assert give(agent, mfns) == 4
    (first,) = take(agent, [210000], 2)
    result, argument = exchange(agent, [first], [220000, 220001, 220002, 220003], in_order=2)
    assert (result, argument.nr_exchanged) == (0, 1)
    assert [m2p(agent, mfn) for mfn in array(agent, argument.out)] == [220000, 220001, 220002, 220003]


def test_frames_can_be_exchanged_for_ones_below_a_limit(agent: Agent) -> None:
    result, argument = exchange(agent, spare_mfns(agent, 1), [230000], flags=26)
    assert result == 0
    assert array(agent, argument.out)[0] < 1 << 14


@pytest.mark.parametrize("what", ["is mapped", "is a table", "is not the domain's", "is named twice"])
def test_a_frame_is_not_exchanged_that(agent: Agent, what: str) -> None:
    page = agent.page()
    (good,) = spare_mfns(agent, 1)
    bad = {
        "is mapped": page.mfn,
        "is a table": agent.space.l3,
        "is not the domain's": 0x100,
        "is named twice": good,
    }[what]
    before = frame(agent, good), record(agent).nr_pages
    result, argument = exchange(agent, [good, bad], [240000], out_order=1)
    assert (result, argument.nr_exchanged) == (-EINVAL, 0)
    assert (frame(agent, good), record(agent).nr_pages) == before
    assert give(agent, [good]) == 1
    agent.give_back(page)


def test_what_was_exchanged_before_an_error_stays_so(agent: Agent) -> None:
    page = agent.page()
    pages = record(agent).nr_pages
    (good,) = spare_mfns(agent, 1)
    result, argument = exchange(agent, [good, page.mfn], [250000, 250001])
    assert (result, argument.nr_exchanged, record(agent).nr_pages) == (-EINVAL, 1, pages)
    assert m2p(agent, array(agent, argument.out)[0]) == 250000
    agent.give_back(page)


@pytest.mark.parametrize("what, result", [
    ("more frames out than in", -EINVAL),
    ("more frames in than out", -EINVAL),
    ("two domains", -EINVAL),
    ("more exchanged than there are", -EINVAL),
    ("an order that is too high", -EPERM),
    ("an order of all ones", -EPERM),
    ("a domain that is not there", -ESRCH),
    ("sizes that wrap", -EINVAL),
])
def test_an_exchange_must_make_sense(agent: Agent, what: str, result: int) -> None:
    first, second = spare_mfns(agent, 2)
    pages = record(agent).nr_pages
    old, new = reservation(agent, [first, second]), reservation(agent, [260000, 260001])
    argument = XenMemoryExchange(old, new, 0)
    match what:
        case "more frames out than in":
            argument.in_.nr_extents = 1
        case "more frames in than out":
            argument.out.nr_extents = 1
        case "two domains":
            argument.out.domid = 0x123
        case "more exchanged than there are":
            argument.nr_exchanged = 3
        case "an order that is too high":
            argument.in_.extent_order = 10
        case "an order of all ones":
            argument.out.extent_order = 0xFFFFFFFF
        case "a domain that is not there":
            argument.in_.domid = argument.out.domid = 77
        case "sizes that wrap":
            argument.in_.nr_extents, argument.in_.extent_order = 0x80000001, 1
    assert memory_op(agent, "exchange", argument) == result
    assert record(agent).nr_pages == pages
    assert not any(hypervisor_of(agent.machine).free[[first, second]])


@pytest.mark.parametrize("address", [0, NOWHERE, HV_PRIVATE_START, 0xFC900000, 0xFFFFFFFC])
def test_the_lists_of_an_exchange_cannot_be_at(agent: Agent, address: int) -> None:
    (mfn,) = spare_mfns(agent, 1)
    pages = record(agent).nr_pages
    result, _ = exchange(agent, address, [270000])
    assert result == -EFAULT
    assert record(agent).nr_pages == pages
    result, _ = exchange(agent, [mfn], address)
    assert result == -EFAULT
    assert record(agent).nr_pages in (pages, pages - 1)


def test_a_page_that_was_exchanged_can_be_mapped(agent: Agent) -> None:
    page = agent.page()
    result, argument = exchange(agent, spare_mfns(agent, 1), [280000])
    assert result == 0
    (mfn,) = array(agent, argument.out)
    assert agent.map(page.va, mfn << 12 | WRITABLE) == 0
    agent.write(page.va, b"new frame")
    assert agent.machine.memory.read(mfn << 12, 9) == b"new frame"
    agent.give_back(page)
