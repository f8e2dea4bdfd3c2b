"""From the loader to the first guest: what the hypervisor says, what its command line does, which machines it takes.

Invariants
  - What must be said is computed from the files, the symbols and the specification of the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ctypes import sizeof
from itertools import pairwise
from pathlib import Path

import pytest

import xengen
from tests.boot.harness import Booter, GuestMaker, Images
from tests.boot.snippets import ENDS, IDLE, doing, standing
from xengen.abi.memory import E820Entry
from xengen.inspect import layout
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Ending, Machine
from xengen.machine.postmortem import HypervisorPanic
from xengen.machine.spec import CPU, MIB, Module

PAGE = 4096
MAP_LINE = re.compile(r"^memory: 0x(\w+) to 0x(\w+) type (\d+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def machine(images: Images, guest: GuestMaker) -> Iterator[Machine]:
    """A machine that has booted, with two domains that go on for ever."""
    idle = guest(IDLE)
    with standing(images, (idle, "first of two"), idle, append="log=debug dom0_mem=16M") as found:
        yield found


def said(machine: Machine) -> str:
    """Wait for an orderly end and return what the hypervisor said."""
    assert machine.wait(20) is Ending.POWEROFF
    return machine.transcript.hypervisor


def machine_map(machine: Machine) -> list[tuple[int, int, int]]:
    """Return (start, end, type) of each line of the memory map in the log."""
    lines = MAP_LINE.findall(machine.transcript.hypervisor)
    return [(int(start, 16), int(end, 16), int(kind)) for start, end, kind in lines]


# What is said.


def test_the_first_line_says_what_this_is(machine: Machine) -> None:
    banner = f"xengen {xengen.__version__} (debug build): a paravirtualizing hypervisor for 32-bit x86"
    assert machine.transcript.hypervisor.splitlines()[0] == banner


def test_a_release_build_does_not_call_itself_a_debug_build(boot: Booter, guest: GuestMaker) -> None:
    banner = f"xengen {xengen.__version__}: a paravirtualizing hypervisor for 32-bit x86"
    assert said(boot(guest(ENDS), debug=False)).splitlines()[0] == banner


def test_the_command_line_is_shown_as_the_loader_gave_it(machine: Machine) -> None:
    line = f"command line: {machine.spec.kernel} log=debug dom0_mem=16M\n"
    assert line in machine.transcript.hypervisor


def test_the_image_is_where_the_symbols_say(machine: Machine) -> None:
    assert machine.symbols is not None
    names = ("__image_start", "__image_end", "__text_start", "__text_end")
    bounds = [f"0x{machine.symbols.address(name):08x}" for name in names]
    line = "image: {} to {}, text {} to {}\n".format(*bounds)
    assert line in machine.transcript.hypervisor


def test_the_memory_map_is_shown_without_gaps_of_the_machines_memory(machine: Machine) -> None:
    ram = [(start, end) for start, end, kind in machine_map(machine) if kind == 1]
    assert ram[0][0] == 0
    assert 0x9F000 <= ram[0][1] <= 0xA0000
    assert ram[1][0] == 0x100000
    assert 127 * MIB <= ram[1][1] <= 128 * MIB


def test_no_two_entries_of_the_memory_map_overlap(machine: Machine) -> None:
    entries = sorted(machine_map(machine))
    assert all(first[1] <= second[0] for first, second in pairwise(entries))


def test_the_map_that_domain_0_will_ask_for_is_the_loaders(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    start = hypervisor.symbol("machine_map")
    count = hypervisor.word("machine_map_entries")
    entries = [hypervisor.structure(E820Entry, start + index * sizeof(E820Entry)) for index in range(count)]
    assert [(entry.addr, entry.addr + entry.size, entry.type) for entry in entries] == machine_map(machine)


def test_each_module_is_shown_with_its_place_and_its_line(machine: Machine) -> None:
    lines = re.findall(r"^module: 0x(\w+) to 0x(\w+): (.*)$", machine.transcript.hypervisor, re.MULTILINE)
    first, second = machine.spec.modules
    assert [line for _, _, line in lines] == [f"{first.path} first of two", str(second.path)]
    sizes = [int(end, 16) - int(start, 16) for start, end, _ in lines]
    assert sizes == [first.path.stat().st_size, second.path.stat().st_size]


def test_the_local_apic_is_found(machine: Machine) -> None:
    # Its place, and the version of QEMU's model (hw/intc/apic.c: 0x14).
    assert "\nlocal APIC: at 0xfee00000, id 0, version 0x14\n" in machine.transcript.hypervisor


def test_the_clock_speed_is_found(machine: Machine) -> None:
    assert re.search(r"^TSC: [1-9]\d{4,6} kHz$", machine.transcript.hypervisor, re.MULTILINE)


# Which machines it takes.


@pytest.mark.parametrize("cpu, has_it", [(CPU, "yes"), (f"{CPU},-nx", "no")])
def test_a_processor_with_or_without_no_execute_is_taken_and_it_is_said(
    boot: Booter, guest: GuestMaker, cpu: str, has_it: str
) -> None:
    assert f"\nprocessor: PAE, FXSAVE, no-execute: {has_it}\n" in said(boot(guest(ENDS), cpu=cpu))


def test_a_processor_without_pae_is_refused_with_a_sentence(boot: Booter) -> None:
    machine = boot("hello", cpu=f"{CPU},-pae")
    machine.console.expect(r"^xengen: this processor has no PAE\r?\n")
    assert machine.console.raw == b"xengen: this processor has no PAE\r\n"


@pytest.mark.parametrize("feature", ["fxsr", "tsc"])
def test_a_processor_that_lacks_what_is_needed_ends_in_a_report_that_says_so(boot: Booter, feature: str) -> None:
    with pytest.raises(HypervisorPanic, match="panicked: this processor has no TSC or no FXSAVE\n"):
        boot("hello", cpu=f"{CPU},-{feature}").wait(20)


def test_a_machine_without_a_local_apic_is_taken_and_it_is_said(boot: Booter, guest: GuestMaker) -> None:
    assert "\nlocal APIC: there is none in reach\n" in said(boot(guest(ENDS), cpu=f"{CPU},-apic"))


def test_a_machine_without_modules_ends_with_a_line_that_says_what_is_missing(boot: Booter) -> None:
    machine = boot()
    assert machine.wait(20) is Ending.NO_DOM0
    line = "there is no domain 0: give a guest kernel as the first boot module\n"
    assert line in machine.transcript.hypervisor


def test_of_too_many_modules_the_first_are_used(boot: Booter, guest: GuestMaker, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"no kernel")
    line = f"{layout.MAX_MODULES + 1} boot modules: only the first {layout.MAX_MODULES} are used\n"
    text = said(boot(guest(ENDS), *[Module(plain)] * layout.MAX_MODULES))
    assert line in text
    assert text.count("\nmodule: ") == layout.MAX_MODULES


# The command line.

LEVELS = ("error", "warning", "info", "debug")
# What shows that a level is printed, and the first level that prints it.
SIGNS = {
    "an error": ("domain 0 shut down: poweroff\n", "error"),
    "a warning": ("command line: nonsense=1: there is no such option\n", "warning"),
    "information": ("entering domain 0\n", "info"),
    "a detail": ("domain 0: hypercall xsm_op (27) is not there: -ENOSYS\n", "debug"),
}


@pytest.mark.parametrize("level", LEVELS)
def test_a_log_level_shows_what_is_at_least_as_important(boot: Booter, guest: GuestMaker, level: str) -> None:
    text = said(boot(guest(doing('{{ hypercall("xsm_op") }}')), append=f"log={level} nonsense=1"))
    shown = {what for what, (sign, _) in SIGNS.items() if sign in text}
    assert shown == {what for what, (_, least) in SIGNS.items() if LEVELS.index(level) >= LEVELS.index(least)}


def test_without_an_option_information_is_shown_and_details_are_not(boot: Booter, guest: GuestMaker) -> None:
    text = said(boot(guest(doing('{{ hypercall("xsm_op") }}'))))
    assert "entering domain 0\n" in text
    assert "xsm_op" not in text


UNKNOWN = ("nonsense=1", "Log=debug", "logs=debug", "dom32_mem=8M", "dom00_mem=8M", "dom_mem=8M", "=8M", "noreboot=")
BAD = (
    "log=", "log=loud", "log=debug2", "console=", "console=com2", "console=e9,com1", "console=com1,", "dom0_mem=",
    "dom0_mem=much", "dom0_mem=0", "dom0_mem=100", "dom0_mem=4G", "dom0_mem=-8M", "dom0_mem=8M8", "domu_mem=8T",
    "dom31_mem=x",
)  # fmt: skip


@pytest.fixture(scope="module")
def misspelt(images: Images, guest: GuestMaker) -> Iterator[Machine]:
    """A machine whose command line has every wrong option, between good ones, still with its domains."""
    idle = guest(IDLE)
    line = " ".join(("log=debug", "dom0_mem=12M", *UNKNOWN, *BAD, "domu_mem=9M", "quiet"))
    with standing(images, idle, idle, append=line) as found:
        yield found


@pytest.mark.parametrize("option", UNKNOWN)
def test_an_option_that_is_none_is_named(misspelt: Machine, option: str) -> None:
    assert f"command line: {option}: there is no such option\n" in misspelt.transcript.hypervisor


@pytest.mark.parametrize("option", BAD)
def test_a_value_that_is_none_is_named(misspelt: Machine, option: str) -> None:
    assert f"command line: {option}: this value is not understood\n" in misspelt.transcript.hypervisor


def test_wrong_options_change_nothing_and_the_others_count(misspelt: Machine) -> None:
    hypervisor = hypervisor_of(misspelt)
    assert [domain.record.nr_pages * PAGE // MIB for domain in hypervisor.domains()] == [12, 9]
    assert (hypervisor.word("log_level"), hypervisor.word("console_targets")) == (LEVELS.index("debug"), 1)


def test_a_word_without_a_value_is_not_complained_about(misspelt: Machine) -> None:
    assert "command line: quiet" not in misspelt.transcript.hypervisor


def test_of_two_options_of_one_name_the_last_counts(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(guest(IDLE), append="dom0_mem=64M dom0_mem=16M")
    machine.console.expect("entering domain 0")
    assert hypervisor_of(machine).domains()[0].record.nr_pages == 16 * MIB // PAGE


def test_each_domain_has_the_memory_that_its_own_option_gives_it(boot: Booter, guest: GuestMaker) -> None:
    idle = guest(IDLE)
    machine = boot(idle, idle, idle, idle, append="dom2_mem=20M domu_mem=10M dom0_mem=16384K dom3_mem=0x900000")
    machine.console.expect("entering domain 0")
    sizes = [domain.record.nr_pages * PAGE for domain in hypervisor_of(machine).domains()]
    assert sizes == [16 * MIB, 10 * MIB, 20 * MIB, 9 * MIB]


def test_a_command_line_that_is_too_long_is_cut_and_the_machine_boots(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(guest(ENDS), append="y" * 3000)
    line = f"{machine.spec.kernel} {'y' * 3000}"
    assert f"command line: {line[:1023]}\n" in said(machine)


def test_blanks_between_options_do_not_matter(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(guest(IDLE), append="   dom0_mem=16M    log=debug  ")
    machine.console.expect("entering domain 0")
    hypervisor = hypervisor_of(machine)
    assert hypervisor.domains()[0].record.nr_pages == 16 * MIB // PAGE
    assert hypervisor.word("log_level") == LEVELS.index("debug")
