"""Virtual interfaces against their model: valid and hostile front ends in any order, the checker beside them.

The steps are Hypothesis's, always the same ones, and their number is fixed: a failure shows the shortest list of steps
that it could find.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.boot.harness import BOOTER, Images
from tests.boot.vif_host import NetHost
from tests.model.mutants import Mutant, built_wrong, but
from tests.model.vif_world import COUNT, Step, VifWorld, steps

EXAMPLES = 40
SETTINGS = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink), max_examples=EXAMPLES,
)  # fmt: skip


@pytest.fixture(scope="module")
def machine(images: Images) -> Iterator[NetHost]:
    """A machine with three domains."""
    host = NetHost(images, COUNT)
    yield host
    host.close()


def test_interfaces_do_what_the_model_says(request: pytest.FixtureRequest, machine: NetHost) -> None:
    request.node.stash[BOOTER] = machine.booter
    made: list[str] = []

    @SETTINGS
    @given(steps)
    def check(given_steps: list[Step]) -> None:
        try:
            carry_out(machine, given_steps)
            made.extend(name for name, _ in given_steps)
        finally:
            machine.settle()

    check()
    assert set(made) == {
        "send", "spoof", "send without a page", "post", "post a bad one", "block", "mean ill", "connect",
    }  # fmt: skip


# Each with steps that bring it to light.
MUTANTS: dict[str, tuple[Mutant, list[Step]]] = {
    "a page is kept when its packet is through": (
        Mutant("io/vif/send.s", *but(
            "        pushl   %eax\n        call    vif_let_go\n        popl    %eax\n", "        call    vif_let_go\n",
        )),
        [("post", (1, 1)), ("send", (0, 1, 300, 2))],
    ),
    "what no rule decides is let out": (
        Mutant("io/vif/rules.s", "        movl    VIF_policies(%ebx,%ecx,4), %eax\n", "        xorl    %eax, %eax\n"),
        [("post", (1, 1)), ("spoof", (0, 1))],
    ),
    "a buffer is used again and again": (
        Mutant("io/vif/deliver.s", "        incl    VIF_rx_io_req_cons(%ebx)\n"),
        [("post", (1, 1)), ("send", (0, 1, 60, 1)), ("send", (0, 1, 60, 1))],
    ),
    "a source is looked at in the first slot alone": (
        Mutant("io/vif/transmit.s", "        addl    %ecx, VIF_PACKET_head_bytes(%ebp)\n",
               "        movl    %ecx, VIF_PACKET_head_bytes(%ebp)\n"),
        [("post", (1, 1)), ("send", (0, 1, 60, 18))],
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
def test_a_hypervisor_that_is_wrong_about_interfaces_is_found_out(machine: NetHost, name: str, tmp_path: Path) -> None:
    mutant, given_steps = MUTANTS[name]
    carry_out(machine, given_steps)
    machine.settle()
    wrong = NetHost(WrongImages(built_wrong(mutant, tmp_path)), COUNT)
    try:
        with pytest.raises(AssertionError):
            carry_out(wrong, given_steps)
    finally:
        wrong.close()


def carry_out(host: NetHost, given_steps: list[Step]) -> None:
    """Make steps, and have the checker look."""
    world = VifWorld(host)
    for step in given_steps:
        world.run(step)
    world.check()
