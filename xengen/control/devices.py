"""The devices of a host and what its domains have of them: virtual disks and interfaces, from beginning to end.

Invariants
  - A domain's devices are made before it runs first, with their nodes: a boot loader does not wait for them.
  - Whatever is made is in `_held`, and goes with its domain at the latest.
  - Whoever calls holds the host's lock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from xengen.abi.symbols import assembler_symbols
from xengen.abi.vbd import DiskInfo
from xengen.control.calls import Refused
from xengen.control.handshake import Handshake
from xengen.control.io_calls import IoCalls, text_of
from xengen.control.nic_shares import NO_NIC, NicShare, made_mac
from xengen.control.partitions import Table, table_of_file
from xengen.control.shares import DiskShare, Range, device_name, device_number
from xengen.control.vbd_back import KIND as VBD
from xengen.control.vbd_back import Extent, VbdBack
from xengen.control.vif_back import KIND as VIF
from xengen.control.vif_back import VifBack
from xengen.errors import UserError
from xengen.machine.disks import DiskSpec, serial
from xengen.store.tree import Tree

_VALUES = assembler_symbols()
SHUT_SECONDS = 0.25
"""How often the hypervisor is asked whether it has shut a ring."""
GOING_SECONDS = 5.0
GOING_LOOK_SECONDS = 0.01
"""How long, and how often, sectors are waited for that a domain had which is going."""
MOST_DISKS = 16


@dataclass(frozen=True)
class HostDisk:
    """A disk of the host: its number in the hypervisor, and the file that it is, if that is known."""

    number: int
    info: DiskInfo
    file: Path | None

    @property
    def name(self) -> str:
        """What it is called: by its file, or by its driver."""
        return self.file.name if self.file is not None else text_of(bytes(self.info.name))

    def table(self) -> Table:
        """Return its partition table; an empty one when its file cannot be read."""
        try:
            return table_of_file(self.file) if self.file is not None else Table("")
        except OSError:
            return Table("")


@dataclass
class Devices:
    """Decides with `calls` who gets what, and speaks with front ends through `tree`. disks: as the machine has them."""

    calls: IoCalls
    tree: Tree
    specs: tuple[DiskSpec, ...] = ()
    _held: dict[int, list[Handshake]] = field(default_factory=dict)
    _next_check: float = 0.0

    # Disks.

    def disks(self) -> list[HostDisk]:
        """Return the host's disks."""
        return name_files(list(self.calls.disks()), self.specs)

    def find_disk(self, name: str) -> HostDisk:
        """Return the disk that is called so, by its file's name or path, by its driver, or by its number; UserError."""
        disks = self.disks()
        found = [disk for disk in disks if name in (disk.name, str(disk.number), text_of(bytes(disk.info.name)))]
        if not found:
            found = [disk for disk in disks if disk.file is not None and disk.file.resolve() == Path(name).resolve()]
        if len(found) > 1:
            raise UserError(f"several disks of this host are called {name}: use its number (xengen disk)")
        if not found:
            known = ", ".join(disk.name for disk in disks) or "none: start it with xengen up --disk FILE"
            raise UserError(f"no disk of this host is called {name} (there is {known})")
        return found[0]

    def attach_disk(self, domid: int, share: DiskShare) -> Handshake:
        """Give a domain a virtual disk; UserError."""
        disk = self.find_disk(share.disk)
        used = {held.back.handle for held in self.held(domid) if held.back.kind == VBD}
        free = (device_name(place) for place in range(MOST_DISKS) if device_number(device_name(place)) not in used)
        device = share.device or next(free, "")
        if not device:
            raise UserError(f"domain {domid} has {MOST_DISKS} disks already")
        handle = device_number(device)
        if handle in used:
            raise UserError(f"domain {domid} has a disk {device} already")
        extents = tuple(extent_of(disk, one) for one in share.ranges)
        back = VbdBack(self.calls, domid, handle, device, extents, share.writable)
        deadline = time.monotonic() + GOING_SECONDS
        while True:
            try:
                back.create()
            except Refused as error:
                # What nobody has that we know of is on its way back: a domain that has ended waits for its requests.
                if error.name != "EBUSY" or self._taken(back) or time.monotonic() > deadline:
                    raise
                time.sleep(GOING_LOOK_SECONDS)
            else:
                return self._hold(domid, back)

    def _taken(self, back: VbdBack) -> bool:
        """Whether a domain has sectors that this disk cannot have beside it."""
        return any(
            (other.writable or back.writable) and theirs.overlaps(ours)
            for held in self._held.values()
            for other in (one.back for one in held)
            if isinstance(other, VbdBack)
            for theirs in other.extents
            for ours in back.extents
        )

    # Interfaces.

    def attach_nic(self, domid: int, share: NicShare, uuid: str) -> Handshake:
        """Give a domain, whose UUID is known, a virtual interface; UserError."""
        used = {held.back.handle for held in self.held(domid) if held.back.kind == VIF}
        handle = next(number for number in range(len(used) + 1) if number not in used)
        nic = share.nic if share.nic is not None else 0 if any(True for _ in self.calls.nics()) else NO_NIC
        back = VifBack(self.calls, domid, handle, share.mac or made_mac(uuid, handle), nic, share)
        back.create()
        return self._hold(domid, back)

    # Both.

    def held(self, domid: int) -> list[Handshake]:
        """Return the devices that a domain has."""
        return self._held.get(domid, [])

    def vbds(self, domid: int) -> list[VbdBack]:
        """Return the virtual disks that a domain has."""
        return [held.back for held in self.held(domid) if isinstance(held.back, VbdBack)]

    def vifs(self, domid: int) -> list[VifBack]:
        """Return the virtual interfaces that a domain has."""
        return [held.back for held in self.held(domid) if isinstance(held.back, VifBack)]

    def find(self, domid: int, kind: str, handle: int) -> Handshake:
        """Return a device of a domain; UserError."""
        for held in self.held(domid):
            if (held.back.kind, held.back.handle) == (kind, handle):
                return held
        what = "disk" if kind == VBD else "interface"
        raise UserError(f"domain {domid} has no {what} {handle} of this toolstack's")

    def look(self) -> None:
        """Make the moves that the front ends wait for; now and then see what the hypervisor has shut."""
        now = time.monotonic()
        check = now >= self._next_check
        if check:
            self._next_check = now + SHUT_SECONDS
        for devices in self._held.values():
            for one in devices:
                one.look()
                if check:
                    one.look_for_shut()

    def remove(self, domid: int, handshake: Handshake) -> None:
        """Take a device away, whatever its front end does."""
        self._held[domid].remove(handshake)
        handshake.close()

    def release(self, domid: int) -> None:
        """Take away all that a domain has."""
        for handshake in self._held.pop(domid, []):
            handshake.close()

    def _hold(self, domid: int, back: VbdBack | VifBack) -> Handshake:
        handshake = Handshake(self.tree, domid, back)
        self._held.setdefault(domid, []).append(handshake)
        try:
            handshake.open()
        except BaseException:
            self.remove(domid, handshake)
            raise
        return handshake


def name_files(infos: list[DiskInfo], specs: tuple[DiskSpec, ...]) -> list[HostDisk]:
    """Return the hypervisor's disks with the files that they are: a disk is called by its serial number."""
    files = {serial(number): spec.path for number, spec in enumerate(specs)}
    return [HostDisk(number, info, files.get(text_of(bytes(info.name)))) for number, info in enumerate(infos)]


def extent_of(disk: HostDisk, wanted: Range) -> Extent:
    """Return the sectors that a range of a disk means; UserError when the disk does not have them."""
    start, size, whole = wanted.start, wanted.sectors, int(disk.info.sectors)
    if wanted.partition is not None:
        partition = next((one for one in disk.table().partitions if one.number == wanted.partition), None)
        if partition is None:
            raise UserError(f"{disk.name} has no partition {wanted.partition}: xengen disk shows those that it has")
        start, size = partition.start, partition.sectors
    if size is None:
        size = whole - start
    if size <= 0 or start + size > whole:
        asked = f"sectors {start} to {start + size - 1}" if size > 0 else f"what is behind sector {start}"
        raise UserError(f"{disk.name} has {whole} sectors, and not {asked}")
    return Extent(disk.number, disk.name, start, size)
