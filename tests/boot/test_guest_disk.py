"""The guest `disk` on the hypervisor's virtual disks: what it has written is on the host's file, and nothing else is.

Invariants
  - One host with two disks, of which the second has a bad sector; each test has domains of its own.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.boot.harness import Images
from xengen.control.guest import Guest
from xengen.control.host import Host
from xengen.inspect.live import check_machine
from xengen.machine.disks import DiskSpec, Fault
from xengen.store.errors import StoreError
from xengen.store.paths import home

SECTOR = 512
DISK_SECTORS = 32768
BAD = 1000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the disks are."""
    return tmp_path_factory.mktemp("disks")


@pytest.fixture(scope="module")
def host(images: Images, folder: Path) -> Iterator[Host]:
    """A host with the disks good.img and bad.img, full of zeros."""
    disks = []
    for name, faults in (("good.img", ()), ("bad.img", (Fault("write", BAD), Fault("read", BAD)))):
        (folder / name).write_bytes(bytes(DISK_SECTORS * SECTOR))
        disks.append(DiskSpec(folder / name, faults=faults))
    with Host.boot(images.hypervisor(), images.guest("agent"), disks=disks) as host:
        yield host


@pytest.fixture
def launch(host: Host, images: Images) -> Iterator[Callable[..., Guest]]:
    """Create a domain with a disk; domains go behind the test, and then the checker must find nothing wrong."""

    def launched(name: str, cmdline: str, *disks: str) -> Guest:
        return host.launch(name, images.guest("disk"), memory=8 << 20, cmdline=cmdline, disks=disks)

    yield launched
    for number in list(host.guests):
        host.destroy(str(number))
    until(lambda: len(host.domains()) == 1)
    with host.lock:
        assert check_machine(host.machine) == []


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found


def data(host: Host, guest: Guest, name: str) -> str:
    """Return what a guest has written into the store below data/, "" when there is nothing."""
    with host.lock:
        try:
            return host.store.tree.read(0, (*home(guest.number), "data", name)).decode()
        except StoreError:
            return ""


def results(host: Host, guest: Guest) -> dict[str, str]:
    """Wait until a guest has done all, and return what came of it."""
    assert until(lambda: data(host, guest, "disk")) == "done"
    return {name: data(host, guest, name) for name in ("written", "verified", "bad", "errors")}


def pattern(seed: int, sectors: range) -> bytes:
    """Return what the guest writes into these sectors of its disk."""
    words = range(sectors.start * 128, sectors.stop * 128)
    return struct.pack(f"<{len(words)}I", *((seed + word) * 0x9E3779B1 % (1 << 32) for word in words))


@pytest.mark.parametrize(("depth", "size"), [(1, 8), (8, 88), (32, 3)])
def test_what_a_guest_writes_is_on_the_disk_and_comes_back(
    host: Host, launch: Callable[..., Guest], folder: Path, depth: int, size: int
) -> None:
    guest = launch("web", f"seed={depth} depth={depth} request={size}", "good.img:100s-700s:rw")
    assert results(host, guest) == {"written": "600", "verified": "600", "bad": "0", "errors": "0"}
    contents = (folder / "good.img").read_bytes()
    assert contents[100 * SECTOR : 700 * SECTOR] == pattern(depth, range(600))
    assert not any(contents[: 100 * SECTOR])
    assert not any(contents[700 * SECTOR : 704 * SECTOR])


def test_several_domains_write_at_once_and_none_into_anothers_extent(
    host: Host, launch: Callable[..., Guest], folder: Path
) -> None:
    guests = [
        launch(f"web{n}", f"seed={n} depth=8 request=20", f"good.img:{1000 + 300 * n}s+300s:rw") for n in range(1, 4)
    ]
    for guest in guests:
        assert results(host, guest)["bad"] == "0"
    contents = (folder / "good.img").read_bytes()
    for n in range(1, 4):
        start = (1000 + 300 * n) * SECTOR
        assert contents[start : start + 300 * SECTOR] == pattern(n, range(300)), f"extent {n}"
    assert not any(contents[1000 * SECTOR : 1300 * SECTOR])


def test_a_disk_to_read_only_refuses_to_be_written(host: Host, launch: Callable[..., Guest], folder: Path) -> None:
    before = (folder / "good.img").read_bytes()
    guest = launch("web", "mode=write request=8", "good.img:2400s-2464s:r")
    assert results(host, guest)["errors"] == "64"
    assert (folder / "good.img").read_bytes() == before


def test_an_error_of_the_device_reaches_the_request_and_nothing_else(host: Host, launch: Callable[..., Guest]) -> None:
    """With several requests in flight QEMU makes one of those that follow each other, and fails all of them."""
    guest = launch("web", "request=8 depth=1", f"bad.img:{BAD - 100}s-{BAD + 100}s:rw")
    found = results(host, guest)
    assert (found["written"], found["verified"], found["bad"], found["errors"]) == ("200", "200", "0", "8")


def test_a_domain_that_is_destroyed_while_it_writes_leaves_whole_sectors_and_the_others_in_peace(
    host: Host, launch: Callable[..., Guest], folder: Path
) -> None:
    """Of each sector of the one that was killed all is there, or nothing; of the others everything."""
    others = [launch(f"web{n}", f"seed={n} request=8", f"good.img:{5000 + 1000 * n}s+600s:rw") for n in (1, 2)]
    killed = launch("killed", "mode=write seed=77 request=1 depth=2", "good.img:8000s-32000s:rw")

    def written() -> int:
        with host.lock:
            info = host.devices.vbds(killed.number)[0].info()
        assert info is not None
        return int(info.sectors_written)

    until(lambda: written() > 500)
    host.destroy(str(killed.number))
    for guest in others:
        assert results(host, guest) == {"written": "600", "verified": "600", "bad": "0", "errors": "0"}
    until(lambda: len(host.domains()) == 3)
    contents = (folder / "good.img").read_bytes()
    for n in (1, 2):
        assert contents[(5000 + 1000 * n) * SECTOR :][: 600 * SECTOR] == pattern(n, range(600))
    there = absent = 0
    for sector in range(24000):
        found = contents[(8000 + sector) * SECTOR : (8001 + sector) * SECTOR]
        if any(found):
            assert found == pattern(77, range(sector, sector + 1)), f"sector {sector}"
            there += 1
        else:
            absent += 1
    assert there >= 500, "it was killed before it began"
    assert absent > 0, "it had done all"
    assert not any(contents[7600 * SECTOR : 8000 * SECTOR])
