"""Virtual interfaces as the hypervisor records them: wires, turns, packets on their way, and the pages that those pin.

Invariants
  - Views are copies. What cannot be followed is a BadStructure.
  - What a domain writes into its rings is its own affair: the rules are about the hypervisor's records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ctypes import sizeof
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xengen.abi import vif_records as abi
from xengen.abi.symbols import assembler_symbols
from xengen.inspect import layout
from xengen.inspect.views import BadStructure, Hypervisor
from xengen.inspect.violation import Rule, Violation
from xengen.inspect.virtual_devices import CONNECTED, GrantUse, VirtualDevice, devices, ring_use

if TYPE_CHECKING:
    from xengen.inspect.survey import Survey

_VALUES = assembler_symbols()
VIF = _VALUES["IO_VIF"]
GOING = _VALUES["IO_GOING"]
INPUTS, SPARES, HASHES = (_VALUES[f"VIF_{name}"] for name in ("INPUTS", "SPARES", "HASHES"))
FOR_NOTHING, FOR_ROOM, FOR_CREDIT, FOR_RUN = (
    _VALUES[f"VIF_WAITS_FOR_{name}"] for name in ("NOTHING", "ROOM", "CREDIT", "RUN")
)
REDIRECT = _VALUES["VIF_REDIRECT"]
MOST_RECORDS = 1 << 16


@dataclass(frozen=True)
class Packet:
    """A VIF_PACKET that a NIC has, or had and that is not answered yet: where its block is, and a copy of it."""

    address: int
    record: abi.VifPacket

    @property
    def pinned(self) -> tuple[tuple[int, int], ...]:
        """The ref and the frame of each page that it pins."""
        return tuple((int(slot.ref), int(slot.mfn)) for slot in self.record.slots[: self.record.count] if slot.mfn)


@dataclass(frozen=True)
class Vif:
    """A VIF: its place among the devices, a copy of it, its packets in flight, and its rules by direction."""

    device: VirtualDevice
    record: abi.Vif
    packets: tuple[Packet, ...]
    rules: tuple[tuple[abi.VifRuleRecord, ...], ...]

    @property
    def name(self) -> str:
        """What it is, in words."""
        return self.device.name

    @property
    def uses(self) -> Iterator[GrantUse]:
        """The grants that it uses: of its rings, and of the pages of its packets in flight."""
        yield from ring_use(self.device, self.record.tx.io, "the transmit ring")
        yield from ring_use(self.device, self.record.rx.io, "the receive ring")
        for packet in self.packets:
            for ref, mfn in packet.pinned:
                yield GrantUse(self.device.record.domain, ref, mfn, False, f"a packet of {self.name}")


def vifs(hypervisor: Hypervisor) -> tuple[Vif, ...]:
    """Return all VIFs, in order of their places. Raises BadStructure when one cannot be followed."""
    packets = packets_in_flight(hypervisor)
    return tuple(_vif(hypervisor, one, packets) for one in devices(hypervisor) if one.record.kind == VIF)


def packets_in_flight(hypervisor: Hypervisor) -> tuple[Packet, ...]:
    """Return the packets that NICs have, or are done with and that are not answered yet."""
    found = []
    address, count = hypervisor.word("vif_made"), 0
    while address:
        record = hypervisor.structure(abi.VifPacket, address)
        if record.in_flight:
            found.append(Packet(address, record))
        count += 1
        if count > MOST_RECORDS or record.count > len(record.slots):
            raise BadStructure(f"vif_made leads to {address:#x}, which is no packet, or to packets without end")
        address = int(record.made_next)
    return tuple(found)


def grant_uses(hypervisor: Hypervisor) -> tuple[GrantUse, ...]:
    """Return all uses of grants by VIFs."""
    return tuple(use for vif in vifs(hypervisor) for use in vif.uses)


def frames(hypervisor: Hypervisor) -> tuple[int, ...]:
    """Return the frames that packets are in, or that are kept for such. Raises BadStructure when they have no end."""
    return (*_queued(hypervisor), *_spares(hypervisor))


def records(survey: Survey) -> Iterator[Violation]:
    """Packets and slots on their way are counted; waiting and its list or timer agree; rules lead to what is there."""
    hypervisor = survey.hypervisor
    found = vifs(hypervisor)
    owners = {domain.address: domain.id for domain in survey.domains}
    waiting = Counter(_chain(hypervisor, hypervisor.word("vif_waiting"), "waiting_next", "vif_waiting"))
    known = {vif.device.address for vif in found}
    interrupted = [vif.device.address for vif in found if vif.record.waits == FOR_RUN]
    if interrupted != [address for address in (hypervisor.word("vif_interrupted"),) if address]:
        yield Violation(Rule.INTERFACE, f"{len(interrupted)} interfaces say that the end of a run interrupted them")
    for vif in found:
        faults = [*_faults(vif), *_waiting_faults(vif, waiting[vif.device.address])]
        if any(rule.target and rule.target not in known for rules in vif.rules for rule in rules):
            faults.append("a rule leads to an interface that is not there")
        for fault in faults:
            yield Violation(Rule.INTERFACE, f"{vif.name}: {fault}", domain=owners.get(vif.device.record.domain))
    if set(waiting) - known or hypervisor.word("vif_touched"):
        yield Violation(Rule.INTERFACE, "an interface waits, or is to be shown answers, that is not there")
    stray = [packet for packet in packets_in_flight(hypervisor) if packet.record.vif not in known]
    if stray:
        yield Violation(Rule.INTERFACE, f"the packet at {stray[0].address:#x} is in flight for nobody")


def wires(survey: Survey) -> Iterator[Violation]:
    """Every VIF is in the list of all, and in the chain of its address; no two on a wire have the same address."""
    hypervisor = survey.hypervisor
    found = {vif.device.address: vif for vif in vifs(hypervisor)}
    listed = Counter(_chain(hypervisor, hypervisor.word("vif_list"), "next", "vif_list"))
    heads = memoryview(hypervisor.read(hypervisor.symbol("vif_hashes"), 4 * HASHES)).cast("I")
    hashed = Counter(one for head in heads for one in _chain(hypervisor, head, "mac_next", "vif_hashes"))
    for name, counted in (("vif_list", listed), ("vif_hashes", hashed)):
        if counted != Counter(found.keys()):
            yield Violation(Rule.INTERFACE, f"{name} has {counted.total()} interfaces, and there are {len(found)}")
    living = [vif for vif in found.values() if not vif.device.record.flags & GOING]
    for (mac, _), count in Counter((bytes(vif.record.mac), vif.record.nic) for vif in living).items():
        if count > 1:
            yield Violation(Rule.INTERFACE, f"{count} interfaces on one wire have the address {mac.hex(':')}")


def queue(survey: Survey) -> Iterator[Violation]:
    """A frame that a packet is in, or that is kept for one, is the hypervisor's, and is there once."""
    hypervisor, records = survey.hypervisor, survey.records
    spares = _spares(hypervisor)
    said = hypervisor.word("vif_spare_count")
    if said != len(spares):
        yield Violation(Rule.INTERFACE, f"vif_spare_count is {said}, but {len(spares)} frames are kept")
    for mfn, count in Counter(frames(hypervisor)).items():
        record = records[mfn] if mfn < len(records) else None
        if record is None or record["count"] != (layout.FRAME_ALLOCATED | 1) or record["owner"] or survey.free[mfn]:
            yield Violation(Rule.INTERFACE, "a packet is in it, or it is kept for one, and it is another's", mfn)
        if count > 1:
            yield Violation(Rule.INTERFACE, "it is in the queue of packets, or kept for one, twice", mfn)


def _vif(hypervisor: Hypervisor, device: VirtualDevice, packets: tuple[Packet, ...]) -> Vif:
    record = hypervisor.structure(abi.Vif, device.address)
    rules = tuple(tuple(_rules(hypervisor, device, int(first))) for first in record.rules)
    own = tuple(packet for packet in packets if packet.record.vif == device.address)
    return Vif(device, record, own, rules)


def _rules(hypervisor: Hypervisor, device: VirtualDevice, address: int) -> Iterator[abi.VifRuleRecord]:
    for _ in range(_VALUES["VIF_RULES"]):
        if not address:
            return
        record = hypervisor.structure(abi.VifRuleRecord, address)
        yield record
        address = int(record.next)
    if address:
        raise BadStructure(f"the rules of {device.name} have no end")


def _faults(vif: Vif) -> Iterator[str]:
    head, tx, rx = vif.device.record, vif.record.tx.io, vif.record.rx.io
    if head.in_flight != len(vif.packets):
        yield f"{head.in_flight} packets are in flight, but {len(vif.packets)} are found"
    if head.state == CONNECTED and not (tx.mfn and rx.mfn):
        yield "it is connected, and has not both rings"
    if head.state != CONNECTED and (tx.mfn or rx.mfn) and not vif.packets:
        yield "it is not connected, nothing is in flight, and it has a ring"
    slots = sum(packet.record.count + packet.record.extras for packet in vif.packets)
    if tx.mfn and (tx.req_cons - tx.rsp_prod) & 0xFFFFFFFF != slots:
        yield f"{(tx.req_cons - tx.rsp_prod) & 0xFFFFFFFF} slots are not answered, but {slots} are in flight"
    if rx.mfn and rx.req_cons != rx.rsp_prod:
        yield "a buffer was taken and not answered"
    for name, ring in (("transmit", vif.record.tx), ("receive", vif.record.rx)):
        if ring.io.mfn and ring.told != ring.io.rsp_prod:
            yield f"responses of its {name} ring were not shown"


def _waiting_faults(vif: Vif, listed: int) -> Iterator[str]:
    waits, is_set = vif.record.waits, vif.record.credit_timer.position != 0
    if waits not in (FOR_NOTHING, FOR_ROOM, FOR_CREDIT, FOR_RUN) or listed != (waits == FOR_ROOM):
        yield f"it waits for {waits}, and is {listed} times among those that wait for room"
    if is_set != (waits == FOR_CREDIT):
        yield f"it waits for {waits}, and its timer is {'' if is_set else 'not '}set"


def _chain(hypervisor: Hypervisor, address: int, link: str, name: str) -> list[int]:
    found: list[int] = []
    while address:
        found.append(address)
        if len(found) > _VALUES["IO_DEVICES"]:
            raise BadStructure(f"{name} has no end")
        address = int(getattr(hypervisor.structure(abi.Vif, address), link))
    return found


def _queued(hypervisor: Hypervisor) -> tuple[int, ...]:
    first, behind = hypervisor.word("vif_input_cons"), hypervisor.word("vif_input_prod")
    count = (behind - first) & 0xFFFFFFFF
    if count > INPUTS:
        raise BadStructure(f"{count} packets are queued, where {INPUTS} have room")
    start = hypervisor.symbol("vif_inputs")
    places = [start + (first + index) % INPUTS * sizeof(abi.VifInput) for index in range(count)]
    return tuple(int(hypervisor.structure(abi.VifInput, place).mfn) for place in places)


def _spares(hypervisor: Hypervisor) -> tuple[int, ...]:
    found: list[int] = []
    mfn = hypervisor.word("vif_spares")
    while mfn:
        if len(found) >= SPARES or mfn >= len(hypervisor.frames):
            raise BadStructure(f"the frames that are kept for packets lead to {mfn:#x}, or have no end")
        found.append(mfn)
        mfn = int(hypervisor.frames["link"][mfn])
    return tuple(found)
