"""The control agent's serial line: it is asked over COM2 instead of through its memory, on lines good and bad."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from ctypes import sizeof
from dataclasses import dataclass

import pytest

from tests.boot.harness import Booter, Images
from xengen.abi.agent import AgentCommand
from xengen.abi.symbols import assembler_symbols
from xengen.agent.command import hypercall_command
from xengen.control.line import DATA_BYTES, ConsoleWire, Line, RequestRefused, Wire, frame
from xengen.errors import UserError
from xengen.machine.machine import Machine
from xengen.machine.symbols import SymbolTable

_VALUES = assembler_symbols()


@dataclass(frozen=True)
class Far:
    """A machine whose domain 0 has the line, and where its agent has what."""

    machine: Machine
    symbols: SymbolTable

    @property
    def wire(self) -> ConsoleWire:
        """The line, from its beginning."""
        return ConsoleWire(self.machine.consoles[1])

    @property
    def scratch(self) -> int:
        """Memory of the agent's that nobody else uses."""
        return self.symbols.address("agent_scratch")


@pytest.fixture(scope="module")
def far(images: Images) -> Iterator[Far]:
    """One machine for all tests: each begins a conversation of its own."""
    booter = Booter(images)
    machine = booter(("agent", "wire=com2"), serial_ports=2)
    machine.console.expect("agent: mailbox at")
    yield Far(machine, SymbolTable.from_file(images.guest("agent")))
    booter.close()


def version(line: Line, far: Far) -> int:
    """Ask the hypervisor for its version over the line."""
    command, _ = hypercall_command("xen_version", [0, 0], lambda data: 0)
    commands = far.symbols.address("agent_commands")
    line.write(commands, command.encode())
    assert line.run(1) == 0
    return int(AgentCommand.from_buffer_copy(line.read(commands, sizeof(AgentCommand))).after.eax)


def test_a_hypercall_is_made_over_the_line(far: Far) -> None:
    assert version(Line(far.wire), far) == _VALUES["XENGEN_MAJOR"] << 16 | _VALUES["XENGEN_MINOR"]


def test_what_is_written_is_read_whatever_the_bytes_are(far: Far) -> None:
    line = Line(far.wire)
    data = bytes(range(256)) * 9 + bytes([0x7E, 0x7D, 0x7D, 0x7E])
    line.write(far.scratch, data)
    assert line.read(far.scratch, len(data)) == data


def test_a_trap_of_a_command_is_counted(far: Far) -> None:
    line = Line(far.wire)
    commands = far.symbols.address("agent_commands")
    load = AgentCommand(verb=_VALUES["AGENT_LOAD"])
    load.before.ebx = 0xF0000000
    line.write(commands, bytes(load))
    assert line.run(1) == 1


@pytest.mark.parametrize(
    ("address", "size"),
    [(0, 4), (0xFFFFFFFC, 4), (0xFC500000, 16), (0xC0100000, 4)],
    ids=["nothing", "the end", "the hypervisor", "the agent's code"],
)
def test_memory_that_is_not_the_agents_is_refused(far: Far, address: int, size: int) -> None:
    line = Line(far.wire)
    with pytest.raises(RequestRefused):
        line.read(address, size)
    with pytest.raises(RequestRefused):
        line.write(address, bytes(size))
    assert version(line, far) > 0


def test_a_range_that_runs_out_of_the_agents_memory_is_refused(far: Far) -> None:
    line = Line(far.wire)
    end = far.symbols.address("agent_memory_end")
    assert line.read(end - 8, 8) == bytes(8)
    with pytest.raises(RequestRefused):
        line.read(end - 8, 9)


def test_more_commands_than_there_is_room_for_are_refused(far: Far) -> None:
    line = Line(far.wire)
    with pytest.raises(RequestRefused):
        line.run(_VALUES["AGENT_COMMANDS"] + 1)


class Bad:
    """A line that does something to what goes over it."""

    def __init__(self, wire: Wire, spoil: Callable[[bytes], bytes]) -> None:
        self.wire = wire
        self.spoil = spoil

    def send(self, data: bytes) -> None:
        self.wire.send(self.spoil(data))

    def receive(self, seconds: float) -> bytes:
        return self.spoil(self.wire.receive(seconds))


class Twice(Bad):
    """A line on which everything is sent two times."""

    def send(self, data: bytes) -> None:
        super().send(data + data)


def lossy(choice: random.Random) -> Callable[[bytes], bytes]:
    """Lose some bytes."""
    return lambda data: bytes(byte for byte in data if choice.random() > 0.003)


def noisy(choice: random.Random) -> Callable[[bytes], bytes]:
    """Change some bits."""
    return lambda data: bytes(byte ^ (1 << choice.randrange(8) if choice.random() < 0.003 else 0) for byte in data)


def garbled(choice: random.Random) -> Callable[[bytes], bytes]:
    """Put bytes between."""
    return lambda data: b"".join(choice.randbytes(int(choice.random() < 0.003)) + bytes([byte]) for byte in data)


@pytest.mark.parametrize("kind", [lossy, noisy, garbled])
def test_a_bad_line_only_takes_longer(far: Far, kind: Callable[[random.Random], Callable[[bytes], bytes]]) -> None:
    choice = random.Random(7)
    line = Line(Bad(far.wire, kind(choice)))
    for _ in range(12):
        data = choice.randbytes(60)
        line.write(far.scratch, data)
        assert line.read(far.scratch, len(data)) == data
    assert version(line, far) > 0


def test_a_request_that_comes_twice_is_done_once(far: Far) -> None:
    line = Line(Twice(far.wire, lambda data: data))
    before = far.machine.memory.u32(_mailbox(far) + 4)  # AGENT_MAILBOX_request counts what was run
    assert version(line, far) > 0
    assert far.machine.memory.u32(_mailbox(far) + 4) == before + 1


def _mailbox(far: Far) -> int:
    match = far.machine.transcript.text(0).split("mailbox at machine address ")[1]
    return int(match.split()[0], 16)


def test_junk_and_half_frames_are_forgotten(far: Far) -> None:
    wire = far.wire
    wire.send(
        b"\x00junk" + frame(bytes(DATA_BYTES + 200)) + frame(b"\x01\x02") + b"\x7e\x7d\x7e" + frame(bytes(40))[:-9]
    )
    assert version(Line(wire), far) > 0


def test_another_toolstack_can_take_over_at_any_time(far: Far) -> None:
    first = Line(far.wire)
    assert version(first, far) > 0
    assert version(Line(far.wire), far) > 0
    assert version(first, far) > 0


def test_a_line_that_is_cut_is_one_sentence() -> None:
    class Cut:
        def send(self, data: bytes) -> None:
            """Nobody is there."""

        def receive(self, seconds: float) -> bytes:
            return b""

    with pytest.raises(UserError, match=r"has not answered for 0\.1 s"):
        Line(Cut(), patience=0.1)


def test_an_agent_without_the_word_leaves_the_line_alone(images: Images) -> None:
    booter = Booter(images)
    machine = booter("agent", serial_ports=2)
    machine.console.expect("agent: mailbox at")
    with pytest.raises(UserError, match="has not answered"):
        Line(ConsoleWire(machine.consoles[1]), patience=0.3)
    booter.close()
