"""The neighbour of the demonstration: its packets as scapy reads them, and what it takes for an answer.

Invariants
  - No machine: the other end of the cable is a socket of the test's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from threading import Thread

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Ether

from xengen.demo.neighbour import Neighbour, checksum
from xengen.machine.cable import CableEnd

OURS, THEIRS = IPv4Address("10.0.2.2"), IPv4Address("10.0.2.15")
MAC = "00:16:3e:00:00:01"
Answer = Callable[[Ether], bytes | None]


@pytest.fixture
def ends() -> Iterator[tuple[CableEnd, socket.socket]]:
    """A cable, and the machine's end of it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    cable = CableEnd(ours)
    yield cable, theirs
    theirs.close()
    cable.close()


def serve(end: socket.socket, *answers: Answer) -> Thread:
    """Answer the next frames, one after the other."""

    def run() -> None:
        for answer in answers:
            said = answer(Ether(end.recv(2000)))
            if said is not None:
                end.send(said)

    thread = Thread(target=run)
    thread.start()
    return thread


def is_at(question: Ether) -> bytes:
    assert (question.dst, question[ARP].pdst, question[ARP].psrc) == ("ff:ff:ff:ff:ff:ff", str(THEIRS), str(OURS))
    answer = ARP(op=2, hwsrc=MAC, psrc=str(THEIRS), hwdst=question.src, pdst=str(OURS))
    return bytes(Ether(src=MAC, dst=question.src) / answer)


def pong(question: Ether, **changed: object) -> bytes:
    """Answer a ping; `changed`: fields of ICMP that are not as they should be."""
    asked = question[ICMP]
    assert asked.type == 8 and checksum(bytes(question[IP])[:20]) == 0 and checksum(bytes(asked)) == 0
    fields = {"type": 0, "id": asked.id, "seq": asked.seq, **changed}
    return bytes(
        Ether(src=MAC, dst=question.src) / IP(src=str(THEIRS), dst=str(OURS)) / ICMP(**fields) / asked.payload
    )


def test_a_ping_that_is_answered_took_some_time(ends: tuple[CableEnd, socket.socket]) -> None:
    cable, theirs = ends
    thread = serve(theirs, is_at, pong, pong)
    neighbour = Neighbour(cable, OURS)
    for _ in range(2):  # the second time it knows the address
        took = neighbour.ping(THEIRS)
        assert took is not None and took > 0
    thread.join()
    assert neighbour.known == {THEIRS: bytes.fromhex(MAC.replace(":", ""))}


@pytest.mark.parametrize("changed", [{"seq": 9}, {"id": 1}, {"type": 8}, {"chksum": 1}])
def test_an_answer_to_something_else_is_none(
    ends: tuple[CableEnd, socket.socket], changed: dict[str, object]
) -> None:
    cable, theirs = ends
    thread = serve(theirs, is_at, lambda question: pong(question, **changed))
    assert Neighbour(cable, OURS).ping(THEIRS, timeout=0.2) is None
    thread.join()


@pytest.mark.parametrize("noise", [b"x", bytes(13), bytes(60), bytes(12) + b"\x08\x00E", bytes(12) + b"\x08\x06"])
def test_noise_before_the_answer_does_no_harm(ends: tuple[CableEnd, socket.socket], noise: bytes) -> None:
    cable, theirs = ends
    theirs.send(noise)
    thread = serve(theirs, is_at, pong)
    assert Neighbour(cable, OURS).ping(THEIRS) is not None
    thread.join()


def test_nobody_answers_for_an_address_that_nobody_has(ends: tuple[CableEnd, socket.socket]) -> None:
    assert Neighbour(ends[0], OURS).ping(THEIRS, timeout=0.05) is None


@pytest.mark.parametrize(
    ("data", "expected"), [(b"", 0xFFFF), (b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 0x220D), (b"\x01", 0xFEFF)]
)
def test_the_checksum_is_that_of_rfc_1071(data: bytes, expected: int) -> None:
    assert checksum(data) == expected
