"""Disks and network interfaces of a machine as one writes them on a command line.

A disk: FILE[:virtio|ide][:ro]. An interface: user, or datagrams:OWN:OTHER (two UDP ports of this computer), and then
,model=virtio|e1000 ,mac=MAC ,capture=FILE; of user also ,net=NETWORK ,restrict=on|off and, as often as one likes,
,forward=udp|tcp:PORT:[ADDRESS:]GUESTPORT.

Invariants
  - What is wrong is one sentence that names the part; whether files exist is looked at later (MachineSpec.check).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from xengen.errors import UserError
from xengen.machine.disks import MODELS as DISK_MODELS
from xengen.machine.disks import DiskSpec
from xengen.machine.nics import Datagrams, Forward, NicSpec, UserNet

FORWARD = "forward wants udp|tcp:PORT:[ADDRESS:]GUESTPORT"
KEYS = ("model", "mac", "capture")
USER_KEYS = (*KEYS, "net", "restrict")


def parse_disk(text: str) -> DiskSpec:
    """Return the disk that `text` means (see above); UserError."""
    name, model, read_only = text, "virtio", False
    while True:
        before, _, last = name.rpartition(":")
        if before and last == "ro":
            read_only = True
        elif before and last in DISK_MODELS:
            model = last
        else:
            break
        name = before
    if not name:
        raise UserError(f"--disk wants FILE[:{'|'.join(DISK_MODELS)}][:ro], not {text!r}")
    return DiskSpec(Path(name).absolute(), model, read_only)


def parse_net(text: str) -> NicSpec:
    """Return the interface that `text` means (see above); UserError."""
    kind, *parts = text.split(",")
    keys = USER_KEYS if kind == "user" else KEYS
    found: dict[str, str] = {}
    forwards = []
    for part in parts:
        key, equals, value = part.partition("=")
        if key == "forward" and kind == "user":
            forwards.append(_forward(value))
        elif key in keys and equals and key not in found:
            found[key] = value
        else:
            known = ", ".join(f"{one}=..." for one in keys)
            raise UserError(f"--net {kind} wants {known}, each at most once, not {part!r}")
    end: UserNet | Datagrams
    if kind == "user":
        end = UserNet(_network(found.get("net", UserNet.network)), tuple(forwards), found.get("restrict") == "on")
    else:
        end = _datagrams(kind)
    capture = Path(found["capture"]).absolute() if "capture" in found else None
    try:
        return NicSpec(found.get("model", "virtio"), end, found.get("mac", ""), capture)
    except ValueError as error:
        raise UserError(f"--net {text}: {error}") from error


def _network(text: str) -> str:
    try:
        return str(IPv4Network(text))
    except ValueError as error:
        raise UserError(f"net={text} is no network: write one such as 10.0.2.0/24") from error


def _forward(text: str) -> Forward:
    protocol, *numbers = text.split(":")
    if protocol not in ("udp", "tcp") or len(numbers) not in (2, 3):
        raise UserError(f"{FORWARD}, not {text!r}")
    host, guest = _port(numbers[0], FORWARD), _port(numbers[-1], FORWARD)
    try:
        address = str(IPv4Address(numbers[1])) if len(numbers) == 3 else Forward.address
    except ValueError as error:
        raise UserError(f"{FORWARD}, not {text!r}") from error
    return Forward(host, guest, address, protocol)


def _datagrams(text: str) -> Datagrams:
    kind, *ports = text.split(":")
    if kind != "datagrams" or len(ports) != 2:
        raise UserError(f"--net wants user or datagrams:OWN:OTHER, and then its options, not {text!r}")
    own, other = (_port(port, "datagrams wants two ports") for port in ports)
    return Datagrams(own, other)


def _port(text: str, wanted: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 16:
        raise UserError(f"{wanted}, and {text!r} is no port")
    return int(text)
