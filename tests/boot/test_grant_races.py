"""Entries that change while they are looked at, and while they are in use.

Invariants
  - QEMU's gdb server holds the processor right before the compare and exchange; Python is the domain that changes its
    entry at that moment, as another processor could.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.boot.grants import (
    GENERAL,
    HOST,
    NOBODY,
    OKAY,
    PERMIT,
    READ_ONLY_GRANT,
    READING,
    READONLY,
    WRITING,
    Granted,
    grant,
    handles_of,
    map_request,
    mapped,
    unmap,
    uses,
)
from tests.boot.harness import Booter
from xengen.abi.grant import (
    GnttabMapGrantRef,
)
from xengen.agent.agent import Agent
from xengen.agent.names import value
from xengen.bench.gdb import Gdb
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.spec import MIB

Two = tuple[Agent, Agent]
TRIES = value("GRANT_TRIES")
LOCK_CMPXCHG = b"\xf0\x0f\xb1"


# Entries that change while they are looked at.


@contextmanager
def held_before_exchange(agent: Agent) -> Iterator[Gdb]:
    """Hold the processor whenever it is about to exchange the flags of an entry; it stands still at first."""
    symbols = agent.machine.symbols
    assert symbols is not None
    start = symbols.address("grant_mark")
    code = hypervisor_of(agent.machine).read(start, 128)
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "gdb"
        agent.machine.pause()
        agent.machine.monitor(f"gdbserver unix:{socket},server=on,wait=off")
        with Gdb(socket) as gdb:
            place = start + code.index(LOCK_CMPXCHG)
            gdb.breakpoint(place)
            yield gdb
            gdb.clear(place)
    agent.machine.resume()


def map_while(user: Agent, granted: Granted, where: int, flags: Sequence[int], to: int) -> int:
    """Map a grant whose entry is changed to each of `flags` and domid before an exchange; return the status."""
    address, shown = user.put(map_request(granted, where)), granted.entry
    with ThreadPoolExecutor(1) as pool:
        with held_before_exchange(user) as gdb:
            call = pool.submit(user.hypercall, "grant_table_op", value("GNTTABOP_map_grant_ref"), address, 1)
            for each in flags:
                assert gdb.proceed()
                shown.flags, shown.domid = each, to
                assert gdb.step()
        assert call.result() == 0
    return int(user.get(GnttabMapGrantRef, address).status)


PAT, PWT = value("GTF_PAT"), value("GTF_PWT")


@pytest.mark.parametrize("what, flags, status, after", [
    ("a bit that does not matter", [PERMIT | PAT], OKAY, PERMIT | PAT | READING | WRITING),
    ("it all but once too often", [PERMIT | PAT, PERMIT] * (TRIES // 2 - 1), OKAY, PERMIT | READING | WRITING),
    ("it at each try", [PERMIT | PAT, PERMIT] * (TRIES // 2), GENERAL, PERMIT),
    ("read-only", [PERMIT | READ_ONLY_GRANT], GENERAL, PERMIT | READ_ONLY_GRANT),
    ("nothing", [0], GENERAL, 0),
    ("a transfer", [value("GTF_accept_transfer")], GENERAL, value("GTF_accept_transfer")),
    ("another's", [PERMIT], GENERAL, PERMIT),
])
def test_an_entry_that_becomes_meanwhile(boot: Booter, what: str, flags: list[int], status: int, after: int) -> None:
    machine = boot("agent", "agent", memory=96 * MIB, trace=False)  # QEMU starts one gdb server in its life
    with Agent(machine, 0) as user, Agent(machine, 1) as owner:
        granted, window = grant(owner, user), user.page()
        assert map_while(user, granted, window.va, flags, NOBODY if what == "another's" else user.domain) == status
        assert granted.entry.flags == after
        if status == OKAY:
            (handle,) = handles_of(user)
            assert unmap(user, handle.number, window.va) == OKAY
        assert (granted.marks, uses(granted)) == (0, ("writable", 1, 2))
        assert check_machine(machine) == []


# Entries that change while they are in use.


@pytest.mark.parametrize("flags", [0, PERMIT, READING, PERMIT | WRITING, 2, 6, 0xFFFF])
def test_the_hypervisor_goes_by_its_own_count_whatever_the_entry_says(two_agents: Two, flags: int) -> None:
    user, owner = two_agents
    granted, windows = grant(owner, user), user.pages(2)
    handles = [mapped(user, granted, window.va) for window in windows]
    granted.entry.flags, granted.entry.frame, granted.entry.domid = flags, 0xFFFFFFFF, 0x7FF0
    assert unmap(user, handles[0], windows[0].va) == OKAY
    assert uses(granted) == ("writable", 3, 4)
    assert unmap(user, handles[1], windows[1].va) == OKAY
    assert (granted.entry.flags, uses(granted)) == (flags & ~(READING | WRITING), ("writable", 1, 2))
    user.give_back(*windows)


def test_an_entry_that_shows_another_frame_while_in_use_is_two_mappings_of_two_frames(two_agents: Two) -> None:
    user, owner = two_agents
    granted, windows, other = grant(owner, user), user.pages(2), owner.page()
    first = mapped(user, granted, windows[0].va)
    granted.entry.frame = other.mfn
    second = mapped(user, granted, windows[1].va, HOST | READONLY)
    assert unmap(user, first, windows[1].va) == GENERAL
    assert unmap(user, first, windows[0].va) == OKAY
    assert (granted.marks, uses(granted)) == (READING, ("writable", 1, 2))
    assert unmap(user, second, windows[1].va) == OKAY
    assert granted.marks == 0
    user.give_back(*windows)
