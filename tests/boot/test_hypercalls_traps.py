"""set_trap_table, callback_op, set_callbacks, stack_switch (ABI 5.1, 5.8, 5.12): where traps and upcalls go."""

from __future__ import annotations

import pytest

from tests.boot.pointers import BAD_POINTERS, traps_of, vcpu
from xengen.abi.traps import CallbackRegister, CallbackUnregister, TrapInfo, XenCallback
from xengen.agent.agent import Agent
from xengen.agent.names import (
    EFAULT,
    EINVAL,
    ENOSYS,
    KERNEL_CS,
    KERNEL_DS,
    NMI,
    TI_MASK_EVENTS,
    UD,
    value,
)
from xengen.agent.outcome import Fault

# set_trap_table (ABI 5.1).


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
