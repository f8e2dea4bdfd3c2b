"""Grants in hostile hands: frames in use that are given away, odd tables, handles without end, senseless elements.

Invariants
  - Random elements come from a seed that is in the test's name.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from ctypes import Structure

import pytest

from tests.boot.grants import (
    DEVICE,
    ENTRIES,
    GENERAL,
    HOST,
    OKAY,
    PERMIT,
    PTE,
    READ_ONLY_GRANT,
    READING,
    READONLY,
    Granted,
    copy,
    entry,
    grant,
    handles_of,
    map_grant,
    map_request,
    mapped,
    operate,
    setup,
    transfer,
    unmap,
    uses,
    write_entry,
)
from tests.boot.harness import Booter
from tests.boot.tables import entry_of, extend, frame, read_only
from xengen.abi.grant import (
    GnttabCopy,
    GnttabMapGrantRef,
    GnttabTransfer,
    GnttabUnmapAndReplace,
    GnttabUnmapGrantRef,
)
from xengen.agent.agent import Agent, Page
from xengen.agent.names import DOMID_SELF, PTE_A, PTE_P, value
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.spec import MIB

Two = tuple[Agent, Agent]


def test_what_is_granted_and_used_is_not_exchanged_or_transferred(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    assert owner.map(granted.page.va, 0) == 0
    handle = mapped(user, granted, window.va)
    held = frame(owner, granted.page.mfn)
    assert transfer(owner, granted.page.mfn, user.domain, 8) == value("GNTST_bad_page")
    exchange = [owner.put([granted.page.mfn]), 1, 0, 0, DOMID_SELF, owner.put([77]), 1, 0, 0, DOMID_SELF, 0]
    assert owner.hypercall("memory_op", value("XENMEM_exchange"), exchange) == -value("EINVAL")
    assert frame(owner, granted.page.mfn) == held
    assert unmap(user, handle, window.va) == OKAY
    owner.give_back(granted.page)
    user.give_back(window)


def test_a_frame_that_is_given_back_while_used_is_free_after_the_use(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    assert owner.map(granted.page.va, 0) == 0
    handle = mapped(user, granted, window.va)
    give = [owner.put([granted.page.mfn]), 1, 0, 0, DOMID_SELF]
    assert owner.hypercall("memory_op", value("XENMEM_decrease_reservation"), give) == 1
    assert not hypervisor_of(user.machine).free[granted.page.mfn]
    assert unmap(user, mapped(user, granted, 0, DEVICE), 0) == OKAY
    assert unmap(user, handle, window.va) == OKAY
    assert hypervisor_of(user.machine).free[granted.page.mfn]
    assert map_grant(user, granted, window.va).status == GENERAL
    user.give_back(window)


# Tables.


def test_a_table_with_a_mapping_of_a_grant_cannot_be_validated_again(two_agents: Two) -> None:
    other, user = two_agents  # domain 1 is not privileged
    granted = grant(other, user)
    table = read_only(user, user.page())
    assert extend(user, "PIN_L1_TABLE", table.mfn) == 0
    handle = mapped(user, granted, table.machine + 8 * 17, HOST | PTE)
    assert extend(user, "UNPIN_TABLE", table.mfn) == 0
    assert uses(granted) == ("writable", 2, 3)
    assert unmap(user, handle, table.machine + 8 * 17) == GENERAL
    assert extend(user, "PIN_L1_TABLE", table.mfn) == -value("EBUSY")
    assert user.map(table.va, table.machine | PTE_P | value("PTE_RW") | PTE_A) == 0
    user.write(table.va + 8 * 17, bytes(8))
    read_only(user, table)
    assert extend(user, "PIN_L1_TABLE", table.mfn) == 0
    second = mapped(user, granted, table.machine + 8 * 17, HOST | PTE)
    assert unmap(user, handle, table.machine + 8 * 17) == OKAY
    assert unmap(user, second, table.machine + 8 * 17) == GENERAL
    assert uses(granted) == ("writable", 2, 3)
    assert extend(user, "UNPIN_TABLE", table.mfn) == 0
    user.give_back(table)


def test_an_entry_that_maps_the_list_itself_leaves_all_counted(two_agents: Two) -> None:
    user, owner = two_agents
    granted, page = grant(owner, user), user.page()
    user.write(page.va, bytes(map_request(granted, page.va, HOST | READONLY)))
    # Whether the answer can be stored depends on what the TLB still has.
    assert user.hypercall("grant_table_op", 0, page.va, 1) in (0, -value("EFAULT"))
    assert granted.marks == READING
    handle = max(one.number for one in handles_of(user))
    assert unmap(user, handle, page.va) == OKAY
    assert granted.marks == 0
    user.give_back(page)


def test_a_domain_has_only_so_many_handles(boot: Booter) -> None:
    machine = boot("agent", "agent", memory=96 * MIB, append="dom0_mem=16M domu_mem=16M", trace=False)
    with Agent(machine, 0) as owner, Agent(machine, 1) as user:
        granted = grant(owner, user)
        most = value("MAPTRACK_PAGES") * value("MAPTRACK_PER_PAGE")
        found: list[int] = []
        for _ in range(0, most + 500, 500):
            elements = [map_request(granted, 0, DEVICE | READONLY) for _ in range(500)]
            assert operate(user, "map_grant_ref", *elements) == 0
            found += [element.status for element in elements]
        assert found.count(OKAY) == most
        assert set(found[most:]) == {value("GNTST_no_device_space")}
        assert check_machine(machine) == []
        ends = [GnttabUnmapGrantRef(0, 0, handle) for handle in range(500)]
        assert operate(user, "unmap_grant_ref", *ends) == 0
        assert {end.status for end in ends} == {OKAY}
        assert map_grant(user, granted, 0, DEVICE | READONLY).status == OKAY
        assert check_machine(machine) == []


# Elements that make no sense.


@pytest.mark.parametrize("seed", range(4))
def test_random_elements_leave_everything_counted(boot: Booter, seed: int) -> None:
    rng = random.Random(seed)
    machine = boot("agent", "agent", memory=96 * MIB, append="dom0_mem=16M domu_mem=16M", trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        agents = (first, second)
        pages = {agent: agent.pages(16) for agent in agents}
        for agent in agents:
            setup(agent, 2)
        for _ in range(30):
            for agent in agents:
                for _ in range(8):
                    shown = rng.choice(pages[rng.choice(agents)] * 4 + [agent.space.page(agent.edge - 4096)])
                    mfn = rng.choice([shown.mfn] * 9 + [agent.space.l3, rng.getrandbits(32)])
                    flags = rng.choice([PERMIT] * 5 + [PERMIT | READ_ONLY_GRANT, 2, rng.getrandbits(16)])
                    write_entry(agent, _ref(rng), mfn, rng.choice((0, 1)), flags)
            user = rng.choice(agents)
            command, elements = _elements(rng, user, pages[user])
            assert operate(user, command, *elements) in (0, -value("EFAULT"))
            victim = rng.choice(pages[user])
            if rng.random() < 0.3:
                user.map(victim.va, rng.choice([0, victim.machine | PTE_P | PTE_A, victim.machine | PTE_P | 2]))
            violations = check_machine(machine)
            assert violations == [], "\n".join(map(str, violations))


def _ref(rng: random.Random) -> int:
    return rng.choice([rng.randrange(8, 24), ENTRIES + rng.randrange(4)])


def _elements(rng: random.Random, user: Agent, pages: Sequence[Page]) -> tuple[str, Sequence[Structure]]:
    def place(contains_pte: bool) -> int:
        page = rng.choice(pages)
        return rng.choice([entry_of(user, page) if contains_pte else page.va] * 6 + [rng.getrandbits(33)])

    def ref() -> int:
        return rng.choice([_ref(rng)] * 9 + [rng.getrandbits(32)])

    def dom() -> int:
        return rng.choice([0, 1] * 5 + [DOMID_SELF, rng.getrandbits(16)])

    number = rng.randrange(1, 40)
    match rng.randrange(5):
        case 0:
            usual = [HOST, HOST | READONLY, DEVICE, HOST | PTE, HOST | DEVICE]
            flags = [rng.choice([*usual, rng.getrandbits(32)]) for _ in range(number)]
            return "map_grant_ref", [GnttabMapGrantRef(place(bool(one & PTE)), one, ref(), dom()) for one in flags]
        case 1:
            return "unmap_grant_ref", [
                GnttabUnmapGrantRef(place(rng.random() < 0.2), rng.choice([0, rng.getrandbits(32)]), rng.randrange(90))
                for _ in range(number)
            ]
        case 2:
            return "unmap_and_replace", [
                GnttabUnmapAndReplace(place(False), place(False), rng.randrange(90)) for _ in range(number)
            ]
        case 3:
            made = []
            for _ in range(number):
                one = GnttabCopy(len=rng.randrange(64), flags=rng.randrange(4))
                for side in (one.source, one.dest):
                    side.domid, side.offset = dom(), rng.choice([0, 100, 4040, rng.getrandbits(16)])
                    side.u.ref = rng.choice([ref(), user.space.mfn(rng.randrange(1000, 2000))])
                one.dest.u.ref = ref()
                made.append(one)
            return "copy", made
        case _:
            pfns = [rng.randrange(1100, 2000) for _ in range(number)]
            mfns = [rng.choice([user.space.mfn(pfn), rng.getrandbits(32)]) for pfn in pfns]
            return "transfer", [GnttabTransfer(mfn=mfn, domid=dom(), ref=ref()) for mfn in mfns]


def test_a_copy_cannot_be_made_through_an_entry_that_is_garbage(two_agents: Two) -> None:
    user, owner = two_agents
    setup(owner, 6)
    garbage = random.Random(1).randbytes(4096)
    view = memoryview(bytearray(garbage))
    frames = setup(owner, 6)[1]
    owner.machine.memory.write(frames[5] * 4096, bytes(view))
    page = user.page()
    for index in range(64):
        granted = Granted(owner, 5 * ENTRIES + index, page)
        assert copy(user, granted, page.mfn) == GENERAL
    assert owner.machine.memory.read(frames[5] * 4096, 4096) == garbage
    owner.machine.memory.write(frames[5] * 4096, bytes(4096))
    assert entry(owner, 5 * ENTRIES).flags == 0
    user.give_back(page)
