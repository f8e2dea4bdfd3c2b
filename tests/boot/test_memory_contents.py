"""What is in the frames that domains get: nothing that was anybody else's (ABI 8.2).

Claim: a frame that a domain gets is zero, whatever was in it: a module, a domain, the hypervisor's own boot code, or
what was in memory before the machine started. Danger: one domain's secrets in another's hands, by way of the allocator.
Method: all of memory is filled with marks before the first instruction; what the loader and the hypervisor put there
overwrites some of them. Of domain 0's own memory, outside of what the builder fills, this is not claimed
(docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.boot.harness import BOOTER, Booter, Images
from tests.boot.reservations import array, give, memory_op, record, reservation, spare_mfns
from xengen.abi.memory import XenMemoryExchange
from xengen.agent.agent import Agent
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.spec import MIB

MEMORY = 96 * MIB
MARK = b"an old secret..."
FIRST_FREE = MIB  # below, the firmware works while it starts
BUILT_PAGES = 1024  # of each domain: the initial area that the builder fills


@pytest.fixture(scope="module")
def marked(images: Images) -> Iterator[tuple[Booter, tuple[Agent, Agent]]]:
    """Two domains on a machine whose memory was full of marks when it started."""
    booter = Booter(images)
    machine = booter("agent", "agent", append="dom0_mem=16M domu_mem=16M", memory=MEMORY, trace=False, start=False)
    machine.memory.write(FIRST_FREE, MARK * ((MEMORY - FIRST_FREE) // len(MARK)))
    machine.resume()
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        yield booter, (first, second)
    booter.close()


@pytest.fixture
def agents(request: pytest.FixtureRequest, marked: tuple[Booter, tuple[Agent, Agent]]) -> Iterator[tuple[Agent, Agent]]:
    """The agents of that machine; afterwards the checker must find nothing wrong."""
    booter, both = marked
    request.node.stash[BOOTER] = booter
    yield both
    assert check_machine(both[0].machine) == []


def is_zero(agent: Agent, mfn: int) -> bool:
    """Whether a frame holds nothing."""
    return agent.machine.memory.read(mfn * 4096, 4096) == bytes(4096)


def is_marked(agent: Agent, mfn: int) -> bool:
    """Whether something is left in a frame of what was there before the machine started."""
    return MARK in agent.machine.memory.read(mfn * 4096, 4096)


def test_a_domain_begins_with_zeroed_memory_where_the_builder_puts_nothing(agents: tuple[Agent, Agent]) -> None:
    second = agents[1]
    assert all(is_zero(second, second.mfn(pfn)) for pfn in range(BUILT_PAGES, record(second).nr_pages))


@pytest.mark.parametrize("domain", [0, 1])
def test_nothing_old_is_in_what_the_builder_fills(agents: tuple[Agent, Agent], domain: int) -> None:
    agent = agents[domain]
    assert not any(is_marked(agent, agent.mfn(pfn)) for pfn in range(BUILT_PAGES))


def test_every_frame_that_is_free_is_zeroed_when_it_is_given(agents: tuple[Agent, Agent]) -> None:
    """All that there are, down to the last: modules, boot code, command lines, and what was never used."""
    first = agents[0]
    hypervisor = hypervisor_of(first.machine)
    free = np.flatnonzero(hypervisor.free)
    module = int.from_bytes(hypervisor.read(hypervisor.symbol("boot_modules"), 4), "little") // 4096
    boot_code = hypervisor.physical(hypervisor.symbol("__init_start")) // 4096
    assert {module, boot_code} <= set(free.tolist())
    assert not is_zero(first, module) and not is_zero(first, boot_code)
    assert sum(is_marked(first, int(mfn)) for mfn in free) > len(free) // 2
    taken: list[int] = []
    for order in (9, 4, 0):
        argument = reservation(first, [100_000] * 4000, order=order)
        done = memory_op(first, "populate_physmap" if order else "increase_reservation", argument)
        taken += [mfn + index for mfn in array(first, argument)[:done] for index in range(1 << order)]
    assert sorted(taken) == sorted(free.tolist())
    assert all(is_zero(first, mfn) for mfn in taken)
    for start in range(0, len(taken), 4000):
        assert give(first, taken[start : start + 4000]) == len(taken[start : start + 4000])


def test_a_frame_that_is_exchanged_is_zeroed(agents: tuple[Agent, Agent]) -> None:
    first, second = agents
    for mfn in spare_mfns(second, 64):
        first.machine.memory.write(mfn * 4096, MARK * 256)
        assert give(second, [mfn]) == 1
    wanted = list(range(100_000, 100_064))
    argument = XenMemoryExchange(reservation(first, spare_mfns(first, 64)), reservation(first, wanted), 0)
    assert memory_op(first, "exchange", argument) == 0
    assert all(is_zero(first, mfn) for mfn in array(first, argument.out))


def test_what_a_domain_writes_into_a_frame_does_not_come_back(agents: tuple[Agent, Agent]) -> None:
    """Its own page, given back while it is mapped: free when the mapping goes, and zero when it is taken again."""
    first, second = agents
    page = second.page()
    second.write(page.va, MARK * 256)
    assert give(second, [page.mfn]) == 1
    assert second.map(page.va, 0) == 0
    free = int(np.count_nonzero(hypervisor_of(first.machine).free))
    argument = reservation(first, [110_000] * free)
    assert memory_op(first, "populate_physmap", argument) == free
    assert page.mfn in array(first, argument)
    assert is_zero(first, page.mfn)
    assert give(first, array(first, argument)) == free
