"""What can be asked of a host about its disks and what its domains have of them.

Invariants
  - As in methods.py: names, numbers and texts in and out; the host's lock is held around each look and each change.
"""

from __future__ import annotations

from xengen.abi.symbols import assembler_symbols
from xengen.control.device_methods import DeviceMethods, Record
from xengen.control.devices import HostDisk
from xengen.control.io_calls import text_of
from xengen.control.shares import device_number, parse_share
from xengen.control.vbd_back import KIND as VBD
from xengen.control.vbd_back import VbdBack

_VALUES = assembler_symbols()


class DiskMethods(DeviceMethods):
    """The methods of a host that are about disks."""

    def disks(self) -> list[Record]:
        """Return a record for each disk of the host: what it is, its partitions, and which domains have what of it."""
        with self._host.lock:
            return [self._disk(disk) for disk in self._host.devices.disks()]

    def vbds(self, domain: str) -> list[Record]:
        """Return a record for each virtual disk of a domain, with its counters."""
        with self._host.lock:
            number = int(self._host.find(domain).domain)
            return [self._vbd(back) for back in self._host.devices.vbds(number)]

    def disk_attach(self, domain: str, share: str) -> Record:
        """Give a domain that is there a virtual disk (shares.py); return its record."""
        wanted = parse_share(share)
        with self._host.lock:
            handshake = self._host.devices.attach_disk(self._host.guest(domain).number, wanted)
            assert isinstance(handshake.back, VbdBack)
            return self._vbd(handshake.back)

    def disk_detach(self, domain: str, device: str) -> Record:
        """Take a virtual disk away; its front end has DETACH_SECONDS to close. Returns whether it did."""
        return {"device": device, "closed": self._detach(domain, VBD, device_number(device))}

    def _disk(self, disk: HostDisk) -> Record:
        table, info = disk.table(), disk.info
        return {
            "disk": disk.number, "name": disk.name, "driver": text_of(bytes(info.name)),
            "file": str(disk.file) if disk.file is not None else "", "sectors": info.sectors,
            "read_only": bool(info.flags & _VALUES["DISK_READ_ONLY"]), "reads": info.reads, "writes": info.writes,
            "errors": info.errors, "sectors_moved": info.sectors_moved, "scheme": table.scheme,
            "partitions": [
                {"partition": one.number, "start": one.start, "sectors": one.sectors, "kind": one.kind,
                 "name": one.name}
                for one in table.partitions
            ],
            "extents": [
                {"domain": self._name(number), "device": back.device, "start": extent.start,
                 "sectors": extent.sectors, "right": "rw" if back.writable else "r"}
                for number in sorted(self._host.guests)
                for back in self._host.devices.vbds(number)
                for extent in back.extents
                if extent.disk == disk.number
            ],
        }  # fmt: skip

    def _vbd(self, back: VbdBack) -> Record:
        info = back.info()
        counters = ("reads", "writes", "flushes", "barriers", "refused", "errors", "segments", "events", "kicks",
                    "in_flight", "sectors_read", "sectors_written")  # fmt: skip
        return {
            "domain": self._name(back.domid), "device": back.device, "handle": back.handle,
            "state": self._state(back), "right": "rw" if back.writable else "r",
            "sectors": sum(one.sectors for one in back.extents),
            "extents": [{"disk": one.name, "start": one.start, "sectors": one.sectors} for one in back.extents],
            **({} if info is None else {name: getattr(info, name) for name in counters}),
        }  # fmt: skip
