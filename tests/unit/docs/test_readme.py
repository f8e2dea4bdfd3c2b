"""The README and the pages in docs/: what they name is there, and their examples are carried out as far as possible.

Invariants
  - Nothing is built or booted here. That `make run`, the guests and GRUB do what is said of them is in tests/boot.
"""

from __future__ import annotations

import re
import shlex
from ast import literal_eval
from pathlib import Path

import pytest

from xengen.abi.symbols import assembler_symbols
from xengen.cli.app import VERBS, run_command_line
from xengen.cli.status import ExitStatus

TREE = Path(__file__).resolve().parents[3]
README = (TREE / "README.md").read_text(encoding="utf-8")
PAGES = sorted(TREE.glob("docs/*.md"))
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL))
COMMANDS = [words for words in (re.sub(r"^\.venv/bin/", "", code) for code in CODE) if words.startswith("xengen ")]
RUNS = [command for command in COMMANDS if command.startswith("xengen run ")]

# What is made by building, and what a user of the README makes.
MADE = re.compile(r"build/|grub\.elf")


def rows(heading: str) -> dict[str, str]:
    """Return the table below a heading: the code in its first column, and its second column."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| (`.*?) \| (.*?) \|$", section, re.MULTILINE))


def help_of(verb: str, capfd: pytest.CaptureFixture[str]) -> str:
    """Return what `xengen VERB --help` says."""
    assert run_command_line([verb, "--help"]) == 0
    return capfd.readouterr().out


# Commands.


def test_every_verb_is_in_the_table() -> None:
    assert {name.strip("`") for name in rows("The commands")} == set(VERBS)


@pytest.mark.parametrize("verb", [name.strip("`") for name in rows("The commands")])
def test_a_verb_has_the_options_that_the_table_names(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    named = re.findall(r"`(--[a-z-]+)", rows("The commands")[f"`{verb}`"])
    text = help_of(verb, capfd)
    assert [option for option in named if option not in text] == []


def test_every_command_names_a_verb() -> None:
    assert {command.split()[1] for command in COMMANDS} <= {*VERBS, "VERB"}


@pytest.mark.parametrize("command", RUNS)
def test_an_example_of_run_is_understood(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line([*shlex.split(command)[1:], "--dry-run"]) == 0
    assert capfd.readouterr().err == ""


def test_there_are_examples_of_run() -> None:
    assert len(RUNS) >= 3


def test_every_option_that_the_tour_names_is_one_of_runs(capfd: pytest.CaptureFixture[str]) -> None:
    tour = README.split("\n## A tour of ten minutes\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`(--[a-z-]+)", tour))
    text = help_of("run", capfd)
    assert named
    assert {option for option in named if option not in text} == set()


def test_the_exit_statuses_are_those_of_the_program() -> None:
    text = README[README.index("Exit statuses:") :].split("\n\n")[0]
    assert {int(number) for number in re.findall(r"(?:[:;]\s+)(\d+) ", text)} == set(ExitStatus)


@pytest.mark.parametrize("status, words", [
    (ExitStatus.YES, "yes"), (ExitStatus.NO, "the answer is no"), (ExitStatus.MISUSE, "the request was wrong"),
    (ExitStatus.GUEST_DIED, "a guest died"), (ExitStatus.PANIC, "the hypervisor panicked"),
    (ExitStatus.TIME_OUT, "time ran out"), (ExitStatus.INTERRUPTED, "interrupted"),
])  # fmt: skip
def test_an_exit_status_means_what_is_said_of_it(status: ExitStatus, words: str) -> None:
    text = " ".join(README[README.index("Exit statuses:") :].split("\n\n")[0].split())
    assert f"{int(status)} {words}" in text


@pytest.mark.parametrize("rule", sorted(set(re.findall(r"(?:`|^    )make ([a-z]+)", README, re.MULTILINE))))
def test_a_make_rule_that_is_named_exists(rule: str) -> None:
    assert re.search(rf"^{rule}:", (TREE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


# The hypervisor's own command line.


def test_the_hypervisors_options_are_those_that_it_reads() -> None:
    source = (TREE / "asm/hypervisor/boot/command_line.s").read_text(encoding="utf-8")
    read = {name.rstrip("=") for name in re.findall(r'\("(\w+=)", "option_', source)} | {"domN_mem"}
    paragraph = README[README.index("The hypervisor's own command line") :].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)=", paragraph)) == read


@pytest.mark.parametrize("option", ["console", "log"])
def test_the_values_of_an_option_are_those_that_it_takes(option: str) -> None:
    source = (TREE / "asm/hypervisor/boot/command_line.s").read_text(encoding="utf-8")
    routine = source[source.index(f'routine("option_{option}")') :]
    loop = re.search(r"for word[^%\[]* in (\[[^%]*\]) %}", routine)
    given = re.search(rf"`{option}=([^`]+)`", README)
    assert loop is not None and given is not None
    taken = {value if isinstance(value, str) else value[0] for value in literal_eval(loop[1])}
    assert set(given[1].split("|")) == taken


# What is where.


def test_the_picture_has_the_addresses_of_the_layout() -> None:
    values = assembler_symbols()
    picture = README.split("```")[1]
    drawn = {int(address, 16) for address in re.findall(r"0x[0-9A-F]{8}", picture)}
    assert {values["HV_START"], values["HV_PRIVATE_START"], values["HV_PRIVATE_START"] - 1} <= drawn
    assert f"{values['FRAME_size']} bytes for each machine frame" in picture


def test_the_parts_of_the_region_are_drawn_in_their_order() -> None:
    values = assembler_symbols()
    order = (
        ("frame table", "FRAME_TABLE"), ("linear page tables", "LINEAR_TABLES"), ("map cache", "MAP_CACHE"),
        ("per-domain window", "DOMAIN_WINDOW"), ("heap", "HEAP_START"), ("image", "IMAGE_WINDOW"),
        ("M2P table, writable", "M2P"), ("M2P table, read-only", "M2P_READ_ONLY"),
    )  # fmt: skip
    picture = README.split("```")[1]
    places = [picture.index(f"| {name}") for name, _ in order]
    addresses = [values[symbol] for _, symbol in order]
    assert places == sorted(places)
    assert addresses == sorted(addresses, reverse=True)


def test_every_file_and_folder_that_is_named_is_there() -> None:
    paths = {code for code in CODE if re.fullmatch(r"[\w.-]+(/[\w.*-]+)+", code) and not MADE.match(code)}
    assert len(paths) >= 8
    assert {path for path in paths if not (TREE / path).exists()} == set()


def test_every_image_that_is_named_is_one_that_is_built() -> None:
    named = set(re.findall(r"build/guests/(\w+)\.elf", README))
    assert named
    assert {name for name in named if not (TREE / "asm/guests" / name / "image.toml").exists()} == set()


def test_the_house_has_a_row_for_each_part_of_the_package() -> None:
    named = {name for cell in rows("The house") for name in re.findall(r"`([^`]+)`", cell)}
    parts = {f"xengen/{path.parent.name}" for path in TREE.glob("xengen/*/__init__.py")}
    assert parts - named == set()


def test_the_row_of_the_hypervisor_names_its_folders() -> None:
    folders = {path.name for path in (TREE / "asm/hypervisor").iterdir() if path.is_dir()}
    (row,) = re.findall(r"^\| `asm/hypervisor` \| (.*) \|$", README, re.MULTILINE)
    assert set(re.findall(r"\w+", row.partition(":")[2])) == folders


def links(page: Path) -> set[Path]:
    """Return the files that a page links to."""
    found = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return {(page.parent / target).resolve() for target in found}


@pytest.mark.parametrize("page", [TREE / "README.md", *PAGES], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert {str(target) for target in links(page) if not target.exists()} == set()


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = {TREE / "README.md"}
    while ahead:
        page = ahead.pop()
        reached.add(page)
        ahead |= {target for target in links(page) if target.suffix == ".md" and target.exists()} - reached
    assert [page.name for page in PAGES if page not in reached] == []
