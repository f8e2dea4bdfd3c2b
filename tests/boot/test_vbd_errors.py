"""VBDs: a device's error reaches the request that asked for the sector, and nothing else.

Invariants
  - QEMU injects the errors (blkdebug); the machine and all other requests go on.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.harness import BOOTER, Images
from tests.boot.vbds import BARRIER, ERROR, FLUSH, OKAY, READ, WRITE, DiskHost, Segment, expected
from xengen.machine.disks import Fault

BAD = 1000
HEALED = 2000
FAULTS = (
    Fault("read", sector=BAD), Fault("write", sector=BAD), Fault("read", sector=HEALED, once=True), Fault("flush"),
)  # fmt: skip


@pytest.fixture(scope="module", params=["virtio", "ide"])
def bad_machine(
    request: pytest.FixtureRequest, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DiskHost]:
    """A machine whose disk has bad sectors, and cannot flush."""
    host = DiskHost(images, tmp_path_factory.mktemp("bad"), model=request.param, faults=FAULTS)
    yield host
    host.close()


@pytest.fixture
def bad_disk(request: pytest.FixtureRequest, bad_machine: DiskHost) -> Iterator[DiskHost]:
    """It, without VBDs."""
    request.node.stash[BOOTER] = bad_machine.booter
    yield bad_machine
    bad_machine.settle()


@pytest.mark.parametrize("operation", [READ, WRITE])
def test_an_error_of_the_disk_is_the_requests(bad_disk: DiskHost, operation: int) -> None:
    front = bad_disk.connected(start=0, sectors=4096)
    page = front.page()
    assert front.do(operation, BAD - 4, [Segment(page.ref)]) == ERROR
    assert front.info().errors == 1
    assert page.marks == 0
    assert front.read(BAD - 8, 8, page) == expected(BAD - 8, 8)


def test_only_the_request_that_touches_the_sector_fails(bad_disk: DiskHost) -> None:
    front = bad_disk.connected(start=0, sectors=4096)
    made = {}
    for index, page in enumerate(front.pages(16)):
        sector = BAD - 16 * 8 + 16 * index
        made[front.put(READ, sector, [Segment(page.ref)])] = sector, page
    front.push()
    for answer in front.answers(16):
        sector, page = made[answer.id]
        assert answer.status == (ERROR if sector <= BAD < sector + 8 else OKAY)
        assert answer.status == ERROR or front.memory(page) == expected(sector, 8)


def test_an_error_that_is_over_is_over(bad_disk: DiskHost) -> None:
    front = bad_disk.connected(start=0, sectors=4096)
    page = front.page()
    statuses = [front.do(READ, HEALED, [Segment(page.ref)]) for _ in range(2)]
    assert statuses in ([ERROR, OKAY], [OKAY, OKAY])  # a disk may try again by itself
    assert front.memory(page) == expected(HEALED, 8)


@pytest.mark.parametrize("operation", [FLUSH, BARRIER])
def test_a_flush_that_fails_is_an_error(bad_disk: DiskHost, operation: int) -> None:
    front = bad_disk.connected(start=0, sectors=512)
    page = front.page()
    assert front.do(operation) == ERROR
    assert front.read(0, 8, page) == expected(0, 8)


def test_a_part_that_fails_ends_a_request_over_several_extents(bad_disk: DiskHost) -> None:
    front = bad_disk.front()
    assert front.extent(3000, 8) == 0
    assert front.extent(BAD, 8) == 0
    assert front.extent(3100, 100) == 0
    front.connect()
    pages = front.pages(3)
    for page in pages:
        bad_disk.machine.memory.write(page.page.machine, b"w" * 4096)
    assert front.do(WRITE, 0, [Segment(page.ref) for page in pages]) == ERROR
    assert bad_disk.blocks(3100, 8) == expected(3100, 8)
    bad_disk.fill(3000, 8)
