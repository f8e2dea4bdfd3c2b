"""The ring of a VBD against its model: whatever a front end writes, each request has the answer that it must have.

The steps are Hypothesis's, always the same ones; the checker looks after each of them (pins, grants, queues, lists).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.boot.harness import Images
from tests.boot.vbds import DiskHost
from tests.model.vbd_model import WORD, Extent, Right, Verdict, is_hostile, verdict
from tests.model.vbd_world import LAYOUTS, PAGES, VbdWorld, Wish

SETTINGS = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)  # fmt: skip
STEPS = 8
EXAMPLES = 10

sectors = st.one_of(
    st.integers(0, 70), st.integers(0, 70), st.integers(0, 70),
    st.sampled_from([1 << 31, (1 << 32) - 4, 1 << 32, (1 << 63) - 1, (1 << 64) - 8, (1 << 64) - 1]),
)  # fmt: skip
segment = st.tuples(st.integers(0, PAGES - 1), st.integers(0, 4), st.integers(4, 7))
odd_segment = st.tuples(st.integers(0, PAGES + 2), st.integers(0, 9), st.integers(0, 9))
good = st.builds(
    lambda operation, sector, segments: Wish(operation, len(segments), sector, tuple(segments)),
    st.sampled_from([0, 0, 0, 1, 1, 1, 2, 3]), st.integers(0, 50), st.lists(segment, min_size=1, max_size=3),
)  # fmt: skip
odd = st.builds(
    Wish, st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 255]), st.sampled_from([0, 1, 2, 3, 11, 12, 255]), sectors,
    st.lists(odd_segment, max_size=11).map(tuple),
)  # fmt: skip
wishes = st.lists(st.one_of(good, good, odd), min_size=1, max_size=20)
jumps = st.integers(0, 40)
far = st.sampled_from([33, 1 << 16, 1 << 31, WORD - 1, WORD - 2, WORD - 32, WORD - 33])
pages = st.integers(0, PAGES - 1)
step = st.one_of(
    st.tuples(st.just("show"), st.tuples(wishes)),
    st.tuples(st.just("show"), st.tuples(wishes)),
    st.tuples(st.just("show"), st.tuples(wishes)),
    st.tuples(st.just("scribble"), st.tuples(st.binary(min_size=1, max_size=40), st.integers(1, 32))),
    st.tuples(st.just("jump"), st.tuples(jumps)),
    st.tuples(st.just("jump"), st.tuples(far)),
    st.tuples(st.just("permit"), st.tuples(pages, st.sampled_from(list(Right)))),
    st.tuples(st.just("take_back_in_flight"), st.tuples(wishes, pages)),
    st.tuples(st.just("disconnect"), st.just(())),
    st.tuples(st.just("close_port"), st.just(())),
    st.tuples(st.just("kick"), st.just(())),
)


def test_every_request_is_answered_as_the_model_says(images: Images, tmp_path: Path) -> None:
    host = DiskHost(images, tmp_path)
    outcomes: Counter[str] = Counter()

    @settings(SETTINGS, max_examples=EXAMPLES)
    @given(st.integers(0, len(LAYOUTS) - 1), st.lists(step, min_size=STEPS, max_size=STEPS))
    def check(layout: int, steps: list[tuple[str, tuple[object, ...]]]) -> None:
        try:
            world = VbdWorld(host, layout)
            for name, arguments in steps:
                getattr(world, name)(*arguments)
                world.compare()
            outcomes.update(world.outcomes)
        finally:
            host.settle()

    try:
        check()
    finally:
        host.close()
    assert outcomes["okay"] > 3 * EXAMPLES
    assert outcomes["refused"] > 3 * EXAMPLES
    assert outcomes["hostile"] > EXAMPLES // 4
    assert outcomes["connected"] > EXAMPLES // 2


SLOT = bytes([0, 1, 0, 0]) + (7).to_bytes(8, "little") + (4).to_bytes(8, "little") + bytes([9, 0, 0, 0, 2, 3, 0, 0])


@pytest.mark.parametrize("rights, status", [({9: Right.BOTH}, 0), ({9: Right.READ_ONLY}, -1), ({}, -1)])
def test_the_model_reads_a_slot_as_the_abi_has_it(rights: dict[int, Right], status: int) -> None:
    found = verdict(SLOT.ljust(108, b"\0"), (Extent(100, 5), Extent(50, 5)), rights)
    assert (found.id, found.operation, found.status) == (7, 0, status)
    moves = [(9, 2, 104), (9, 3, 50)] if status == 0 else []
    assert [(move.ref, move.part, move.sector) for move in found.moves] == moves


@pytest.mark.parametrize("producer, consumed, answered, hostile", [
    (0, 0, 0, False), (32, 0, 0, False), (33, 0, 0, True), (36, 10, 4, False), (37, 10, 4, True), (9, 10, 4, True),
    (WORD - 1, 0, 0, True), (5, WORD - 20, WORD - 20, False),
])  # fmt: skip
def test_the_model_knows_a_hostile_producer(producer: int, consumed: int, answered: int, hostile: bool) -> None:
    assert is_hostile(producer, consumed, answered) is hostile


def test_a_verdict_on_a_write_says_so() -> None:
    assert Verdict(1, 1, 0).writes
    assert not Verdict(1, 0, 0).writes
