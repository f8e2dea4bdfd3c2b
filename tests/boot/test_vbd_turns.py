"""VBDs on a disk that does one request at a time (IDE): the order of requests of one VBD, and turns between several.

Invariants
  - The disk is held while requests are put, so that they wait together; then it goes on.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.harness import BOOTER, Images
from tests.boot.rings import until
from tests.boot.vbds import BARRIER, FLUSH, OKAY, READ, WRITE, BlockFront, DiskHost, Segment, expected
from xengen.agent.names import value

BATCH = value("VBD_BATCH")


@pytest.fixture(scope="module")
def slow_machine(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DiskHost]:
    """A machine with an IDE disk and four domains."""
    host = DiskHost(images, tmp_path_factory.mktemp("slow"), domains=4, model="ide")
    yield host
    host.close()


@pytest.fixture
def slow(request: pytest.FixtureRequest, slow_machine: DiskHost) -> Iterator[DiskHost]:
    """It, without VBDs."""
    request.node.stash[BOOTER] = slow_machine.booter
    yield slow_machine
    slow_machine.settle()


def waiting(front: BlockFront, sectors: list[int]) -> dict[int, int]:
    """Put reads of a sector each behind one that the disk holds; their sectors by id. To be used while it is held."""
    page = front.page()
    assert front.do(READ, 99, [Segment(page.ref)]) == OKAY  # the last one that it does
    front.put(READ, 100, [Segment(page.ref)])
    front.push()
    made = {front.put(READ, sector, [Segment(page.ref, 0, 0)]): sector for sector in sectors}
    front.push()
    return made


@pytest.mark.parametrize("sectors, order", [
    ([500, 300, 400, 200, 450], [200, 300, 400, 450, 500]),
    ([50, 300, 10, 700, 20, 200], [200, 300, 700, 10, 20, 50]),
    ([107, 108, 109, 0], [108, 109, 0, 107]),
    ([1000, 1000, 30, 1000], [1000, 1000, 1000, 30]),
])  # fmt: skip
def test_requests_that_wait_go_upwards_from_where_the_last_one_ended(
    slow: DiskHost, sectors: list[int], order: list[int]
) -> None:
    front = slow.connected(start=0, sectors=2048)
    with slow.held():
        made = waiting(front, sectors)
    answers = front.answers(len(sectors) + 1)
    assert [made[answer.id] for answer in answers if answer.id in made] == order


def test_vbds_take_turns_whatever_each_has_in_its_ring(slow: DiskHost) -> None:
    fronts = [slow.connected(start=4096 * (domain - 1), sectors=4096, domain=domain) for domain in (1, 2, 3)]
    pages = [front.page() for front in fronts]
    with slow.held():
        assert fronts[0].do(READ, 4000, [Segment(pages[0].ref)]) == OKAY
        for front, page in zip(fronts, pages, strict=True):
            for number in range(31):
                front.put(READ, 16 * (number * 11 % 31), [Segment(page.ref, 0, 0)])
            front.push()
    most = 0

    def all_done() -> bool:
        nonlocal most
        done = [front.ring.header.rsp_prod for front in fronts]
        done[0] -= 1
        if min(done) < 31:
            most = max(most, max(done) - min(done))
        return bool(sum(done) == 93)

    until(all_done, "all requests of all rings")
    assert most <= BATCH + 1


@pytest.mark.parametrize("operation", [READ, WRITE])
def test_a_full_ring_of_whole_requests_comes_through(slow: DiskHost, operation: int) -> None:
    front = slow.connected(start=0, sectors=4096)
    pages = front.pages(11)
    for number in range(32):
        front.put(operation, 88 * (number * 13 % 32), [Segment(page.ref) for page in pages])
    front.push()
    assert [answer.status for answer in front.answers(32)] == [OKAY] * 32
    slow.fill(0, 4096)


@pytest.mark.parametrize("operation", [FLUSH, BARRIER])
def test_flushes_and_barriers_go_between(slow: DiskHost, operation: int) -> None:
    front = slow.connected(start=256, sectors=256)
    page = front.page()
    for number in range(8):
        front.put(READ, 8 * number, [Segment(page.ref, number, number)])
        front.put(operation)
    front.push()
    assert [answer.status for answer in front.answers(16)] == [OKAY] * 16
    assert front.memory(page) == b"".join(expected(256 + 8 * number, 1) for number in range(8))
