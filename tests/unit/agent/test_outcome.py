"""What becomes of the agent's records in Python: traps, faults, results."""

from __future__ import annotations

import pytest

from xengen.abi.agent import AgentTrap
from xengen.agent.outcome import FAILSAFE, Fault, Registers, Result, Trap, UnexpectedFault, completed
from xengen.errors import XengenError

RING_1, RING_3 = 0xE019, 0xE02B


def trap(vector: int, *words: int) -> Trap:
    """A recorded trap with these words on the stack."""
    record = AgentTrap(vector=vector, stack=0x1FFC, cr2=0x1234, mask=1, ss=0xE021)
    for index, word in enumerate(words):
        record.words[index] = word
    return Trap.of(record)


def test_a_frame_without_error_code_within_ring_1_is_three_words() -> None:
    found = trap(6, 0x5000, RING_1, 0x202, 0xAAAA, 0xBBBB)
    assert (found.error_code, found.eip, found.cs, found.eflags) == (None, 0x5000, RING_1, 0x202)
    assert (found.esp, found.ss) == (None, None)


def test_a_frame_from_ring_3_has_its_stack() -> None:
    found = trap(13, 0x18, 0x5000, RING_3, 0x202, 0x8000, 0xE033)
    assert (found.error_code, found.eip, found.cs) == (0x18, 0x5000, RING_3)
    assert (found.esp, found.ss) == (0x8000, 0xE033)


def test_the_byte_above_cs_is_the_saved_event_mask() -> None:
    assert trap(6, 0x5000, 0x01_0000 | RING_1, 0x2).saved_mask == 1
    assert trap(6, 0x5000, 0x01_0000 | RING_1, 0x2).cs == RING_1


def test_a_failsafe_frame_begins_with_the_selectors_that_failed() -> None:
    found = trap(FAILSAFE, 1, 2, 3, 4, 0x5000, RING_1, 0x2)
    assert (found.failed, found.eip, found.error_code) == ((1, 2, 3, 4), 0x5000, None)


def test_the_stack_is_counted_from_where_the_frame_begins() -> None:
    assert trap(6, 0, RING_1, 2).stack == 0x2000


def test_two_faults_are_equal_by_vector_and_error_code_alone() -> None:
    assert Fault.of(trap(14, 2, 0x5000, RING_1, 2)) == Fault.of(trap(14, 2, 0x6000, RING_3, 2)) == Fault(14, 2)
    assert Fault(14, 2) != Fault(14, 0)
    assert Fault(13, 0) != Fault(12, 0)


def test_a_fault_that_was_only_written_down_has_no_details() -> None:
    with pytest.raises(XengenError, match=r"^#GP\[0000\] was not recorded: it has no frame$"):
        _ = Fault(13, 0).details


def test_registers_pass_and_a_fault_is_raised_where_a_command_must_be_completed() -> None:
    registers = Registers(1, 2, 3, 4, 5, 6, 7)
    assert completed(registers) is registers
    with pytest.raises(UnexpectedFault, match=r"^a store raised #UD at e019:00005000, cr2 00001234$"):
        completed(Fault.of(trap(6, 0x5000, RING_1, 2)), "a store")


@pytest.mark.parametrize("eax, result, text", [
    (0, 0, "0x0"),
    (0x1000, 4096, "0x1000"),
    (0xFFFFFFEA, -22, "-EINVAL"),
    (0xFFFFFFDA, -38, "-ENOSYS"),
    (0xFFFFFF00, -256, "-256 (no error of the ABI)"),
])
def test_a_result_is_signed_and_says_which_error_it_is(eax: int, result: int, text: str) -> None:
    found = Registers(eax, 0, 0, 0, 0, 0, 0).result
    assert (found, repr(found), f"{found}") == (Result(result), text, text)
