"""What virtual disks and interfaces have in common: how the hypervisor takes their rings, and why it shuts them.

Invariants
  - A ring is taken when nothing of the last one is in flight any more.
"""

from __future__ import annotations

from xengen.abi.symbols import assembler_symbols
from xengen.abi.vbd import VbdConnect, VbdInfo
from xengen.abi.vif import VifConnect, VifInfo
from xengen.control.calls import Refused
from xengen.control.handshake import NotYet
from xengen.control.io_calls import IoCalls

_VALUES = assembler_symbols()
_BAD = "its page is not granted to domain 0 for writing, or its port is not for domain 0"
_WORDS = {
    "disconnected": "the toolstack has taken it away",
    "port_closed": "its port was closed",
    "domain_ended": "its domain has ended",
    "producer": "its producer has jumped, or runs backwards",
}


def connect(
    calls: IoCalls, command: str, argument: VbdConnect | VifConnect, rings: str, *, domain: int, handle: int
) -> None:
    """Have the hypervisor take the front end's rings; NotYet while something of the last ones is in flight, Refused."""
    try:
        calls.make(command, argument, "", domain=domain, handle=handle)
    except Refused as error:
        if error.name == "EBUSY":
            raise NotYet(str(error)) from error
        raise Refused(f"{rings} cannot be taken", error.name, _BAD if error.name == "EINVAL" else "") from error


def is_shut(info: VbdInfo | VifInfo | None) -> str:
    """Return why a device's ring was shut, "" when it is not or the device is not there."""
    return reason_of(info.reason) if info is not None and info.state == _VALUES["IO_STATE_SHUT"] else ""


def reason_of(number: int) -> str:
    """Return in words why the hypervisor has shut a ring."""
    names = [name for name in _VALUES if name.startswith("IO_REASON_") and _VALUES[name] == number]
    name = names[0].removeprefix("IO_REASON_").lower() if names else str(number)
    return f"the ring was shut: {_WORDS.get(name, name.replace('_', ' '))}"
