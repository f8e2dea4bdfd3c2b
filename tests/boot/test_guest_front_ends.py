"""The guests' front ends against back ends in Python: what they do depends on the public protocols alone.

Invariants
  - One host; each test has domains of its own, and takes them away.
  - Back ends are served in the test's thread, between two looks at what is waited for.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.boot.harness import Images
from tests.boot.python_backs import Peer, PythonDisk, PythonWire
from tests.support.ethernet import Talker, parsed, payload
from xengen.control.guest import OnEnd, Recipe
from xengen.control.handshake import Handshake
from xengen.control.host import Host
from xengen.control.xenbus import State
from xengen.machine.spec import MIB
from xengen.store.paths import home

MAC = bytes.fromhex("00163e000001")
TALKER = Talker("02:00:00:00:00:01", "10.0.2.2", MAC.hex(":"), "10.0.2.15")


@dataclass
class Bench:
    """A host whose domains have back ends in Python."""

    host: Host
    images: Images
    served: list[tuple[Handshake, PythonDisk | PythonWire]] = field(default_factory=list)

    def domain(self, guest: str, cmdline: str, back: Callable[[Peer], PythonDisk | PythonWire]) -> int:
        """Create a domain that has the one device, and return its number."""
        recipe = Recipe(guest, str(self.images.guest(guest)), 16 * MIB, 16 * MIB, 10, cmdline, "", OnEnd.PRESERVE)
        for _ in self.host.create(recipe, paused=True):
            pass
        number = int(self.host.find(guest).domain)
        device = back(Peer(self.host, number))
        handshake = Handshake(self.host.store.tree, number, device)
        with self.host.lock:
            handshake.open()
            self.served.append((handshake, device))
            self.host.control.unpause(number)
        return number

    def until(self, true: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Serve until something is true, and return it."""
        end = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < end, "waited in vain"
            for handshake, device in self.served:
                with self.host.lock:
                    handshake.look()
                device.serve()
        return found

    def node(self, number: int, name: str) -> str:
        """Return the value of a node of a domain's, "" when there is none."""
        with self.host.lock:
            try:
                return self.host.store.tree.read(0, (*home(number), *name.split("/"))).decode()
            except Exception:
                return ""

    def console(self, number: int) -> str:
        """Return what a domain has said."""
        with self.host.lock:
            return bytes(self.host.guests[number].services.console.written).decode()


@pytest.fixture(scope="module")
def host(images: Images) -> Iterator[Host]:
    """A host with nothing but memory."""
    with Host.boot(images.hypervisor(), images.guest("agent")) as host:
        yield host


@pytest.fixture
def bench(host: Host, images: Images) -> Iterator[Bench]:
    """The host; domains go behind the test."""
    bench = Bench(host, images)
    yield bench
    for number in list(host.guests):
        host.destroy(str(number))
    bench.until(lambda: len(host.domains()) == 1)


def wire(peer: Peer) -> PythonWire:
    return PythonWire(peer, MAC)


def disk(peer: Peer) -> PythonDisk:
    return PythonDisk(peer, bytearray(300 * 512))


@dataclass
class Conversation:
    """Frames to and from a guest `echo`."""

    bench: Bench
    wire: PythonWire

    def ask(self, frame: bytes) -> Any:
        """Send a frame and return the guest's next one, parsed."""
        self.wire.send(frame)
        return self.next()

    def next(self) -> Any:
        """Return the guest's next frame, parsed."""
        self.bench.until(lambda: self.wire.arrived)
        return parsed(self.wire.arrived.pop(0))


@pytest.fixture
def echo(bench: Bench) -> Conversation:
    """A guest that serves, at 10.0.2.15."""
    number = bench.domain("echo", "ip=10.0.2.15", wire)
    bench.until(lambda: bench.node(number, "data/echo") == "serves")
    device = bench.served[-1][1]
    assert isinstance(device, PythonWire)
    assert bench.served[-1][0].state is State.CONNECTED
    return Conversation(bench, device)


def test_a_question_about_its_address_is_answered(echo: Conversation) -> None:
    answer = echo.ask(TALKER.who_has())
    assert (answer.op, answer.hwsrc, answer.psrc) == (2, MAC.hex(":"), "10.0.2.15")
    assert (answer.hwdst, answer.pdst, answer.dst) == (TALKER.mac, TALKER.ip, TALKER.mac)


@pytest.mark.parametrize("size", [0, 1, 56, 1471, 1472])
def test_a_ping_comes_back_with_what_was_in_it(echo: Conversation, size: int) -> None:
    contents = bytes(n % 251 for n in range(size))
    answer = echo.ask(TALKER.ping(7, contents))
    assert (answer["ICMP"].type, answer["ICMP"].seq, payload(answer)) == (0, 7, contents)
    assert (answer["IP"].src, answer["IP"].dst) == ("10.0.2.15", TALKER.ip)


def test_a_datagram_comes_back_to_the_port_that_sent_it(echo: Conversation) -> None:
    answer = echo.ask(TALKER.datagram(b"hello", source=1234))
    assert (answer["UDP"].sport, answer["UDP"].dport, payload(answer)) == (7, 1234, b"hello")


def damaged(frame: bytes, at: int) -> bytes:
    """Return the frame with one bit of byte `at` turned."""
    return frame[:at] + bytes([frame[at] ^ 4]) + frame[at + 1 :]


@pytest.mark.parametrize(
    "frame",
    [
        damaged(TALKER.ping(1, b"12345678"), 45), damaged(TALKER.ping(1), 24), damaged(TALKER.datagram(b"123456"), 44),
        TALKER.datagram(b"x", port=9), TALKER.ping(1)[:30], damaged(TALKER.who_has(), 41), b"", b"\0" * 13,
        damaged(TALKER.segment(flags="S"), 40), TALKER.segment(flags="R"),
    ],
    ids=[
        "ICMP checksum", "IP head", "UDP checksum", "another port", "half a packet", "somebody else's address",
        "nothing", "less than a head", "TCP checksum", "a reset of nothing",
    ],
)  # fmt: skip
def test_what_is_damaged_or_for_nobody_is_dropped(echo: Conversation, frame: bytes) -> None:
    if frame:
        echo.wire.send(frame)
    assert payload(echo.ask(TALKER.ping(9, b"after"))) == b"after"


def test_more_packets_than_the_rings_have_room_for_are_all_answered(echo: Conversation) -> None:
    for number in range(300):
        echo.wire.send(TALKER.ping(number))
    answers = [echo.next()["ICMP"].seq for _ in range(300)]
    assert answers == list(range(300))


# TCP.


@dataclass
class Connection:
    """Our end of a TCP connection to the guest: sequence numbers as both ends have them."""

    echo: Conversation
    ours: int = 1000
    theirs: int = 0

    def open(self) -> None:
        """Shake hands."""
        answer = self.echo.ask(TALKER.segment(flags="S", seq=self.ours))
        assert (answer["TCP"].flags, answer["TCP"].ack) == ("SA", self.ours + 1)
        self.ours, self.theirs = self.ours + 1, answer["TCP"].seq + 1
        self.echo.wire.send(self.segment("A"))

    def segment(self, flags: str, data: bytes = b"", **fields: Any) -> bytes:
        """Make a segment that is next in order."""
        return TALKER.segment(data, **{"flags": flags, "seq": self.ours, "ack": self.theirs, **fields})

    def say(self, data: bytes) -> Any:
        """Send data, and return the guest's answer."""
        answer = self.echo.ask(self.segment("PA", data))
        self.ours += len(data)
        return answer


@pytest.fixture
def connection(echo: Conversation) -> Connection:
    """An open connection."""
    connection = Connection(echo)
    connection.open()
    return connection


def test_data_come_back_over_tcp(connection: Connection) -> None:
    answer = connection.say(b"hello, world")
    assert payload(answer) == b"hello, world"
    assert (answer["TCP"].seq, answer["TCP"].ack) == (connection.theirs, connection.ours)


def test_a_connection_ends_when_both_ends_have_said_so(connection: Connection) -> None:
    connection.theirs += len(payload(connection.say(b"bye")))
    answer = connection.echo.ask(connection.segment("FA"))
    assert (answer["TCP"].flags, answer["TCP"].ack) == ("FA", connection.ours + 1)
    connection.ours, connection.theirs = connection.ours + 1, connection.theirs + 1
    connection.echo.wire.send(connection.segment("A"))
    assert connection.echo.ask(connection.segment("A"))["TCP"].flags == "R"  # there is none any more


def test_a_segment_that_comes_again_is_acknowledged_and_not_echoed_again(connection: Connection) -> None:
    connection.theirs += len(payload(connection.say(b"once")))
    again = connection.echo.ask(connection.segment("PA", b"once", seq=connection.ours - 4))
    assert (again["TCP"].flags, again["TCP"].ack, payload(again)) == ("A", connection.ours, b"")


def test_a_segment_that_overlaps_gives_only_what_is_new(connection: Connection) -> None:
    connection.theirs += len(payload(connection.say(b"abcd")))
    answer = connection.echo.ask(connection.segment("PA", b"cdef", seq=connection.ours - 2))
    assert (payload(answer), answer["TCP"].ack) == (b"ef", connection.ours + 2)


def test_a_segment_that_comes_too_early_is_not_acknowledged(connection: Connection) -> None:
    answer = connection.echo.ask(connection.segment("PA", b"later", seq=connection.ours + 5))
    assert (answer["TCP"].ack, payload(answer)) == (connection.ours, b"")


def test_what_is_not_acknowledged_is_sent_again(connection: Connection) -> None:
    first = connection.say(b"lost")
    second = connection.echo.next()
    assert (second["TCP"].seq, payload(second)) == (first["TCP"].seq, b"lost")


def test_a_syn_that_was_lost_is_answered_again_with_the_same_number(echo: Conversation) -> None:
    first = echo.ask(TALKER.segment(flags="S", seq=5))
    second = echo.ask(TALKER.segment(flags="S", seq=5))
    assert (second["TCP"].flags, second["TCP"].seq) == ("SA", first["TCP"].seq)


def test_a_window_holds_data_back_until_it_opens(connection: Connection) -> None:
    connection.echo.wire.send(connection.segment("PA", b"0123456789", window=4))
    connection.ours += 10
    first = connection.echo.next()
    assert payload(first) == b"0123"
    connection.theirs += 4
    answer = connection.echo.ask(connection.segment("A"))
    assert payload(answer) == b"456789"


def test_a_port_that_nobody_serves_is_reset(echo: Conversation) -> None:
    answer = echo.ask(TALKER.segment(flags="S", seq=77, dport=80))
    assert (answer["TCP"].flags, answer["TCP"].ack, answer["TCP"].seq) == ("RA", 78, 0)


def test_sixteen_connections_are_open_at_once_and_one_more_is_refused(echo: Conversation) -> None:
    flags: dict[int, str] = {}
    for n in range(17):
        echo.wire.send(TALKER.segment(flags="S", seq=1, sport=5000 + n))
        while 5000 + n not in flags:  # others are answered again meanwhile
            answer = echo.next()["TCP"]
            flags[answer.dport] = str(answer.flags)
    assert list(flags.values()) == [*["SA"] * 16, "RA"]


def test_a_stream_larger_than_the_buffer_comes_back_whole(connection: Connection) -> None:
    stream = bytes(n * 7 % 256 for n in range(20_000))
    got = b""
    sent = acknowledged = 0
    window = 4096
    start, theirs = connection.ours, connection.theirs
    while len(got) < len(stream):
        while sent < len(stream) and sent + 500 <= acknowledged + window:
            piece = stream[sent : sent + 500]
            connection.echo.wire.send(connection.segment("A", piece, seq=start + sent, ack=theirs + len(got)))
            sent += len(piece)
        answer = connection.echo.next()["TCP"]
        acknowledged, window = max(acknowledged, answer.ack - start), answer.window
        if answer.seq - theirs == len(got):
            got += payload(answer)
            connection.echo.wire.send(connection.segment("A", seq=start + sent, ack=theirs + len(got)))
    assert got == stream


# The generator.


def answers_of(frames: list[bytes], drop: int | None = None) -> Iterator[bytes]:
    """Answer what the generator has sent, as the service echo does; all but datagram number `drop`."""
    while frames:
        packet = parsed(frames.pop(0))
        talker = Talker("02:00:00:00:00:01", "10.0.2.2", packet.src, "10.0.2.16")
        if "ARP" in packet:
            assert packet.pdst == "10.0.2.2"
            yield bytes(
                type(packet["Ether"])(src=talker.mac, dst=packet.src)
                / type(packet["ARP"])(op=2, psrc=talker.ip, hwsrc=talker.mac, pdst=packet.psrc, hwdst=packet.src)
            )
        elif struct.unpack_from("<I", payload(packet), 4)[0] != drop:
            yield talker.datagram(payload(packet), port=packet["UDP"].sport, source=7)


@pytest.mark.parametrize("drop", [None, 3])
@pytest.mark.parametrize("rate", [0, 500])
def test_a_generator_counts_what_was_answered_and_what_was_lost(bench: Bench, rate: int, drop: int | None) -> None:
    line = f"ip=10.0.2.16 to=10.0.2.2 size=200 count=70 rate={rate} wait={30_000 if drop is None else 4000}"
    number = bench.domain("traffic", line, wire)
    device = bench.served[-1][1]
    assert isinstance(device, PythonWire)

    def over() -> bool:
        for frame in answers_of(device.arrived, drop):
            device.send(frame)
            device.serve()
        return bench.node(number, "data/lost") != ""

    bench.until(over)
    lost = 0 if drop is None else 1
    found = [bench.node(number, f"data/{name}") for name in ("sent", "answered", "lost")]
    assert found == ["70", str(70 - lost), str(lost)]
    bench.until(lambda: f"traffic: 70 sent, {70 - lost} answered, {lost} lost" in bench.console(number))


# The disk.


def pattern(seed: int, sector: int) -> bytes:
    """Return what the guest `disk` writes into a sector."""
    return struct.pack("<128I", *((seed + sector * 128 + n) * 0x9E3779B1 % (1 << 32) for n in range(128)))


def test_a_disk_is_written_and_verified_whole(bench: Bench) -> None:
    number = bench.domain("disk", "seed=5 request=88 depth=3", disk)
    device = bench.served[-1][1]
    assert isinstance(device, PythonDisk)
    bench.until(lambda: bench.node(number, "data/disk") == "done")
    assert device.contents == b"".join(pattern(5, sector) for sector in range(300))
    assert device.served == 4 + 1 + 4  # written, flushed, verified
    found = [bench.node(number, f"data/{name}") for name in ("written", "verified", "bad", "errors")]
    assert found == ["300", "300", "0", "0"]


def test_a_sector_that_is_not_as_it_was_written_is_found(bench: Bench) -> None:
    def spoilt(peer: Peer) -> PythonDisk:
        contents = bytearray(b"".join(pattern(0, sector) for sector in range(64)))
        contents[17 * 512 + 100] ^= 1
        return PythonDisk(peer, contents)

    number = bench.domain("disk", "mode=verify request=8", spoilt)
    bench.until(lambda: bench.node(number, "data/disk") == "done")
    assert (bench.node(number, "data/bad"), bench.node(number, "data/errors")) == ("1", "0")


def test_a_request_that_fails_is_counted_and_the_others_go_on(bench: Bench) -> None:
    def failing(peer: Peer) -> PythonDisk:
        return PythonDisk(peer, bytearray(64 * 512), frozenset([9]))

    number = bench.domain("disk", "mode=write request=8", failing)
    bench.until(lambda: bench.node(number, "data/disk") == "done")
    assert (bench.node(number, "data/written"), bench.node(number, "data/errors")) == ("64", "8")


@pytest.mark.parametrize(("guest", "said"), [("disk", "there is no disk"), ("echo", "there is no interface")])
def test_a_guest_without_its_device_says_so(bench: Bench, guest: str, said: str) -> None:
    host = bench.host
    host.launch(guest, bench.images.guest(guest), cmdline="ip=10.0.2.15")
    number = int(host.find(guest).domain)
    bench.until(lambda: said in bench.console(number))


@pytest.mark.parametrize(
    ("guest", "line", "back", "ready", "said"),
    [
        ("echo", "ip=10.0.2.15", wire, lambda device, said: "serves" in said, "echo: the interface is gone"),
        ("disk", "mode=flood", disk, lambda device, said: device.served, "disk: it is gone"),
        ("traffic", "ip=10.0.2.16 to=10.0.2.2", wire, lambda device, said: True, "traffic: there is no interface"),
    ],
    ids=["interface", "disk", "during the handshake"],
)
def test_a_device_that_is_asked_to_close_closes_and_the_guest_says_so(
    bench: Bench, guest: str, line: str, back: Callable[[Peer], Any], ready: Callable[[Any, str], bool], said: str
) -> None:
    number = bench.domain(guest, line, back)
    handshake, device = bench.served[-1]
    bench.until(lambda: ready(device, bench.console(number)))
    with bench.host.lock:
        handshake.ask_to_close()
    bench.until(lambda: said in bench.console(number))
    bench.until(lambda: handshake.gone)
