"""Grants at the end of a domain's life: the one that gave them, or the one that uses them.

Invariants
  - Domain 0 lives; it yields until the others are gone, and counts what is free then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.boot.grants import (
    BAD_DOMAIN,
    DEVICE,
    ENTRIES,
    GENERAL,
    HOST,
    OKAY,
    PERMIT,
    PTE,
    READING,
    READONLY,
    WRITING,
    Granted,
    copy,
    grant,
    map_grant,
    map_request,
    mapped,
    operate,
    setup,
    unmap,
    uses,
    write_entry,
)
from tests.boot.harness import Booter
from tests.boot.tables import entry_of, frame
from xengen.agent.agent import Agent, Page
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import value
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.spec import MIB

MOST_YIELDS = 400


@dataclass(frozen=True)
class World:
    """Domain 0's agent, and those of the others."""

    zero: Agent
    others: tuple[Agent, ...]

    @property
    def free(self) -> int:
        """How many frames are free."""
        return hypervisor_of(self.zero.machine).word("free_frames")

    @property
    def domains(self) -> list[int]:
        """The numbers of the domains that are there."""
        return [domain.id for domain in hypervisor_of(self.zero.machine).domains()]

    def ends(self, agent: Agent) -> None:
        """Have a domain shut itself down."""
        with pytest.raises(DomainDied):
            agent.hypercall("sched_op", value("SCHEDOP_shutdown"), [0])

    def settle(self, *domains: int) -> None:
        """Wait until these domains are all that there are, and the machine is consistent."""
        for _ in range(MOST_YIELDS):
            if self.domains == list(domains):
                break
            self.wait(1)
        self.wait(20)
        assert self.domains == list(domains)
        assert check_machine(self.zero.machine) == []

    def wait(self, turns: int) -> None:
        """Have domain 0 give its turn away so often."""
        for _ in range(turns):
            self.zero.hypercall("sched_op", value("SCHEDOP_yield"), 0)


@contextmanager
def world(boot: Booter, others: int = 1) -> Iterator[World]:
    """Boot a machine with agents in domain 0 and `others` more."""
    machine = boot(*["agent"] * (others + 1), memory=96 * MIB, append="dom0_mem=16M domu_mem=8M", trace=False)
    with ExitStack() as stack:
        agents = [stack.enter_context(Agent(machine, number)) for number in range(others + 1)]
        yield World(agents[0], tuple(agents[1:]))


# The one that gave a grant ends.


@pytest.mark.parametrize("flags", [HOST, HOST | READONLY, DEVICE, HOST | DEVICE, HOST | PTE])
def test_a_mapped_page_outlives_its_owner(boot: Booter, flags: int) -> None:
    with world(boot) as here:
        (owner,) = here.others
        setup(here.zero)
        granted, window = grant(owner, here.zero), here.zero.page()
        place = entry_of(here.zero, window) if flags & PTE else window.va
        handle = mapped(here.zero, granted, place, flags)
        here.zero.machine.memory.write(granted.page.machine, b"still there")
        here.ends(owner)
        here.settle(0, 1)
        assert here.zero.machine.memory.read(granted.page.machine, 11) == b"still there"
        if flags & HOST:
            assert here.zero.read(window.va, 11) == b"still there"
        assert frame(here.zero, granted.page.mfn).references > 0
        assert unmap(here.zero, handle, place, granted.page.machine if flags & DEVICE else 0) == OKAY
        here.settle(0)
        assert hypervisor_of(here.zero.machine).free[granted.page.mfn]


def test_what_is_taken_out_of_the_tables_waits_for_its_handle(boot: Booter) -> None:
    with world(boot) as here:
        (owner,) = here.others
        granted, window = grant(owner, here.zero), here.zero.page()
        handle = mapped(here.zero, granted, window.va)
        assert here.zero.map(window.va, 0) == 0
        here.ends(owner)
        here.settle(0, 1)
        assert unmap(here.zero, handle, window.va) == GENERAL
        entry = granted.page.machine | 0x63
        assert here.zero.map(window.va, entry) == -value("EBUSY")
        here.settle(0, 1)


def test_all_memory_of_an_owner_is_free_when_the_last_mapping_goes(boot: Booter) -> None:
    with world(boot) as here:
        (owner,) = here.others
        setup(here.zero)
        (domain,) = (one for one in hypervisor_of(here.zero.machine).domains() if one.id == 1)
        pages, before = domain.record.nr_pages, here.free
        granted, window = grant(owner, here.zero), here.zero.page()
        handle = mapped(here.zero, granted, window.va)
        own = before - here.free  # the owner's grant table, and domain 0's handles
        assert own == 3
        here.ends(owner)
        here.settle(0, 1)
        assert here.free == before - own + pages - 1
        assert unmap(here.zero, handle, window.va) == OKAY
        here.settle(0)
        assert here.free == before - 1 + pages


def test_a_mapped_grant_table_outlives_its_domain(boot: Booter) -> None:
    with world(boot) as here:
        (owner,) = here.others
        (table,) = setup(owner)[1]
        granted, window = grant(owner, here.zero), here.zero.page()
        write_entry(owner, granted.ref, table, 0)
        shown = Granted(owner, granted.ref, Page(0, 0, table))
        handle = mapped(here.zero, shown, window.va)
        here.ends(owner)
        here.settle(0, 1)
        assert here.zero.read(window.va + 8 * granted.ref, 1)[0] == PERMIT | READING | WRITING
        assert unmap(here.zero, handle, window.va) == OKAY
        here.settle(0)


def test_a_dying_domain_gives_no_more_grants(boot: Booter) -> None:
    with world(boot) as here:
        (owner,) = here.others
        held, other = grant(owner, here.zero), grant(owner, here.zero)
        window, second = here.zero.pages(2)
        handle = mapped(here.zero, held, window.va)
        here.ends(owner)
        here.settle(0, 1)
        assert operate(here.zero, "map_grant_ref", element := map_request(other, second.va)) == 0
        assert element.status == BAD_DOMAIN
        assert copy(here.zero, held, second.mfn) == BAD_DOMAIN
        assert unmap(here.zero, handle, window.va) == OKAY
        here.settle(0)


def test_a_domain_that_waits_does_not_keep_another_from_going(boot: Booter) -> None:
    with world(boot, 2) as here:
        first, second = here.others
        granted, window = grant(first, here.zero), here.zero.page()
        handle = mapped(here.zero, granted, window.va)
        here.ends(first)
        here.settle(0, 1, 2)
        here.ends(second)
        here.settle(0, 1)
        assert unmap(here.zero, handle, window.va) == OKAY
        here.settle(0)


# The one that uses it ends.


@pytest.mark.parametrize("flags", [HOST, HOST | READONLY, DEVICE, HOST | DEVICE])
def test_the_mappings_of_a_domain_end_with_it(boot: Booter, flags: int) -> None:
    with world(boot) as here:
        (user,) = here.others
        granted = grant(here.zero, user)
        before = uses(granted)
        mapped(user, granted, user.page().va, flags)
        assert granted.marks & READING
        here.ends(user)
        here.settle(0)
        assert (granted.marks, uses(granted)) == (0, before)


@pytest.mark.parametrize("left", ["taken out of its table", "in a table that is in two places", "not unmapped"])
def test_a_mapping_ends_with_its_domain_wherever_it_is(boot: Booter, left: str) -> None:
    with world(boot) as here:
        (user,) = here.others
        granted, window = grant(here.zero, user), user.page()
        before = uses(granted)
        mapped(user, granted, window.va)
        if left == "taken out of its table":
            assert user.map(window.va, 0) == 0
        elif left == "in a table that is in two places":
            l2 = user.space.entry_address(window.va, 2)
            assert l2 is not None
            entry = user.space.memory.u64(l2)
            update = [l2 + 8 * 7, 0, entry & 0xFFFFFFFF, entry >> 32]
            assert user.hypercall("mmu_update", update, 1, 0, value("DOMID_SELF")) == 0
        here.ends(user)
        here.settle(0)
        assert (granted.marks, uses(granted)) == (0, before)


def test_hundreds_of_mappings_end_and_leave_no_memory_behind(boot: Booter) -> None:
    with world(boot) as here:
        (user,) = here.others
        setup(here.zero, 2)
        before = here.free
        windows, shown = user.pages(60), here.zero.pages(10)
        grants = [grant(here.zero, user, page=shown[index % 10]) for index in range(600)]
        elements = [map_request(one, windows[index % 60].va) for index, one in enumerate(grants)]
        assert operate(user, "map_grant_ref", *elements) == 0
        assert {element.status for element in elements} == {OKAY}
        assert max(element.handle for element in elements) == 599
        (domain,) = (one for one in hypervisor_of(here.zero.machine).domains() if one.id == 1)
        here.ends(user)
        here.settle(0)
        assert here.free == before + domain.record.nr_pages
        assert {one.marks for one in grants} == {0}


def test_both_end_while_each_uses_the_other(boot: Booter) -> None:
    with world(boot, 2) as here:
        first, second = here.others
        mapped(first, grant(second, first), first.page().va)
        mapped(second, grant(first, second), second.page().va)
        mapped(first, grant(first, first), first.page().va)
        here.ends(first)
        here.settle(0, 1, 2)
        here.ends(second)
        here.settle(0)


def test_a_handle_of_the_dead_is_not_one_of_the_living(boot: Booter) -> None:
    with world(boot, 2) as here:
        first, second = here.others
        granted, window = grant(here.zero, first), first.page()
        handle = mapped(first, granted, window.va)
        assert map_grant(second, granted, second.page().va).status == GENERAL
        assert unmap(second, handle, window.va) == value("GNTST_bad_handle")
        here.ends(first)
        here.settle(0, 2)
        assert granted.marks == 0
        assert granted.ref < ENTRIES
