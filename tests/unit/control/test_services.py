"""Rings of bytes, and the console and the store behind them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import pytest

from xengen.control.rings import BadRing, Channel, console_channel, store_channel
from xengen.control.services import CONSOLE_KEPT, ConsoleService, DomainServices, StoreService
from xengen.store.domain_nodes import DomainFacts, add_domain
from xengen.store.server import Server
from xengen.store.wire import Kind, Message, Parser


@dataclass
class GuestRing:
    """The domain's side of a page: the offset and size of each direction, and its counters (ABI 11.1, 11.2)."""

    page: bytearray
    out: int
    out_size: int
    out_consumer: int
    out_producer: int
    into: int
    into_size: int
    into_consumer: int
    into_producer: int

    def word(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self.page, offset)[0])

    def set(self, offset: int, value: int) -> None:
        struct.pack_into("<I", self.page, offset, value & 0xFFFFFFFF)

    def begin(self, value: int) -> None:
        for offset in (self.out_consumer, self.out_producer, self.into_consumer, self.into_producer):
            self.set(offset, value)

    def write(self, data: bytes) -> None:
        producer = self.word(self.out_producer)
        assert (producer + len(data) - self.word(self.out_consumer)) & 0xFFFFFFFF <= self.out_size
        for index, byte in enumerate(data):
            self.page[self.out + (producer + index) % self.out_size] = byte
        self.set(self.out_producer, producer + len(data))

    def read(self) -> bytes:
        consumer, producer = self.word(self.into_consumer), self.word(self.into_producer)
        self.set(self.into_consumer, producer)
        size = (producer - consumer) & 0xFFFFFFFF
        return bytes(self.page[self.into + (consumer + index) % self.into_size] for index in range(size))


def console_of(page: bytearray) -> GuestRing:
    return GuestRing(page, 0x400, 2048, 0xC08, 0xC0C, 0, 1024, 0xC00, 0xC04)


def store_of(page: bytearray) -> GuestRing:
    return GuestRing(page, 0, 1024, 0x800, 0x804, 0x400, 1024, 0x808, 0x80C)


RINGS = {"console": (console_of, console_channel), "store": (store_of, store_channel)}


def both(kind: str, start: int = 0) -> tuple[GuestRing, Channel]:
    page = bytearray(4096)
    of_guest, of_host = RINGS[kind]
    ring = of_guest(page)
    ring.begin(start)
    return ring, of_host(memoryview(page))


@pytest.mark.parametrize("kind", RINGS)
@pytest.mark.parametrize("start", [0, 1000, 0xFFFFFF00], ids=["at the start", "around the end", "around 32 bits"])
def test_bytes_go_through_a_ring_both_ways(kind: str, start: int) -> None:
    guest, host = both(kind, start)
    data = bytes(range(256)) * 3
    guest.write(data)
    assert host.received.take() == data
    assert host.received.take() == b""
    assert host.sent.put(data) == len(data)
    assert guest.read() == data


@pytest.mark.parametrize("kind", RINGS)
def test_no_more_is_put_than_there_is_room_for(kind: str) -> None:
    guest, host = both(kind)
    assert host.sent.put(b"a" * 1500) == 1024
    assert host.sent.put(b"b") == 0
    assert guest.read() == b"a" * 1024
    assert host.sent.put(b"b") == 1


@pytest.mark.parametrize("kind", RINGS)
@pytest.mark.parametrize("beyond", [1, 1 << 31, 0xFFFF0000])
def test_impossible_counters_are_refused(kind: str, beyond: int) -> None:
    guest, host = both(kind)
    guest.set(guest.out_producer, guest.out_size + beyond)
    with pytest.raises(BadRing, match="cannot hold"):
        host.received.take()
    guest.set(guest.into_consumer, -guest.into_size - beyond)
    with pytest.raises(BadRing, match="cannot hold"):
        host.sent.put(b"x")


# Services.


@dataclass
class Bench:
    """A domain 5 with both services; `rung` has an entry for each notification."""

    rung: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.console_ring, console = both("console")
        self.store_ring, store = both("store")
        self.server = Server()
        add_domain(self.server.tree, DomainFacts(5, "web", "0-5", 1, 1, 1, 1, 1, 1))
        self.services = DomainServices(
            ConsoleService(console, lambda: self.rung.append("console")),
            StoreService(store, self.server, self.server.introduce(5), lambda: self.rung.append("store")),
        )

    def ask(self, kind: int, payload: bytes) -> list[Message]:
        self.store_ring.write(Message(kind, payload).encode())
        self.services.look()
        return list(Parser().feed(self.store_ring.read()))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_a_domain_writes_is_kept_by_position_and_it_is_told_that_there_is_room(bench: Bench) -> None:
    bench.console_ring.write(b"hello ")
    assert bench.services.look() == b"hello "
    bench.console_ring.write(b"world")
    bench.services.look()
    console = bench.services.console
    assert (console.since(0), console.since(6), console.since(11)) == (b"hello world", b"world", b"")
    assert bench.rung == ["console", "console"]


def test_a_look_at_an_idle_domain_rings_no_bell(bench: Bench) -> None:
    bench.services.look()
    assert bench.rung == []


def test_input_waits_for_room(bench: Bench) -> None:
    bench.services.console.waiting += b"x" * 1030
    bench.services.look()
    assert bench.console_ring.read() == b"x" * 1024
    bench.services.look()
    assert bench.console_ring.read() == b"x" * 6
    assert bench.rung == ["console", "console"]


def test_only_the_last_of_a_talkative_domain_is_kept(bench: Bench) -> None:
    console = bench.services.console
    for _ in range(CONSOLE_KEPT // 1024 + 3):
        bench.console_ring.write(b"a" * 1024)
        bench.services.look()
    bench.console_ring.write(b"end")
    bench.services.look()
    assert len(console.written) == CONSOLE_KEPT
    assert console.since(console.position - 3) == b"end"
    assert console.since(0) == bytes(console.written)


def test_a_request_to_the_store_is_answered_through_the_ring(bench: Bench) -> None:
    assert bench.ask(Kind.READ, b"name\0") == [Message(Kind.READ, b"web")]
    assert bench.rung == ["store"]


def test_an_answer_longer_than_the_ring_comes_in_pieces(bench: Bench) -> None:
    bench.server.tree.write(0, ("local", "domain", "5", "data", "x"), b"v" * 3000)
    bench.store_ring.write(Message(Kind.READ, b"data/x\0").encode())
    data = b""
    for _ in range(3):
        bench.services.look()
        data += bench.store_ring.read()
    assert list(Parser().feed(data)) == [Message(Kind.READ, b"v" * 3000)]


@pytest.mark.parametrize("what", ["console", "store", "message"])
def test_a_domain_that_breaks_its_rings_is_served_no_more(bench: Bench, what: str) -> None:
    if what == "message":
        bench.store_ring.write(struct.pack("<4I", 2, 0, 0, 5000))
    else:
        ring = bench.console_ring if what == "console" else bench.store_ring
        ring.set(ring.out_producer, 5000)
    bench.services.look()
    assert bench.services.broken
    bench.console_ring.begin(0)
    bench.console_ring.write(b"again")
    assert bench.services.look() == b""
