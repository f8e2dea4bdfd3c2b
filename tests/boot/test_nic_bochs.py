"""The 82540EM under a second emulator: found, started, and real packets both ways.

Bochs's network "socket" sends and receives at two UDP ports. Its network "null" would leave files where it was started.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.boot.harness import Images
from tests.boot.nic_echo import EchoImages
from tests.boot.nics import MAC, frames
from xengen.cli.iso import make_iso
from xengen.cli.iso import missing_packages as missing_for_iso
from xengen.machine.bochs import Bochs, BochsSpec, missing_packages
from xengen.machine.spec import MIB, Module

LACKING = (*missing_packages(), *missing_for_iso())
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {' '.join(LACKING)}")

FIRST_PORT, END_PORT = 41000, 49000
FOUND = f"network interface 0: e1000, {MAC}, link up"
MAC_BYTES = bytes.fromhex(MAC.replace(":", ""))


def under_bochs(folder: Path, images: Images, port: int) -> Bochs:
    """Return a Bochs, not started yet, with the guest spin and an interface that listens at a UDP port."""
    iso = folder / "boot.iso"
    make_iso(iso, images.hypervisor(), "console=e9", (Module(images.guest("spin")),))
    return Bochs(BochsSpec(iso, 128 * MIB, (f"e1000: mac={MAC}, ethmod=socket, ethdev={port}",)))


def expect(machine: Bochs, text: str) -> None:
    """Wait until the machine has written `text`."""
    for _ in machine.follow(120.0):
        if text.encode() in machine.raw:
            return
    pytest.fail(f"the machine ended without a word of {text!r}")


@contextmanager
def cable_of_bochs() -> Iterator[tuple[int, socket.socket]]:
    """Give a port for Bochs, which listens there, and a socket at the next one, to which it sends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.settimeout(60.0)
        for port in range(FIRST_PORT, END_PORT, 2):
            with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
                theirs.bind(("127.0.0.1", port))
                ours.bind(("127.0.0.1", port + 1))
                break
        yield port, ours


def test_its_e1000_is_found_and_started(images: Images, tmp_path: Path) -> None:
    with cable_of_bochs() as (port, _), under_bochs(tmp_path, images, port) as machine:
        expect(machine, FOUND)
        expect(machine, "spin: counter")


def test_packets_go_both_ways_under_bochs(tmp_path: Path) -> None:
    images = EchoImages(tmp_path / "echo")
    with cable_of_bochs() as (port, cable), under_bochs(tmp_path, images, port) as machine:
        expect(machine, "spin: counter")
        for sent in frames(1, 20):
            to_us = MAC_BYTES + sent[6:]  # Bochs hands on what is for the device or for all
            cable.sendto(to_us, ("127.0.0.1", port))
            assert cable.recv(1 << 16) == to_us
