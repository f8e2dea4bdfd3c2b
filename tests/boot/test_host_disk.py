"""Disks of a host and its domains, and a stranger that reads one: GRUB as a paravirtual kernel, with its own front end.

Invariants
  - One host for the tests of a worker, with a disk that has a partition table and a file system made on this computer.
  - Each test takes its domains away again; then nobody has any of the disk.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.harness import Images
from tests.boot.hosting import console, make, make_grub, until
from tests.support.disk_images import SECTOR, START, fat_disk, gpt
from xengen.abi.vbd import Vbd
from xengen.control import device_methods
from xengen.control.host import Host
from xengen.control.methods import Methods
from xengen.control.places import HostPlaces
from xengen.errors import UserError
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.disks import DiskSpec
from xengen.machine.spec import MIB

MODULES = ("cat", "hashsum", "gcry_sha256", "part_msdos", "part_gpt", "fat", "linux", "reboot")
GREETING = "hello from the host\n"
BIG = random.Random(11).randbytes(8 << 20)
SECTORS = 48 << 11
PAGE = 4096


@pytest.fixture(scope="module")
def grub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GRUB with what it needs to read a disk, and to boot another kernel from it."""
    return make_grub(tmp_path_factory.mktemp("grub"), *MODULES)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory, grub: Path) -> Path:
    """A disk with files on it: a text, many random bytes, and GRUB."""
    files = {"hello.txt": GREETING.encode(), "big.bin": BIG, "grub.elf": grub.read_bytes()}
    return fat_disk(tmp_path_factory.mktemp("disk") / "web.img", files)


@pytest.fixture(scope="module")
def host(images: Images, tmp_path_factory: pytest.TempPathFactory, disk: Path) -> Iterator[Host]:
    """A host with that disk, another one on the IDE controller, a copy of it, and one that is only to be read."""
    other, small = disk.parent / "ide.img", disk.parent / "ro.img"
    other.write_bytes(disk.read_bytes())
    with small.open("wb") as file:
        file.truncate(MIB)
        for sector, data in gpt([(40, 99, "one"), (100, 1999, "two")], MIB // SECTOR):
            file.seek(sector * SECTOR)
            file.write(data)
    disks = (DiskSpec(disk), DiskSpec(other, "ide"), DiskSpec(small, read_only=True))
    places = HostPlaces(tmp_path_factory.mktemp("host"))
    kernels = images.hypervisor(), images.guest("agent")
    with Host.boot(*kernels, memory=256 * MIB, places=places, disks=disks) as host:
        yield host


@pytest.fixture
def methods(host: Host) -> Iterator[Methods]:
    """What can be asked of the host. Domains that a test leaves behind go, and with them all that they had."""
    methods = Methods(host)
    yield methods
    for number in list(host.guests):
        host.destroy(str(number))
    until(lambda: [one["id"] for one in methods.domains()] == [0])
    assert [one["extents"] for one in methods.disks()] == [[], [], []]
    assert methods.store_ls("/local/domain") == []
    with host.lock:
        assert check_machine(host.machine) == []


def start_grub(methods: Methods, grub: Path, *disks: str, name: str = "grub") -> None:
    """Have GRUB come to its prompt with these disks."""
    make(methods, name, grub, 64 * MIB, disks=disks)
    until(lambda: "grub> " in console(methods, name))


def tell(methods: Methods, command: str, answer: str, name: str = "grub") -> None:
    """Type a command to GRUB and wait for a line that matches."""
    seen = len(console(methods, name))
    methods.console_input(name, f"{command}\r")
    until(lambda: re.search(rf"^{answer}\s*$", console(methods, name)[seen:].replace("\r", "\n"), re.M), 60.0)


# A stranger.


@pytest.mark.parametrize("image", ["web.img", "ide.img"])
def test_grub_finds_the_partition_and_reads_its_files(methods: Methods, grub: Path, image: str) -> None:
    start_grub(methods, grub, f"{image}:r")
    tell(methods, "ls", r"\(xen/xvda\) \(xen/xvda,msdos1\)")
    tell(methods, "ls (xen/xvda,msdos1)/", "hello.txt big.bin grub.elf")
    tell(methods, "cat (xen/xvda,msdos1)/hello.txt", GREETING.strip())
    digest = hashlib.sha256(BIG).hexdigest()
    tell(methods, "hashsum --hash sha256 (xen/xvda,msdos1)/big.bin", digest)
    (found,) = methods.vbds("grub")
    assert found["reads"] >= len(BIG) // PAGE
    assert (found["errors"], found["refused"], found["writes"]) == (0, 0, 0)


def test_grub_and_the_toolstack_agree_about_a_gpt(methods: Methods, grub: Path) -> None:
    start_grub(methods, grub, "ro.img:r")
    tell(methods, "ls", r"\(xen/xvda\) \(xen/xvda,gpt2\) \(xen/xvda,gpt1\)")
    (found,) = (one for one in methods.disks() if one["name"] == "ro.img")
    assert (found["scheme"], found["read_only"]) == ("gpt", True)
    assert [(one["start"], one["sectors"], one["name"]) for one in found["partitions"]] == [
        (40, 60, "one"), (100, 1900, "two"),
    ]  # fmt: skip


def test_a_kernel_that_grub_boots_from_the_disk_has_the_disk_again(methods: Methods, grub: Path) -> None:
    """The front end closes and another one begins: states 6, 1, 3 of one device."""
    start_grub(methods, grub, "web.img:r")
    tell(methods, "linux (xen/xvda,msdos1)/grub.elf", "grub>")
    before = methods.vbds("grub")[0]["reads"]
    seen = len(console(methods, "grub"))
    methods.console_input("grub", "boot\r")
    until(lambda: "grub> " in console(methods, "grub")[seen:])
    tell(methods, "cat (xen/xvda,msdos1)/hello.txt", GREETING.strip())
    assert methods.vbds("grub")[0]["reads"] > before > len(grub.read_bytes()) // PAGE


def test_several_disks_come_in_order_and_a_stretch_begins_at_0(methods: Methods, grub: Path) -> None:
    start_grub(methods, grub, f"web.img:{START}s-:r", "web.img:0-2M:r", "xvdd=ide.img:p1:r")
    assert [one["device"] for one in methods.vbds("grub")] == ["xvda", "xvdb", "xvdd"]
    tell(methods, "cat (xen/xvda)/hello.txt", GREETING.strip())
    tell(methods, "cat (xen/xvdd)/hello.txt", GREETING.strip())


def test_several_ranges_are_one_disk(methods: Methods, grub: Path) -> None:
    """The partition table of one disk, and the file system of another behind it."""
    start_grub(methods, grub, f"web.img:0s-{START}s:r")
    methods.destroy("grub")
    until(lambda: len(methods.domains()) == 1)
    start_grub(methods, grub, f"web.img:0s-{START}s,{START}s-:r", name="both")
    tell(methods, "cat (xen/xvda,msdos1)/hello.txt", GREETING.strip(), name="both")


# What a host says of its disks.


def test_a_host_shows_its_disks_partitions_and_who_has_what(methods: Methods, images: Images, disk: Path) -> None:
    make(methods, "web", images.guest("spin"), 4 * MIB, disks=["web.img:0-1M:rw"])
    make(methods, "db", images.guest("spin"), 4 * MIB, disks=["web.img:1M-2M:rw", "ide.img:r"])
    found = {one["name"]: one for one in methods.disks()}
    web = found["web.img"]
    assert (web["file"], web["sectors"], web["scheme"]) == (str(disk), SECTORS, "mbr")
    assert [(one["partition"], one["start"], one["kind"]) for one in web["partitions"]] == [(1, START, "FAT16")]
    assert [(one["domain"], one["device"], one["start"], one["sectors"], one["right"]) for one in web["extents"]] == [
        ("web", "xvda", 0, 2048, "rw"), ("db", "xvda", 2048, 2048, "rw"),
    ]  # fmt: skip
    assert [(one["device"], one["right"]) for one in found["ide.img"]["extents"]] == [("xvdb", "r")]
    assert methods.info("db")["disks"] == "xvda rw init wait, xvdb r init wait"


REFUSALS = [
    ("none.img", "no disk of this host is called none.img"),
    ("web.img:0-1G:rw", "web.img has 98304 sectors, and not sectors 0 to 2097151"),
    ("web.img:48M-", "web.img has 98304 sectors, and not what is behind sector 98304"),
    ("ro.img:rw", "xvda cannot have sectors 0 to 2047 of ro.img: that disk is only to be read"),
    ("ro.img:" + ",".join(["0-1M"] * 9), "a disk of a domain has 8 ranges at the most"),
    ("web.img:p2", "web.img has no partition 2: xengen disk shows those that it has"),
    ("web.img:0-2M:rw", "xvda cannot have sectors 0 to 4095 of web.img: "
                        "some of them are somebody's already, and one of both may write there"),
    ("web.img:0-2M:r", "xvda cannot have sectors 0 to 4095 of web.img: "
                       "some of them are somebody's already, and one of both may write there"),
]  # fmt: skip


@pytest.mark.parametrize(("share", "words"), REFUSALS)
def test_a_share_that_cannot_be_is_one_sentence_and_leaves_nothing(
    methods: Methods, images: Images, share: str, words: str
) -> None:
    make(methods, "first", images.guest("spin"), 4 * MIB, disks=["web.img:1M-4M:rw"])
    with pytest.raises(UserError) as caught:
        make(methods, "web", images.guest("spin"), 4 * MIB, disks=[share])
    assert words in str(caught.value)
    until(lambda: [one["name"] for one in methods.domains()][1:] == ["first"])
    assert [one["domain"] for disk in methods.disks() for one in disk["extents"]] == ["first"]


def test_what_one_domain_had_another_can_have_when_it_has_gone(methods: Methods, images: Images) -> None:
    for name in ("one", "two"):
        make(methods, name, images.guest("spin"), 4 * MIB, disks=["web.img:0-1M:rw"])
        methods.destroy(name)
        until(lambda: len(methods.domains()) == 1)


def test_readers_share_sectors(methods: Methods, images: Images) -> None:
    for name in ("one", "two"):
        make(methods, name, images.guest("spin"), 4 * MIB, disks=["web.img:r"])
    assert [one["domain"] for disk in methods.disks() for one in disk["extents"]] == ["one", "two"]


# While domains run.


def test_a_domain_that_is_destroyed_while_it_reads_leaves_nothing(methods: Methods, grub: Path) -> None:
    start_grub(methods, grub, "web.img:r")
    methods.console_input("grub", "hashsum --hash sha256 (xen/xvda,msdos1)/big.bin\r")
    until(lambda: methods.vbds("grub")[0]["reads"] > 100)
    methods.destroy("grub")
    until(lambda: len(methods.domains()) == 1)


def test_a_domain_that_reboots_has_its_disk_again(methods: Methods, host: Host, grub: Path) -> None:
    host.shortest_life = 0.0
    number = make(methods, "grub", grub, 64 * MIB, disks=["web.img:rw"])["id"]
    until(lambda: "grub> " in console(methods, "grub"))
    methods.console_input("grub", "reboot\r")
    until(lambda: any(one["id"] > number and one["state"] != "dying" for one in methods.domains()))
    until(lambda: "grub> " in console(methods, "grub"))
    tell(methods, "cat (xen/xvda,msdos1)/hello.txt", GREETING.strip())


def test_what_a_domain_had_another_can_have_as_soon_as_it_is_destroyed(
    methods: Methods, grub: Path, images: Images
) -> None:
    """Even when something of it is in flight."""
    start_grub(methods, grub, "web.img:rw")
    methods.console_input("grub", "hashsum --hash sha256 (xen/xvda,msdos1)/big.bin\r")
    until(lambda: methods.vbds("grub")[0]["reads"] > 100)
    methods.destroy("grub")
    make(methods, "web", images.guest("spin"), 4 * MIB, disks=["web.img:rw"])


def test_a_disk_comes_and_goes_while_its_domain_runs(
    methods: Methods, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(methods, "web", images.guest("spin"), 4 * MIB)
    made = methods.disk_attach("web", "web.img:0-1M:rw")
    assert (made["device"], made["state"], made["sectors"]) == ("xvda", "init wait", 2048)
    with pytest.raises(UserError, match="has a disk xvda already"):
        methods.disk_attach("web", "xvda=web.img:2M-3M:rw")
    assert methods.disk_detach("web", "xvda") == {"device": "xvda", "closed": True}
    assert methods.vbds("web") == []
    with pytest.raises(UserError, match="has no disk 51712"):
        methods.disk_detach("web", "xvda")


def test_a_front_end_that_does_not_close_loses_its_disk_all_the_same(
    methods: Methods, grub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_methods, "DETACH_SECONDS", 0.1)
    start_grub(methods, grub, "web.img:r")
    assert methods.disk_detach("grub", "xvda") == {"device": "xvda", "closed": False}
    tell(methods, "echo still here", "still here")


def test_a_ring_that_the_hypervisor_has_shut_is_told_to_its_owner(methods: Methods, host: Host, grub: Path) -> None:
    start_grub(methods, grub, "web.img:r")
    ring = ring_of(host)
    methods.console_input("grub", "hashsum --hash sha256 (xen/xvda,msdos1)/big.bin\r")

    def spoil() -> bool:
        """Have its producer jump, as often as the front end puts it right again."""
        for _ in range(100):
            host.machine.memory.write(ring, (1 << 20).to_bytes(4, "little"))
        return "closing" in methods.vbds("grub")[0]["state"]

    until(spoil)
    assert methods.vbds("grub")[0]["state"] == "closing (the ring was shut: its producer has jumped, or runs backwards)"
    number = methods.info("grub")["id"]
    error = methods.store_read(f"/local/domain/{number}/device/vbd/51712/error")
    assert error == "the ring was shut: its producer has jumped, or runs backwards"


def test_disks_are_given_over_a_serial_line_too(
    images: Images, tmp_path_factory: pytest.TempPathFactory, disk: Path
) -> None:
    copy = tmp_path_factory.mktemp("serial") / "web.img"
    copy.write_bytes(disk.read_bytes())
    kernels = images.hypervisor(), images.guest("agent")
    with Host.boot(*kernels, memory=64 * MIB, serial=True, disks=[DiskSpec(copy)]) as far:
        methods = Methods(far)
        make(methods, "web", images.guest("spin"), 4 * MIB, disks=["web.img:p1:rw"])
        assert [one["start"] for one in methods.disks()[0]["extents"]] == [START]
        assert methods.vbds("web")[0]["state"] == "init wait"
        methods.destroy("web")
        until(lambda: len(methods.domains()) == 1)
        assert methods.disks()[0]["extents"] == []


def ring_of(host: Host) -> int:
    """Return where the ring of the only virtual disk is, a physical address."""
    with host.lock:
        hypervisor = hypervisor_of(host.machine)
        table = hypervisor.symbol("io_devices")
        words = (int.from_bytes(hypervisor.read(table + 4 * index, 4), "little") for index in range(256))
        (device,) = (word for word in words if word)
        return int(hypervisor.structure(Vbd, device).ring.mfn) * PAGE
