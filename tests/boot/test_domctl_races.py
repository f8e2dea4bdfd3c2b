"""Builds in whose midst somebody else takes memory: between two pieces of a build everything may happen.

Invariants
  - Domain 0 takes frames, lowest first, while a build stands at a pause, and gives them back in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.boot.control_fixtures import Toolstack, begin_build
from tests.boot.reservations import give, take
from xengen.agent.names import value
from xengen.inspect.live import check_machine, hypervisor_of

PAGES = 1024  # as many as the initial area of `spin` has
NO_PFN = 0x80000  # from here on nobody has ever had pages
PIECE = 2048
ENOMEM, EEXIST = -value("ENOMEM"), -value("EEXIST")


@contextmanager
def taken(toolstack: Toolstack, count: int) -> Iterator[None]:
    """Inside the block domain 0 has so many frames more."""
    found: list[int] = []
    while len(found) < count:
        first = NO_PFN + len(found)
        found += take(toolstack.agent, range(first, first + min(PIECE, count - len(found))))
    yield
    for start in range(0, count, PIECE):
        piece = found[start : start + PIECE]
        assert give(toolstack.agent, piece) == len(piece)


def finish(toolstack: Toolstack, domain: int, pages: int = PAGES) -> int:
    """Go on with a build to its end, and return its result."""
    fields = {"image": toolstack.images["spin"].number, "initrd": value("IMAGE_NONE"), "pages": pages}
    return toolstack.domctl("build", domain, **fields)[0]


def test_a_run_of_frames_that_others_break_into_is_sought_again(toolstack: Toolstack) -> None:
    domain = toolstack.created()
    begin_build(toolstack, domain)
    assert 0 < toolstack.about(domain).pages < PAGES
    with taken(toolstack, 100):
        assert finish(toolstack, domain) == 0
        hypervisor = hypervisor_of(toolstack.machine)
        (found,) = (one for one in hypervisor.domains() if one.id == domain)
        own = (hypervisor.frames["owner"] == found.address).nonzero()[0].tolist()
        own.remove(found.record.shared_info_mfn)
        assert own == list(range(own[0], own[0] + PAGES))
        assert check_machine(toolstack.machine) == []
        toolstack.control.unpause(domain)
        toolstack.machine.console.expect(rf"^\(d{domain}\) spin: ")


def test_a_build_that_finds_no_run_of_frames_any_more_takes_none_and_may_be_tried_again(toolstack: Toolstack) -> None:
    domain = toolstack.created()
    begin_build(toolstack, domain)
    with taken(toolstack, toolstack.free_pages - 100):
        assert finish(toolstack, domain) == ENOMEM
        toolstack.machine.console.expect("spin.elf refused: it needs 1024 pages in a row, and no such run is free")
        assert (toolstack.about(domain).pages, toolstack.state(domain)) == (0, {"paused", "unbuilt"})
        assert check_machine(toolstack.machine) == []
    assert finish(toolstack, domain) == 0


def test_a_domain_whose_build_ran_out_of_memory_can_only_be_destroyed(toolstack: Toolstack) -> None:
    domain = toolstack.created()
    while toolstack.about(domain).pages <= PAGES:
        begin_build(toolstack, domain, 2 * PAGES)
    with taken(toolstack, toolstack.free_pages):
        assert finish(toolstack, domain, 2 * PAGES) == ENOMEM
        toolstack.machine.console.expect("spin.elf refused: it needs 2048 pages, 0 are free")
        assert check_machine(toolstack.machine) == []
        assert finish(toolstack, domain, 2 * PAGES) == EEXIST
        toolstack.control.destroy(domain)
    assert toolstack.numbers() == [0]


def test_without_memory_a_domain_is_not_created(toolstack: Toolstack) -> None:
    made = []
    with taken(toolstack, toolstack.free_pages):
        while toolstack.domctl("create", 0)[0] == 0:
            made.append(toolstack.numbers()[-1])
        assert toolstack.domctl("create", 0)[0] == ENOMEM
        assert check_machine(toolstack.machine) == []
    assert toolstack.numbers() == [0, *made]
