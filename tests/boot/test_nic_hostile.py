"""A device that reports nonsense: this process writes into the rings what only the device should, and has it interrupt.

What it says is counted as an error, or not listened to; the hypervisor goes on, and keeps its frames.
"""

from __future__ import annotations

import struct
from ctypes import Structure, sizeof
from typing import TypeVar

import pytest

from tests.boot.harness import Booter
from tests.boot.nics import nic, set_link, until, with_cable
from xengen.abi.e1000 import E1000Rx
from xengen.abi.nics import E1000, VirtioNet
from xengen.abi.pci import Virtqueue, VirtqUsed, VirtqUsedElement
from xengen.agent.agent import Agent
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Machine

DONE, WHOLE = 1, 2  # bits of a receive descriptor's status: DD, EOP
HEADER = 10

StructureT = TypeVar("StructureT", bound=Structure)


def state(machine: Machine, kind: type[StructureT]) -> StructureT:
    """Return what the driver of the first interface keeps."""
    return hypervisor_of(machine).structure(kind, nic(machine).record.state)


def write(machine: Machine, address: int, data: bytes) -> None:
    """Write memory of the hypervisor's, as its device may."""
    machine.memory.write(hypervisor_of(machine).physical(address), data)


def interrupt(machine: Machine) -> None:
    """Have the device interrupt twice, and its driver look at what there is."""
    set_link(machine, up=False)
    set_link(machine, up=True)


def is_sound(machine: Machine) -> bool:
    """Whether the machine still answers, has no frame twice, and the checker finds nothing."""
    with Agent(machine) as agent:
        answers = agent.hypercall("xen_version", 0) == 0x40002
    buffers = nic(machine).buffers
    return answers and len(set(buffers)) == len(buffers) and check_machine(machine) == []


@pytest.mark.parametrize(
    ("size", "status", "errors"),
    [
        (0, DONE | WHOLE, 0),
        (13, DONE | WHOLE, 0),
        (2049, DONE | WHOLE, 0),
        (65535, DONE | WHOLE, 0),
        (100, DONE, 0),
        (100, DONE | WHOLE, 1),
    ],
    ids=["empty", "too short", "too long", "longest", "without an end", "damaged"],
)
def test_a_descriptor_of_an_e1000_that_cannot_be_is_an_error(
    boot: Booter, size: int, status: int, errors: int
) -> None:
    machine = boot("agent", nics=[with_cable("e1000")])
    with Agent(machine):
        record = state(machine, E1000)
        place = int(record.rx) + int(record.rx_next) * sizeof(E1000Rx)
        before = nic(machine).buffers
        write(machine, place + E1000Rx.bytes.offset, struct.pack("<HHBB", size, 0, status, errors))
        interrupt(machine)
        until(lambda: nic(machine).record.errors == 1, "the error is counted")
    assert nic(machine).record.received == 0
    assert nic(machine).buffers == before
    assert is_sound(machine)


def test_what_follows_a_packet_without_an_end_is_dropped_up_to_its_end(boot: Booter) -> None:
    machine = boot("agent", nics=[with_cable("e1000")])
    with Agent(machine):
        record = state(machine, E1000)
        for place, status in enumerate((DONE, DONE | WHOLE, DONE | WHOLE)):
            at = int(record.rx) + place * sizeof(E1000Rx) + E1000Rx.bytes.offset
            write(machine, at, struct.pack("<HHBB", 100, 0, status, 0))
        interrupt(machine)
        until(lambda: nic(machine).record.received == 1, "the last one is a packet")
    assert nic(machine).record.errors == 2
    assert is_sound(machine)


@pytest.mark.parametrize("size", [0, HEADER - 1, HEADER + 13, HEADER + 2049, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_of_a_virtio_device_that_cannot_be_is_an_error(boot: Booter, size: int) -> None:
    machine = boot("agent", nics=[with_cable("virtio")])
    with Agent(machine):
        before = nic(machine).buffers
        say_used(machine, 0, size)
        interrupt(machine)
        until(lambda: nic(machine).record.errors == 1, "the error is counted")
    assert nic(machine).record.received == 0
    assert nic(machine).buffers == before
    assert is_sound(machine)


@pytest.mark.parametrize("head", [1, 256, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("queue", ["receive", "send"])
def test_a_chain_that_a_virtio_device_does_not_have_is_not_believed(boot: Booter, queue: str, head: int) -> None:
    """Head 1 is the second piece of a chain that it has for receiving, and of none for sending."""
    machine = boot("agent", nics=[with_cable("virtio")])
    with Agent(machine):
        say_used(machine, head, 100, queue)
        interrupt(machine)
    record = nic(machine).record
    assert (record.received, record.sent, record.errors) == (0, 0, 0)
    assert is_sound(machine)


def test_a_virtio_device_that_runs_ahead_keeps_nobody_from_running(boot: Booter) -> None:
    """It says that chain 0 was used 32,768 times; its ring has room for 256, all but the first of them of length 0."""
    machine = boot("agent", nics=[with_cable("virtio")])
    with Agent(machine) as agent:
        say_used(machine, 0, HEADER + 100, ahead=0x8000)
        interrupt(machine)
        assert agent.hypercall("xen_version", 0) == 0x40002
        until(lambda: nic(machine).record.received == 0x8000 // 256, "the ring was gone through")
        until(lambda: nic(machine).record.errors == 0x8000 - 0x8000 // 256, "all of it was looked at")
    assert is_sound(machine)


def say_used(machine: Machine, head: int, size: int, queue: str = "receive", ahead: int = 1) -> None:
    """Say that a chain is used, and that `ahead` are."""
    made = hypervisor_of(machine).structure(Virtqueue, getattr(state(machine, VirtioNet), queue))
    write(machine, int(made.used) + VirtqUsed.ring.offset, bytes(VirtqUsedElement(head, size)))
    write(machine, int(made.used) + VirtqUsed.index.offset, struct.pack("<H", ahead))
