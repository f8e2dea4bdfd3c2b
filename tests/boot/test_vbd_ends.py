"""VBDs: what becomes of them when a domain ends, with requests in flight; and that nobody's blocks suffer.

Invariants
  - Each test has a machine of its own: its domains die.
  - The checker looks while the domain is dying, and when it has gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.boot.grants import Granted
from tests.boot.harness import BOOTER, Images
from tests.boot.rings import until
from tests.boot.vbds import OKAY, READ, SECTOR, WRITE, BlockFront, DiskHost, Segment, expected
from xengen.abi.control import Domctl
from xengen.abi.sched import SchedShutdown
from xengen.agent.agent import Agent
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import value
from xengen.inspect.live import hypervisor_of
from xengen.inspect.vbd import vbds

SECTORS = 512


@pytest.fixture
def many(request: pytest.FixtureRequest, images: Images, tmp_path: Path) -> Iterator[DiskHost]:
    """A machine with domain 0 and four others, and a disk."""
    host = DiskHost(images, tmp_path, domains=5)
    request.node.stash[BOOTER] = host.booter
    yield host
    host.close()


def destroy(back: Agent, domain: int) -> None:
    """Have domain 0 end a domain."""
    argument = Domctl(value("DOMCTL_destroy"), value("CONTROL_VERSION"), domain)
    until(lambda: back.hypercall("domctl", argument) == 0, "the domain to go")


def ids(host: DiskHost) -> list[int]:
    """The domains that are there."""
    return [domain.id for domain in hypervisor_of(host.machine).domains()]


def in_flight(front: BlockFront, pages: Sequence[Granted]) -> None:
    """Put reads in flight that a disk that is held does not do, and see that they are."""
    assert front.do(READ, 900, [Segment(pages[0].ref)]) == OKAY
    for index, page in enumerate(pages):
        front.put(READ, 16 * index, [Segment(page.ref)])
    front.push()
    assert front.info().in_flight == len(pages)


def test_a_domain_that_is_destroyed_in_flight_goes_when_the_disk_has_done(many: DiskHost) -> None:
    front = many.connected(domain=2)
    hypervisor = hypervisor_of(many.machine)
    free, own = hypervisor.word("free_frames"), hypervisor.domains()[2].record.nr_pages
    with many.held():
        in_flight(front, front.pages(7))
        argument = Domctl(value("DOMCTL_destroy"), value("CONTROL_VERSION"), 2)
        assert many.agents[0].hypercall("domctl", argument) in (0, -value("EBUSY"))
        until(lambda: hypervisor.domains()[2].record.nr_pages == 8, "all memory but seven pages and the ring to go")
        (view,) = vbds(hypervisor)
        assert len(view.in_use) == 7
        many.check()
    until(lambda: 2 not in ids(many), "the domain to go")
    many.check()
    assert vbds(hypervisor) == ()
    assert hypervisor.word("free_frames") >= free + own


def test_a_domain_that_powers_off_in_flight_goes_with_its_vbds(many: DiskHost) -> None:
    front = many.connected(domain=2)
    with many.held():
        in_flight(front, front.pages(7))
        with pytest.raises(DomainDied):
            front.agent.hypercall("sched_op", value("SCHEDOP_shutdown"), SchedShutdown(value("SHUTDOWN_poweroff")))
    until(lambda: 2 not in ids(many), "the domain to go")
    many.check()
    assert vbds(hypervisor_of(many.machine)) == ()


def test_a_domain_that_ends_leaves_the_others_served(many: DiskHost) -> None:
    fronts = [many.connected(start=1024 * domain, domain=domain) for domain in (1, 2, 3)]
    pages = [front.page() for front in fronts]
    destroy(many.agents[0], 2)
    for domain, (front, page) in zip((1, 3), ((fronts[0], pages[0]), (fronts[2], pages[2])), strict=True):
        assert front.read(5, 8, page) == expected(1024 * domain + 5, 8)
    until(lambda: 2 not in ids(many), "the domain to go")
    assert many.front(domain=1, handle=7).extent(2048, 8) == 0
    many.check()


def marked(domain: int, sector: int) -> bytes:
    """What a domain writes into a sector of its VBD."""
    return (domain << 56 | sector << 8 | 0x5A).to_bytes(8, "little") * (SECTOR // 8)


class Writer:
    """Writes its marks over the whole of a VBD, several requests at a time."""

    def __init__(self, front: BlockFront, start: int) -> None:
        self.front, self.start, self.domain = front, start, front.agent.domain
        self.pages = front.pages(11)
        self.order = [sector * 7 % (SECTORS // 8) * 8 for sector in range(SECTORS // 8)]
        self.busy: dict[int, tuple[int, int]] = {}
        self.spare = list(range(11))
        self.written: set[int] = set()

    def go_on(self) -> None:
        """Take what is answered, and put as much as there are pages for."""
        for answer in self.front.ring.take():
            sector, index = self.busy.pop(answer.id)
            assert answer.status == OKAY
            self.written.add(sector)
            self.spare.append(index)
        while self.spare and self.order:
            index, sector = self.spare.pop(), self.order.pop()
            page = self.pages[index]
            data = b"".join(marked(self.domain, sector + number) for number in range(8))
            self.front.agent.machine.memory.write(page.page.machine, data)
            self.busy[self.front.put(WRITE, sector, [Segment(page.ref)])] = sector, index
        self.front.push()

    @property
    def done(self) -> bool:
        """Whether all is written."""
        return not self.order and not self.busy


def test_every_block_is_its_writers_when_one_of_four_is_killed_in_the_middle(many: DiskHost) -> None:
    starts = {domain: 1000 + 600 * domain for domain in (1, 2, 3, 4)}
    writers = {domain: Writer(many.connected(start, SECTORS, domain), start) for domain, start in starts.items()}
    victim = writers.pop(3)
    for _ in range(3):
        for writer in (*writers.values(), victim):
            writer.go_on()
    destroy(many.agents[0], 3)
    while not all(writer.done for writer in writers.values()):
        for writer in writers.values():
            writer.go_on()
    until(lambda: 3 not in ids(many), "the domain to go")
    many.check()
    for writer in writers.values():
        found = many.blocks(writer.start, SECTORS)
        assert found == b"".join(marked(writer.domain, sector) for sector in range(SECTORS))
    asked = {sector for sector, _ in victim.busy.values()}
    for page in range(0, SECTORS, 8):
        found = many.blocks(victim.start + page, 8)
        mine = b"".join(marked(3, page + number) for number in range(8))
        old = expected(victim.start + page, 8)
        assert found in {True: (mine,), False: (mine, old) if page in asked else (old,)}[page in victim.written]
    ranges = sorted((start, start + SECTORS) for start in starts.values())
    edges = [0, *(edge for pair in ranges for edge in pair), many.sectors]
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        assert many.blocks(first, last - first) == expected(first, last - first)
