"""Network interfaces of a machine, as data: the device, what is at the other end of its cable, and a capture.

Invariants
  - None of the other ends needs a privilege.
  - Nothing here starts or opens anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from xengen.errors import UserError

MODELS = {"virtio": "virtio-net-pci", "e1000": "e1000"}
PROTOCOLS = ("udp", "tcp")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.I)
FIRST_MAC = 0x525400123456


@dataclass(frozen=True)
class Forward:
    """A port of this computer (on 127.0.0.1; 0: any that is free) that leads to a port of a guest, by UDP or TCP."""

    host_port: int
    guest_port: int
    address: str = "10.0.2.15"
    protocol: str = "udp"

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"a forwarded port is of one of {', '.join(PROTOCOLS)}, not {self.protocol!r}")


@dataclass(frozen=True)
class UserNet:
    """QEMU's own network: a router at .2 that does for a guest what an ordinary program of this computer may do.

    restrict: nothing leaves this computer.
    """

    network: str = "10.0.2.0/24"
    forwards: tuple[Forward, ...] = ()
    restrict: bool = False

    def words(self) -> str:
        """Return the value of QEMU's option -netdev, without its id."""
        said = f"user,ipv6=off,net={IPv4Network(self.network)},restrict={'on' if self.restrict else 'off'}"
        for one in self.forwards:
            said += f",hostfwd={one.protocol}:127.0.0.1:{one.host_port}-{one.address}:{one.guest_port}"
        return said


@dataclass(frozen=True)
class Cable:
    """The other end is ours: `Machine.cables` has it, one for each such interface, and sends and receives frames."""

    def words(self) -> str:
        """Return the value for a QEMU that nobody holds the other end of."""
        return "hubport,hubid=0"


@dataclass(frozen=True)
class Datagrams:
    """Frames travel in UDP datagrams between two ports of this computer: ours, and that of another machine."""

    own_port: int
    other_port: int

    def words(self) -> str:
        """Return the value of QEMU's option -netdev, without its id."""
        return f"socket,udp=127.0.0.1:{self.other_port},localaddr=127.0.0.1:{self.own_port}"


@dataclass(frozen=True)
class NicSpec:
    """An interface: "virtio" (virtio-net on PCI) or "e1000" (Intel's 82540EM). capture: a pcap file of its packets.

    mac: "" for the one that QEMU would give it.
    """

    model: str = "virtio"
    end: UserNet | Cable | Datagrams = UserNet()
    mac: str = ""
    capture: Path | None = None

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"a network interface is one of {', '.join(MODELS)}, not {self.model!r}")
        if self.mac and not _MAC.fullmatch(self.mac):
            raise ValueError(f"a MAC address is written as 52:54:00:12:34:56, not {self.mac!r}")

    def check(self) -> None:
        """Raise UserError when the capture has no place."""
        if self.capture is not None and not self.capture.parent.is_dir():
            raise UserError(f"no such folder for the capture: {self.capture.parent}")

    def address(self, number: int) -> str:
        """Return its MAC as interface `number` of a machine."""
        return self.mac or ":".join(f"{byte:02x}" for byte in (FIRST_MAC + number).to_bytes(6, "big"))


def words(nics: Sequence[NicSpec], cables: Sequence[str]) -> Iterator[str]:
    """Yield QEMU's options for the interfaces; `cables`: what those with a Cable are connected to, in order."""
    connected = iter(cables)
    for number, nic in enumerate(nics):
        end = next(connected, None) if isinstance(nic.end, Cable) else None
        yield from ("-netdev", f"{end or nic.end.words()},id=net{number}")
        yield from ("-device", f"{MODELS[nic.model]},netdev=net{number},mac={nic.address(number)},romfile=")
        if nic.capture is not None:
            file = str(nic.capture).replace(",", ",,")
            yield from ("-object", f"filter-dump,id=capture{number},netdev=net{number},file={file},maxlen=65536")
