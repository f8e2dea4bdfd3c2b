"""The hypercall io_op as Python calls: what domain 0 asks of virtual disks and virtual interfaces.

Invariants
  - Each command's argument is a structure of xengen/abi/vbd.py or vif.py; it is brought up to date after the call.
  - Nothing is decided here: which domain gets what is the toolstack's (devices.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import Structure, addressof, memmove, sizeof
from dataclasses import dataclass

from xengen.abi.errno import errno_name
from xengen.abi.io import IoOp
from xengen.abi.symbols import assembler_symbols
from xengen.abi.vbd import DiskInfo
from xengen.abi.vif import NicInfo, VifRule
from xengen.control.calls import Refused
from xengen.control.reach import Reach

_VALUES = assembler_symbols()


@dataclass(frozen=True)
class IoCalls:
    """The calls, made by the agent at the other end of `reach`."""

    reach: Reach

    def make(self, command: str, argument: Structure, what: str, *, domain: int = 0, handle: int = 0) -> None:
        """Make a call about a domain's device; `what` begins the sentence when it is Refused."""
        result = self.try_to(command, argument, domain=domain, handle=handle)
        if result < 0:
            raise Refused(what, errno_name(result))

    def try_to(self, command: str, argument: Structure, *, domain: int = 0, handle: int = 0) -> int:
        """Make a call; return its result."""
        size = sizeof(argument)
        address = self.reach.put(bytes(argument))
        operation = IoOp(
            cmd=_VALUES[f"IO_OP_{command}"], interface_version=_VALUES["IO_VERSION"], domain=domain, handle=handle,
            argument=address, bytes=size,
        )  # fmt: skip
        result = self.reach.hypercall("io_op", operation)
        if result >= 0:
            memmove(addressof(argument), self.reach.read(address, size), size)
        return result

    def disks(self) -> Iterator[DiskInfo]:
        """Yield what is known of each disk, in the order of their numbers."""
        info = DiskInfo(number=0)
        while self.try_to("disk_info", info) >= 0:
            yield info
            info = DiskInfo(number=info.number + 1)

    def nics(self) -> Iterator[NicInfo]:
        """Yield what is known of each network interface, in the order of their numbers."""
        number, info = 0, NicInfo()
        while self.try_to("nic_info", info, handle=number) >= 0:
            yield info
            number, info = number + 1, NicInfo()

    def rules(self, domain: int, handle: int, direction: int) -> Iterator[VifRule]:
        """Yield the rules of a direction of an interface, in their order."""
        rule = VifRule(direction=direction, place=0)
        while self.try_to("vif_rules", rule, domain=domain, handle=handle) >= 0:
            yield rule
            rule = VifRule(direction=direction, place=rule.place + 1)


def text_of(name: bytes | list[int]) -> str:
    """Return a name that ends with NUL, as the hypervisor keeps it."""
    return bytes(name).split(b"\0")[0].decode("ascii", "replace")
