"""The back end of a virtual disk: what the handshake needs of the hypervisor, and what front ends read (ABI 11.5).

Invariants
  - The VBD exists in the hypervisor from `create` to `destroy`; it has a ring between `connect` and `disconnect`.
  - Neither several queues, nor rings of several pages, nor persistent grants, indirect segments or discard are offered:
    front ends do without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xengen.abi.symbols import assembler_symbols
from xengen.abi.vbd import VbdConnect, VbdCreate, VbdExtent, VbdInfo, VbdNothing
from xengen.control.calls import Refused
from xengen.control.handshake import Front
from xengen.control.io_calls import IoCalls
from xengen.control.ring_calls import connect, is_shut
from xengen.control.shares import SECTOR
from xengen.control.xenbus import State

_VALUES = assembler_symbols()
KIND = "vbd"


@dataclass(frozen=True)
class Extent:
    """A stretch of the hypervisor's disk number `disk`, which the host calls `name`: sectors of 512 bytes."""

    disk: int
    name: str
    start: int
    sectors: int

    def overlaps(self, other: Extent) -> bool:
        """Whether they have a sector in common."""
        ends = self.start + self.sectors, other.start + other.sectors
        return self.disk == other.disk and max(self.start, other.start) < min(ends)


@dataclass(frozen=True)
class VbdBack:
    """A virtual disk of domain `domid`. device: its name in the domain; handle: its number there."""

    calls: IoCalls
    domid: int
    handle: int
    device: str
    extents: tuple[Extent, ...]
    writable: bool
    kind: str = KIND
    ready: frozenset[State] = frozenset({State.INITIALISED, State.CONNECTED})

    def create(self) -> None:
        """Have the hypervisor make it; nothing is left when it is Refused."""
        flags = 0 if self.writable else _VALUES["VBD_READ_ONLY"]
        self._make("vbd_create", VbdCreate(flags=flags), f"cannot make {self.device} for domain {self.domid}")
        try:
            for extent in self.extents:
                self._add(extent, flags)
        except BaseException:
            self.destroy()
            raise

    def _add(self, extent: Extent, flags: int) -> None:
        end = extent.start + extent.sectors
        argument = VbdExtent(disk=extent.disk, flags=flags, start=extent.start, sectors=extent.sectors)
        try:
            self._make("vbd_extent", argument, "")
        except Refused as error:
            what = f"{self.device} cannot have sectors {extent.start} to {end - 1} of {extent.name}"
            raise Refused(what, error.name, _REASONS.get(error.name, "")) from error

    def configuration(self) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """As Back."""
        front = {"virtual-device": self.handle, "device-type": "disk", "protocol": "x86_32-abi"}
        back = {
            "dev": self.device, "mode": "w" if self.writable else "r", "type": "phy", "params": _in_words(self.extents),
            "removable": 0, "bootable": 1,
        }  # fmt: skip
        return front, back

    def features(self) -> Mapping[str, object]:
        """As Back."""
        return {"feature-barrier": 1, "feature-flush-cache": 1}

    def connect(self, front: Front) -> Mapping[str, object]:
        """As Back."""
        argument = VbdConnect(ring_ref=front.number("ring-ref"), port=front.number("event-channel"))
        rings = f"the ring of {self.device}"
        connect(self.calls, "vbd_connect", argument, rings, domain=self.domid, handle=self.handle)
        sizes = {"sectors": sum(extent.sectors for extent in self.extents), "sector-size": SECTOR}
        return {**sizes, "physical-sector-size": SECTOR, "info": 0 if self.writable else _VALUES["VDISK_READONLY"]}

    def disconnect(self) -> bool:
        """As Back."""
        self.calls.try_to("vbd_disconnect", VbdNothing(), domain=self.domid, handle=self.handle)
        info = self.info()
        return info is None or info.in_flight == 0

    def shut(self) -> str:
        """As Back."""
        return is_shut(self.info())

    def destroy(self) -> None:
        """As Back."""
        self.calls.try_to("vbd_destroy", VbdNothing(), domain=self.domid, handle=self.handle)

    def info(self) -> VbdInfo | None:
        """Return what the hypervisor knows of it; None when it is not there any more."""
        info = VbdInfo()
        result = self.calls.try_to("vbd_info", info, domain=self.domid, handle=self.handle)
        return info if result >= 0 else None

    def _make(self, command: str, argument: VbdCreate | VbdExtent, what: str) -> None:
        self.calls.make(command, argument, what, domain=self.domid, handle=self.handle)


_REASONS = {
    "EBUSY": "some of them are somebody's already, and one of both may write there",
    "EINVAL": "the disk does not have them",
    "EPERM": "that disk is only to be read",
    "ENOSPC": f"a disk of a domain has {_VALUES['VBD_EXTENTS']} ranges at the most",
}


def _in_words(extents: Sequence[Extent]) -> str:
    return ",".join(f"{one.name}:{one.start}s+{one.sectors}s" for one in extents)
