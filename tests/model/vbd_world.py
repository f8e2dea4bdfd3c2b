"""A domain with a VBD, whose front end does what it is told, sense or nonsense; each answer is held against the model.

Invariants
  - Requests that are shown together may be carried out in any order: then a sector or a part of a page may be left as
    any of those that touch it leaves it, and must be left as one of them does. A part that one request fills while
    another sends it to the disk may get there half old and half new: the device does both at once.
  - The checker looks after each step. A step leaves no request without its answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.boot import event_ports
from tests.boot.grants import PERMIT, READ_ONLY_GRANT, write_entry
from tests.boot.rings import until
from tests.boot.vbds import CONNECTED, READ_ONLY, SECTOR, SHUT, DiskHost
from tests.model.vbd_model import OKAY, READ, RING, WORD, Extent, Right, Verdict, is_hostile, verdict
from xengen.abi.vbd import VbdNothing
from xengen.agent.names import value

PAGES = 4
PRODUCER, PORT_CLOSED, DISCONNECTED = (
    value(f"IO_REASON_{name}") for name in ("PRODUCER", "PORT_CLOSED", "DISCONNECTED")
)
LAYOUTS = (
    (Extent(96, 64),),
    (Extent(3000, 24), Extent(96, 17, writable=False), Extent(200, 13)),
    (Extent(96, 5), Extent(160, 3), Extent(128, 2, writable=False), Extent(144, 7), Extent(300, 1), Extent(320, 40)),
)
RESERVED = (value("GNTTAB_RESERVED_CONSOLE"), value("GNTTAB_RESERVED_XENSTORE"))  # shown to domain 0 from the start
ENTRY_FLAGS = {Right.BOTH: PERMIT, Right.READ_ONLY: PERMIT | READ_ONLY_GRANT, Right.NOTHING: 0}
SLOT = 108


class Difference(AssertionError):
    """The hypervisor does not do what the model says."""


@dataclass(frozen=True)
class Wish:
    """A request as a step has it. Pages are numbers below PAGES; PAGES and above are refs that show nothing."""

    operation: int
    count: int
    sector: int
    segments: tuple[tuple[int, int, int], ...]


class VbdWorld:
    """The front end of one VBD with one of LAYOUTS on `host`."""

    def __init__(self, host: DiskHost, layout: int) -> None:
        self.host, self.extents = host, LAYOUTS[layout % len(LAYOUTS)]
        self.outcomes: Counter[str] = Counter()
        self.front = host.front()
        for extent in self.extents:
            assert self.front.extent(extent.start, extent.sectors, 0 if extent.writable else READ_ONLY) == 0
        self.front.connect()
        self.pages = self.front.pages(PAGES)
        self.own = {page.ref for page in self.pages}
        self.rights = dict.fromkeys((*RESERVED, *self.own), Right.BOTH)
        self.memory = self.front.agent.machine.memory
        self._marks = 0
        self._slots: list[bytes] = []
        self._before: dict[int, bytes] = {}

    # Steps.

    def show(self, wishes: Sequence[Wish]) -> None:
        """Put requests that make sense, or do not, and show them all at once."""
        self._mark_pages()
        for wish in wishes[: self.front.ring.free]:
            self._put(wish)
        self._answered(self._shown())

    def scribble(self, data: bytes, count: int) -> None:
        """Write bytes over the next slots, and show so many."""
        self._mark_pages()
        ring = self.front.ring
        for index in range(count):
            at = (ring.req_prod_pvt + index) % RING
            start = ring.page.machine + 64 + at * SLOT
            self.memory.write(start, bytes((data * SLOT)[index : index + SLOT]))
        ring.req_prod_pvt = (ring.req_prod_pvt + count) % WORD
        self._answered(self._shown())

    def jump(self, by: int) -> None:
        """Show a producer that is far from the last one; what stands in the slots are requests, if it may be."""
        ring = self.front.ring
        before = ring.req_prod_pvt
        producer = (before + by) % WORD
        if is_hostile(producer, before, before):
            ring.header.req_prod = producer
            self.front.kick()
            self._is_shut(PRODUCER)
            self.outcomes["hostile"] += 1
            self._connect_again()
        else:
            ring.req_prod_pvt = producer
            self._answered(self._shown())

    def permit(self, page: int, right: Right) -> None:
        """Change what an entry permits."""
        one = self.pages[page % PAGES]
        write_entry(self.front.agent, one.ref, one.page.mfn, 0, ENTRY_FLAGS[right])
        self.rights[one.ref] = right

    def take_back_in_flight(self, wishes: Sequence[Wish], page: int) -> None:
        """Show requests, and take a page back while they are in flight: those that use it are answered either way."""
        self._mark_pages()
        for wish in wishes[: self.front.ring.free]:
            self._put(wish)
        one = self.pages[page % PAGES]
        before = dict(self.rights)
        expected = self._predicted()
        self.front.push()
        self.permit(page, Right.NOTHING)
        later = self._predicted(expected)
        self._answered(expected, either=later)
        self.permit(page, before[one.ref])

    def disconnect(self) -> None:
        """Have domain 0 take the connection away, and make it again."""
        assert self.front.op("vbd_disconnect", VbdNothing()) == 0
        self._is_shut(DISCONNECTED)
        self._connect_again()

    def close_port(self) -> None:
        """Close the port, and connect by a new one."""
        assert event_ports.close(self.front.agent, self.front.port) == 0
        self.front.port = 0
        self._is_shut(PORT_CLOSED)
        self._connect_again()

    def kick(self) -> None:
        """Kick for nothing."""
        self.front.kick()

    def compare(self) -> None:
        """Have the checker look; nothing is in flight, and all that was answered was seen."""
        self.host.check()
        info = self.front.info()
        if (info.state, info.in_flight) != (CONNECTED, 0):
            raise Difference(f"the VBD has state {info.state}, with {info.in_flight} requests in flight")
        marks = [page.marks for page in self.pages]
        if any(marks):
            raise Difference(f"the entries of its pages are marked {marks}, and nothing is in flight")

    # How it is done.

    def _put(self, wish: Wish) -> None:
        slot = bytearray(SLOT)
        self.front._next_id += 1
        slot[0], slot[1] = wish.operation, wish.count
        slot[4:12] = self.front._next_id.to_bytes(8, "little")
        slot[12:20] = (wish.sector % (1 << 64)).to_bytes(8, "little")
        for index, (page, first, last) in enumerate(wish.segments[:11]):
            ref = self.pages[page].ref if page < PAGES else 300 + page
            slot[20 + 8 * index : 26 + 8 * index] = ref.to_bytes(4, "little") + bytes((first, last))
        ring = self.front.ring
        self.memory.write(ring.page.machine + 64 + ring.req_prod_pvt % RING * SLOT, bytes(slot))
        ring.req_prod_pvt = (ring.req_prod_pvt + 1) % WORD

    def _predicted(self, like: Sequence[Verdict] | None = None) -> list[Verdict]:
        """The verdicts on what is put and not answered; with `like` on the same requests, under the rights of now."""
        if like is not None:
            return [verdict(slot, self.extents, self.rights) for slot in self._slots]
        ring = self.front.ring
        self._slots = [
            bytes(self.memory.view(ring.page.machine + 64 + number % RING * SLOT, SLOT))
            for number in range(ring.rsp_cons, ring.rsp_cons + (ring.req_prod_pvt - ring.rsp_cons) % WORD)
        ]
        found = [verdict(slot, self.extents, self.rights) for slot in self._slots]
        # Before anything of it is shown: what is under way changes them.
        self._before = {move.sector: self.host.blocks(move.sector, 1) for one in found for move in one.moves}
        return found

    def _shown(self) -> list[Verdict]:
        expected = self._predicted()
        self.front.push()
        return expected

    def _answered(self, expected: Sequence[Verdict], either: Sequence[Verdict] | None = None) -> None:
        allowed: dict[tuple[int, int], list[int]] = defaultdict(list)
        for one, other in zip(expected, either or expected, strict=True):
            allowed[one.id, one.operation] += [one.status, other.status]
        answers = self.front.answers(len(expected)) if expected else []
        told: Counter[Any] = Counter()
        for answer in answers:
            if answer.status not in allowed.get((answer.id, answer.operation), []):
                raise Difference(f"{answer.id:#x}, operation {answer.operation}, is answered with {answer.status}")
            told[answer.id, answer.operation] += 1
            self.outcomes["okay" if answer.status == OKAY else "refused"] += 1
        if told != Counter((one.id, one.operation) for one in expected):
            raise Difference(f"{len(expected)} requests are answered as {dict(told)}")
        done = {answer.id for answer in answers if answer.status == OKAY}
        self._moved([one for one in expected if one.id in done or either is None], sure=either is None)

    def _moved(self, verdicts: Sequence[Verdict], *, sure: bool) -> None:
        """What is on the disk and in the domain's pages is what one of the requests has put there."""
        before = self._before
        disk: dict[int, set[bytes]] = defaultdict(set)
        parts: dict[tuple[int, int], set[bytes]] = defaultdict(set)
        writers = [one for one in verdicts if one.status == OKAY and one.writes]
        sure = sure and all(move.ref in self.own for one in writers for move in one.moves)
        readers = [one for one in verdicts if one.status == OKAY and one.operation == READ]
        read_into = {(move.ref, move.part) for one in readers for move in one.moves}
        # A part that is read into meanwhile may have been written from with anything that was about.
        about = {*before.values(), *(self._marked(move.ref, move.part) for one in writers for move in one.moves)}
        for one in writers:
            for move in one.moves:
                disk[move.sector].add(self._marked(move.ref, move.part))
                if (move.ref, move.part) in read_into:
                    disk[move.sector] |= about
        for one in readers:
            for move in one.moves:
                parts[move.ref, move.part] |= {before[move.sector], *disk.get(move.sector, set())}
        torn = {move.sector for one in writers for move in one.moves if (move.ref, move.part) in read_into}
        for sector, possible in disk.items():
            found = self.host.blocks(sector, 1)
            if sure and found not in possible and not (sector in torn and _mixed(found, possible)):
                raise Difference(f"sector {sector} has {found[:8].hex()}, which nobody wrote")
        for (ref, part), possible in parts.items():
            found = self._part(ref, part) if ref in self.own else b""
            if found and found not in possible and sure and not writers:
                raise Difference(f"part {part} of the page of {ref} has {found[:8].hex()}, which is not on the disk")
        touched = set(disk)
        for sector, data in before.items():
            if sector not in touched and self.host.blocks(sector, 1) != data and sure:
                raise Difference(f"sector {sector} has changed, and nobody wrote it")

    def _mark_pages(self) -> None:
        self._marks += 1
        for page in self.pages:
            self.memory.write(page.page.machine, b"".join(self._marked(page.ref, part) for part in range(8)))

    def _marked(self, ref: int, part: int) -> bytes:
        return (self._marks << 32 | ref << 8 | part).to_bytes(8, "little") * (SECTOR // 8)

    def _part(self, ref: int, part: int) -> bytes:
        (page,) = [one for one in self.pages if one.ref == ref]
        return bytes(self.memory.view(page.page.machine + part * SECTOR, SECTOR))

    def _is_shut(self, reason: int) -> None:
        info = self.front.info()
        if (info.state, info.reason) != (SHUT, reason):
            raise Difference(f"the VBD has state {info.state} for reason {info.reason}, and not {SHUT} for {reason}")
        until(lambda: self.front.info().in_flight == 0, "what is in flight to end")

    def _connect_again(self) -> None:
        if self.front.port:
            event_ports.close(self.front.agent, self.front.port)
        self.front.ring.restart()
        self.front.connect()
        self.outcomes["connected"] += 1


def _mixed(found: bytes, possible: set[bytes]) -> bool:
    """Whether each byte is the one that stands at its place in one of `possible`."""
    return all(byte in at for byte, at in zip(found, map(set, zip(*possible, strict=True)), strict=True))
