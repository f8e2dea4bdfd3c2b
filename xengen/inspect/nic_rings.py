"""What the drivers of network interfaces keep: frames to receive into, packets that are being sent, and their rings.

Invariants
  - Views are copies. What cannot be followed is a BadStructure.
  - What a device writes into its rings is its own affair: the rules are about what only the driver writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ctypes import Structure, sizeof
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from xengen.abi import devices as abi
from xengen.abi.e1000 import E1000Rx
from xengen.abi.nics import E1000, VirtioNet
from xengen.abi.pci import VirtqChain, Virtqueue
from xengen.abi.symbols import assembler_symbols
from xengen.inspect import layout, vif
from xengen.inspect.devices import Nic, nics
from xengen.inspect.views import BadStructure, Hypervisor
from xengen.inspect.violation import Rule, Violation

if TYPE_CHECKING:
    from xengen.inspect.survey import Survey

_VALUES = assembler_symbols()
PLACES, ROOM_SHIFT = _VALUES["NIC_SEND_PLACES"], _VALUES["NIC_ROOM_SHIFT"]
BUFFERS, LARGEST_QUEUE = _VALUES["NIC_BUFFERS"], _VALUES["VIRTQUEUE_LARGEST"]

RecordT = TypeVar("RecordT", bound=Structure)


@dataclass(frozen=True)
class Packet:
    """A PACKET that a driver has: where it is, and a copy of it."""

    address: int
    record: abi.Packet

    @property
    def pieces(self) -> tuple[tuple[int, int], ...]:
        """Physical address and bytes of each piece."""
        return tuple((int(piece.address), int(piece.bytes)) for piece in self.record.pieces[: self.record.count])


@dataclass(frozen=True)
class Rings:
    """What a driver says of an interface: free places, packets in flight (oldest first), and frames offered.

    free: places in the ring for sending that are free; used: places of the packets in flight; places: all of them.
    offered: the frame that stands in the ring for receiving at each place of NIC_buffers, 0 where none does.
    """

    nic: Nic
    places: int
    free: int
    used: int
    packets: tuple[Packet, ...]
    offered: tuple[int, ...]


def rings(hypervisor: Hypervisor, nic: Nic) -> Rings:
    """Return the rings of an interface. BadStructure when they lead nowhere, or nobody knows its driver."""
    if nic.name == "e1000":
        return _e1000(hypervisor, nic)
    if nic.name == "virtio":
        return _virtio(hypervisor, nic)
    raise BadStructure(f"network interface {nic.record.number} has a driver {nic.name!r}, which is not known")


def buffers(survey: Survey) -> Iterator[Violation]:
    """A frame that an interface receives into is the hypervisor's, in use for that alone, and in one place."""
    hypervisor, records = survey.hypervisor, survey.records
    found = Counter(mfn for nic in nics(hypervisor) for mfn in nic.buffers)
    others = set(vif.frames(hypervisor)) if found else set()
    for mfn, count in found.items():
        record = records[mfn] if mfn < len(records) else None
        if record is None or record["count"] != (layout.FRAME_ALLOCATED | 1) or record["owner"] or survey.free[mfn]:
            yield Violation(Rule.NIC, "a network interface receives into it, and it is another's", mfn)
        if count > 1:
            yield Violation(Rule.NIC, "a network interface receives into it in two places", mfn)
        if mfn in others:
            yield Violation(Rule.NIC, "a network interface receives into it, and a packet is in it or may be", mfn)


def states(survey: Survey) -> Iterator[Violation]:
    """The rings of each interface agree with its buffers and its room, and hold its own packets."""
    for nic in nics(survey.hypervisor):
        found = rings(survey.hypervisor, nic)
        for fault in _faults(found):
            yield Violation(Rule.NIC, f"network interface {nic.record.number}: {fault}")


def _faults(found: Rings) -> Iterator[str]:
    nic = found.nic
    if found.free + found.used != found.places:
        yield f"{found.free} places are free and {found.used} in use, of {found.places}"
    if nic.record.room != found.free >> ROOM_SHIFT:
        yield f"its room is {nic.record.room}, but {found.free} places are free"
    for packet in found.packets:
        if packet.record.nic != nic.address:
            yield f"the packet at {packet.address:#x} is another's"
    for place, (offered, frame) in enumerate(zip(found.offered, nic.buffers, strict=True)):
        if offered not in (0, frame):
            yield f"at place {place} its device writes into frame {offered:#x}, not {frame:#x}"


def _e1000(hypervisor: Hypervisor, nic: Nic) -> Rings:
    state = hypervisor.structure(E1000, nic.record.state)
    packets, used, place = [], 0, int(state.tx_head)
    while place != state.tx_tail:
        packet = _packet(hypervisor, int(state.packets[place % PLACES]))
        packets.append(packet)
        used += packet.record.count
        place = (int(packet.record.driver[0]) + 1) % PLACES
        if used >= PLACES or not packet.record.count:
            raise BadStructure(f"the packets of network interface {nic.record.number} have no end")
    ring = _array(hypervisor, E1000Rx, int(state.rx), BUFFERS)
    offered = tuple(int(one.address) >> layout.PAGE_SHIFT for one in ring)
    return Rings(nic, PLACES - 1, int(state.tx_free), used, tuple(packets), offered)


def _virtio(hypervisor: Hypervisor, nic: Nic) -> Rings:
    state = hypervisor.structure(VirtioNet, nic.record.state)
    send, receive = (hypervisor.structure(Virtqueue, int(at)) for at in (state.send, state.receive))
    chains = [chain for chain in _chains(hypervisor, send) if chain.owner]
    packets = tuple(_packet(hypervisor, int(chain.owner)) for chain in chains)
    offered = [0] * BUFFERS
    for chain in _chains(hypervisor, receive):
        if chain.owner > BUFFERS:
            raise BadStructure(f"network interface {nic.record.number} has no place {chain.owner - 1}")
        if chain.owner:
            at = int(receive.descriptors) + 16 * chain.last
            offered[chain.owner - 1] = int.from_bytes(hypervisor.read(at, 8), "little") >> layout.PAGE_SHIFT
    used = sum(int(chain.pieces) for chain in chains)
    return Rings(nic, int(send.size), int(send.room), used, packets, tuple(offered))


def _chains(hypervisor: Hypervisor, queue: Virtqueue) -> tuple[VirtqChain, ...]:
    if queue.size > LARGEST_QUEUE:
        raise BadStructure(f"a virtqueue has {queue.size} descriptors, where {LARGEST_QUEUE} are the most")
    return _array(hypervisor, VirtqChain, int(queue.chains), int(queue.size))


def _packet(hypervisor: Hypervisor, address: int) -> Packet:
    record = hypervisor.structure(abi.Packet, address)
    if record.count > abi.PACKET_PIECES:
        raise BadStructure(f"the packet at {address:#x} has {record.count} pieces")
    return Packet(address, record)


def _array(hypervisor: Hypervisor, kind: type[RecordT], address: int, count: int) -> tuple[RecordT, ...]:
    data = hypervisor.read(address, count * sizeof(kind))
    return tuple(kind.from_buffer_copy(data, index * sizeof(kind)) for index in range(count))
