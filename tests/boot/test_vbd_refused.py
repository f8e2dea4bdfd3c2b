"""VBDs: requests that make no sense or have no right. Each fails alone: the request behind it is carried out.

Invariants
  - Behind each refusal no page is pinned: the entry has no marks, and the checker counts.
"""

from __future__ import annotations

import pytest

from tests.boot.grants import PERMIT, grant, write_entry
from tests.boot.vbds import (
    BARRIER,
    ERROR,
    FLUSH,
    OKAY,
    READ,
    READ_ONLY,
    UNSUPPORTED,
    WRITE,
    BlockFront,
    DiskHost,
    Segment,
    expected,
    request,
)
from xengen.abi.blkif import BlkifRequest
from xengen.agent.names import value

SECTORS = 64


def still_served(front: BlockFront) -> None:
    """A good request behind a bad one is carried out, and nothing of the bad one is left."""
    page = front.page()
    assert front.read(0, 8, page) == expected(256, 8)
    assert page.marks == 0
    view = front.view()
    assert view is not None
    assert view.in_use == ()


def answered(front: BlockFront, made: BlkifRequest) -> int:
    """Put a request as it is; its status."""
    front.ring.put(made)
    front.push()
    (answer,) = front.answers(1)
    assert (answer.id, answer.operation) == (made.id, made.operation)
    return int(answer.status)


@pytest.mark.parametrize("operation", [4, value("BLKIF_OP_DISCARD"), value("BLKIF_OP_INDIRECT"), 7, 0x80, 0xFF])
def test_an_operation_that_is_not_offered_is_not_supported(disk_host: DiskHost, operation: int) -> None:
    front = disk_host.connected(256, SECTORS)
    assert answered(front, request(operation, 0xDEADBEEF_01234567, 0, [Segment(front.page().ref)])) == UNSUPPORTED
    still_served(front)


@pytest.mark.parametrize("operation", [READ, WRITE])
def test_a_read_and_a_write_have_a_segment_at_least(disk_host: DiskHost, operation: int) -> None:
    front = disk_host.connected(256, SECTORS)
    assert front.do(operation) == ERROR
    still_served(front)


@pytest.mark.parametrize("operation", [READ, WRITE, BARRIER, FLUSH])
@pytest.mark.parametrize("count", [12, 128, 255])
def test_a_request_has_eleven_segments_at_most(disk_host: DiskHost, operation: int, count: int) -> None:
    front = disk_host.connected(256, SECTORS)
    made = request(operation, 1, 0, [Segment(front.page().ref)])
    made.nr_segments = count
    assert answered(front, made) == ERROR
    still_served(front)


@pytest.mark.parametrize("first, last", [(1, 0), (7, 6), (0, 8), (8, 8), (0, 255), (255, 255), (255, 0)])
def test_a_segment_is_a_part_of_a_page(disk_host: DiskHost, first: int, last: int) -> None:
    front = disk_host.connected(256, SECTORS)
    good = front.page().ref
    assert front.do(READ, 0, [Segment(good), Segment(good, first, last)]) == ERROR
    still_served(front)


@pytest.mark.parametrize("sector", [
    SECTORS - 7, SECTORS, SECTORS + 1, 1 << 31, (1 << 32) - 4, 1 << 32, (1 << 63) - 8, 1 << 63, (1 << 64) - 8,
    (1 << 64) - 1,
])  # fmt: skip
@pytest.mark.parametrize("operation", [READ, WRITE, BARRIER, FLUSH])
def test_what_lies_beyond_the_end_is_an_error(disk_host: DiskHost, operation: int, sector: int) -> None:
    front = disk_host.connected(256, SECTORS)
    assert front.do(operation, sector, [Segment(front.page().ref)]) == ERROR
    assert disk_host.blocks(0, 2048) == expected(0, 2048)
    still_served(front)


def test_the_last_sector_is_within(disk_host: DiskHost) -> None:
    front = disk_host.connected(256, SECTORS)
    assert front.read(SECTORS - 1, 1, front.page()) == expected(256 + SECTORS - 1, 1)


@pytest.mark.parametrize("ref", [0x7FFF, 511, 512, 1 << 20, 0xFFFFFFFF])
def test_a_grant_that_is_not_there_is_an_error(disk_host: DiskHost, ref: int) -> None:
    front = disk_host.connected(256, SECTORS)
    pages = front.pages(2)
    assert front.do(READ, 0, [Segment(pages[0].ref), Segment(pages[1].ref), Segment(ref)]) == ERROR
    assert [page.marks for page in pages] == [0, 0]
    still_served(front)


def test_a_page_that_is_granted_to_read_only_cannot_be_read_into(disk_host: DiskHost) -> None:
    front = disk_host.connected(256, SECTORS)
    page = front.page(read_only=True)
    assert front.do(READ, 0, [Segment(page.ref)]) == ERROR
    assert front.write(8, b"w" * 4096, page) == OKAY
    disk_host.fill(256, SECTORS)
    still_served(front)


def test_a_page_that_is_granted_to_another_domain_is_an_error(disk_host: DiskHost) -> None:
    front = disk_host.connected(256, SECTORS)
    own = grant(front.agent, front.agent)
    assert front.do(READ, 0, [Segment(own.ref)]) == ERROR
    write_entry(front.agent, own.ref, 0, 0, 0)
    front.agent.give_back(own.page)
    still_served(front)


@pytest.mark.parametrize("mfn", ["another domain's", "the hypervisor's", "no memory", "a page table"])
def test_a_frame_that_is_not_the_domains_to_use_is_an_error(disk_host: DiskHost, mfn: str) -> None:
    front = disk_host.connected(256, SECTORS)
    page = front.page()
    frames = {
        "another domain's": front.back.start_info.shared_info // 4096,
        "the hypervisor's": 0x100,
        "no memory": 0xFFFFF,
        "a page table": front.agent.space.l3,
    }
    write_entry(front.agent, page.ref, frames[mfn], 0, PERMIT)
    assert front.do(READ, 0, [Segment(page.ref)]) == ERROR
    write_entry(front.agent, page.ref, page.page.mfn, 0, PERMIT)
    still_served(front)


@pytest.mark.parametrize("operation", [WRITE, BARRIER, FLUSH])
def test_a_read_only_vbd_is_not_written(disk_host: DiskHost, operation: int) -> None:
    front = disk_host.front(flags=READ_ONLY)
    assert front.extent(256, SECTORS) == 0
    front.connect()
    assert front.do(operation, 0, [Segment(front.page().ref)]) == ERROR
    assert disk_host.blocks(256, SECTORS) == expected(256, SECTORS)
    still_served(front)


@pytest.mark.parametrize("sector, sectors, status", [
    (0, 8, OKAY), (24, 8, OKAY), (25, 8, ERROR), (31, 1, OKAY), (32, 1, ERROR), (39, 1, ERROR), (40, 8, OKAY),
    (33, 8, ERROR), (56, 8, OKAY),
])  # fmt: skip
def test_each_extent_has_a_right_of_its_own(disk_host: DiskHost, sector: int, sectors: int, status: int) -> None:
    front = disk_host.front()
    assert front.extent(256, 32) == 0
    assert front.extent(1024, 8, READ_ONLY) == 0
    assert front.extent(2048, 24) == 0
    front.connect()
    assert front.write(sector, b"w" * 512 * sectors, front.page()) == status
    assert disk_host.blocks(1024, 8) == expected(1024, 8)
    if status == ERROR:
        assert disk_host.blocks(256, 32) == expected(256, 32)
        assert disk_host.blocks(2048, 24) == expected(2048, 24)
    disk_host.fill(256, 32)
    disk_host.fill(2048, 24)


def test_a_vbd_without_extents_has_no_sectors(disk_host: DiskHost) -> None:
    front = disk_host.front()
    front.connect()
    assert front.do(READ, 0, [Segment(front.page().ref, 0, 0)]) == ERROR
    assert front.do(FLUSH) == OKAY
