"""What the hypervisor drives, no guest reaches: neither its ports, nor its memory, nor its configuration.

Danger: a device moves data to any address of memory. Who can program one has the machine.
Method: domain 0, which may use every port that is not the hypervisor's, tries each door of each device.

Invariants
  - PCI functions and where they have what are read from QEMU (query-pci), not from the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.disk_machines import DiskBooter, DiskMachine, contents, image
from tests.boot.privilege import iopl
from xengen.agent.agent import Agent, completed
from xengen.agent.names import EPERM, value
from xengen.machine.disks import DiskSpec
from xengen.machine.machine import Machine
from xengen.machine.nics import NicSpec

ONES = 0xFFFFFFFF
IDE, POWER = 0x0101, 0x0680
ADDRESS, DATA = value("PCI_ADDRESS"), value("PCI_DATA")
# Places and commands of the IDE channels, as in every PC: commands, control, bus master.
IDE_PORTS = (0x1F0, 0x1F2, 0x1F6, 0x1F7, 0x3F6, 0x170, 0x177, 0x376)


@dataclass(frozen=True)
class Function:
    """A PCI function as QEMU has it: its configuration address, class, and places (kind, address, bytes)."""

    address: int
    kind: int
    places: tuple[tuple[str, int, int], ...]


def functions(machine: Machine) -> Iterator[Function]:
    """All functions of bus 0."""
    for found in machine.qmp("query-pci")[0]["devices"]:
        places = tuple((place["type"], place["address"], place["size"]) for place in found["regions"])
        address = 1 << 31 | found["slot"] << 11 | found["function"] << 8
        yield Function(address, found["class_info"]["class"], tuple(place for place in places if place[1] > 0))


def ours(machine: Machine) -> list[Function]:
    """Those that drivers of the hypervisor have taken."""
    return [found for found in functions(machine) if found.kind in (IDE, 0x0100, 0x0200)]


def read(agent: Agent, address: int) -> int:
    """A configuration word, as domain 0 reads it."""
    found = completed(agent.ring1(
        f"outl %eax, %dx\nmovl ${DATA}, %edx\ninl %dx, %eax", eax=address, edx=ADDRESS
    ))  # fmt: skip
    return int(found.eax)


def write(agent: Agent, address: int, word: int) -> None:
    """Write a configuration word, as domain 0 would."""
    completed(agent.ring1(
        f"outl %eax, %dx\nmovl ${DATA}, %edx\nmovl %ecx, %eax\noutl %eax, %dx", eax=address, edx=ADDRESS, ecx=word
    ))  # fmt: skip


@pytest.fixture
def full(boot_disks: DiskBooter, tmp_path: Path) -> DiskMachine:
    """A machine with a device for each driver."""
    disks = [DiskSpec(image(tmp_path, 0), "virtio"), DiskSpec(image(tmp_path, 1), "ide")]
    return boot_disks(disks, nics=[NicSpec("virtio"), NicSpec("e1000")])


def readable(machine: DiskMachine) -> None:
    """Both disks must still do what they are asked."""
    for number in range(2):
        front = machine.front(f"disk{number}")
        assert front.read(3, 1, front.page()) == contents(number, 3)


def test_a_machine_has_four_functions_that_are_driven(full: DiskMachine) -> None:
    assert sorted(found.kind for found in ours(full.machine)) == [0x0100, IDE, 0x0200, 0x0200]


def test_configuration_of_what_is_driven_reads_as_if_nobody_were_there(full: DiskMachine) -> None:
    with iopl(full.back, 1):
        for found in functions(full.machine):
            assert (read(full.back, found.address) == ONES) is (found in ours(full.machine))


def test_no_part_of_a_configuration_word_is_read(full: DiskMachine) -> None:
    function = ours(full.machine)[0]
    with iopl(full.back, 1):
        for port, text, wanted in (
            (0xCFD, "inb %dx, %al", 0xFF), (0xCFE, "inw %dx, %ax", 0xFFFF), (0xCFA, "inl %dx, %eax", ONES),
        ):  # fmt: skip
            select = f"outl %eax, %dx\nxorl %eax, %eax\nmovl ${port}, %edx"
            found = completed(full.back.ring1(f"{select}\n{text}", eax=function.address, edx=ADDRESS))
            assert found.eax == wanted


def test_configuration_of_what_is_driven_is_not_written(full: DiskMachine) -> None:
    before = full.machine.qmp("query-pci")
    with iopl(full.back, 1):
        for function in ours(full.machine):
            for register in (*range(0x04, 0x28, 4), 0x3C):
                write(full.back, function.address | register, 0)
    assert full.machine.qmp("query-pci") == before
    readable(full)


def test_ports_of_what_is_driven_read_as_ones_and_are_not_written(full: DiskMachine) -> None:
    ports = [
        address + offset
        for function in ours(full.machine) for kind, address, size in function.places if kind == "io"
        for offset in range(size)
    ]  # fmt: skip
    assert len(ports) >= 3 * 32 + 16
    with iopl(full.back, 1):
        for port in (*ports, *IDE_PORTS):
            found = completed(full.back.ring1("inb %dx, %al\nmovl %eax, %ecx\nmovb $4, %al\noutb %al, %dx", edx=port))
            assert (port, found.ecx & 0xFF) == (port, 0xFF)
    readable(full)


def test_memory_of_what_is_driven_is_mapped_by_nobody(full: DiskMachine) -> None:
    page = full.back.page()
    flags = value("PTE_P") | value("PTE_RW")
    tried = 0
    for function in ours(full.machine):
        for kind, address, size in function.places:
            for frame in {address, address + size - 1} if kind == "memory" else ():
                tried += 1
                assert full.back.map(page.va, frame & ~0xFFF | flags) == -EPERM
    assert tried >= 4
    full.back.give_back(page)


def test_memory_beside_what_is_driven_is_mapped(full: DiskMachine) -> None:
    page = full.back.page()
    assert full.back.map(page.va, 0xB8000 | value("PTE_P")) == 0
    full.back.give_back(page)


def test_a_controller_without_disks_is_left_to_domain_0(boot_disks: DiskBooter) -> None:
    machine = boot_disks([])
    (function,) = (found for found in functions(machine.machine) if found.kind == IDE)
    with iopl(machine.back, 1):
        assert read(machine.back, function.address) == 0x70108086
        assert completed(machine.back.ring1("inb %dx, %al", edx=0x1F7)).eax & 0xFF == 0


def test_what_nobody_drives_does_not_interrupt(boot_disks: DiskBooter) -> None:
    machine = boot_disks([])
    (function,) = (found for found in functions(machine.machine) if found.kind == POWER)
    with iopl(machine.back, 1):
        assert read(machine.back, function.address | value("PCI_COMMAND")) & value("PCI_COMMAND_NO_INTERRUPT")
