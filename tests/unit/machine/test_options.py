"""Disks and network interfaces as one writes them (xengen/machine/options.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xengen.errors import UserError
from xengen.machine.disks import DiskSpec
from xengen.machine.nics import Datagrams, Forward, NicSpec, UserNet
from xengen.machine.options import parse_disk, parse_net

DISKS = [
    ("/a.img", DiskSpec(Path("/a.img"))),
    ("/a.img:virtio", DiskSpec(Path("/a.img"))),
    ("/a.img:ide", DiskSpec(Path("/a.img"), "ide")),
    ("/a.img:virtio:ro", DiskSpec(Path("/a.img"), read_only=True)),
    ("/a.img:ro", DiskSpec(Path("/a.img"), read_only=True)),
    ("/a:b,c.img", DiskSpec(Path("/a:b,c.img"))),
]


@pytest.mark.parametrize(("text", "disk"), DISKS)
def test_a_disk_is_a_file_a_model_and_perhaps_read_only(text: str, disk: DiskSpec) -> None:
    assert parse_disk(text) == disk


NETS = [
    ("user", NicSpec()),
    ("user,model=e1000,mac=02:00:00:00:00:01", NicSpec("e1000", mac="02:00:00:00:00:01")),
    ("user,net=192.168.7.0/24,restrict=on", NicSpec(end=UserNet("192.168.7.0/24", restrict=True))),
    ("user,forward=udp:2007:7,forward=tcp:0:10.0.2.16:80",
     NicSpec(end=UserNet(forwards=(Forward(2007, 7), Forward(0, 80, "10.0.2.16", "tcp"))))),
    ("datagrams:5000:5001,capture=/x.pcap", NicSpec(end=Datagrams(5000, 5001), capture=Path("/x.pcap"))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "nic"), NETS)
def test_an_interface_is_its_other_end_and_options(text: str, nic: NicSpec) -> None:
    assert parse_net(text) == nic


REFUSALS = [
    (parse_disk, "", "--disk wants FILE[:virtio|ide][:ro], not ''"),
    (parse_net, "tap", "--net wants user or datagrams:OWN:OTHER, and then its options, not 'tap'"),
    (parse_net, "user,model=ne2k",
     "--net user,model=ne2k: a network interface is one of virtio, e1000, not 'ne2k'"),
    (parse_net, "user,speed=1",
     "--net user wants model=..., mac=..., capture=..., net=..., restrict=..., each at most once, not 'speed=1'"),
    (parse_net, "user,mac=1,mac=2",
     "--net user wants model=..., mac=..., capture=..., net=..., restrict=..., each at most once, not 'mac=2'"),
    (parse_net, "user,net=here", "net=here is no network: write one such as 10.0.2.0/24"),
    (parse_net, "user,forward=udp:7", "forward wants udp|tcp:PORT:[ADDRESS:]GUESTPORT, not 'udp:7'"),
    (parse_net, "user,forward=udp:99999:7", "forward wants udp|tcp:PORT:[ADDRESS:]GUESTPORT, and '99999' is no port"),
    (parse_net, "datagrams:1:x", "datagrams wants two ports, and 'x' is no port"),
    (parse_net, "datagrams:1:2,net=10.0.0.0/8",
     "--net datagrams:1:2 wants model=..., mac=..., capture=..., each at most once, not 'net=10.0.0.0/8'"),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "text", "sentence"), REFUSALS)
def test_what_is_wrong_is_one_sentence(parse: Callable[[str], Any], text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text)
    assert str(caught.value) == sentence
