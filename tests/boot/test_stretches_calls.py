"""Long calls of every other kind, and lists of calls: interrupts are never off for more than 40,000 instructions.

Claim: no list is so long, no argument so large that a call is not cut; and the entries of a multicall share one
stretch. Danger: what each call may do on its own, done 300 times in a row. Method: stretches.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from tests.boot.privilege import iopl
from tests.boot.reservations import give, reservation, spare_mfns
from tests.boot.stretches import Stretches, measured, measured_at
from tests.boot.tables import operation, request
from tests.boot.test_stretches_memory import large_extent
from tests.boot.test_stretches_tables import full_l1, full_l3
from xengen.abi.control import Domctl
from xengen.abi.event import EvtchnAllocUnbound, EvtchnReset, EvtchnStatus
from xengen.abi.hypercalls import MulticallEntry
from xengen.abi.memory import XenMemoryDomain, XenMemoryMap
from xengen.abi.sched import SchedPoll
from xengen.abi.traps import TrapInfo
from xengen.agent.agent import Agent
from xengen.agent.names import DOMID_SELF, KERNEL_CS, value
from xengen.bench.operations import INTERRUPTS_OFF

Call = tuple[str, tuple[int, ...]]


def multicall(agent: Agent, calls: Sequence[Call]) -> Stretches:
    """A list of hypercalls."""
    entries = [MulticallEntry(op=value(f"HYPERCALL_{name}")) for name, _ in calls]
    for entry, (_, arguments) in zip(entries, calls, strict=True):
        entry.args[: len(arguments)] = arguments
    return measured(agent, "multicall", agent.put(entries), len(entries))


def trap_table(agent: Agent, count: int) -> int:
    """A table of handlers, all of one vector."""
    return agent.put([TrapInfo(7, 0, KERNEL_CS, 0xC0100000)] * count + [TrapInfo()])


def _stores(agent: Agent) -> Call:
    page = agent.page()
    return "mmu_update", (agent.put([request(page.machine + 8 * index, 0) for index in range(60)]), 60, 0, DOMID_SELF)


def _flushes(agent: Agent) -> Call:
    return "mmuext_op", (agent.put([operation("TLB_FLUSH_LOCAL")] * 60), 60, 0, DOMID_SELF)


def _pin_and_unpin(agent: Agent) -> Call:
    mfn = full_l1(agent).mfn
    operations = [operation("PIN_L1_TABLE", mfn), operation("UNPIN_TABLE", mfn)]
    return "mmuext_op", (agent.put(operations), 2, 0, DOMID_SELF)


def _memory_map(agent: Agent) -> Call:
    return "memory_op", (value("XENMEM_machine_memory_map"), agent.put(XenMemoryMap(64, agent.allocate(64 * 20))))


def _pages_owned(agent: Agent) -> Call:
    return "memory_op", (value("XENMEM_current_reservation"), agent.put(XenMemoryDomain(DOMID_SELF)))


def _line(agent: Agent) -> Call:
    return "console_io", (value("CONSOLEIO_write"), 4, agent.put(b"\n\n\n\n"))


def _port_status(agent: Agent) -> Call:
    return "event_channel_op", (value("EVTCHNOP_status"), agent.put(EvtchnStatus(DOMID_SELF, 1)))


def _poll(agent: Agent) -> Call:
    """Many ports to look at, and a time that has passed: nobody sleeps."""
    return "sched_op", (value("SCHEDOP_poll"), agent.put(SchedPoll(agent.put([1] * 128), 128, 1)))


REPEATED: dict[str, Callable[[Agent], Call]] = {
    "set_trap_table": lambda agent: ("set_trap_table", (trap_table(agent, 90),)),
    "set_trap_table, empty": lambda agent: ("set_trap_table", (trap_table(agent, 0),)),
    "a callback": lambda agent: ("callback_op", (value("CALLBACKOP_unregister"), agent.put(bytes(16)))),
    "xen_version, capabilities": lambda agent: ("xen_version", (value("XENVER_capabilities"), agent.allocate(1024))),
    "xen_version, command line": lambda agent: ("xen_version", (value("XENVER_commandline"), agent.allocate(1024))),
    "mmu_update": _stores,
    "mmuext_op": _flushes,
    "a table pinned and unpinned": _pin_and_unpin,
    "the memory map": _memory_map,
    "pages owned": _pages_owned,
    "lines": _line,
    "port status": _port_status,
    "a poll of 128 ports": _poll,
    "no GDT": lambda agent: ("set_gdt", (0, 0)),
    "no such call": lambda agent: ("arch_6", ()),
    "a debug register": lambda agent: ("get_debugreg", (6,)),
    "an unaligned descriptor": lambda agent: ("update_descriptor", (1, 0, 0, 0)),
    "vcpu_op": lambda agent: ("vcpu_op", (value("VCPUOP_get_runstate_info"), 0, agent.allocate(64))),
    "physdev_op": lambda agent: ("physdev_op", (value("PHYSDEVOP_set_iopl"), agent.put(bytes(4)))),
    "timer": lambda agent: ("set_timer_op", (0, 0)),
    "grants": lambda agent: ("grant_table_op", (value("GNTTABOP_query_size"), agent.put(bytes(12)), 1)),
    "yield": lambda agent: ("sched_op_compat", (value("SCHEDOP_yield"), 0)),
}


@pytest.mark.parametrize("name", REPEATED)
def test_the_entries_of_a_multicall_share_a_stretch(counting_agent: Agent, name: str) -> None:
    found = multicall(counting_agent, [REPEATED[name](counting_agent)] * 300)
    assert found.result == 0
    assert 0 < found.longest <= INTERRUPTS_OFF


def _set_trap_table(agent: Agent) -> Stretches:
    return measured(agent, "set_trap_table", trap_table(agent, 1500))


def _console(agent: Agent) -> Stretches:
    return measured(agent, "console_io", value("CONSOLEIO_write"), 600, agent.put(b"\n" * 600))


def _quick_calls_and_a_long_one(agent: Agent) -> Stretches:
    """63 calls that the short way of multicall makes, and behind them one that takes a stretch of its own."""
    page = agent.page()
    quick = "update_va_mapping", (page.va, page.machine | 1, 0, value("UVMF_TLB_FLUSH"))
    argument = agent.put(reservation(agent, [large_extent(agent)], order=9))
    found = multicall(agent, [*[quick] * 63, ("memory_op", (value("XENMEM_decrease_reservation"), argument))])
    agent.give_back(page)
    return found


def _long_calls(agent: Agent) -> Stretches:
    """What uses a stretch up, what needs one of its own, and what lets others run."""
    argument = agent.put(reservation(agent, [large_extent(agent)], order=9))
    calls: list[Call] = [
        ("set_trap_table", (trap_table(agent, 280),)),
        ("memory_op", (value("XENMEM_decrease_reservation"), argument)),
        ("set_trap_table", (trap_table(agent, 280),)),
        ("mmuext_op", (agent.put(operation("PIN_L3_TABLE", full_l3(agent).mfn)), 1, 0, DOMID_SELF)),
        ("set_trap_table", (trap_table(agent, 280),)),
        ("sched_op_compat", (value("SCHEDOP_yield"), 0)),
        _stores(agent),
    ]
    return multicall(agent, calls)


def _pages_copied(agent: Agent) -> Stretches:
    pages = agent.pages(2)
    operations = [operation("COPY_PAGE", pages[0].mfn, pages[1].mfn)] * 500
    found = measured(agent, "mmuext_op", agent.put(operations), len(operations), 0, DOMID_SELF)
    agent.give_back(*pages)
    return found


def _machine_frames_renamed(agent: Agent) -> Stretches:
    mfn = spare_mfns(agent, 1)[0]
    requests = [request(mfn << 12, index, "MACHPHYS_UPDATE") for index in range(3000)]
    found = measured(agent, "mmu_update", agent.put(requests), len(requests), 0, DOMID_SELF)
    assert give(agent, [mfn]) == 1
    return found


def _ports(agent: Agent) -> Stretches:
    """As many ports as there are, and some more that there are not; then all are closed."""
    argument = agent.put(EvtchnAllocUnbound(DOMID_SELF, 0))
    found = multicall(agent, [("event_channel_op", (value("EVTCHNOP_alloc_unbound"), argument))] * 1200)
    closed = measured(agent, "event_channel_op", value("EVTCHNOP_reset"), agent.put(EvtchnReset(DOMID_SELF)))
    return Stretches(closed.result or found.result, max(found.longest, closed.longest), found.pieces + closed.pieces)


def _domains(agent: Agent) -> Stretches:
    """Domains created and destroyed, each in one entry of a list."""
    calls: list[Call] = []
    for number in range(1, 21):
        for command in ("create", "destroy"):
            argument = Domctl(value(f"DOMCTL_{command}"), value("CONTROL_VERSION"), number)
            calls.append(("domctl", (agent.put(argument), 0)))
    return multicall(agent, calls)


def _hypercall_page(agent: Agent) -> Stretches:
    page = agent.page()
    found = measured_at(agent, "wrmsr\nmovl $0, %eax", {"ecx": value("MSR_HYPERCALL_PAGE"), "eax": page.machine})
    agent.give_back(page)
    return found


def _string_of_ports(agent: Agent) -> Stretches:
    registers = {"ecx": 4096, "edx": 0x80, "esi": agent.allocate(4096)}
    with iopl(agent, 1):
        return measured_at(agent, "cld\nrep outsb\nmovl $0, %eax", registers)


@dataclass(frozen=True)
class Worst:
    """A call with as much to do as there can be."""

    name: str
    act: Callable[[Agent], Stretches]


WORST = (
    Worst("a long list of handlers", _set_trap_table),
    Worst("many lines", _console),
    Worst("quick calls and a long one", _quick_calls_and_a_long_one),
    Worst("long calls in a list", _long_calls),
    Worst("pages copied", _pages_copied),
    Worst("M2P entries", _machine_frames_renamed),
    Worst("all ports", _ports),
    Worst("domains", _domains),
    Worst("the hypercall page", _hypercall_page),
    Worst("a string of output to a port", _string_of_ports),
)


@pytest.mark.parametrize("worst", WORST, ids=lambda worst: worst.name)
def test_a_call_is_done_in_pieces(counting_agent: Agent, worst: Worst) -> None:
    found = worst.act(counting_agent)
    assert found.result == 0
    assert 0 < found.longest <= INTERRUPTS_OFF
