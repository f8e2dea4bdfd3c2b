"""Event channels against their model: whatever the order of steps, no event is lost, doubled or late.

The steps are Hypothesis's, always the same ones, and their number is fixed: a failure shows the shortest list of steps
that it could find, each a method of EventWorld with its arguments. Hypervisors that are wrong are found out.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.boot.harness import Images
from tests.model.event_steps import Step, Worlds, run, steps
from tests.model.event_world import Difference
from tests.model.mutants import Mutant, built_wrong, but

SETTINGS = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)  # fmt: skip


@pytest.mark.parametrize("domains, examples", [(2, 20), (3, 20)])
def test_no_event_is_lost_doubled_or_late(images: Images, domains: int, examples: int) -> None:
    with Worlds(images, domains) as worlds:

        @settings(SETTINGS, max_examples=examples)
        @given(steps(domains))
        def check(given_steps: list[Step]) -> None:
            with worlds.world() as world:
                run(world, given_steps)
                world.finish()

        check()
        assert worlds.outcomes["heard"] > 3 * examples
        assert worlds.outcomes["slept"] > examples // 4


def test_a_domain_may_end_at_any_point(images: Images) -> None:
    with Worlds(images, 3) as worlds:

        @settings(SETTINGS, max_examples=3)
        @given(steps(3), steps(2))
        def check(before: list[Step], after: list[Step]) -> None:
            with worlds.world() as world:
                run(world, before)
                world.end(2)
                world.compare()
                run(world, after)
                world.finish()

        check()


# Each with steps that bring it to light. Random ones do as well, but take longer.
CHANNEL: list[Step] = [("connect", (0, 1)), ("let_in", (1,))]
MUTANTS: dict[str, tuple[Mutant, list[Step]]] = {
    "an event that waited behind a mask is forgotten": (
        Mutant("event/event_channel_op_fast.s", *but(
            '        jc      {{ L("select") }}\n        jmp     {{ L("done") }}\n',
            '        jc      {{ L("select") }}\n',
        )),
        [*CHANNEL, ("mask", (1,)), ("send", (0,)), ("unmask", (1,)), ("let_in", (1,))],
    ),
    "a closed port keeps its event": (
        Mutant("event/close.s", "        btrl    %eax, SHARED_INFO_evtchn_pending(%ecx)\n"),
        [*CHANNEL, ("send", (0,)), ("close_port", (1,)), ("bind_ipi", (1, 0)), ("let_in", (1,))],
    ),
    "a new channel begins without an event": (
        Mutant("event/bind.s", *but("        call    event_made\n        call    event_pending\n",
                                    "        call    event_pending\n")),
        CHANNEL,
    ),
}  # fmt: skip


class WrongImages(Images):
    """The project's images, but for the hypervisor."""

    def __init__(self, elf: Path) -> None:
        super().__init__()
        self._elf = elf

    def hypervisor(self, *, debug: bool = True) -> Path:
        """Return the wrong one."""
        return self._elf


@pytest.mark.parametrize("name", MUTANTS)
def test_a_hypervisor_that_is_wrong_about_events_is_found_out(images: Images, name: str, tmp_path: Path) -> None:
    mutant, given_steps = MUTANTS[name]
    with Worlds(images, 2) as right, right.world() as world:
        run(world, given_steps)
        world.finish()
    elf = built_wrong(mutant, tmp_path)
    with Worlds(WrongImages(elf), 2) as wrong, pytest.raises(Difference), wrong.world() as world:
        run(world, given_steps)
