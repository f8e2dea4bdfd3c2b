"""Back ends in plain Python: what front ends of guests can be tried against, besides the hypervisor's own.

Invariants
  - They see only what a front end has shown: pages that its grant table lets them reach, requests up to req_prod.
  - A back end answers each request once, in the order in which they came, and notifies as the ring asks (ABI 11.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ctypes import sizeof
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from xengen.abi.blkif import BlkifRequest, BlkifResponse, BlkifSringEntry
from xengen.abi.event import EvtchnBindInterdomain, EvtchnSend
from xengen.abi.grant import GrantEntryV1
from xengen.abi.netif import (
    NetifRxRequest,
    NetifRxResponse,
    NetifRxSringEntry,
    NetifTxRequest,
    NetifTxResponse,
    NetifTxSringEntry,
)
from xengen.abi.rings import SringHeader, ring_entries
from xengen.abi.symbols import assembler_symbols
from xengen.control.handshake import Front
from xengen.control.host import Host
from xengen.control.xenbus import State
from xengen.inspect.grants import grants_of
from xengen.inspect.live import hypervisor_of

VALUES = assembler_symbols()
PAGE = 4096
SECTOR = 512


@dataclass(frozen=True)
class Peer:
    """Domain `domid` of `host`, as a back end sees it."""

    host: Host
    domid: int

    @cached_property
    def table(self) -> tuple[memoryview, ...]:
        """The pages of its grant table, which it has by now."""
        hypervisor = hypervisor_of(self.host.machine)
        grants = grants_of(hypervisor, next(one for one in hypervisor.domains() if one.id == self.domid))
        assert grants is not None
        return tuple(self.host.machine.memory.view(frame * PAGE, PAGE) for frame in grants.frames)

    def page(self, reference: int, *, write: bool) -> memoryview:
        """Return the page that a reference grants to domain 0; AssertionError when it does not."""
        page, place = divmod(reference, PAGE // sizeof(GrantEntryV1))
        entry = GrantEntryV1.from_buffer_copy(self.table[page], place * sizeof(GrantEntryV1))
        assert entry.flags & VALUES["GTF_type_mask"] == VALUES["GTF_permit_access"], f"reference {reference}"
        assert not (write and entry.flags & VALUES["GTF_readonly"]), f"reference {reference} is for reading"
        assert entry.domid == 0
        return self.host.machine.memory.view(entry.frame * PAGE, PAGE)

    def bell(self, port: int) -> Callable[[], None]:
        """Bind to a port of the domain; return what notifies it."""
        binding = EvtchnBindInterdomain(remote_dom=self.domid, remote_port=port)
        with self.host.lock:
            call = self.host.reach.hypercall
            assert call("event_channel_op", VALUES["EVTCHNOP_bind_interdomain"], binding) == 0

        def ring() -> None:
            with self.host.lock:
                call("event_channel_op", VALUES["EVTCHNOP_send"], EvtchnSend(port=binding.local_port))

        return ring


@dataclass
class BackRing:
    """The back end's side of a ring in `page`, whose entries are `entry`: `taken` and `answered` count."""

    page: memoryview
    entry: type[Any]
    bell: Callable[[], None]
    taken: int = 0
    answered: int = 0

    def requests(self, kind: type[Any]) -> Iterator[Any]:
        """Take requests one by one, as copies; at the end ask to be notified of the next."""
        while self.taken != self._header.req_prod:
            at = self._at(self.taken)
            self.taken += 1
            yield kind.from_buffer_copy(self.page, at)
        self._header.req_event = self.taken + 1

    def take(self, kind: type[Any]) -> Any:
        """Take one request, None when there is none."""
        return next(iter(self.requests(kind)), None)

    def answer(self, response: Any) -> None:
        """Put an answer into the ring, and notify when the front end has asked for that."""
        at = self._at(self.answered)
        self.page[at : at + sizeof(response)] = bytes(response)
        self.answered += 1
        self._header.rsp_prod = self.answered
        if self._header.rsp_event == self.answered:
            self.bell()

    @property
    def _header(self) -> SringHeader:
        return SringHeader.from_buffer(self.page)

    def _at(self, counter: int) -> int:
        entries = ring_entries(sizeof(self.entry))
        return sizeof(SringHeader) + counter % entries * sizeof(self.entry)


@dataclass
class PythonDisk:
    """A virtual disk that is `contents`. failing: sectors that cannot be read or written."""

    peer: Peer
    contents: bytearray
    failing: frozenset[int] = frozenset()
    kind: str = "vbd"
    handle: int = 51712
    ready: frozenset[State] = frozenset({State.INITIALISED, State.CONNECTED})
    ring: BackRing | None = None
    served: int = 0

    def configuration(self) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """As Back."""
        return {"virtual-device": self.handle, "device-type": "disk"}, {"mode": "w"}

    def features(self) -> Mapping[str, object]:
        """As Back."""
        return {"feature-flush-cache": 1}

    def connect(self, front: Front) -> Mapping[str, object]:
        """As Back."""
        page = self.peer.page(front.number("ring-ref"), write=True)
        self.ring = BackRing(page, BlkifSringEntry, self.peer.bell(front.number("event-channel")))
        return {"sectors": len(self.contents) // SECTOR, "sector-size": SECTOR, "info": 0}

    def disconnect(self) -> bool:
        """As Back."""
        self.ring = None
        return True

    def shut(self) -> str:
        """As Back."""
        return ""

    def destroy(self) -> None:
        """As Back."""

    def serve(self) -> None:
        """Do all requests that there are."""
        if self.ring is None:
            return
        for request in self.ring.requests(BlkifRequest):
            status = VALUES["BLKIF_RSP_OKAY"] if self._done(request) else VALUES["BLKIF_RSP_ERROR"]
            self.ring.answer(BlkifResponse(id=request.id, operation=request.operation, status=status))
            self.served += 1

    def _done(self, request: BlkifRequest) -> bool:
        assert request.handle == self.handle
        at = request.sector_number
        for segment in request.seg[: request.nr_segments]:
            count = segment.last_sect - segment.first_sect + 1
            reads = request.operation == VALUES["BLKIF_OP_READ"]
            page = self.peer.page(segment.gref, write=reads)
            place = slice(segment.first_sect * SECTOR, (segment.last_sect + 1) * SECTOR)
            sectors = slice(at * SECTOR, (at + count) * SECTOR)
            if self.failing & set(range(at, at + count)) or sectors.stop > len(self.contents):
                return False
            if reads:
                page[place] = self.contents[sectors]
            else:
                self.contents[sectors] = page[place]
            at += count
        return True


@dataclass
class PythonWire:
    """A virtual interface whose other end is `arrived` (what the guest has sent) and `send`."""

    peer: Peer
    mac: bytes
    kind: str = "vif"
    handle: int = 0
    ready: frozenset[State] = frozenset({State.INITIALISED, State.CONNECTED})
    tx: BackRing | None = None
    rx: BackRing | None = None
    arrived: list[bytes] = field(default_factory=list)
    waiting: list[bytes] = field(default_factory=list)

    def configuration(self) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """As Back."""
        return {"handle": self.handle, "mac": self.mac.hex(":")}, {"mac": self.mac.hex(":")}

    def features(self) -> Mapping[str, object]:
        """As Back."""
        return {"feature-rx-copy": 1}

    def connect(self, front: Front) -> Mapping[str, object]:
        """As Back."""
        assert front.flag("request-rx-copy")
        bell = self.peer.bell(front.number("event-channel"))
        self.tx = BackRing(self.peer.page(front.number("tx-ring-ref"), write=True), NetifTxSringEntry, bell)
        self.rx = BackRing(self.peer.page(front.number("rx-ring-ref"), write=True), NetifRxSringEntry, bell)
        return {}

    def disconnect(self) -> bool:
        """As Back."""
        self.tx = self.rx = None
        return True

    def shut(self) -> str:
        """As Back."""
        return ""

    def destroy(self) -> None:
        """As Back."""

    def send(self, frame: bytes) -> None:
        """Give the guest a frame, as soon as it has a buffer for it."""
        self.waiting.append(frame)

    def serve(self) -> None:
        """Take what the guest has sent, and hand over what waits for it."""
        if self.tx is None or self.rx is None:
            return
        for request in self.tx.requests(NetifTxRequest):
            page = self.peer.page(request.gref, write=False)
            self.arrived.append(bytes(page[request.offset : request.offset + request.size]))
            self.tx.answer(NetifTxResponse(id=request.id, status=VALUES["NETIF_RSP_OKAY"]))
        while self.waiting:
            buffer = self.rx.take(NetifRxRequest)
            if buffer is None:
                return
            frame = self.waiting.pop(0)
            self.peer.page(buffer.gref, write=True)[: len(frame)] = frame
            self.rx.answer(NetifRxResponse(id=buffer.id, offset=0, flags=0, status=len(frame)))
