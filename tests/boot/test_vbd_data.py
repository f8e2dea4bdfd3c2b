"""VBDs: what is read and written, on the disk's file as the host sees it.

Invariants
  - A new disk's sectors have their own numbers in them (`pattern`), so that each says where it is from.
  - What a test has written it fills with the pattern again.
"""

from __future__ import annotations

import pytest

from tests.boot.vbds import (
    BARRIER,
    FLUSH,
    OKAY,
    READ,
    SECTOR,
    WRITE,
    DiskHost,
    Segment,
    expected,
)


def test_a_page_is_read_from_where_the_extent_is(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=4096, sectors=64)
    assert front.read(8, 8, front.page()) == expected(4096 + 8, 8)


def test_a_page_is_written_there_and_nothing_beside_it(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=1000, sectors=64)
    assert front.write(16, b"\xa5" * 4096, front.page()) == OKAY
    assert disk_host.blocks(1000, 64) == expected(1000, 16) + b"\xa5" * 4096 + expected(1024, 40)
    disk_host.fill(1000, 64)


@pytest.mark.parametrize("first, last", [(0, 0), (7, 7), (3, 5), (0, 6), (1, 7)])
def test_a_segment_is_the_sectors_of_its_page_that_it_names(disk_host: DiskHost, first: int, last: int) -> None:
    front = disk_host.connected(start=512, sectors=64)
    page, count = front.page(), last - first + 1
    disk_host.machine.memory.write(page.page.machine, b"\xff" * 4096)
    assert front.do(READ, 9, [Segment(page.ref, first, last)]) == OKAY
    around = b"\xff" * SECTOR * first, b"\xff" * SECTOR * (7 - last)
    assert front.memory(page) == around[0] + expected(512 + 9, count) + around[1]


def test_eleven_pages_are_scattered_by_one_request_and_gathered_by_another(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=2048, sectors=256)
    pages = front.pages(11)
    segments = [Segment(page.ref) for page in reversed(pages)]
    assert front.do(READ, 0, segments) == OKAY
    assert b"".join(front.memory(page) for page in reversed(pages)) == expected(2048, 88)
    assert front.do(WRITE, 100, segments) == OKAY
    assert disk_host.blocks(2148, 88) == expected(2048, 88)
    disk_host.fill(2148, 88)


def test_a_page_may_be_in_several_segments_of_a_request(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=64, sectors=64)
    page = front.page()
    assert front.do(READ, 0, [Segment(page.ref, 4, 7), Segment(page.ref, 0, 3)]) == OKAY
    assert front.memory(page) == expected(68, 4) + expected(64, 4)


def test_each_of_32_requests_in_flight_is_answered_by_its_id(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=0, sectors=512)
    pages = {front.put(READ, 8 * (number * 7 % 32), [Segment(page.ref)]): (page, number * 7 % 32)
             for number, page in enumerate(front.pages(32))}  # fmt: skip
    front.push()
    answers = front.answers(32)
    assert {(answer.id, answer.status) for answer in answers} == {(number, OKAY) for number in pages}
    assert all(front.memory(page) == expected(8 * place, 8) for page, place in pages.values())


def test_the_ring_goes_around_again_and_again(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=128, sectors=128)
    page = front.page()
    for number in range(70):
        assert front.read(number, 1, page) == expected(128 + number, 1)
    assert (front.ring.req_prod_pvt, front.ring.rsp_cons) == (70, 70)


def test_a_second_extent_begins_where_the_first_ends(disk_host: DiskHost) -> None:
    front = disk_host.front()
    assert front.extent(3000, 24) == 0
    assert front.extent(100, 40) == 0
    front.connect()
    page = front.page()
    assert front.info().sectors == 64
    assert front.read(16, 8, page) == expected(3016, 8)
    assert front.read(24, 8, page) == expected(100, 8)
    assert front.read(63, 1, page) == expected(139, 1)


@pytest.mark.parametrize("operation", [READ, WRITE])
@pytest.mark.parametrize("sizes", [(12, 200), (3, 5, 1, 2, 7, 11, 13, 200), (8, 200), (44, 43, 3, 9)])
def test_a_request_over_several_extents_is_one_request(
    disk_host: DiskHost, sizes: tuple[int, ...], operation: int
) -> None:
    front = disk_host.front()
    starts = [1000 * (number + 1) for number in reversed(range(len(sizes)))]
    for start, size in zip(starts, sizes, strict=True):
        assert front.extent(start, size) == 0
    front.connect()
    pages = front.pages(11)
    data = bytes(number % 251 for number in range(11 * 4096))
    for index, page in enumerate(pages):
        disk_host.machine.memory.write(page.page.machine, data[4096 * index : 4096 * (index + 1)])
    assert front.do(operation, 5, [Segment(page.ref) for page in pages]) == OKAY
    there = b"".join(disk_host.blocks(start, size) for start, size in zip(starts, sizes, strict=True))
    wanted = b"".join(front.memory(page) for page in pages) if operation == READ else data
    assert there[5 * SECTOR : 93 * SECTOR] == wanted
    for start, size in zip(starts, sizes, strict=True):
        disk_host.fill(start, size)


@pytest.mark.parametrize("operation", [FLUSH, BARRIER])
def test_a_flush_and_a_barrier_need_no_data(disk_host: DiskHost, operation: int) -> None:
    front = disk_host.connected()
    flushes = disk_host.disk().flushes
    assert front.do(operation) == OKAY
    assert disk_host.disk().flushes - flushes == (1 if operation == FLUSH else 2)


@pytest.mark.parametrize("operation", [FLUSH, BARRIER])
def test_a_flush_and_a_barrier_may_have_data(disk_host: DiskHost, operation: int) -> None:
    front = disk_host.connected(start=300, sectors=32)
    page = front.page()
    disk_host.machine.memory.write(page.page.machine, b"\x77" * 4096)
    assert front.do(operation, 8, [Segment(page.ref)]) == OKAY
    assert disk_host.blocks(300, 32) == expected(300, 8) + b"\x77" * 4096 + expected(316, 16)
    disk_host.fill(300, 32)


def test_a_barrier_is_answered_behind_all_before_it_and_before_all_behind_it(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=0, sectors=512)
    pages = front.pages(6)
    before = [front.put(READ, 400 - 100 * number, [Segment(page.ref)]) for number, page in enumerate(pages[:3])]
    barrier = front.put(BARRIER)
    behind = [front.put(READ, 8 * number, [Segment(page.ref)]) for number, page in enumerate(pages[3:])]
    front.push()
    order = [answer.id for answer in front.answers(7)]
    assert (set(order[:3]), order[3], set(order[4:])) == (set(before), barrier, set(behind))


def test_all_that_is_done_is_counted(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=640, sectors=256)
    pages = front.pages(3)
    assert front.do(READ, 0, [Segment(page.ref) for page in pages]) == OKAY
    assert front.do(READ, 0, [Segment(pages[0].ref, 2, 3)]) == OKAY
    assert front.do(WRITE, 24, [Segment(pages[1].ref)]) == OKAY
    assert front.do(FLUSH) == OKAY
    assert front.do(BARRIER) == OKAY
    assert front.do(READ, 250, [Segment(pages[0].ref)]) != OKAY
    info = front.info()
    counted = {name: getattr(info, name) for name in (
        "reads", "writes", "flushes", "barriers", "refused", "errors", "segments", "sectors_read", "sectors_written",
        "in_flight", "kicks",
    )}  # fmt: skip
    assert counted == {
        "reads": 3, "writes": 1, "flushes": 1, "barriers": 1, "refused": 1, "errors": 0, "segments": 5,
        "sectors_read": 26, "sectors_written": 8, "in_flight": 0, "kicks": 6,
    }  # fmt: skip
    disk_host.fill(640, 256)


def test_several_vbds_of_a_domain_are_served(disk_host: DiskHost) -> None:
    fronts = [disk_host.connected(start=1024 * number, sectors=64, handle=51712 + 16 * number) for number in range(3)]
    pages = [front.page() for front in fronts]
    for number, (front, page) in enumerate(zip(fronts, pages, strict=True)):
        front.put(READ, number, [Segment(page.ref, 0, 0)])
        front.push()
    for number, (front, page) in enumerate(zip(fronts, pages, strict=True)):
        assert [answer.status for answer in front.answers(1)] == [OKAY]
        assert front.memory(page)[:SECTOR] == expected(1025 * number, 1)


def test_domain_0_may_have_a_vbd_itself(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=77, sectors=8, domain=0)
    assert front.read(0, 8, front.page()) == expected(77, 8)


def test_the_disk_is_given_the_domains_own_frames(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=0, sectors=256)
    pages = front.pages(3)
    with disk_host.held():
        assert front.do(READ, 200, [Segment(pages[0].ref)]) == OKAY
        front.put(READ, 0, [Segment(page.ref) for page in pages])
        front.push()
        view = front.view()
        assert view is not None
        (asked,) = [request.record.disk for request in view.in_use]
        disk_host.check()
    assert [piece.address for piece in asked.pieces[: asked.count]] == [page.page.machine for page in pages]
    assert [answer.status for answer in front.answers(1)] == [OKAY]
