"""Network interfaces whose frames, rings or rooms are not what their drivers say."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import LittleEndianStructure
from dataclasses import dataclass
from typing import TypeVar

from tests.unit.inspect.image_memory import ABI, PAGE
from tests.unit.inspect.plantings.base import Expected, Planting, World
from tests.unit.inspect.synthetic import Synthetic
from xengen.abi.devices import Nic, Packet
from xengen.abi.e1000 import E1000Rx
from xengen.abi.nics import E1000, VirtioNet
from xengen.abi.pci import VirtqChain, VirtqDescriptor, Virtqueue
from xengen.inspect.violation import Rule

BUFFERS, PLACES, SHIFT = ABI["NIC_BUFFERS"], ABI["NIC_SEND_PLACES"], ABI["NIC_ROOM_SHIFT"]
QUEUE = 16

StructureT = TypeVar("StructureT", bound=LittleEndianStructure)


@dataclass(frozen=True)
class Made:
    """An interface in memory, live: its NIC, its driver's structure, and where its list of frames is (physical)."""

    machine: Synthetic
    address: int
    nic: Nic
    buffers: int

    def set_buffer(self, place: int, mfn: int) -> None:
        """Put another frame into a place."""
        self.machine.memory[self.buffers + 4 * place : self.buffers + 4 * place + 4] = mfn.to_bytes(4, "little")

    def buffer(self, place: int) -> int:
        """Return the frame of a place."""
        return int.from_bytes(self.machine.memory[self.buffers + 4 * place : self.buffers + 4 * place + 4], "little")


def block(machine: Synthetic, kind: type[StructureT]) -> tuple[int, StructureT]:
    """Make a block on a heap page of its own; return its address, and the structure there, live."""
    address = machine.heap_page()
    return address, machine.at(kind, machine.heap_mfn(address) * PAGE)


def _nic(machine: Synthetic, name: bytes, state: int, room: int) -> Made:
    address, nic = block(machine, Nic)
    nic.name[: len(name)] = name
    nic.mac[:] = bytes((2, 0, 0, 0, 0, 9))
    nic.flags, nic.state, nic.room = ABI["NIC_LINK_UP"], state, room
    nic.buffers = machine.heap_page()
    made = Made(machine, address, nic, machine.heap_mfn(nic.buffers) * PAGE)
    for place in range(BUFFERS):
        made.set_buffer(place, machine.allocate())
    machine.write("nic_list", address)
    return made


def packet(made: Made, pieces: int) -> tuple[int, Packet]:
    """Make a packet of an interface's."""
    address, found = block(made.machine, Packet)
    found.nic, found.count = made.address, pieces
    for index in range(pieces):
        found.pieces[index].address, found.pieces[index].bytes = 0x5000 + 100 * index, 60
    return address, found


def e1000(machine: Synthetic) -> tuple[Made, E1000, Packet]:
    """Make an 82540EM that sends a packet of three pieces, from place 254 on."""
    state, driver = block(machine, E1000)
    driver.tx_head, driver.tx_tail, driver.tx_free = PLACES - 2, 1, PLACES - 1 - 3
    driver.rx = machine.heap_page()
    made = _nic(machine, b"e1000", state, driver.tx_free >> SHIFT)
    address, sent = packet(made, 3)
    sent.driver[0] = 0
    driver.packets[PLACES - 2] = address
    for place in range(BUFFERS):
        ring = machine.at(E1000Rx, machine.heap_mfn(driver.rx) * PAGE + 16 * place)
        ring.address = made.buffer(place) * PAGE
    return made, driver, sent


def virtio(machine: Synthetic) -> tuple[Made, Virtqueue, Packet]:
    """Make a virtio device whose queues have 16 descriptors; it sends a packet of two pieces and a header."""
    state, driver = block(machine, VirtioNet)
    made = _nic(machine, b"virtio", state, (QUEUE - 3) >> SHIFT)
    queues = []
    for name in ("receive", "send"):
        address, queue = block(machine, Virtqueue)
        queue.size, queue.room = QUEUE, 0
        queue.descriptors, queue.chains = machine.heap_page(), machine.heap_page()
        setattr(driver, name, address)
        queues.append(queue)
    receive, send = queues
    for place in range(QUEUE // 2):
        head = chain(machine, receive, 2 * place)
        head.owner, head.last, head.pieces = place + 1, 2 * place + 1, 2
        at = machine.heap_mfn(receive.descriptors) * PAGE + 16 * (2 * place + 1)
        machine.at(VirtqDescriptor, at).address = made.buffer(place) * PAGE
    address, sent = packet(made, 2)
    head = chain(machine, send, 4)
    head.owner, head.last, head.pieces = address, 6, 3
    send.room = QUEUE - 3
    return made, send, sent


def chain(machine: Synthetic, queue: Virtqueue, head: int) -> VirtqChain:
    """Return what is remembered of a chain, live."""
    return machine.at(VirtqChain, machine.heap_mfn(queue.chains) * PAGE + 8 * head)


def _e1000(
    break_it: Callable[[Made, E1000, Packet], object], text: str, rule: Rule = Rule.NIC
) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        break_it(*e1000(world.machine))
        return Expected(rule, text=text)

    return plant


def _virtio(
    break_it: Callable[[Made, Virtqueue, Packet], object], text: str, rule: Rule = Rule.NIC
) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        break_it(*virtio(world.machine))
        return Expected(rule, text=text)

    return plant


def _lost_place(_: Made, driver: E1000, __: Packet) -> None:
    driver.tx_free -= 1


def _wrong_room(made: Made, _: E1000, __: Packet) -> None:
    made.nic.room += 1


def _foreign_packet(_: Made, __: E1000, sent: Packet) -> None:
    sent.nic += 4


def _endless(_: Made, __: E1000, sent: Packet) -> None:
    sent.driver[0] = PLACES - 3


def _too_many_pieces(_: Made, __: E1000, sent: Packet) -> None:
    sent.count = ABI["PACKET_PIECES"] + 1


def _another_frame(made: Made, driver: E1000, _: Packet) -> None:
    ring = made.machine.at(E1000Rx, made.machine.heap_mfn(driver.rx) * PAGE + 16 * 5)
    ring.address = made.buffer(6) * PAGE


def _lost_descriptor(_: Made, send: Virtqueue, __: Packet) -> None:
    send.room -= 1


def _no_place(made: Made, _: Virtqueue, __: Packet) -> None:
    driver = made.machine.at(VirtioNet, made.machine.heap_mfn(made.nic.state) * PAGE)
    receive = made.machine.at(Virtqueue, made.machine.heap_mfn(driver.receive) * PAGE)
    chain(made.machine, receive, 2).owner = BUFFERS + 1


def _large_queue(_: Made, send: Virtqueue, __: Packet) -> None:
    send.size = 2 * ABI["VIRTQUEUE_LARGEST"]


def _unknown_driver(made: Made, _: E1000, __: Packet) -> None:
    made.nic.name[:2] = b"e2"


def _circle(made: Made, _: E1000, __: Packet) -> None:
    made.nic.next = made.address


def _freed(world: World) -> Expected:
    made, *_ = e1000(world.machine)
    world.machine.free(made.buffer(3))
    return Expected(Rule.NIC, made.buffer(3), text="and it is another's")


def _twice(world: World) -> Expected:
    made, *_ = virtio(world.machine)
    mfn = made.buffer(BUFFERS - 1)
    world.machine.free(made.buffer(BUFFERS - 2))
    made.set_buffer(BUFFERS - 2, mfn)
    return Expected(Rule.NIC, mfn, text="in two places")


def _with_a_packet(world: World) -> Expected:
    made, *_ = virtio(world.machine)
    mfn = made.buffer(BUFFERS - 1)
    world.machine.write("vif_spares", mfn)
    world.machine.write("vif_spare_count", 1)
    return Expected(Rule.NIC, mfn, text="and a packet is in it or may be")


PLANTINGS: tuple[Planting, ...] = (
    Planting("a place of an e1000 that is lost", _e1000(_lost_place, "251 places are free and 3 in use, of 255")),
    Planting("an interface with more room than places", _e1000(_wrong_room, "its room is 8, but 252 places are free")),
    Planting("another interface's packet", _e1000(_foreign_packet, "is another's")),
    Planting("packets of an e1000 without an end", _e1000(_endless, "have no end", Rule.STRUCTURE)),
    Planting("a packet of too many pieces", _e1000(_too_many_pieces, "has 20 pieces", Rule.STRUCTURE)),
    Planting("an e1000 that receives into another frame", _e1000(_another_frame, "at place 5 its device writes into")),
    Planting("a descriptor that is lost", _virtio(_lost_descriptor, "12 places are free and 3 in use")),
    Planting("a virtio queue for a place that is none", _virtio(_no_place, "has no place 128", Rule.STRUCTURE)),
    Planting("a virtio queue that is too large", _virtio(_large_queue, "has 2048 descriptors", Rule.STRUCTURE)),
    Planting("an interface of a driver that is none", _e1000(_unknown_driver, "'e2000'", Rule.STRUCTURE)),
    Planting("interfaces without an end", _e1000(_circle, "nic_list has no end", Rule.STRUCTURE)),
    Planting("a free frame that is received into", _freed),
    Planting("a frame that is received into twice", _twice),
    Planting("a frame that is received into and kept for packets", _with_a_packet),
)
