"""Disk drivers: what is asked of a disk is what happens to its file (asm/hypervisor/drivers/).

Invariants
  - Each behaviour is held for every driver. Requests come through a VBD, whose own rules are test_vbd_*.py's.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.disk_machines import SECTORS, DiskBooter, contents, image, sector_of, sparse
from tests.boot.vbds import FLUSH, OKAY, PAGE_SECTORS, READ, Segment
from xengen.agent.names import value
from xengen.machine.disks import MODELS, SECTOR, DiskSpec
from xengen.machine.spec import CPU

every_driver = pytest.mark.parametrize("model", MODELS)
# Sectors that a command of IDE with 28 bits can name.
NARROW = 1 << 28


@every_driver
def test_a_disk_is_known_by_its_serial_number_and_has_its_files_size(
    boot_disks: DiskBooter, tmp_path: Path, model: str
) -> None:
    machine = boot_disks([DiskSpec(image(tmp_path), model)])
    (found,) = machine.disks().items()
    assert (found[0], found[1].sectors, found[1].flags) == ("disk0", SECTORS, value("DISK_CAN_FLUSH"))


def test_a_machine_without_disks_has_none(boot_disks: DiskBooter) -> None:
    assert boot_disks([]).disks() == {}


def test_disks_of_both_kinds_are_there_at_once_and_each_is_its_own_file(boot_disks: DiskBooter, tmp_path: Path) -> None:
    models = ["virtio", "ide", "ide", "virtio", "ide"]
    machine = boot_disks([DiskSpec(image(tmp_path, number), model) for number, model in enumerate(models)])
    for number in range(len(models)):
        front = machine.front(f"disk{number}")
        assert front.read(7, 1, front.page()) == contents(number, 7)
    assert len(machine.disks()) == len(models)


def test_a_disk_that_may_only_be_read_says_so(boot_disks: DiskBooter, tmp_path: Path) -> None:
    machine = boot_disks([DiskSpec(image(tmp_path), read_only=True)])
    assert machine.disks()["disk0"].flags & value("DISK_READ_ONLY")


@every_driver
def test_the_first_and_the_last_sectors_are_read(boot_disks: DiskBooter, tmp_path: Path, model: str) -> None:
    front, _ = boot_disks.one(tmp_path, model)
    page = front.page()
    assert front.read(0, 1, page) == contents(0, 0)
    assert front.read(SECTORS - 1, 1, page) == contents(0, SECTORS - 1)


@every_driver
def test_what_is_written_is_in_the_file_after_a_flush_and_nothing_beside_it(
    boot_disks: DiskBooter, tmp_path: Path, model: str
) -> None:
    front, path = boot_disks.one(tmp_path, model)
    assert front.write(100, b"\xa5" * SECTOR * 2, front.page()) == OKAY
    assert front.do(FLUSH) == OKAY
    found = [sector_of(path, sector) for sector in (99, 100, 101, 102)]
    assert found == [contents(0, 99), b"\xa5" * SECTOR, b"\xa5" * SECTOR, contents(0, 102)]


@every_driver
def test_a_request_of_eleven_scattered_pieces_is_one_run_of_sectors(
    boot_disks: DiskBooter, tmp_path: Path, model: str
) -> None:
    front, _ = boot_disks.one(tmp_path, model)
    pages = [front.page() for _ in range(11)]
    parts = [(index % 4, 7 - index % 3) for index in range(11)]
    segments = [Segment(page.ref, first, last) for page, (first, last) in zip(pages, parts, strict=True)]
    assert front.do(READ, 40, segments) == OKAY
    read = b"".join(
        front.memory(page)[first * SECTOR : (last + 1) * SECTOR]
        for page, (first, last) in zip(pages, parts, strict=True)
    )
    assert read == b"".join(contents(0, 40 + index) for index in range(len(read) // SECTOR))


@every_driver
def test_as_many_requests_as_a_ring_holds_are_all_answered(boot_disks: DiskBooter, tmp_path: Path, model: str) -> None:
    front, _ = boot_disks.one(tmp_path, model)
    pages = [front.page() for _ in range(32)]
    places = [(index * 37) % 200 * PAGE_SECTORS for index in range(32)]
    numbers = [
        front.put(READ, place, [Segment(page.ref)]) for page, place in zip(pages, places, strict=True)
    ]
    front.push()
    answers = front.answers(32)
    assert sorted(answer.id for answer in answers) == numbers
    assert {answer.status for answer in answers} == {OKAY}
    for page, place in zip(pages, places, strict=True):
        assert front.memory(page)[:SECTOR] == contents(0, place)


def test_two_disks_at_one_ide_channel_do_not_mix_their_requests(boot_disks: DiskBooter, tmp_path: Path) -> None:
    machine = boot_disks([DiskSpec(image(tmp_path, number), "ide") for number in range(2)])
    fronts = [machine.front(f"disk{number}") for number in range(2)]
    pages = [[front.page() for _ in range(16)] for front in fronts]
    for index in range(16):
        for front, own in zip(fronts, pages, strict=True):
            front.put(READ, index * PAGE_SECTORS, [Segment(own[index].ref)])
    for front in fronts:
        front.push()
    for number, (front, own) in enumerate(zip(fronts, pages, strict=True)):
        assert {answer.status for answer in front.answers(16)} == {OKAY}
        for index in range(16):
            assert front.memory(own[index])[:SECTOR] == contents(number, index * PAGE_SECTORS)


def test_disks_that_share_an_interrupt_are_all_served(boot_disks: DiskBooter, tmp_path: Path) -> None:
    machine = boot_disks([DiskSpec(image(tmp_path, number)) for number in range(6)])
    fronts = [machine.front(f"disk{number}") for number in range(6)]
    pages = [[front.page() for _ in range(8)] for front in fronts]
    for front, own in zip(fronts, pages, strict=True):
        for index in range(8):
            front.put(READ, index * PAGE_SECTORS, [Segment(own[index].ref)])
    for front in fronts:
        front.push()
    for number, (front, own) in enumerate(zip(fronts, pages, strict=True)):
        assert {answer.status for answer in front.answers(8)} == {OKAY}
        assert front.memory(own[7])[:SECTOR] == contents(number, 7 * PAGE_SECTORS)


@every_driver
def test_interrupts_of_disks_come_without_a_local_apic(boot_disks: DiskBooter, tmp_path: Path, model: str) -> None:
    front = boot_disks([DiskSpec(image(tmp_path), model)], cpu=f"{CPU},-apic").front("disk0")
    page = front.page()
    assert [front.read(sector, 1, page) for sector in (1, 2)] == [contents(0, 1), contents(0, 2)]


@every_driver
def test_interrupts_of_disks_come_while_time_counts_instructions(
    boot_disks: DiskBooter, tmp_path: Path, model: str
) -> None:
    front = boot_disks([DiskSpec(image(tmp_path), model)], icount=True, append="disk_timeout=0").front("disk0")
    page = front.page()
    assert [front.read(sector, 1, page) for sector in (1, 2)] == [contents(0, 1), contents(0, 2)]


@every_driver
@pytest.mark.parametrize("sector", [NARROW - 4, NARROW - 1, NARROW, NARROW + 5])
def test_sectors_are_reached_on_both_sides_of_what_28_bits_can_name(
    boot_disks: DiskBooter, tmp_path: Path, model: str, sector: int
) -> None:
    path = sparse(tmp_path, NARROW + 1024)
    front = boot_disks([DiskSpec(path, model)]).front("disk0")
    page = front.page()
    data = sector.to_bytes(8, "little") * (2 * SECTOR // 8)
    assert front.write(sector, data, page) == OKAY
    assert front.do(FLUSH) == OKAY
    assert sector_of(path, sector) + sector_of(path, sector + 1) == data
    assert front.read(sector, 2, page) == data


@every_driver
def test_a_disk_counts_what_it_has_done(boot_disks: DiskBooter, tmp_path: Path, model: str) -> None:
    machine = boot_disks([DiskSpec(image(tmp_path), model)])
    front = machine.front("disk0")
    page = front.page()
    front.read(0, 8, page)
    assert front.write(8, bytes(3 * SECTOR), page) == OKAY
    info = machine.disks()["disk0"]
    assert (info.reads, info.writes, info.errors, info.sectors_moved, info.in_flight) == (1, 1, 0, 11, 0)
