"""The guests hello and traps: what each says, and that the tutorial tells the truth.

Invariants
  - What a trap frame must be comes from the processor's manual and the ABI (5.2 to 5.5), not from a run.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.harness import TREE, Booter, GuestMaker, Images
from xengen.machine.machine import Ending, Machine
from xengen.machine.spec import MIB

TRAP_LINE = re.compile(
    r"trap (?P<vector>\d+) error (?P<error>0x[0-9a-f]+)(?: cr2 (?P<cr2>\w+))? eip \+(?P<eip>0x[0-9a-f]+)"
    r" cs (?P<cs>0x[0-9a-f]+) eflags (?P<eflags>0x[0-9a-f]+) mask (?P<mask>\d+): (?P<what>.*): (?P<verdict>\w+)"
)

RING_1, RING_3 = "0xe019", "0xe02b"
PRESENT, WRITE, USER, FETCH = 1, 2, 4, 16

# What is provoked: vector, error code, cr2, eip counted from the instruction (a fault's is at it, a trap's behind it).
TRAPS = {
    "division by zero": (0, 0, None, 0),
    "single step": (1, 0, None, 1),
    "int3": (3, 0, None, 1),
    "into": (4, 0, None, 1),
    "bound": (5, 0, None, 0),
    "rsm, which is an instruction in system management mode only": (6, 0, None, 0),
    "return to the task before, of which there is none": (10, 0, None, 0),
    "segment that is not present": (11, 0x8, None, 0),
    "stack that is not present": (12, 0x8, None, 0),
    "hlt, which only ring 0 may": (13, 0, None, 0),
    "selector of a descriptor that is none": (13, 0xE038, None, 0),
    "selector in the guest's own table, which is empty": (13, 0x8, None, 0),
    "read of an absent page": (14, 0, 0xDEAD0000, 0),
    "write to an absent page": (14, WRITE, 0xDEAD1000, 0),
    "jump to an absent page": (14, FETCH, 0xDEAD2000, 0),
    "int 0x30, which the table allows to ring 1": (0x30, 0, None, 2),
    "int 0x80, which the table allows to all": (0x80, 0, None, 2),
    "int 0x31, which is not in the table": (13, 0x31 << 3 | 2, None, 0),
    "int 13, which the table allows to nobody": (13, 13 << 3 | 2, None, 0),
    "x87 division by zero": (16, 0, None, 0),
    "application: division by zero": (0, 0, None, 0),
    "application: int3": (3, 0, None, 1),
    "application: hlt": (13, 0, None, 0),
    "application: int 0x80, its system call": (0x80, 0, None, 2),
    "application: int 0x30, which is for ring 1": (13, 0x30 << 3 | 2, None, 0),
    "application: a hypercall": (13, 0x82 << 3 | 2, None, 0),
    "application: write to an absent page": (14, USER | WRITE, 0xDEAD0000, 0),
}
# Page faults at an address that depends on the guest's layout.
PAGE_FAULTS = {
    "write to a read-only page": PRESENT | WRITE,
    "application: read of the kernel's page": PRESENT | USER,
}
# QEMU's TCG (7.2) raises no SSE exceptions and checks no alignment.
NOT_BY_QEMU = {"SSE division by zero": 19, "application: misaligned read with AC set": 17}


def ended(machine: Machine) -> str:
    """Wait for an orderly end and return what domain 0 has said."""
    assert machine.wait(20) is Ending.POWEROFF
    return machine.transcript.text(0)


@pytest.fixture(scope="module")
def traps(images: Images) -> Iterator[str]:
    """What the guest traps says."""
    booter = Booter(images)
    try:
        yield ended(booter("traps"))
    finally:
        booter.close()


def trap(text: str, what: str) -> dict[str, str | None]:
    """Return the fields of the line about one case."""
    found = [match.groupdict() for match in TRAP_LINE.finditer(text) if match["what"] == what]
    assert len(found) == 1, text
    return found[0]


def test_hello_runs_in_ring_1_with_the_flat_segments(boot: Booter) -> None:
    assert re.match(r"hello from ring 1: cs = 0xe019, ss = 0xe021, esp = 0xc\w{7}\n", ended(boot("hello")))


def test_hello_is_told_the_version_and_the_abi(boot: Booter) -> None:
    assert re.search(r"^hypervisor: Xen 4\.2\S*, ABI xen-3\.0-x86_32p$", ended(boot("hello")), re.MULTILINE)


def test_hello_has_the_memory_that_the_command_line_gives_it(boot: Booter) -> None:
    assert "\nmemory: 5120 pages (20 MB)\n" in ended(boot("hello", append="dom0_mem=20M"))


def test_hello_is_given_its_command_line_word_for_word(boot: Booter) -> None:
    assert "\n  command line \"one two=3  'four'\"\n" in ended(boot(("hello", "one two=3  'four'")))


def test_hello_knows_that_it_is_the_first_domain(boot: Booter) -> None:
    assert re.search(r"^start_info: at 0xc\w{7}, flags 0x3$", ended(boot("hello")), re.MULTILINE)


@pytest.mark.parametrize("guest", ["hello", "traps"])
def test_a_guest_says_the_same_with_the_release_build(boot: Booter, guest: str) -> None:
    # The stack and the hypervisor's sizes may differ; what a guest is told may not.
    texts = (ended(boot(guest, debug=debug, icount=True, append="dom0_mem=64M")) for debug in (True, False))
    debug, release = (re.sub(r"machine address 0x\w+", "machine address", text) for text in texts)
    assert debug == release


@pytest.mark.parametrize("what", TRAPS)
def test_an_exception_comes_with_exactly_its_frame(traps: str, what: str) -> None:
    vector, error, cr2, eip = TRAPS[what]
    found = trap(traps, what)
    assert found["verdict"] == "ok"
    assert (int(found["vector"] or ""), int(found["error"] or "", 16)) == (vector, error)
    assert int(found["eip"] or "", 16) == eip
    assert found["cs"] == (RING_3 if what.startswith("application") else RING_1)
    assert found["cr2"] == (None if cr2 is None else f"{cr2:#x}")


@pytest.mark.parametrize("what", PAGE_FAULTS)
def test_a_page_fault_says_what_was_tried_and_where(traps: str, what: str) -> None:
    found = trap(traps, what)
    assert (found["vector"], found["error"], found["verdict"]) == ("14", f"{PAGE_FAULTS[what]:#x}", "ok")
    assert found["cr2"] is not None
    assert 0xC0100000 <= int(found["cr2"], 16) < 0xC0800000


def test_every_exception_that_the_guest_tries_is_one_that_these_tests_expect(traps: str) -> None:
    raised = {match["what"] for match in TRAP_LINE.finditer(traps)}
    assert raised - {"x87 after fpu_taskswitch", *NOT_BY_QEMU} == {*TRAPS, *PAGE_FAULTS}


def test_a_frame_has_the_event_mask_and_its_inverse_as_the_interrupt_flag(traps: str) -> None:
    # Events are masked from the start; int 0x80 does not come by way of the hypervisor, so it is not asked.
    bounced = [match for match in TRAP_LINE.finditer(traps) if match["vector"] != "128"]
    assert {(match["mask"], int(match["eflags"], 16) & 0x200) for match in bounced} == {("1", 0)}


def test_nothing_that_traps_provokes_is_wrong(traps: str) -> None:
    assert "WRONG" not in traps
    count = len(TRAP_LINE.findall(traps))
    assert traps.endswith(
        f"\n{count} frames as they should be, 0 wrong, {traps.count(' not raised: ')} cases not raised\n"
    )


def test_the_tutorials_own_guest_takes_turns_with_its_twin(boot: Booter, guest: GuestMaker) -> None:
    (source,) = (block for language, block in tutorial_blocks() if language == "asm")
    mine = guest(source)
    machine = boot(mine, mine)
    assert ended(machine) == "turn 1\nturn 2\nturn 3\n"
    turns = re.findall(r"^\((d\d)\) (turn \d)$", machine.console.text, re.MULTILINE)
    assert turns[:4] == [("d0", "turn 1"), ("d1", "turn 1"), ("d0", "turn 2"), ("d1", "turn 2")]


def test_the_tutorial_shows_the_sources_as_they_are() -> None:
    folders = (TREE / "asm/guests/hello", TREE / "asm/guests/echo", TREE / "asm/lib")
    sources = [path.read_text(encoding="utf-8") for folder in folders for path in folder.iterdir()]
    # Neither shell sessions nor the drawing of memory.
    shown = [block for language, block in tutorial_blocks() if not language and not block.startswith(("$ ", "0x"))]
    assert len(shown) == 10
    for block in shown:
        assert any(block in source for source in sources), f"not in any source:\n{textwrap.indent(block, '  ')}"


def test_the_tutorial_shows_what_hello_says(boot: Booter) -> None:
    (_, session), *_ = tutorial_blocks()
    command, *lines, rest = session.splitlines()
    assert (command, rest) == ("$ xengen run", "...")
    said = ended(boot("hello")).splitlines()
    assert lines == [f"(d0) {line}" for line in said[: len(lines)]]


def tutorial_blocks() -> list[tuple[str, str]]:
    """Return the language and the text of each block in docs/guests-tutorial.md."""
    tutorial = (TREE / "docs/guests-tutorial.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", tutorial, re.MULTILINE | re.DOTALL)


def test_a_guest_with_the_least_memory_that_it_needs_still_starts(boot: Booter) -> None:
    assert "\nmemory: 2048 pages (8 MB)\n" in ended(boot("hello", append="dom0_mem=8M", memory=64 * MIB))


def test_the_image_files_name_no_path_of_this_machine(images: Images) -> None:
    for name in ("hello", "traps"):
        path: Path = images.guest(name)
        assert str(TREE).encode() not in path.read_bytes()
