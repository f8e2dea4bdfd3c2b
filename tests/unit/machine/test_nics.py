"""Network interfaces of a machine: what QEMU is told of them, and our ends of their cables (nics.py, cable.py)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.machine.conftest import Boot
from tests.unit.machine.sources import SPIN
from xengen.errors import UserError, XengenError
from xengen.machine.cable import CableEnd
from xengen.machine.nics import Cable, Datagrams, Forward, NicSpec, UserNet, words

ENDS = [
    (UserNet(), "user,ipv6=off,net=10.0.2.0/24,restrict=off"),
    (UserNet("192.168.7.0/24", restrict=True), "user,ipv6=off,net=192.168.7.0/24,restrict=on"),
    (
        UserNet(forwards=(Forward(2007, 7), Forward(0, 80, "10.0.2.16", "tcp"))),
        "user,ipv6=off,net=10.0.2.0/24,restrict=off,"
        "hostfwd=udp:127.0.0.1:2007-10.0.2.15:7,hostfwd=tcp:127.0.0.1:0-10.0.2.16:80",
    ),
    (Datagrams(5000, 5001), "socket,udp=127.0.0.1:5001,localaddr=127.0.0.1:5000"),
    (Cable(), "socket,fd=9"),
]  # fmt: skip


@pytest.mark.parametrize(("end", "said"), ENDS)
def test_the_other_end_is_a_network_backend(end: UserNet | Cable | Datagrams, said: str) -> None:
    assert list(words((NicSpec(end=end),), ["socket,fd=9"]))[:2] == ["-netdev", f"{said},id=net0"]


def test_cables_are_those_of_their_interfaces_in_order() -> None:
    nics = (NicSpec(end=Cable()), NicSpec(), NicSpec("e1000", Cable()))
    found = list(words(nics, ["socket,fd=9", "socket,fd=8"]))
    assert [word.partition(",id")[0] for word in found if ",id=" in word][::2] == ["socket,fd=9", "socket,fd=8"]


def test_interfaces_have_the_addresses_that_they_are_given_or_those_of_their_places() -> None:
    found = list(words((NicSpec(), NicSpec("e1000", mac="02:00:00:00:00:07"), NicSpec()), []))
    assert [word for word in found if "mac=" in word] == [
        "virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,romfile=",
        "e1000,netdev=net1,mac=02:00:00:00:00:07,romfile=",
        "virtio-net-pci,netdev=net2,mac=52:54:00:12:34:58,romfile=",
    ]


def test_a_capture_is_a_filter_of_its_interface(tmp_path: Path) -> None:
    nic = NicSpec(capture=tmp_path / "a,b.pcap")
    assert list(words((nic,), []))[-2:] == [
        "-object", f"filter-dump,id=capture0,netdev=net0,file={tmp_path}/a,,b.pcap,maxlen=65536"
    ]  # fmt: skip
    with pytest.raises(UserError, match="no such folder for the capture: /no/where"):
        NicSpec(capture=Path("/no/where/x.pcap")).check()


@pytest.mark.parametrize(
    "make", [lambda: NicSpec("rtl8139"), lambda: NicSpec(mac="52:54"), lambda: Forward(1, 2, protocol="icmp")]
)
def test_what_there_is_no_device_for_is_refused_at_once(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"is (of )?one of|is written as"):
        make()


def test_a_machine_has_its_interfaces(boot: Boot, tmp_path: Path) -> None:
    machine = boot(SPIN, nics=(NicSpec("e1000", Cable(), capture=tmp_path / "x.pcap"), NicSpec()))
    shown = machine.monitor("info network")
    assert "type=nic,model=e1000,macaddr=52:54:00:12:34:56" in shown
    assert "model=virtio-net-pci,macaddr=52:54:00:12:34:57" in shown
    assert len(machine.cables) == 1
    machine.cables[0].send(bytes(60))
    assert machine.cables[0].receive(0.0) is None


def test_a_port_that_is_taken_is_one_sentence(boot: Boot) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        taken = holder.getsockname()[1]
        with pytest.raises(UserError) as caught:
            boot(SPIN, nics=(NicSpec(end=UserNet(forwards=(Forward(taken, 7),))),))
    assert str(caught.value).startswith(f"the port of udp:127.0.0.1:{taken}-10.0.2.15:7 cannot be forwarded: ")


def test_a_cable_keeps_frames_in_order_until_they_are_asked_for() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    end = CableEnd(ours)
    for number in range(300):
        theirs.send(bytes([number & 255]) * 60)
    assert [(end.receive() or b"")[0] for _ in range(300)] == [number & 255 for number in range(300)]
    end.send(b"frame")
    assert theirs.recv(100) == b"frame"
    end.close()
    assert end.receive() is None
    with pytest.raises(XengenError, match="network interface is gone"):
        end.send(b"frame")
    end.close()
    theirs.close()
