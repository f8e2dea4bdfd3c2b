"""Errors of disks: they reach the request that met them, and nothing else (asm/hypervisor/drivers/disk.s).

Invariants
  - QEMU injects the errors: into requests that touch a sector (blkdebug), or by never answering (throttling to one
    byte in a second).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.disk_machines import DiskBooter, DiskMachine, contents, image, sector_of
from tests.boot.rings import until
from tests.boot.vbds import ERROR, FLUSH, OKAY, PAGE_SECTORS, READ, WRITE, Segment
from xengen.agent.names import value
from xengen.machine.disks import MODELS, SECTOR, DiskSpec, Fault

every_driver = pytest.mark.parametrize("model", MODELS)


def throttle(machine: DiskMachine, name: str, rate: int) -> None:
    """From now on a disk moves `rate` bytes in a second; 0: as many as it can."""
    places = {found["inserted"]["node-name"]: found["qdev"] for found in machine.machine.qmp("query-block")}
    words = f"block_set_io_throttle {places[name]} {rate} 0 0 0 0 0"
    said = machine.machine.qmp("human-monitor-command", command_line=words)
    assert said == ""


def silence(machine: DiskMachine, name: str = "disk0") -> None:
    """From now on a disk does not answer in any time that a test would wait."""
    throttle(machine, name, 1)


@every_driver
def test_an_error_reaches_the_request_that_met_it_and_no_other(
    boot_disks: DiskBooter, tmp_path: Path, model: str
) -> None:
    front, _ = boot_disks.one(tmp_path, model, Fault("read", sector=160))
    pages = [front.page() for _ in range(20)]
    # With a gap between any two of them, for QEMU makes one of requests that follow each other.
    numbers = [front.put(READ, 2 * index * PAGE_SECTORS, [Segment(page.ref)]) for index, page in enumerate(pages)]
    front.push()
    failed = {answer.id for answer in front.answers(20) if answer.status == ERROR}
    assert failed == {numbers[10]}
    assert front.memory(pages[11])[:SECTOR] == contents(0, 176)


@every_driver
def test_an_error_that_goes_away_is_gone(boot_disks: DiskBooter, tmp_path: Path, model: str) -> None:
    front, _ = boot_disks.one(tmp_path, model, Fault("read", sector=80, once=True))
    page = front.page()
    assert [front.do(READ, 80, [Segment(page.ref)]) for _ in range(3)] == [ERROR, OKAY, OKAY]


@every_driver
def test_a_write_fails_as_well(boot_disks: DiskBooter, tmp_path: Path, model: str) -> None:
    front, path = boot_disks.one(tmp_path, model, Fault("write"))
    page = front.page()
    assert front.write(0, bytes(SECTOR), page) == ERROR
    assert front.read(0, 1, page) == contents(0, 0) == sector_of(path, 0)


@every_driver
def test_a_flush_fails_as_well(boot_disks: DiskBooter, tmp_path: Path, model: str) -> None:
    front, _ = boot_disks.one(tmp_path, model, Fault("flush", once=True))
    page = front.page()
    assert front.write(0, bytes(SECTOR), page) == OKAY  # what has written nothing flushes nothing
    assert [front.do(FLUSH), front.write(0, bytes(SECTOR), page), front.do(FLUSH)] == [ERROR, OKAY, OKAY]


@every_driver
def test_errors_are_counted(boot_disks: DiskBooter, tmp_path: Path, model: str) -> None:
    machine = boot_disks([DiskSpec(image(tmp_path), model, faults=(Fault("read", sector=0),))])
    front = machine.front("disk0")
    assert front.do(READ, 0, [Segment(front.page().ref)]) == ERROR
    info = machine.disks()["disk0"]
    assert (info.errors, info.reads, info.sectors_moved, info.in_flight) == (1, 0, 0, 0)


@every_driver
def test_a_disk_that_does_not_answer_is_given_up_and_its_requests_fail(
    boot_disks: DiskBooter, tmp_path: Path, model: str
) -> None:
    machine = boot_disks([DiskSpec(image(tmp_path), model)], append="disk_timeout=1")
    front = machine.front("disk0")
    pages = [front.page() for _ in range(11)]
    assert front.do(READ, 0, [Segment(pages[0].ref)]) == OKAY
    silence(machine)
    segments = [Segment(page.ref) for page in pages]
    for sector in range(4):
        front.put(READ, sector, segments)
    front.push()
    statuses = [answer.status for answer in front.answers(4)]
    assert statuses[-1] == ERROR
    until(lambda: machine.disks()["disk0"].flags & value("DISK_DEAD"), "the disk to be given up")
    assert machine.disks()["disk0"].in_flight == 0
    until(lambda: "disk 0 does not answer: it is given up" in machine.machine.transcript.hypervisor, "the log")


@every_driver
def test_a_disk_that_was_given_up_fails_whatever_it_is_asked(
    boot_disks: DiskBooter, tmp_path: Path, model: str
) -> None:
    machine = boot_disks([DiskSpec(image(tmp_path), model)], append="disk_timeout=1")
    front = machine.front("disk0")
    pages = [front.page() for _ in range(11)]
    silence(machine)
    segments = [Segment(page.ref) for page in pages]
    until(lambda: front.do(READ, 0, segments) == ERROR, "the disk to be given up")
    assert [front.do(WRITE, 0, segments), front.do(FLUSH), front.do(READ, 8, segments)] == [ERROR] * 3


def test_other_disks_go_on_when_one_is_given_up(boot_disks: DiskBooter, tmp_path: Path) -> None:
    disks = [DiskSpec(image(tmp_path, 0), "ide"), DiskSpec(image(tmp_path, 1), "virtio")]
    machine = boot_disks(disks, append="disk_timeout=1")
    first, second = machine.front("disk0"), machine.front("disk1")
    silence(machine, "disk0")
    pages = [first.page() for _ in range(11)]
    until(lambda: first.do(READ, 0, [Segment(page.ref) for page in pages]) == ERROR, "the disk to be given up")
    assert second.read(5, 1, second.page()) == contents(1, 5)


def test_a_disk_that_is_slow_is_waited_for_as_long_as_the_command_line_says(
    boot_disks: DiskBooter, tmp_path: Path
) -> None:
    machine = boot_disks([DiskSpec(image(tmp_path))], append="disk_timeout=0")
    front = machine.front("disk0")
    silence(machine)
    pages = [front.page() for _ in range(11)]
    front.put(READ, 0, [Segment(page.ref) for page in pages])
    front.put(READ, 0, [Segment(page.ref) for page in pages])
    front.push()
    until(lambda: machine.disks()["disk0"].in_flight, "a request to be on its way")
    throttle(machine, "disk0", 0)
    assert {answer.status for answer in front.answers(2)} == {OKAY}
