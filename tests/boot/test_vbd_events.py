"""VBDs: who is notified when. A front end is told as it asks for, and kicks only when it is asked to (ABI 11.4).

Invariants
  - Events are counted by the hypervisor, for each event that it sends; kicks, for each that arrives.
"""

from __future__ import annotations

import pytest

from tests.boot import event_ports
from tests.boot.rings import until
from tests.boot.vbds import OKAY, READ, BlockFront, DiskHost, Segment


def counts(front: BlockFront) -> tuple[int, int]:
    """Events and kicks so far."""
    info = front.info()
    return int(info.events), int(info.kicks)


def burst(front: BlockFront, count: int, asked: int) -> None:
    """Put so many requests of a sector in flight, and wait for the answers; ask to be told of the `asked`-th."""
    page = front.page()
    front.ring.ask_for(asked)
    for sector in range(count):
        front.put(READ, sector, [Segment(page.ref, 0, 0)])
    front.push()
    assert all(answer.status == OKAY for answer in front.answers(count))


@pytest.mark.parametrize("depth", [1, 2, 8, 32])
def test_a_front_end_that_asks_for_the_last_response_is_told_once(disk_host: DiskHost, depth: int) -> None:
    front = disk_host.connected()
    for round_ in range(1, 5):
        burst(front, depth, depth)
        assert counts(front)[0] == round_


@pytest.mark.parametrize("asked", [33, 64, 1 << 31])
def test_a_front_end_that_asks_for_nothing_is_not_told(disk_host: DiskHost, asked: int) -> None:
    front = disk_host.connected()
    burst(front, 32, asked)
    assert counts(front)[0] == 0
    assert front.port not in event_ports.pending(front.agent)


def test_a_response_that_was_asked_for_comes_with_an_event(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    event_ports.quiet(front.agent)
    burst(front, 1, 1)
    until(lambda: front.port in event_ports.pending(front.agent))


def test_a_front_end_kicks_once_for_each_burst(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    for round_ in range(1, 5):
        burst(front, 16, 16)
        assert counts(front)[1] == round_


def test_a_back_end_that_is_busy_asks_for_no_kick(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    pages = front.pages(20)
    with disk_host.held():
        assert front.do(READ, 1000, [Segment(pages[0].ref)]) == OKAY
        for index, page in enumerate(pages[:17]):
            front.put(READ, 16 * index, [Segment(page.ref)])
        front.push()
        view = front.view()
        assert view is not None
        if view.record.waiting:  # the disk has no room for all
            front.put(READ, 0, [Segment(pages[19].ref)])
            assert not front.ring.push()
    front.answers(front.ring.size - front.ring.free)


def test_a_kick_without_a_request_does_no_harm(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    for _ in range(5):
        front.kick()
    burst(front, 3, 3)
    assert counts(front) == (1, 6)


def test_a_request_that_is_not_shown_is_not_taken(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    front.put(READ, 0, [Segment(front.page().ref)])
    front.kick()
    assert front.info().reads == 0
    assert front.ring.take() == []
    front.push()
    assert [answer.status for answer in front.answers(1)] == [OKAY]
