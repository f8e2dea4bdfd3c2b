"""Virtual devices as the hypervisor records them: who has which, their ports, their turns, and the grants they use.

Invariants
  - Views are copies. What cannot be followed is a BadStructure.
  - What a kind of device has of its own is in a module of its name (vbd.py); what it uses of grants is a GrantUse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ctypes import sizeof
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xengen.abi.io import IoQueue, IoRing
from xengen.abi.io import VirtualDevice as Record
from xengen.abi.symbols import assembler_symbols
from xengen.abi.vif_records import Vif
from xengen.inspect.events import DEVICE, ports_of
from xengen.inspect.views import BadStructure, Hypervisor
from xengen.inspect.violation import Rule, Violation

if TYPE_CHECKING:
    from xengen.inspect.survey import Survey

_VALUES = assembler_symbols()
MOST = _VALUES["IO_DEVICES"]
KINDS = {_VALUES["IO_VBD"]: "VBD", _VALUES["IO_VIF"]: "VIF"}
CREATED, CONNECTED, SHUT = (_VALUES[f"IO_STATE_{name}"] for name in ("CREATED", "CONNECTED", "SHUT"))


@dataclass(frozen=True)
class GrantUse:
    """A use of a grant by a device: which entry of whose, the frame, whether it may write, and what uses it."""

    granter: int
    ref: int
    mfn: int
    writable: bool
    what: str


@dataclass(frozen=True)
class VirtualDevice:
    """A virtual device: where its block is, a copy of its head, and the place that it has in io_devices."""

    address: int
    record: Record
    place: int

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"{KINDS.get(self.record.kind, 'device')} {self.place}"


def devices(hypervisor: Hypervisor) -> tuple[VirtualDevice, ...]:
    """Return all virtual devices, in order of their places."""
    table = hypervisor.read(hypervisor.symbol("io_devices"), 4 * (MOST + 1))
    addresses = memoryview(table).cast("I")
    return tuple(
        VirtualDevice(address, hypervisor.structure(Record, address), place)
        for place, address in enumerate(addresses)
        if address
    )


def queue(hypervisor: Hypervisor, name: str, index: int) -> tuple[int, ...]:
    """Return the addresses of the devices in one of the IO_QUEUEs at `name`. Raises BadStructure when it has no end."""
    where = hypervisor.symbol(name) + index * sizeof(IoQueue)
    found: list[int] = []
    ends = hypervisor.structure(IoQueue, where)
    address = int(ends.first)
    while address:
        if len(found) > MOST:
            raise BadStructure(f"{name}[{index}] has no end")
        found.append(address)
        address = int(hypervisor.structure(Record, address).next)
    if (found[-1] if found else 0) != ends.last:
        raise BadStructure(f"{name}[{index}] ends at another device than it says")
    return tuple(found)


def ring_use(device: VirtualDevice, ring: IoRing, name: str) -> Iterator[GrantUse]:
    """Yield the use of a grant that holds a ring page, if there is one."""
    if ring.mfn:
        yield GrantUse(device.record.domain, int(ring.ref), int(ring.mfn), True, f"{name} of {device.name}")


def places(survey: Survey) -> Iterator[Violation]:
    """Each device knows its place and is of a domain that is there; all are counted; only connected ones have ports."""
    found = devices(survey.hypervisor)
    domains = {domain.address: domain.id for domain in survey.domains}
    said = survey.hypervisor.word("io_device_count")
    if said != len(found):
        yield Violation(Rule.DEVICE, f"io_device_count is {said}, but there are {len(found)} devices")
    for device in found:
        record = device.record
        if record.index != device.place or record.kind not in KINDS:
            yield Violation(Rule.DEVICE, f"{device.name} says that it is {record.index}, of kind {record.kind}")
        elif record.domain not in domains:
            yield Violation(Rule.DEVICE, f"{device.name} is of a domain that is not there")
        elif record.state not in (CREATED, CONNECTED, SHUT):
            yield Violation(Rule.DEVICE, f"{device.name} has state {record.state}", domain=domains[record.domain])
        elif bool(record.port) != (record.state == CONNECTED):
            detail = f"{device.name} has state {record.state}, and port {record.port}"
            yield Violation(Rule.DEVICE, detail, domain=domains[record.domain])


def ports(survey: Survey) -> Iterator[Violation]:
    """A port that leads to a device is the port of that device, and a device's port leads to it."""
    found = devices(survey.hypervisor)
    by_place = {device.place: device for device in found}
    for domain in survey.domains:
        table = ports_of(survey.hypervisor, domain)
        for number, port in table.items():
            if port.state != DEVICE:
                continue
            device = by_place.get(int(port.remote))
            own = device is not None and device.record.domain == domain.address
            if device is None or not own or number not in _own_ports(survey.hypervisor, device):
                detail = f"port {number} leads to device {int(port.remote)}, which does not lead back"
                yield Violation(Rule.CHANNEL, detail, domain=domain.id)
        for device in found:
            own = device.record.domain == domain.address and device.record.port
            if own and (own not in table or (table[own].state, table[own].remote) != (DEVICE, device.place)):
                detail = f"{device.name} has port {own}, which does not lead to it"
                yield Violation(Rule.CHANNEL, detail, domain=domain.id)


def _own_ports(hypervisor: Hypervisor, device: VirtualDevice) -> tuple[int, ...]:
    """The ports of a device: one, and of a VIF the one of its receive ring."""
    if KINDS[device.record.kind] != "VIF":
        return (int(device.record.port),)
    return int(device.record.port), int(hypervisor.structure(Vif, device.address).rx.port)


def turns(survey: Survey) -> Iterator[Violation]:
    """A device says that it is queued exactly when it is in one queue, once: its kind's, or for VBDs one that waits."""
    hypervisor = survey.hypervisor
    queues = [("io_queues", kind) for kind in KINDS] + [("vbd_blocked", 0), ("vbd_blocked", 1)]
    seen = Counter(address for name, index in queues for address in queue(hypervisor, name, index))
    for device in devices(hypervisor):
        times = seen.pop(device.address, 0)
        if times != (device.record.queued != 0):
            detail = f"{device.name} is in {times} queues, and says that it is in {device.record.queued}"
            yield Violation(Rule.DEVICE, detail)
    for address in seen:
        yield Violation(Rule.DEVICE, f"what is queued at {address:#x} is no device")
