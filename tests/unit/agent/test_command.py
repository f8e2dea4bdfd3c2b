"""Commands and arguments of hypercalls, before any guest has them."""

from __future__ import annotations

import pytest

from xengen.abi.agent import AgentCommand
from xengen.abi.traps import TrapInfo
from xengen.agent.command import Command, hypercall_command, hypercall_number


class Memory:
    """Scratch memory that begins at 0x1000."""

    def __init__(self) -> None:
        self.data = bytearray()

    def place(self, data: bytes) -> int:
        """Put data behind what is there."""
        address = 0x1000 + len(self.data)
        self.data += data
        return address

    def read(self, address: int, size: int) -> bytes:
        """Read back."""
        return bytes(self.data[address - 0x1000 : address - 0x1000 + size])


def test_a_command_is_encoded_as_the_agents_structure_is_laid_out() -> None:
    found = AgentCommand.from_buffer_copy(Command(4, (1, 2, 3, 4, 5, 6, 7), 0x123).encode())
    assert (found.verb, found.offset) == (4, 0x123)
    before = found.before
    assert [getattr(before, name) for name, *_ in before._fields_] == [1, 2, 3, 4, 5, 6, 7]


def test_negative_numbers_are_their_32_bits_and_missing_registers_are_0() -> None:
    found = AgentCommand.from_buffer_copy(Command(0, (-1,)).encode())
    assert (found.before.eax, found.before.ebp) == (0xFFFFFFFF, 0)


def test_a_hypercall_is_named_or_numbered() -> None:
    assert (hypercall_number("mmu_update"), hypercall_number(77)) == (1, 77)
    with pytest.raises(KeyError):
        hypercall_number("no_such_call")


def test_arguments_that_are_no_numbers_are_placed_in_memory() -> None:
    memory = Memory()
    command, placed = hypercall_command("mmu_update", [[1, 2], None, b"abc", 5, TrapInfo(vector=9)], memory.place)
    assert command.registers == (1, 0x1000, 0, 0x1008, 5, 0x100B)
    assert bytes(memory.data[:11]) == b"\1\0\0\0\2\0\0\0abc"
    assert [item.address for item in placed] == [0x100B]


def test_structures_show_afterwards_what_was_written_into_them() -> None:
    memory = Memory()
    first, second = TrapInfo(vector=1), TrapInfo(vector=2)
    _, placed = hypercall_command("set_trap_table", [[first, second]], memory.place)
    memory.data[8] = 77
    for item in placed:
        item.refresh(memory.read)
    assert (first.vector, second.vector) == (1, 77)


def test_a_seventh_argument_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a hypercall has six arguments at most, not 7$"):
        hypercall_command("mmu_update", [0] * 7, Memory().place)
