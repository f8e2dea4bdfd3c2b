"""Images that the domain builder must refuse: each by its file's name and the reason, and the machine goes on.

Invariants
  - The damaged images (tests/support/malformed_images.py) are modules behind a sound domain 0, many on one machine;
    each test looks at its own line.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.boot.harness import Booter, GuestMaker, Images
from tests.support.elf_images import Damage, GuestImage, cut, number, poke, text, write_image
from tests.support.malformed_images import GROUPS, OLD, REFUSED, SOUND, SOUND_ONES, Case, note
from xengen.inspect.invariants import check
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Ending, Machine
from xengen.machine.spec import MIB

# Domain 0: the images' code never gives the processor away, so nobody else gets it before the end.
ENDS = r"""
        .text
# start: shuts down at once.
{% call routine("start") %}
{{ print("domain 0 is here\\n") }}
        movl    $SCHEDOP_shutdown, %ebx
        movl    $argument, %ecx
        {{ hypercall("sched_op") }}
        ud2
{% endcall %}
        .section .rodata
{% call object("argument") %}
        .long   SHUTDOWN_poweroff
{% endcall %}
"""


@dataclass(frozen=True)
class Runner:
    """Boots images as the modules behind a domain 0 that ends at once."""

    boot: Booter
    domain_0: Path

    def __call__(self, *files: Path) -> Machine:
        """Return the machine after domain 0 has said what it says and switched it off."""
        machine = self.boot(self.domain_0, *files, append="dom0_mem=16M domu_mem=6M", memory=256 * MIB)
        assert machine.wait(30) is Ending.POWEROFF
        assert machine.transcript.text(0) == "domain 0 is here\n"
        return machine


class Machines:
    """One machine for each group of cases, with its console's text, made when it is first asked for."""

    def __init__(self, run: Runner, folder: Path) -> None:
        self._run = run
        self._folder = folder
        self._found: dict[str, Machine] = {}

    def __call__(self, group: str) -> Machine:
        """Return the machine that had the group's images as its modules; domain 0 has shut it down."""
        if group not in self._found:
            files = [write_image(self._folder, case.file_name, case.image, case.damage) for case in GROUPS[group]]
            self._found[group] = self._run(*files)
        return self._found[group]


@pytest.fixture
def run(boot: Booter, guest: GuestMaker) -> Runner:
    """`run(file, ...)`: a machine that was booted with these images and has ended."""
    return Runner(boot, guest(ENDS))


@pytest.fixture(scope="module")
def machines(images: Images, guest: GuestMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """`machines("elf")`: the machine with that group's images."""
    booter = Booter(images)
    yield Machines(Runner(booter, guest(ENDS)), tmp_path_factory.mktemp("images"))
    booter.close()


def verdicts(machine: Machine) -> dict[str, str]:
    """Return the reason that the hypervisor gave for each file that it refused."""
    return dict(re.findall(r"^(\S+) refused: (.*)$", machine.transcript.text(-1), re.MULTILINE))


def made(machine: Machine) -> dict[str, int]:
    """Return the number of the domain that was made of each file behind domain 0's."""
    found = re.findall(r"^domain (\d+): (\S+), \d+ pages", machine.transcript.text(-1), re.MULTILINE)
    return {name: int(number_of) for number_of, name in found if number_of != "0"}


@pytest.mark.parametrize(("group", "case"), REFUSED, ids=[case.what for _, case in REFUSED])
def test_a_malformed_image_is_refused_by_name_and_reason(machines: Machines, group: str, case: Case) -> None:
    assert verdicts(machines(group)).get(case.file_name) == case.reason


@pytest.mark.parametrize("case", SOUND_ONES, ids=[case.what for case in SOUND_ONES])
def test_an_odd_image_becomes_a_domain(machines: Machines, case: Case) -> None:
    machine = machines("sound")
    assert made(machine).get(case.file_name) == SOUND_ONES.index(case) + 1, verdicts(machine).get(case.file_name)


@pytest.mark.parametrize("group", GROUPS)
def test_the_machine_is_sound_after_all_of_them(machines: Machines, group: str) -> None:
    assert check(hypervisor_of(machines(group))) == []


def test_refused_images_take_no_memory(machines: Machines, run: Runner) -> None:
    assert taken(machines("elf")) == taken(run())


def test_a_refused_kernel_keeps_its_number_and_the_next_one_has_the_next(run: Runner, tmp_path: Path) -> None:
    bad = write_image(tmp_path, "bad", SOUND, cut(60))
    good = write_image(tmp_path, "good", SOUND)
    assert made(run(good, bad, good)) == {"good": 3}


def test_a_second_initrd_is_refused_by_name_and_takes_no_number(run: Runner, tmp_path: Path) -> None:
    good = write_image(tmp_path, "good", SOUND)
    junk, more = tmp_path / "junk", tmp_path / "more"
    junk.write_bytes(b"an initrd")
    more.write_bytes(b"another one")
    machine = run(junk, more, good)
    assert verdicts(machine) == {"more": "it is no ELF file, and the domain before it has an initrd"}
    assert made(machine) == {"good": 1}


def test_a_domain_that_gets_more_than_there_is_is_refused_with_both_numbers(boot: Booter, tmp_path: Path) -> None:
    good = write_image(tmp_path, "good", SOUND)
    machine = boot("hello", good, append="dom0_mem=16M dom1_mem=1G")
    assert machine.wait(20) is Ending.POWEROFF
    found = re.fullmatch(r"it needs 262144 pages, (\d+) are free", verdicts(machine)["good"])
    assert found is not None
    assert 0 < int(found[1]) < 128 * MIB // 4096 - 16 * MIB // 4096


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (replace(SOUND, elf_class=2), "it is not a 32-bit ELF file"),
        (note(number("SUPPORTED_FEATURES", 1)), "it cannot run as domain 0"),
    ],
    ids=["64-bit", "not for domain 0"],
)
def test_nobody_takes_the_place_of_a_refused_domain_0(
    boot: Booter, tmp_path: Path, image: GuestImage, reason: str
) -> None:
    bad, good = write_image(tmp_path, "bad", image), write_image(tmp_path, "good", SOUND)
    machine = boot(bad, good)
    assert machine.wait(20) is Ending.NO_DOM0
    assert verdicts(machine) == {"bad": reason}
    assert made(machine) == {"good": 1}


def test_a_first_module_that_is_no_elf_file_is_refused_as_domain_0(boot: Booter, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"no kernel" * 100)
    machine = boot(junk)
    assert machine.wait(20) is Ending.NO_DOM0
    assert verdicts(machine) == {"junk": "it is no ELF file"}


@pytest.mark.parametrize("features", ["dom0", "!dom0|writable_page_tables"])
def test_domain_0_may_say_in_its_features_that_it_can_be_it(boot: Booter, tmp_path: Path, features: str) -> None:
    image = note(number("SUPPORTED_FEATURES", 1), text("FEATURES", features))
    machine = boot(write_image(tmp_path, "kernel", image))
    machine.console.expect(r"domain 0: kernel, ")


@pytest.mark.parametrize("seed", range(6))
def test_no_damage_whatsoever_stops_the_machine(run: Runner, tmp_path: Path, seed: int) -> None:
    """24 images with words and bytes of their headers, notes and texts overwritten at random.

    To see one of them alone: `write_image(folder, "x", ..., damage(random.Random(f"{seed}.{index}")))`.
    """
    files = []
    for index in range(24):
        choice = random.Random(f"{seed}.{index}")
        files.append(write_image(tmp_path, f"damaged{index}", choice.choice((SOUND, OLD)), at_random(choice)))
    machine = run(*files)
    assert check(hypervisor_of(machine)) == []
    told = verdicts(machine).keys() | made(machine).keys()
    assert told == {*(path.name for path in files)}


def at_random(choice: random.Random) -> Damage:
    """Return a damage to one to three places of a file's words; the first 4 bytes, the magic number, stay."""

    def damage(data: bytes) -> bytes:
        for _ in range(choice.randint(1, 3)):
            word = choice.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF, choice.getrandbits(32)))
            size = choice.choice((1, 2, 4))
            data = poke(choice.randrange(4, len(data) - 4), word.to_bytes(4, "little")[:size])(data)
        return data

    return damage


def taken(machine: Machine) -> int:
    """Return how many frames, modules' apart, were free at the start and are not any more, now that it has ended.

    The modules' own frames are not free at the start, and given back when the domains are built.
    """
    said = machine.transcript.text(-1)
    found = re.search(r"^memory: \d+ frames, (\d+) free ", said, re.MULTILINE)
    assert found is not None
    ranges = re.findall(r"^module: (\w+) to (\w+): ", said, re.MULTILINE)
    pages = sum((int(end, 16) + 0xFFF >> 12) - (int(start, 16) >> 12) for start, end in ranges)
    return int(found[1]) + pages - hypervisor_of(machine).word("free_frames")
