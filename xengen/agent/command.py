"""Commands as the agent takes them, and the arguments of hypercalls as one writes them in Python.

Invariants
  - An argument is a number, None (a null pointer), a structure, a list of structures or of 32-bit numbers, or bytes;
    all but numbers are placed in the agent's scratch memory, and the call gets their address.
  - Structures are brought up to date after the call: what the hypervisor wrote into them is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ctypes import Structure, addressof, memmove, sizeof
from dataclasses import dataclass
from struct import Struct

from xengen.abi.agent import AgentCommand
from xengen.abi.hypercalls import by_name
from xengen.abi.symbols import assembler_symbols

_VALUES = assembler_symbols()

Pointed = Structure | Sequence[Structure] | Sequence[int] | bytes
Argument = int | None | Pointed
Placer = Callable[[bytes], int]

_COMMAND = Struct("<BxH7I32x")
assert _COMMAND.size == sizeof(AgentCommand)
NO_REGISTERS = (0,) * 7


@dataclass(frozen=True)
class Command:
    """One command. `registers` in the order eax, ebx, ecx, edx, esi, edi, ebp; missing ones are 0."""

    verb: int
    registers: tuple[int, ...] = ()
    offset: int = 0

    def encode(self) -> bytes:
        """Return the record, 64 bytes."""
        words = [word & 0xFFFFFFFF for word in self.registers]
        return _COMMAND.pack(self.verb, self.offset, *words, *NO_REGISTERS[len(words) :])


def hypercall_number(call: str | int) -> int:
    """Return the number of a hypercall that is named or numbered; KeyError when no call has that name."""
    return call if isinstance(call, int) else by_name(call).number


@dataclass(frozen=True)
class Placed:
    """Structures in the guest's memory, at `address` one after the other."""

    address: int
    structures: tuple[Structure, ...]

    def refresh(self, read: Callable[[int, int], bytes]) -> None:
        """Bring the structures up to date with what is in memory now."""
        address = self.address
        for structure in self.structures:
            memmove(addressof(structure), read(address, sizeof(structure)), sizeof(structure))
            address += sizeof(structure)


def hypercall_command(call: str | int, arguments: Sequence[Argument], place: Placer) -> tuple[Command, list[Placed]]:
    """Return the command for a hypercall, with its pointer arguments placed, and the structures among them."""
    placed: list[Placed] = []
    words = [hypercall_number(call)]
    for argument in arguments:
        if isinstance(argument, int):
            words.append(argument)
        elif argument is None:
            words.append(0)
        else:
            words.append(_place(argument, place, placed))
    if len(words) > 7:
        raise ValueError(f"a hypercall has six arguments at most, not {len(words) - 1}")
    return Command(_VALUES["AGENT_HYPERCALL"], tuple(words)), placed


def _place(argument: Pointed, place: Placer, placed: list[Placed]) -> int:
    if isinstance(argument, bytes):
        return place(argument)
    if isinstance(argument, Structure):
        argument = (argument,)
    structures = tuple(item for item in argument if isinstance(item, Structure))
    address = place(b"".join(_bytes_of(argument)))
    if structures:
        placed.append(Placed(address, structures))
    return address


def _bytes_of(items: Sequence[Structure] | Sequence[int]) -> Iterator[bytes]:
    for item in items:
        yield bytes(item) if isinstance(item, Structure) else (item & 0xFFFFFFFF).to_bytes(4, "little")
