"""Making a failing run shorter, and writing it as a test: without a machine, by a rule that says what fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from xengen.fuzz.builds import Write
from xengen.fuzz.calls import Hypercall, Multicall
from xengen.fuzz.minimize import Run, minimize
from xengen.fuzz.mmu import Extend, MmuExtended, MmuUpdate, Store
from xengen.fuzz.places import Entry, Pool, Raw
from xengen.fuzz.reproducer import save, source
from xengen.fuzz.settings import Wild
from xengen.fuzz.world import Operation

PIN = Extend(0, Pool(1, 4))
NOISE: list[Write] = [Write(0, index, ((1, Raw(index)),)) for index in range(20)]


def has(run: Run, *texts: str) -> bool:
    """Whether operations with these texts come in this order."""
    rest = iter(run)
    return all(any(text in repr(operation) for operation in rest) for text in texts)


def test_operations_that_have_no_part_in_it_are_left_out() -> None:
    first, second = Hypercall(1, MmuExtended((PIN,))), Wild(2, 5, (1, 2))
    run: list[Operation] = [*NOISE[:9], first, *NOISE[9:], second]
    assert minimize(run, lambda tried: has(tried, "command=0", "Wild")) == [first, second]


def test_lists_within_operations_become_shorter() -> None:
    stores = tuple(Store(Pool(0, index), 0, Entry(Pool(0, 1), 3)) for index in range(5))
    run = [Multicall(0, (MmuExtended((PIN,)), MmuUpdate(stores), MmuExtended((PIN, PIN))), "iret", 7)]
    shorter = minimize(run, lambda tried: has(tried, "index=3)"))
    assert shorter == [Hypercall(0, MmuUpdate((stores[3],)))]


def test_arguments_of_a_call_are_not_a_list() -> None:
    run = [Wild(0, 12, (0x1234, 5, 6))]
    assert minimize(run, lambda tried: True) == run


def test_a_run_that_does_not_fail_again_stays_as_it_is() -> None:
    assert minimize(NOISE, lambda tried: False) == NOISE


@pytest.mark.parametrize("problem", ["a word", 'three """ quotes', "a \\ backslash\nand a second line"])
def test_a_saved_run_is_a_test_with_all_that_it_needs(tmp_path: Path, problem: str) -> None:
    run: list[Operation] = [NOISE[3], Hypercall(1, MmuUpdate((Store(Pool(1, 4), 2, Entry(Pool(1, 0), 99)),)))]
    path = save(tmp_path / "deep", 12, run, problem)
    assert path == tmp_path / "deep" / "test_seed_12.py"
    text = path.read_text(encoding="utf-8")
    compile(text, str(path), "exec")
    for line in (
        "from xengen.fuzz.builds import Write", "from xengen.fuzz.calls import Hypercall",
        "from xengen.fuzz.mmu import MmuUpdate, Store", "from xengen.fuzz.places import Entry, Pool, Raw",
        f"        world.run({NOISE[3]!r})", "def test_seed_12() -> None:",
    ):  # fmt: skip
        assert line in text.splitlines()


def test_what_is_saved_can_be_pasted() -> None:
    run = [Hypercall(1, MmuUpdate((Store(Pool(1, 4), 2, Entry(Pool(1, 0), 99)),)))]
    names = {"Hypercall": Hypercall, "MmuUpdate": MmuUpdate, "Store": Store, "Pool": Pool, "Entry": Entry}
    (line,) = [line for line in source(Path("x"), 1, run, "").splitlines() if "world.run" in line]
    assert eval(line.strip().removeprefix("world.run")[1:-1], names) == run[0]
