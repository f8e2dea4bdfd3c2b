"""The network, from a program of this computer to a guest: real packets through a machine's network interface.

Invariants
  - Each host has two interfaces: one whose cable we hold, and one of QEMU's own network, where this computer's sockets
    lead into. All that passes is captured, and scapy reads it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import PcapReader

from tests.boot.harness import Images
from tests.support.ethernet import Talker, parsed, payload
from xengen.control.guest import Guest
from xengen.control.host import Host
from xengen.inspect.live import check_machine
from xengen.machine.cable import CableEnd
from xengen.machine.nics import Cable, Forward, NicSpec, UserNet
from xengen.store.errors import StoreError
from xengen.store.paths import home

WEB = "00:16:3e:00:00:01"
TALKER = Talker("02:00:00:00:00:01", "10.0.2.2", WEB, "10.0.2.15")


@dataclass(frozen=True)
class Network:
    """A host and its captures."""

    host: Host
    images: Images
    folder: Path

    @property
    def cable(self) -> CableEnd:
        """Our end of the first interface's cable."""
        return self.host.machine.cables[0]

    def launch(self, name: str, guest: str, cmdline: str, nic: str) -> Guest:
        """Create a domain with an interface."""
        return self.host.launch(name, self.images.guest(guest), memory=8 << 20, cmdline=cmdline, nics=[nic])

    def echo(self, nic: int = 0) -> Guest:
        """Create the guest `echo` at 10.0.2.15, on that interface of the host, and wait until it serves."""
        guest = self.launch("web", "echo", "ip=10.0.2.15", f"mac={WEB},ip=10.0.2.15,nic={nic}")
        until(lambda: self.data(guest, "echo") == "serves")
        return guest

    def data(self, guest: Guest, name: str) -> str:
        """Return what a guest has written into the store below data/, "" when there is nothing."""
        with self.host.lock:
            try:
                return self.host.store.tree.read(0, (*home(guest.number), "data", name)).decode()
            except StoreError:
                return ""

    def ask(self, frame: bytes) -> Any:
        """Send a frame over the cable and return the answer, parsed."""
        self.cable.send(frame)
        answer = self.cable.receive()
        assert answer is not None, "no answer"
        return parsed(answer)


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found


@pytest.fixture(scope="module", params=["virtio", "e1000"])
def machine(
    images: Images, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Network]:
    """A host with two interfaces of a kind."""
    folder = tmp_path_factory.mktemp(request.param)
    forwards = (Forward(0, 7), Forward(0, 7, protocol="tcp"))
    nics = (
        NicSpec(request.param, Cable(), capture=folder / "cable.pcap"),
        NicSpec(request.param, UserNet(forwards=forwards), capture=folder / "user.pcap"),
    )
    with Host.boot(images.hypervisor(), images.guest("agent"), nics=nics) as host:
        yield Network(host, images, folder)


@pytest.fixture
def network(machine: Network) -> Iterator[Network]:
    """The host; domains go behind the test, and then the checker must find nothing wrong."""
    yield machine
    host = machine.host
    for number in list(host.guests):
        host.destroy(str(number))
    until(lambda: len(host.domains()) == 1)
    with host.lock:
        assert check_machine(host.machine) == []


def test_the_host_pings_a_guest(network: Network) -> None:
    network.echo()
    found = network.ask(TALKER.who_has())
    assert (found.hwsrc, found.psrc) == (WEB, "10.0.2.15")
    for number, size in enumerate((0, 56, 1472)):
        contents = bytes(n % 256 for n in range(size))
        answer = network.ask(TALKER.ping(number, contents))
        assert (answer["ICMP"].type, answer["ICMP"].seq, payload(answer)) == (0, number, contents)


def test_the_host_exchanges_datagrams_with_a_guest(network: Network) -> None:
    network.echo()
    for number in range(200):
        answer = network.ask(TALKER.datagram(b"number %d" % number, source=5000))
        assert (answer["UDP"].dport, payload(answer)) == (5000, b"number %d" % number)


def ports(network: Network) -> dict[str, int]:
    """Return the ports of this computer that lead to the guest's service echo, by protocol."""
    text = network.host.machine.qmp("human-monitor-command", **{"command-line": "info usernet"})
    lines = [line.split() for line in text.splitlines() if "HOST_FORWARD" in line]
    return {words[0].split("[")[0].lower(): int(words[3]) for words in lines}


def test_a_program_of_this_computer_talks_to_a_guest_over_udp(network: Network) -> None:
    network.echo(nic=1)
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as ours:
        ours.settimeout(5.0)
        ours.connect(("127.0.0.1", ports(network)["udp"]))
        for size in (1, 1000, 1472):
            ours.send(bytes(size))
            assert ours.recv(2000) == bytes(size)


def test_a_program_of_this_computer_talks_to_a_guest_over_tcp(network: Network) -> None:
    """The other end is QEMU's TCP: neither is ours."""
    network.echo(nic=1)
    stream = bytes(n * n % 253 for n in range(100_000))
    for _ in range(2):
        with closing(socket.create_connection(("127.0.0.1", ports(network)["tcp"]), timeout=10.0)) as ours:
            got, sent = b"", 0
            while len(got) < len(stream):
                sent += ours.send(stream[sent : sent + 1500]) if sent - len(got) < 3000 and sent < len(stream) else 0
                got += ours.recv(2000) if len(got) < sent else b""
            assert got == stream
            ours.shutdown(socket.SHUT_WR)
            assert ours.recv(10) == b""


def test_one_guest_asks_another_and_nothing_leaves_the_machine(network: Network) -> None:
    network.echo()
    line = "ip=10.0.2.16 to=10.0.2.15 count=500 rate=1000 size=1000"
    asks = network.launch("asks", "traffic", line, "mac=00:16:3e:00:00:02,ip=10.0.2.16")
    until(lambda: network.data(asks, "lost"))
    assert [network.data(asks, name) for name in ("sent", "answered", "lost")] == ["500", "500", "0"]
    assert network.host.devices.vifs(asks.number)[0].info().tx_packets >= 501  # type: ignore[union-attr]
    seen = [frame for frame in iter(lambda: network.cable.receive(0.2), None) if parsed(frame).haslayer("UDP")]
    assert seen == []


def test_a_guest_cannot_send_as_another(network: Network) -> None:
    while network.cable.receive(0.0) is not None:
        pass  # of the tests before
    liar = network.launch("liar", "traffic", "ip=10.0.2.99 to=10.0.2.15 count=0", "mac=00:16:3e:00:00:03,ip=10.0.2.16")
    back = network.host.devices.vifs(liar.number)[0]

    def spoofed() -> int:
        with network.host.lock:
            info = back.info()
        return int(info.spoofed) if info is not None else 0

    until(lambda: spoofed() >= 2)
    assert network.cable.receive(0.1) is None


def captured(path: Path) -> list[bytes]:
    """Return the frames of guests in a capture."""
    with PcapReader(str(path)) as packets:
        return [bytes(packet) for packet in packets if packet.src.startswith("00:16:3e")]


def test_no_packet_of_a_capture_is_malformed(network: Network) -> None:
    """Neither of this test's packets nor of those of the tests before it."""
    network.echo()
    network.ask(TALKER.ping(1))
    frames = until(lambda: captured(network.folder / "cable.pcap"))
    for frame in (*frames, *captured(network.folder / "user.pcap")):
        parsed(frame)
