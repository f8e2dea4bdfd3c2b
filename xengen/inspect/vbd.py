"""Virtual block devices as the hypervisor records them: extents, requests, and the pages that requests pin.

Invariants
  - Views are copies. What cannot be followed is a BadStructure.
  - What a domain writes into its ring is its own affair: the rules are about the hypervisor's records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xengen.abi import vbd as abi
from xengen.abi.symbols import assembler_symbols
from xengen.inspect import layout
from xengen.inspect.devices import disks
from xengen.inspect.views import BadStructure, Hypervisor
from xengen.inspect.violation import Rule, Violation
from xengen.inspect.virtual_devices import CONNECTED, GrantUse, VirtualDevice, devices, ring_use

if TYPE_CHECKING:
    from xengen.inspect.survey import Survey

_VALUES = assembler_symbols()
VBD = _VALUES["IO_VBD"]
FREE, HELD, WAITING, AT_DISK, DONE = (
    _VALUES[f"VBD_REQUEST_{name}"] for name in ("FREE", "HELD", "WAITING", "AT_DISK", "DONE")
)
ENTRIES = _VALUES["BLKIF_RING_ENTRIES"]
SECTOR = _VALUES["SECTOR_BYTES"]


@dataclass(frozen=True)
class Request:
    """A VBD_REQUEST: where its block is, and a copy of it."""

    address: int
    record: abi.VbdRequest

    @property
    def pinned(self) -> tuple[tuple[int, int], ...]:
        """The ref and the frame of each page that it pins."""
        count = int(self.record.pinned)
        frames = [int(piece.address) >> layout.PAGE_SHIFT for piece in self.record.pieces[:count]]
        return tuple(zip(self.record.refs[:count], frames, strict=True))


@dataclass(frozen=True)
class Vbd:
    """A VBD: its place among the devices, a copy of it, and its requests, free ones too."""

    device: VirtualDevice
    record: abi.Vbd
    requests: tuple[Request, ...]

    @property
    def name(self) -> str:
        """What it is, in words."""
        return self.device.name

    @property
    def in_use(self) -> tuple[Request, ...]:
        """The requests that are in flight."""
        return tuple(request for request in self.requests if request.record.used != FREE)

    @property
    def uses(self) -> Iterator[GrantUse]:
        """The grants that it uses: of its ring, and of the pages of its requests."""
        yield from ring_use(self.device, self.record.ring, "the ring")
        for request in self.in_use:
            for ref, mfn in request.pinned:
                what = f"request {request.record.id} of {self.name}"
                yield GrantUse(self.device.record.domain, ref, mfn, bool(request.record.writable), what)


def vbds(hypervisor: Hypervisor) -> tuple[Vbd, ...]:
    """Return all VBDs. Raises BadStructure when one cannot be followed."""
    return tuple(_vbd(hypervisor, device) for device in devices(hypervisor) if device.record.kind == VBD)


def grant_uses(hypervisor: Hypervisor) -> tuple[GrantUse, ...]:
    """Return all uses of grants by VBDs."""
    return tuple(use for vbd in vbds(hypervisor) for use in vbd.uses)


def records(survey: Survey) -> Iterator[Violation]:
    """Requests in flight are counted, each in the list that it says; there are as many as the ring has unanswered."""
    for vbd in vbds(survey.hypervisor):
        domain = next((one.id for one in survey.domains if one.address == vbd.device.record.domain), None)
        for fault in _faults(survey.hypervisor, vbd):
            yield Violation(Rule.RING, f"{vbd.name}: {fault}", domain=domain)


def extents(survey: Survey) -> Iterator[Violation]:
    """An extent is within its disk; the VBD's sectors are the sum of its extents'."""
    known = {disk.address: disk.record for disk in disks(survey.hypervisor)}
    for vbd in vbds(survey.hypervisor):
        parts = vbd.record.extents[: vbd.record.extent_count]
        for part in parts:
            disk = known.get(int(part.disk))
            if disk is None or not part.sectors or part.start + part.sectors > disk.sectors:
                yield Violation(Rule.EXTENT, f"{vbd.name} has an extent that is on no disk")
        total = sum(part.sectors for part in parts)
        if total != vbd.record.sectors:
            yield Violation(Rule.EXTENT, f"{vbd.name} has {vbd.record.sectors} sectors, but its extents have {total}")


def _vbd(hypervisor: Hypervisor, device: VirtualDevice) -> Vbd:
    record = hypervisor.structure(abi.Vbd, device.address)
    if record.request_count > abi.VBD_REQUESTS or record.extent_count > abi.VBD_EXTENTS:
        raise BadStructure(f"{device.name} has more requests or extents than there can be")
    addresses = record.requests[: record.request_count]
    requests = tuple(Request(address, hypervisor.structure(abi.VbdRequest, address)) for address in addresses)
    for request in requests:
        if not request.record.pinned <= request.record.segments <= len(request.record.pieces):
            raise BadStructure(f"{device.name} has a request with more segments than there can be")
    return Vbd(device, record, requests)


def _faults(hypervisor: Hypervisor, vbd: Vbd) -> Iterator[str]:
    ring, head = vbd.record.ring, vbd.device.record
    if head.in_flight != len(vbd.in_use):
        yield f"{head.in_flight} requests are in flight, but {len(vbd.in_use)} in use"
    if (head.state == CONNECTED) > bool(ring.mfn):
        yield "it is connected, and has no ring"
    taken = (ring.req_cons - ring.rsp_prod) & 0xFFFFFFFF
    if head.state == CONNECTED and taken != len(vbd.in_use):
        yield f"{taken} requests of its ring are not answered, but {len(vbd.in_use)} in use"
    if (ring.rsp_prod - ring.pushed) & 0xFFFFFFFF > ENTRIES:
        yield "it has shown more responses than there are"
    for name, state, first in (
        ("free", FREE, vbd.record.free), ("waiting", WAITING, vbd.record.waiting), ("done", DONE, vbd.record.done),
    ):  # fmt: skip
        listed = _list(hypervisor, vbd, int(first), name)
        said = {request.address for request in vbd.requests if request.record.used == state}
        if said != set(listed):
            yield f"{len(said)} requests say that they are {name}, but {len(listed)} are"
    held = [request.address for request in vbd.requests if request.record.used == HELD]
    if held and held != [vbd.record.barrier]:
        yield "a request is held that is no barrier"
    for request in vbd.in_use:
        yield from _pieces(request)


def _pieces(request: Request) -> Iterator[str]:
    """What a disk reads or writes lies in pages that the request pins."""
    disk = request.record.disk
    frames = {mfn for _, mfn in request.pinned}
    for piece in disk.pieces[: disk.count]:
        start, end = int(piece.address), int(piece.address + piece.bytes)
        one_page = start >> layout.PAGE_SHIFT == (end - 1) >> layout.PAGE_SHIFT
        if not one_page or start % SECTOR or piece.bytes % SECTOR or start >> layout.PAGE_SHIFT not in frames:
            yield f"request {request.record.id} has a piece at {start:#x}, {piece.bytes} bytes, that it does not pin"


def _list(hypervisor: Hypervisor, vbd: Vbd, first: int, name: str) -> list[int]:
    known = {request.address: request for request in vbd.requests}
    found: list[int] = []
    while first:
        if first not in known or first in found:
            raise BadStructure(f"the {name} requests of {vbd.name} lead to {first:#x}, which is none")
        found.append(first)
        first = int(known[first].record.next)
    return found
