"""Live memory over a plain file (xengen/machine/memory.py)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from xengen.machine.memory import NoMemory, PhysicalMemory, below_4g

GIB = 1 << 30


@pytest.fixture
def file() -> Iterator[int]:
    descriptor = os.memfd_create("test")
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def memory(file: int) -> Iterator[PhysicalMemory]:
    os.ftruncate(file, 0x4000)
    mapped = PhysicalMemory(file, 0x4000)
    yield mapped
    mapped.close()


def test_words_are_little_endian(memory: PhysicalMemory, file: int) -> None:
    os.pwrite(file, bytes(range(1, 9)), 0x1000)
    assert memory.u8(0x1000) == 0x01
    assert memory.u16(0x1000) == 0x0201
    assert memory.u32(0x1000) == 0x04030201
    assert memory.u64(0x1000) == 0x0807060504030201
    assert memory.words(0x1000, 2) == (0x04030201, 0x08070605)


def test_what_is_written_is_in_the_file(memory: PhysicalMemory, file: int) -> None:
    memory.write(0x2000, b"abc")
    assert os.pread(file, 3, 0x2000) == b"abc"


def test_an_array_follows_the_memory(memory: PhysicalMemory, file: int) -> None:
    array = memory.array(0x3000, 2)
    os.pwrite(file, b"\x05\0\0\0\x06\0\0\0", 0x3000)
    assert array.tolist() == [5, 6]


@pytest.mark.parametrize("address, size", [(0x4000, 1), (0x3FFF, 2), (-1, 1), (1 << 32, 1), (0, -1)])
def test_an_address_without_memory_is_an_error(memory: PhysicalMemory, address: int, size: int) -> None:
    with pytest.raises(NoMemory, match=r"no memory at physical address"):
        memory.read(address, size)


def test_memory_can_be_let_go_while_an_array_is_in_use(file: int) -> None:
    os.ftruncate(file, 0x1000)
    memory = PhysicalMemory(file, 0x1000)
    array = memory.array(0, 1)
    memory.close()
    assert array.tolist() == [0]


@pytest.mark.parametrize(
    "size, low", [(1 * GIB, 1 * GIB), (3 * GIB, 3 * GIB), (3584 << 20, 3 * GIB), (4 * GIB, 3 * GIB)]
)
def test_a_large_machine_has_3_gib_below_the_devices(size: int, low: int) -> None:
    assert below_4g(size) == low


def test_memory_beyond_the_devices_continues_at_4_gib(file: int) -> None:
    os.ftruncate(file, 4 * GIB)
    memory = PhysicalMemory(file, 4 * GIB)
    os.pwrite(file, b"above", 3 * GIB)
    assert memory.read(4 * GIB, 5) == b"above"
    with pytest.raises(NoMemory):
        memory.read(3 * GIB, 1)
    memory.close()
