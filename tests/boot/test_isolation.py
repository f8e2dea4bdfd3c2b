"""No guest gets out: all that the guest hostile tries, under Bochs, which enforces what the hypervisor relies on.

Danger: ring 1 is a supervisor to the page tables, so that segment limits alone keep a guest kernel from the hypervisor.
Method: hostile tries every way that the manuals offer and says what became of it; the package isolation says what must.
QEMU's TCG has no limits: what it can enforce is held there too, and what it cannot is listed in docs/emulators.md.

Invariants
  - Every line of the guest is held against the table, and every row of the table has a line.
  - Domain 0 makes all attempts but the deadly ones, each of which has its own domain.
  - Each emulator boots hostile once for all parallel workers: the first that needs it does, and leaves the others what
    was said.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.harness import TREE, Images, locked
from tests.boot.isolation import DEADLY, EXPECTED, tcg
from tests.boot.isolation.outcomes import Expected
from xengen.cli.iso import make_iso
from xengen.cli.iso import missing_packages as missing_for_iso
from xengen.machine.bochs import Bochs, BochsSpec, missing_packages
from xengen.machine.machine import Ending, Machine
from xengen.machine.spec import MIB, MachineSpec, Module
from xengen.machine.transcript import domain_ends, transcribe

LACKING = sorted({*missing_packages(), *missing_for_iso()})
needs_bochs = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {' '.join(LACKING)}")

LINE = re.compile(r"^escape (\w+): (.*)$", re.MULTILINE)
COUNTS = re.compile(r"^(\d+) attempts, (\d+) got out$", re.MULTILINE)
# 31 domains beside domain 0, each as small as the guest can be.
SIZES = "dom0_mem=16M domu_mem=8M"
MEMORY = 320 * MIB
SECONDS = 180


@dataclass(frozen=True)
class Run:
    """What hostile and the hypervisor said: each attempt's outcome, and how each deadly one ended."""

    text: str
    outcomes: dict[str, str]
    deadly: dict[str, str]
    ending: Ending


def read(raw: bytes, ending: Ending) -> Run:
    """Take a console apart. Domain N was told the Nth name of DEADLY."""
    transcript = transcribe(raw)
    ends = {end.domain: end for end in domain_ends(transcript.hypervisor)}
    deadly = {}
    for number, name in enumerate(DEADLY, 1):
        said = dict(LINE.findall(transcript.text(number)))
        end = ends.get(number)
        deadly[name] = f"died: {end.reason}" if end is not None and end.died else said.get(name, "not a word")
    text = transcript.text(0)
    return Run(text, dict(LINE.findall(text)), deadly, ending)


def modules(images: Images) -> tuple[Module, ...]:
    """Return hostile for domain 0, and once more for each deadly attempt."""
    guest = images.guest("hostile")
    return (Module(guest), *(Module(guest, name) for name in DEADLY))


def under_bochs(folder: Path, hypervisor: Path, line: str, modules: tuple[Module, ...], memory: int) -> Bochs:
    """Return a Bochs, not started yet, for these modules."""
    iso = folder / "boot.iso"
    make_iso(iso, hypervisor, f"console=e9 {line}".strip(), modules)
    return Bochs(BochsSpec(iso, memory))


def once(name: str, factory: pytest.TempPathFactory, run: Callable[[Path], tuple[bytes, Ending]]) -> Run:
    """Return what `run(folder)` gave to the worker of this test session that came first."""
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    base = factory.getbasetemp()
    folder = (base.parent if session else base) / f"isolation-{name}"
    with locked(folder / "lock"):
        console, ending = folder / "console", folder / "ending"
        if not ending.exists():
            raw, how = run(folder)
            console.write_bytes(raw)
            ending.write_text(how.name)
        return read(console.read_bytes(), Ending[ending.read_text()])


@pytest.fixture(scope="module")
def bochs(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Hostile under Bochs."""

    def run(folder: Path) -> tuple[bytes, Ending]:
        with under_bochs(folder, images.hypervisor(), SIZES, modules(images), MEMORY) as machine:
            ending = machine.wait(SECONDS)
            return machine.raw, ending

    return once("bochs", tmp_path_factory, run)


@pytest.fixture(scope="module")
def qemu(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Hostile under QEMU."""

    def run(folder: Path) -> tuple[bytes, Ending]:
        with Machine(MachineSpec(images.hypervisor(), SIZES, modules(images), memory=MEMORY)) as machine:
            ending = machine.wait(SECONDS)
            return machine.console.raw, ending

    return once("qemu", tmp_path_factory, run)


Rule = Callable[[str, Expected, str], bool]


def wrong(expected: dict[str, Expected], found: dict[str, str], rule: Rule) -> list[str]:
    """Return a line for each attempt that ended otherwise than `rule` allows, or that only one side knows."""
    names = [*expected, *(name for name in found if name not in expected)]
    lines = []
    for name in names:
        outcome, row = found.get(name, "not tried"), expected.get(name)
        if row is None or not rule(name, row, outcome):
            lines.append(f"{name}: {outcome}, expected: {row.outcome if row is not None else 'no such attempt'}")
    return lines


def by_the_manuals(name: str, expected: Expected, outcome: str) -> bool:
    return expected.agrees(outcome)


@needs_bochs
def test_every_attempt_ends_as_the_manuals_say(bochs: Run) -> None:
    assert wrong(EXPECTED, bochs.outcomes, by_the_manuals) == []


@needs_bochs
def test_a_domain_that_breaks_its_own_stack_or_handlers_dies_alone(bochs: Run) -> None:
    assert wrong(DEADLY, bochs.deadly, by_the_manuals) == []
    assert bochs.ending is Ending.POWEROFF


@needs_bochs
def test_the_guest_itself_sees_nothing_get_out(bochs: Run) -> None:
    assert COUNTS.findall(bochs.text) == [(str(len(EXPECTED)), "0")]
    assert "GOT OUT" not in bochs.text


def test_tcg_enforces_all_but_what_is_known(qemu: Run) -> None:
    assert wrong(EXPECTED, qemu.outcomes, tcg.agrees) == []


def test_a_domain_dies_alone_under_tcg_too(qemu: Run) -> None:
    assert wrong(DEADLY, qemu.deadly, tcg.agrees) == []
    assert qemu.ending is Ending.POWEROFF


@pytest.mark.parametrize("difference", tcg.DIFFERENCES, ids=lambda difference: difference.attempts[0])
def test_a_known_difference_of_tcg_is_there(qemu: Run, difference: tcg.Difference) -> None:
    # A QEMU that has mended one should not be excused for it any longer.
    found = EXPECTED | DEADLY, qemu.outcomes | qemu.deadly
    assert any(
        difference.explains(name, outcome) and not found[0][name].agrees(outcome) for name, outcome in found[1].items()
    )


def test_the_document_lists_the_differences_of_tcg() -> None:
    text = (TREE / "docs/emulators.md").read_text(encoding="utf-8")
    for difference in tcg.DIFFERENCES:
        row = f"| {difference.what} | {', '.join(f'`{pattern}`' for pattern in difference.attempts)} |"
        assert row in text


def test_the_table_tells_the_wrong_outcome_the_missing_and_the_unknown_attempt() -> None:
    expected = {"a": Expected("#GP 0x0 or done"), "b": Expected("-E*"), "c": Expected("0x0")}
    assert wrong(expected, {"a": "done", "b": "-EPERM", "c": "0x0"}, by_the_manuals) == []
    assert wrong(expected, {"a": "#GP 0x8", "b": "0x0", "d": "done"}, by_the_manuals) == [
        "a: #GP 0x8, expected: #GP 0x0 or done",
        "b: 0x0, expected: -E*",
        "c: not tried, expected: 0x0",
        "d: done, expected: no such attempt",
    ]


def test_what_gets_out_of_ring_3_under_tcg_is_excused_only_where_it_is_known() -> None:
    by_segment = Expected("#GP 0x0", by_segment=True)
    assert tcg.agrees("ring1_read_ds_beyond", by_segment, "done: GOT OUT")
    assert tcg.agrees("ring3_read_ds_beyond", by_segment, "#PF 0x5 0xfc400000")
    assert not tcg.agrees("ring3_read_ds_beyond", by_segment, "done: GOT OUT")
    assert not tcg.agrees("ring1_lgdt", Expected("#GP 0x0"), "done: GOT OUT")


def ordinary(guest: str, images: Images, folder: Path) -> tuple[str, str]:
    """Return what a guest says under QEMU and under Bochs, without the addresses that the firmware decides."""
    module = (Module(images.guest(guest)),)
    said = []
    with Machine(MachineSpec(images.hypervisor(), "dom0_mem=32M", module)) as machine:
        assert machine.wait(SECONDS) is Ending.POWEROFF
        said.append(machine.transcript.text(0))
    with under_bochs(folder, images.hypervisor(), "dom0_mem=32M", module, 128 * MIB) as other:
        assert other.wait(SECONDS) is Ending.POWEROFF
        said.append(other.transcript.text(0))
    qemu, bochs = (re.sub(r"(?<=machine address )0x\w+", "(address)", text) for text in said)
    return qemu, bochs


@needs_bochs
def test_hello_says_the_same_on_both_emulators(images: Images, tmp_path: Path) -> None:
    qemu, bochs = ordinary("hello", images, tmp_path)
    assert "hello from ring 1" in bochs
    assert qemu == bochs


# What TCG does not raise at all, and the flag that it does not set in the frame of a fault (docs/emulators.md).
NOT_BY_TCG = ("SSE division by zero", "application: misaligned read with AC set")
RF = 1 << 16


def frames(text: str) -> list[str]:
    """Return the lines of the guest traps about exceptions that both emulators raise, without RF in their flags."""
    lines = [line for line in text.splitlines() if line.startswith("trap ")]
    lines = [line for line in lines if not any(what in line for what in NOT_BY_TCG)]
    return [re.sub(r"eflags (0x\w+)", lambda found: f"eflags {int(found[1], 16) & ~RF:#x}", line) for line in lines]


@needs_bochs
def test_traps_gets_the_same_frames_on_both_emulators(images: Images, tmp_path: Path) -> None:
    qemu, bochs = ordinary("traps", images, tmp_path)
    assert "WRONG" not in bochs
    assert frames(qemu) == frames(bochs)
    for what in NOT_BY_TCG:
        assert re.search(rf"^trap \d+ error 0x0 .*: {what}: ok$", bochs, re.MULTILINE)
