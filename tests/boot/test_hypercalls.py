"""The hypercalls that are about neither memory nor descriptors, by the chapters of the ABI that say what they do.

Each is called with what it is meant for, with each error that the ABI names, with pointers to nothing, to the
hypervisor, to memory that cannot be written, and across the end of what is mapped.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, sizeof

import pytest

from tests.boot.harness import Booter
from xengen.abi.hypercalls import HYPERCALLS, MulticallEntry
from xengen.abi.hypervisor import Vcpu
from xengen.abi.sched import SchedShutdown
from xengen.abi.traps import CallbackRegister, CallbackUnregister, TrapInfo, XenCallback
from xengen.abi.version import (
    XenCapabilitiesInfo,
    XenChangesetInfo,
    XenCommandline,
    XenCompileInfo,
    XenDomainHandle,
    XenExtraversion,
    XenFeatureInfo,
    XenPlatformParameters,
)
from xengen.agent.agent import Agent, completed
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import (
    EFAULT,
    EINVAL,
    ENOSYS,
    EPERM,
    GP,
    HV_PRIVATE_START,
    KERNEL_CS,
    KERNEL_DS,
    NMI,
    TI_MASK_EVENTS,
    UD,
    USER_CS,
    USER_DS,
    value,
)
from xengen.agent.outcome import EVENT, FAILSAFE, Fault
from xengen.inspect.live import hypervisor_of

NOWHERE = 0xDEAD0000
BAD_POINTERS = {
    "null": 0,
    "an address without a page": NOWHERE,
    "the hypervisor's first private byte": HV_PRIVATE_START,
    "the hypervisor's text": 0xFC900000,
    "the last bytes of the address space": 0xFFFFFFFC,
}
PENDING_AND_UNMASKED = (
    "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending\n"
    "movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
)


def vcpu(agent: Agent) -> Vcpu:
    """What the hypervisor itself holds of the agent's vcpu."""
    found = hypervisor_of(agent.machine).domains()[agent.domain].vcpu
    assert found is not None
    return found.record


# Every number.

NOT_TRIED = {
    "iret": "returns to what is on the stack: tests of its own",
    "stack_switch": "has no pointers and no errors",
    "set_callbacks": "has no pointers and no errors",
    "fpu_taskswitch": "has no pointers and no errors",
    "set_timer_op": "has no pointers and no errors",
    "set_debugreg": "has no pointers",
    "get_debugreg": "has no pointers",
    "sched_op_compat": "has no pointers",
}
ERRORS = {-value(name) for name in ("EFAULT", "EINVAL", "ENOSYS", "EPERM", "ESRCH", "ENOENT", "EACCES", "EOPNOTSUPP")}
TRIED = sorted({*range(64)} - {call.number for call in HYPERCALLS if call.name in NOT_TRIED})


@pytest.mark.parametrize("number", TRIED)
def test_a_call_with_pointers_to_nothing_is_refused_and_the_machine_lives(agent: Agent, number: int) -> None:
    name = {call.number: call.name for call in HYPERCALLS}.get(number, "")
    for bad in (NOWHERE, HV_PRIVATE_START, 0xFFFFFFF0):
        for command in (bad, 6 if name == "memory_op" else 2):
            result = agent.hypercall(number, command, bad, bad, bad, bad, bad)
            # Reservations of memory_op say how many extents were done instead of an error (ABI 8.2).
            not_even_begun = name == "memory_op" and result == command >> 6
            assert result in ERRORS or not_even_begun, f"{name}({command:#x}, {bad:#x}...)"


@pytest.mark.parametrize("number", [64, 65, 128, 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_number_beyond_the_table_is_refused(agent: Agent, number: int) -> None:
    assert agent.hypercall(number) == -ENOSYS


@pytest.mark.parametrize("call", [call.name for call in HYPERCALLS if call.entry is None])
def test_a_call_that_is_not_there_is_refused(agent: Agent, call: str) -> None:
    assert agent.hypercall(call, 0, 0, 0, 0, 0) == -ENOSYS


def test_a_hypercall_from_ring_3_is_a_protection_fault(agent: Agent) -> None:
    assert agent.ring3("movl $HYPERCALL_xen_version, %eax\nxorl %ebx, %ebx\nint $0x82") == Fault(GP, 0x82 << 3 | 2)


def test_a_hypercall_leaves_flags_and_segments_alone(agent: Agent) -> None:
    after = completed(agent.ring1(
        "movl $FLAT_USER_DS, %eax\nmovl %eax, %es\nmovl %eax, %fs\nmovl %eax, %gs\n"
        "pushl $(EFLAGS_CF | EFLAGS_DF | EFLAGS_ID | EFLAGS_ONE)\npopfl\n"
        "movl $0, %ebx\nmovl $HYPERCALL_xen_version, %eax\nint $0x82\n"
        "pushfl\npopl %eax\ncld\nmovl %es, %ebx\nmovl %fs, %ecx\nmovl %gs, %edx"
    ))  # fmt: skip
    kept = value("EFLAGS_CF") | value("EFLAGS_DF") | value("EFLAGS_ID")
    assert after.eax & kept == kept
    assert (after.ebx & 0xFFFF, after.ecx & 0xFFFF, after.edx & 0xFFFF) == (USER_DS, USER_DS, USER_DS)


# xen_version (ABI 10.5).

VERSION_STRUCTURES: dict[str, type[Structure]] = {
    "extraversion": XenExtraversion,
    "compile_info": XenCompileInfo,
    "capabilities": XenCapabilitiesInfo,
    "changeset": XenChangesetInfo,
    "platform_parameters": XenPlatformParameters,
    "get_features": XenFeatureInfo,
    "guest_handle": XenDomainHandle,
    "commandline": XenCommandline,
}
versions = pytest.mark.parametrize("name", VERSION_STRUCTURES)


def version(agent: Agent, name: str, address: int) -> int:
    """xen_version XENVER_name with its argument at `address`."""
    return agent.hypercall("xen_version", value(f"XENVER_{name}"), address)


def test_the_version_is_that_of_the_hypervisor_whatever_the_pointer(agent: Agent) -> None:
    expected = value("XENGEN_MAJOR") << 16 | value("XENGEN_MINOR")
    assert [version(agent, "version", pointer) for pointer in (0, NOWHERE)] == [expected, expected]


def test_the_capabilities_name_the_abi_that_guests_ask_for(agent: Agent) -> None:
    found = XenCapabilitiesInfo()
    assert agent.hypercall("xen_version", value("XENVER_capabilities"), found) == 0
    assert b"xen-3.0-x86_32p " in found.text


def test_a_guest_without_a_note_is_told_the_hole_at_its_fixed_place(agent: Agent) -> None:
    found = XenPlatformParameters()
    assert agent.hypercall("xen_version", value("XENVER_platform_parameters"), found) == 0
    assert found.virt_start == value("HYPERVISOR_VIRT_START_PAE")


def test_features_beyond_the_first_word_are_refused(agent: Agent) -> None:
    assert agent.hypercall("xen_version", value("XENVER_get_features"), XenFeatureInfo(submap_idx=1)) == -EINVAL


@pytest.mark.parametrize("feature", ["writable_page_tables", "auto_translated_physmap", "supervisor_mode_kernel",
                                     "hvm_callback_vector"])
def test_a_feature_of_other_guests_is_not_offered(agent: Agent, feature: str) -> None:
    found = XenFeatureInfo()
    assert agent.hypercall("xen_version", value("XENVER_get_features"), found) == 0
    assert not found.submap & 1 << value(f"XENFEAT_{feature}")


@pytest.mark.parametrize("pointer, result", [(0, 4096), (1, -EINVAL), (NOWHERE, -EINVAL)])
def test_the_page_size_wants_a_null_pointer(agent: Agent, pointer: int, result: int) -> None:
    assert version(agent, "pagesize", pointer) == result


@pytest.mark.parametrize("command", [11, 12, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_unknown_version_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("xen_version", command, agent.allocate(64)) == -ENOSYS


@versions
@pytest.mark.parametrize("where", BAD_POINTERS)
def test_version_facts_cannot_be_stored_at(agent: Agent, name: str, where: str) -> None:
    assert version(agent, name, BAD_POINTERS[where]) == -EFAULT


@versions
def test_version_facts_cannot_be_stored_in_read_only_memory(agent: Agent, name: str) -> None:
    before = agent.read(agent.start_info.pt_base + 2048, 16)
    assert version(agent, name, agent.start_info.pt_base + 2048) == -EFAULT
    assert agent.read(agent.start_info.pt_base + 2048, 16) == before


@versions
def test_version_facts_may_end_where_memory_ends(agent: Agent, name: str) -> None:
    agent.write(agent.edge - 8, bytes(8))
    assert version(agent, name, agent.edge - sizeof(VERSION_STRUCTURES[name])) == 0


@versions
def test_version_facts_cannot_go_over_the_end_of_memory(agent: Agent, name: str) -> None:
    agent.write(agent.edge - 8, bytes(8))
    assert version(agent, name, agent.edge - sizeof(VERSION_STRUCTURES[name]) + 1) == -EFAULT


@versions
def test_version_facts_leave_what_is_behind_them_alone(agent: Agent, name: str) -> None:
    size = sizeof(VERSION_STRUCTURES[name])
    address = agent.put(bytes(size) + b"\xee" * 8)
    assert version(agent, name, address) == 0
    assert agent.read(address + size, 8) == b"\xee" * 8


# console_io (ABI 10.6).


def console(agent: Agent, name: str, count: int, address: int) -> int:
    """console_io."""
    return agent.hypercall("console_io", value(f"CONSOLEIO_{name}"), count, address)


def test_what_a_domain_writes_is_on_the_console(agent: Agent) -> None:
    assert console(agent, "write", 20, agent.put(b"twenty characters..\n")) == 0
    agent.machine.console.expect(r"twenty characters\.\.$")


@pytest.mark.parametrize("size", [1, 127, 128, 129, 300])
def test_a_text_of_any_length_is_written_whole(agent: Agent, size: int) -> None:
    text = (b"%d:" % size).ljust(size - 1, b"x") + b"\n"
    assert console(agent, "write", len(text), agent.put(text)) == 0
    agent.machine.console.expect(text.decode().rstrip("\n") + "$" if size > 1 else "$")


def test_nothing_is_written_for_a_count_of_zero(agent: Agent) -> None:
    assert console(agent, "write", 0, NOWHERE) == 0


@pytest.mark.parametrize("where", BAD_POINTERS)
def test_a_text_cannot_come_from(agent: Agent, where: str) -> None:
    assert console(agent, "write", 4, BAD_POINTERS[where]) == -EFAULT


def test_a_text_cannot_go_over_the_end_of_memory(agent: Agent) -> None:
    assert console(agent, "write", 5, agent.edge - 4) == -EFAULT


@pytest.mark.parametrize("command", [2, 3, 0xFFFFFFFF])
def test_an_unknown_console_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("console_io", command, 1, agent.allocate(1)) == -ENOSYS


def test_domain_0_reads_what_is_typed(agent: Agent) -> None:
    agent.machine.console.send(b"key")
    buffer, found = agent.put(bytes(16)), b""
    while len(found) < 3:
        count = console(agent, "read", 16, buffer)
        assert count >= 0
        found += agent.read(buffer, count) if count else b""
    assert found == b"key"


def test_another_domain_cannot_read_what_is_typed(two_agents: tuple[Agent, Agent]) -> None:
    assert console(two_agents[1], "read", 16, two_agents[1].allocate(16)) == -EPERM


# vm_assist (ABI 6.9).


@pytest.mark.parametrize("kind", range(4))
def test_an_assist_can_be_switched_off_and_on(agent: Agent, kind: int) -> None:
    was_on = hypervisor_of(agent.machine).domains()[0].record.vm_assist >> kind & 1
    for command in (1, 0) if was_on else (0, 1):
        assert agent.hypercall("vm_assist", command, kind) == 0
        assert hypervisor_of(agent.machine).domains()[0].record.vm_assist >> kind & 1 == 1 - command


@pytest.mark.parametrize("kind", [6, 31, 32, 33, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_unknown_assist_is_refused(agent: Agent, kind: int) -> None:
    assert agent.hypercall("vm_assist", value("VMASST_CMD_enable"), kind) == -EINVAL


@pytest.mark.parametrize("command", [2, 0xFFFFFFFF])
def test_an_unknown_assist_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("vm_assist", command, 0) == -ENOSYS


# sched_op (ABI 10.1).


def test_a_domain_alone_gets_the_processor_back_when_it_yields(agent: Agent) -> None:
    assert agent.hypercall("sched_op", value("SCHEDOP_yield"), 0) == 0
    assert agent.hypercall("sched_op_compat", value("SCHEDOP_yield"), 0) == 0


def test_block_unmasks_events_and_a_pending_one_is_delivered(agent: Agent) -> None:
    after = completed(agent.ring1(
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending\n"
        "movl $SCHEDOP_block, %ebx\nmovl $HYPERCALL_sched_op, %eax\nint $0x82\n"
        "movzbl agent_shared_info + VCPU_INFO_evtchn_upcall_mask, %ebx\n"
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask"
    ))  # fmt: skip
    assert (after.result, after.ebx) == (0, 0)
    assert [trap.vector for trap in agent.traps] == [EVENT]


@pytest.mark.parametrize("where", BAD_POINTERS)
def test_a_shutdown_whose_reason_cannot_be_read_does_not_happen(agent: Agent, where: str) -> None:
    assert agent.hypercall("sched_op", value("SCHEDOP_shutdown"), BAD_POINTERS[where]) == -EFAULT


@pytest.mark.parametrize("command", [8, 100, 0xFFFFFFFF])
def test_an_unknown_scheduler_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("sched_op", command, 0) == -ENOSYS
    assert agent.hypercall("sched_op_compat", command, 0) == -ENOSYS


def test_a_domain_that_shuts_down_is_gone_and_the_others_go_on(boot: Booter) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        with pytest.raises(DomainDied, match=r"^domain 1 shut down: poweroff"):
            second.hypercall("sched_op", value("SCHEDOP_shutdown"), SchedShutdown(value("SHUTDOWN_poweroff")))
        assert first.hypercall("xen_version", value("XENVER_pagesize"), 0) == 4096


# set_trap_table (ABI 5.1).


def traps_of(agent: Agent) -> dict[int, tuple[int, int, int]]:
    """(flags, cs, address) of each vector that has a handler, by the hypervisor's own account."""
    return {
        vector: (trap.flags, trap.cs, trap.address)
        for vector, trap in enumerate(vcpu(agent).traps)
        if trap.cs or trap.address
    }


def test_a_null_table_takes_all_handlers_away(agent: Agent) -> None:
    assert agent.hypercall("set_trap_table", 0) == 0
    assert traps_of(agent) == {}


@pytest.mark.parametrize("given, kept", [(0xE018, 0xE019), (0xE019, 0xE019), (0xE01B, 0xE01B), (0, 1)])
def test_a_handlers_selector_is_raised_to_ring_1_at_least(agent: Agent, given: int, kept: int) -> None:
    assert agent.hypercall("set_trap_table", [TrapInfo(0x44, 3, given, 0x1234), TrapInfo()]) == 0
    assert traps_of(agent)[0x44] == (3, kept, 0x1234)


def test_an_address_of_zero_ends_the_table_and_is_not_stored(agent: Agent) -> None:
    before = traps_of(agent)
    table = [TrapInfo(0x45, 0, KERNEL_CS, 1), TrapInfo(UD, 0, KERNEL_CS, 0), TrapInfo(0x46, 0, KERNEL_CS, 1)]
    assert agent.hypercall("set_trap_table", table) == 0
    assert traps_of(agent) == {**before, 0x45: (0, KERNEL_CS, 1)}


def test_all_256_vectors_can_have_a_handler(agent: Agent) -> None:
    table = [TrapInfo(vector, vector & 7, KERNEL_CS, 0x1000 + vector) for vector in range(256)]
    assert agent.hypercall("set_trap_table", [*table, TrapInfo()]) == 0
    assert traps_of(agent) == {vector: (vector & 7, KERNEL_CS, 0x1000 + vector) for vector in range(256)}


def test_a_table_longer_than_all_vectors_is_taken_to_its_end(agent: Agent) -> None:
    table = [TrapInfo(index & 0xFF, 0, KERNEL_CS, index + 1) for index in range(1300)]
    assert agent.hypercall("set_trap_table", [*table, TrapInfo()]) == 0
    assert traps_of(agent)[1299 & 0xFF] == (0, KERNEL_CS, 1300)


def test_entries_before_the_end_of_memory_are_installed(agent: Agent) -> None:
    table = TrapInfo(0x47, 0, KERNEL_CS, 0x47), TrapInfo(0x48, 0, KERNEL_CS, 0x48)
    agent.write(agent.edge - 16, b"".join(bytes(entry) for entry in table))
    assert agent.hypercall("set_trap_table", agent.edge - 16) == -EFAULT
    assert {vector: entry for vector, entry in traps_of(agent).items() if vector in (0x47, 0x48)} == {
        0x47: (0, KERNEL_CS, 0x47), 0x48: (0, KERNEL_CS, 0x48),
    }  # fmt: skip


@pytest.mark.parametrize("where", [name for name in BAD_POINTERS if name != "null"])
def test_a_trap_table_cannot_be_at(agent: Agent, where: str) -> None:
    before = traps_of(agent)
    assert agent.hypercall("set_trap_table", BAD_POINTERS[where]) == -EFAULT
    assert traps_of(agent) == before


# Callbacks (ABI 5.8), stack_switch (5.12).


def test_set_callbacks_raises_selectors_to_ring_1(agent: Agent) -> None:
    assert agent.hypercall("set_callbacks", 0xE018, 0x11, 0x8, 0x22) == 0
    state = vcpu(agent)
    assert (state.event_cs, state.event_eip) == (0xE019, 0x11)
    assert (state.failsafe_cs, state.failsafe_eip, state.failsafe_flags) == (0x9, 0x22, 0)


def register(agent: Agent, kind: int, flags: int = 0, cs: int = KERNEL_CS, eip: int = 0x5000) -> int:
    """callback_op CALLBACKOP_register."""
    argument = CallbackRegister(kind, flags, XenCallback(cs, eip))
    return agent.hypercall("callback_op", value("CALLBACKOP_register"), argument)


def test_an_event_callback_can_be_registered(agent: Agent) -> None:
    assert register(agent, value("CALLBACKTYPE_event"), cs=0xE018) == 0
    assert (vcpu(agent).event_cs, vcpu(agent).event_eip) == (KERNEL_CS, 0x5000)


@pytest.mark.parametrize("flags", [0, value("CALLBACKF_mask_events")])
def test_a_failsafe_callback_is_registered_with_its_flag(agent: Agent, flags: int) -> None:
    assert register(agent, value("CALLBACKTYPE_failsafe"), flags) == 0
    state = vcpu(agent)
    assert (state.failsafe_cs, state.failsafe_eip, state.failsafe_flags) == (KERNEL_CS, 0x5000, flags)


def test_an_nmi_callback_is_the_handler_of_vector_2(agent: Agent) -> None:
    assert register(agent, value("CALLBACKTYPE_nmi"), cs=0x1234) == 0
    assert traps_of(agent)[NMI] == (TI_MASK_EVENTS, KERNEL_CS, 0x5000)


@pytest.mark.parametrize("kind", [2, 3, 5, 6, 7, 8, 0xFFFF])
def test_callbacks_of_other_guests_are_refused(agent: Agent, kind: int) -> None:
    assert register(agent, kind) == -ENOSYS


@pytest.mark.parametrize("kind, result", [(0, -EINVAL), (1, -EINVAL), (2, -ENOSYS), (4, 0), (5, -ENOSYS), (9, -ENOSYS)])
def test_only_the_nmi_callback_can_be_taken_back(agent: Agent, kind: int, result: int) -> None:
    argument = CallbackUnregister(kind)
    assert agent.hypercall("callback_op", value("CALLBACKOP_unregister"), argument) == result
    assert (NMI in traps_of(agent)) == (kind != value("CALLBACKTYPE_nmi"))


@pytest.mark.parametrize("command", [2, 0xFFFFFFFF])
def test_an_unknown_callback_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("callback_op", command, CallbackRegister()) == -ENOSYS


@pytest.mark.parametrize("command", [0, 1])
@pytest.mark.parametrize("where", BAD_POINTERS)
def test_a_callbacks_argument_cannot_be_at(agent: Agent, command: int, where: str) -> None:
    assert agent.hypercall("callback_op", command, BAD_POINTERS[where]) == -EFAULT


@pytest.mark.parametrize("given, kept", [(0xE020, 0xE021), (0xE021, 0xE021), (0xE033, 0xE033), (0, 1)])
def test_a_stack_selector_is_raised_to_ring_1_at_least(agent: Agent, given: int, kept: int) -> None:
    assert agent.hypercall("stack_switch", given, 0x1000) == 0
    assert (vcpu(agent).kernel_ss, vcpu(agent).kernel_sp) == (kept, 0x1000)


def test_traps_from_ring_3_come_to_the_stack_that_was_switched_to(agent: Agent) -> None:
    page = agent.page()
    assert agent.hypercall("stack_switch", KERNEL_DS, page.va + 2048) == 0
    fault = agent.ring3("ud2")
    assert isinstance(fault, Fault)
    assert fault.details.stack == page.va + 2048 - 20
    agent.give_back(page)


# multicall (ABI 3.4).

PAGESIZE = (value("HYPERCALL_xen_version"), (value("XENVER_pagesize"), 0))


def entry(number: int, arguments: tuple[int, ...] = ()) -> MulticallEntry:
    """An entry whose result is one that no call gives."""
    made = MulticallEntry(op=number, result=0x7EADBEEF)
    for index, argument in enumerate(arguments):
        made.args[index] = argument
    return made


def multicall(agent: Agent, *entries: MulticallEntry) -> tuple[int, list[int]]:
    """Return the call's result, and each entry's."""
    result = agent.hypercall("multicall", entries, len(entries))
    return result, [int(one.result) for one in entries]


def test_a_multicall_stores_each_result(agent: Agent) -> None:
    entries = [entry(*PAGESIZE), entry(value("HYPERCALL_xen_version"), (0,)), entry(*PAGESIZE)]
    expected = value("XENGEN_MAJOR") << 16 | value("XENGEN_MINOR")
    assert multicall(agent, *entries) == (0, [4096, expected, 4096])


def test_an_empty_multicall_reads_nothing(agent: Agent) -> None:
    assert agent.hypercall("multicall", NOWHERE, 0) == 0


@pytest.mark.parametrize("number", [63, 64, 0x1000, 0xFFFFFFFF])
def test_an_entry_without_a_meaning_gets_its_error_and_the_list_goes_on(agent: Agent, number: int) -> None:
    assert multicall(agent, entry(number), entry(*PAGESIZE)) == (0, [-ENOSYS, 4096])


def test_an_entry_that_fails_does_not_stop_the_list(agent: Agent) -> None:
    bad = entry(value("HYPERCALL_xen_version"), (value("XENVER_pagesize"), 1))
    assert multicall(agent, bad, entry(*PAGESIZE)) == (0, [-EINVAL, 4096])


def test_a_multicall_within_a_multicall_is_refused(agent: Agent) -> None:
    inner = agent.put(entry(*PAGESIZE))
    assert multicall(agent, entry(value("HYPERCALL_multicall"), (inner, 1)), entry(*PAGESIZE)) == (0, [-EINVAL, 4096])
    assert agent.get(MulticallEntry, inner).result == 0x7EADBEEF


@pytest.mark.parametrize("where", BAD_POINTERS)
def test_a_multicalls_list_cannot_be_at(agent: Agent, where: str) -> None:
    assert agent.hypercall("multicall", BAD_POINTERS[where], 1) == -EFAULT


def test_entries_before_the_end_of_memory_are_carried_out(agent: Agent) -> None:
    agent.write(agent.edge - 64, bytes(entry(*PAGESIZE)) * 2)
    assert agent.hypercall("multicall", agent.edge - 64, 3) == -EFAULT
    assert [agent.get(MulticallEntry, agent.edge - at).result for at in (64, 32)] == [4096, 4096]


def test_an_entry_across_the_end_of_memory_is_not_carried_out(agent: Agent) -> None:
    agent.write(agent.edge - 20, bytes(entry(*PAGESIZE))[:20])
    assert agent.hypercall("multicall", agent.edge - 20, 1) == -EFAULT


def test_a_list_whose_results_cannot_be_stored_ends_after_its_first_entry(agent: Agent) -> None:
    """An entry in read-only memory is carried out before its result is found to have no place."""
    page = agent.page()
    agent.write(page.va, bytes(entry(*PAGESIZE)) * 2)
    assert agent.map(page.va, page.machine | value("PTE_P") | value("PTE_A")) == 0
    assert agent.hypercall("multicall", page.va, 2) == -EFAULT
    agent.give_back(page)


def test_an_iret_ends_the_multicall_it_is_in(agent: Agent) -> None:
    """The frame that iret takes replaces the multicall's: the entries behind it must not run in its context."""
    entries = agent.put([entry(*PAGESIZE), entry(value("HYPERCALL_iret")), entry(*PAGESIZE)])
    after = completed(agent.ring1(
        "pushl $(EFLAGS_ONE)\npushl %cs\npushl $2f\npushl $0x5151\n"
        "movl $HYPERCALL_multicall, %eax\nint $0x82\nmovl $0, %eax\nud2\n"
        "2:", ebx=entries, ecx=3,
    ))  # fmt: skip
    assert after.eax == 0x5151
    assert [agent.get(MulticallEntry, entries + at).result for at in (0, 32, 64)] == [4096, 0x7EADBEEF, 0x7EADBEEF]


def test_after_an_iret_in_a_multicall_another_multicall_works(agent: Agent) -> None:
    test_an_iret_ends_the_multicall_it_is_in(agent)
    assert multicall(agent, entry(*PAGESIZE)) == (0, [4096])


def test_a_yield_in_a_multicall_is_not_the_end_of_it(agent: Agent) -> None:
    turn = entry(value("HYPERCALL_sched_op"), (value("SCHEDOP_yield"),))
    assert multicall(agent, turn, entry(*PAGESIZE), turn, entry(*PAGESIZE)) == (0, [0, 4096, 0, 4096])


def test_a_multicall_of_two_domains_that_yield_is_completed_in_both(two_agents: tuple[Agent, Agent]) -> None:
    turn = value("HYPERCALL_sched_op"), (value("SCHEDOP_yield"),)
    for one in two_agents:
        assert multicall(one, entry(*turn), entry(*PAGESIZE), entry(*turn)) == (0, [0, 4096, 0])


# iret (ABI 5.10).

IRET = "movl $HYPERCALL_iret, %eax\nint $0x82\nud2\n2:\n"


def test_iret_to_ring_1_takes_the_frame_off_the_stack_and_restores_eax(agent: Agent) -> None:
    after = completed(agent.ring1(
        "movl %esp, %ebx\npushl $EFLAGS_ONE\npushl %cs\npushl $2f\npushl $0x1234\n" + IRET + "movl %esp, %ecx"
    ))  # fmt: skip
    assert (after.eax, after.ecx) == (0x1234, after.ebx)


@pytest.mark.parametrize("flags, mask", [(0, 1), (value("EFLAGS_IF"), 0)])
def test_iret_sets_the_event_mask_from_the_frames_if(agent: Agent, flags: int, mask: int) -> None:
    after = completed(agent.ring1(
        f"movb $0xff, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\npushl $({flags} | EFLAGS_ONE)\n"
        "pushl %cs\npushl $2f\npushl $0\n" + IRET +
        "movzbl agent_shared_info + VCPU_INFO_evtchn_upcall_mask, %ebx\n"
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask"
    ))  # fmt: skip
    assert after.ebx == mask


@pytest.mark.parametrize("name", ["IOPL", "NT", "DF", "ID", "CF"])
def test_iret_loads_harmless_flags_and_no_privilege(agent: Agent, name: str) -> None:
    after = completed(agent.ring1(
        f"pushl $(EFLAGS_{name} | EFLAGS_ONE)\npushl %cs\npushl $2f\npushl $0\n" + IRET +
        "pushfl\npopl %ebx\npushl $EFLAGS_ONE\npopfl"
    ))  # fmt: skip
    expected = 0 if name == "IOPL" else value(f"EFLAGS_{name}")
    assert after.ebx & (value(f"EFLAGS_{name}") | value("EFLAGS_IOPL")) == expected


def test_iret_can_go_to_ring_3(agent: Agent) -> None:
    agent.ring3("movl %cs, %ebx")  # leaves its code at agent_user_code
    after = completed(agent.ring1(
        "pushl $FLAT_USER_SS\npushl $agent_user_stack_top\npushl $(EFLAGS_IF | EFLAGS_ONE)\npushl $FLAT_USER_CS\n"
        "pushl $agent_user_code\npushl $0x77\nmovl $HYPERCALL_iret, %eax\nint $0x82"
    ))  # fmt: skip
    assert (after.eax, after.ebx & 0xFFFF) == (0x77, USER_CS)


def test_iret_ignores_the_upper_half_of_the_frames_cs(agent: Agent) -> None:
    after = completed(agent.ring1(
        "pushl $EFLAGS_ONE\npushl $(0xabcd0000 + FLAT_KERNEL_CS)\npushl $2f\npushl $0x99\n" + IRET
    ))  # fmt: skip
    assert after.eax == 0x99


def test_iret_into_virtual_8086_mode_is_a_protection_fault(agent: Agent) -> None:
    outcome = agent.ring1("pushl $(EFLAGS_VM | EFLAGS_ONE)\npushl %cs\npushl $2f\npushl $0\n" + IRET)
    assert outcome == Fault(GP, 0)


def test_iret_delivers_a_pending_event_before_the_guest_runs(agent: Agent) -> None:
    completed(agent.ring1(
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending\n"
        "pushl $(EFLAGS_IF | EFLAGS_ONE)\npushl %cs\npushl $2f\npushl $0\n" + IRET +
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask"
    ))  # fmt: skip
    assert [(trap.vector, trap.saved_mask) for trap in agent.traps] == [(EVENT, 0)]


@pytest.mark.parametrize("selector", ["0x1000 + 1", "0xe023", "0xe039"])
def test_iret_to_a_bad_code_selector_is_the_failsafe_callback(agent: Agent, selector: str) -> None:
    outcome = agent.ring1(f"pushl $EFLAGS_ONE\npushl $({selector})\npushl $2f\npushl $0\n" + IRET)
    assert outcome == Fault(FAILSAFE)


DEADLY: dict[str, Callable[[Agent], object]] = {
    "an iret to ring 0": lambda agent: agent.ring1("pushl $2\npushl $0xe008\npushl $2f\npushl $0\n" + IRET),
    "an iret from a stack that is not there": lambda agent: agent.ring1("movl $0xdead0000, %esp\n" + IRET),
    "an iret from the hypervisor's memory": lambda agent: agent.ring1("movl $0xfc900000, %esp\n" + IRET),
    "an exception without a handler": lambda agent: (agent.hypercall("set_trap_table", 0), agent.ring1("ud2")),
    "an exception on a stack that is not there": lambda agent: agent.ring1("movl $0xdead0000, %esp\nud2"),
    "an exception on a stack within the hypervisor": lambda agent: agent.ring1("movl $0xfc901000, %esp\nud2"),
    "a trap from ring 3 with a bad stack selector": lambda agent: (
        agent.hypercall("stack_switch", 0x1001, 0x1000), agent.ring3("ud2"),
    ),
    "an event without a callback": lambda agent: (
        agent.hypercall("set_callbacks", 0, 0, KERNEL_CS, 0), agent.ring1(PENDING_AND_UNMASKED + "int $0x82"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DEADLY)
def test_the_domain_alone_dies_of(boot: Booter, what: str) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        with pytest.raises(DomainDied, match=r"^domain 1 died: "):
            DEADLY[what](second)
        assert first.hypercall("xen_version", value("XENVER_pagesize"), 0) == 4096
