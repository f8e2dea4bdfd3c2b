"""The demonstration that `make run` shows, from beginning to end.

Invariants
  - One run for all tests: it is looked at from several sides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from tests.boot.harness import Images
from xengen.cli.demo import demo
from xengen.demo.show import ASKS, PART_MIB, PINGS, QUESTIONS, SERVES, DomainFigures, Files, Show, Summary

MIB = 1 << 20


@pytest.fixture(scope="module")
def files(images: Images) -> Files:
    """The images."""
    guests = {role.guest: images.guest(role.guest) for role in (SERVES, ASKS)}
    return Files(images.hypervisor(), images.guest("agent"), guests)


@pytest.fixture(scope="module")
def lines() -> list[tuple[str, str]]:
    """What was said during the run, and by whom."""
    return []


@pytest.fixture(scope="module")
def summary(files: Files, lines: list[tuple[str, str]]) -> Iterator[Summary]:
    """The run."""
    with Show.boot(files, lambda who, line: lines.append((who, line))) as show:
        yield show.run(files)


def test_nothing_is_wrong(summary: Summary) -> None:
    assert summary.wrong == ()


def test_every_question_is_answered(summary: Summary) -> None:
    assert (summary.asked, summary.answered) == (QUESTIONS, QUESTIONS)


@pytest.mark.parametrize("place", [0, 1], ids=["serves", "asks"])
def test_both_domains_use_disk_and_network_and_answer_pings(summary: Summary, place: int) -> None:
    one = summary.domains[place]
    assert (one.written, one.read, one.bad) == (PART_MIB * MIB, PART_MIB * MIB, 0)
    assert one.sent >= QUESTIONS + PINGS and one.received >= QUESTIONS + PINGS
    assert len(one.pings) == PINGS and None not in one.pings
    assert one.cpu > 0


def test_what_hypervisor_and_domains_say_is_passed_on_line_by_line(
    summary: Summary, lines: list[tuple[str, str]]
) -> None:
    assert {who for who, _ in lines} == {"xengen", SERVES.name, ASKS.name}
    assert ("serves", "echo: serves") in lines
    assert any(line.startswith(f"traffic: {QUESTIONS} sent, {QUESTIONS} answered") for _, line in lines)
    assert len([line for line in lines if line == ("serves", "echo: serves")]) == 1


def test_the_verb_prints_one_object_and_says_yes(summary: Summary, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo(quiet=True, as_json=True) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["answered"] == QUESTIONS
    assert [one["role"]["name"] for one in found["domains"]] == ["serves", "asks"]


def figures(bad: int = 0, pings: tuple[float | None, ...] = (0.001,)) -> DomainFigures:
    return DomainFigures(SERVES, 0.1, 1, 1, 512, 512, bad, 1, 1, 1, pings)


@pytest.mark.parametrize(
    ("one", "answered", "said"),
    [
        (figures(), 10, ()),
        (figures(), 9, ("1 of 10 questions were not answered",)),
        (figures(bad=2), 10, ("serves: 2 sectors of the disk are not as they were written",)),
        (figures(pings=(None, 0.1, None)), 10, ("serves: 2 of 3 pings were not answered",)),
    ],
)
def test_what_is_wrong_is_said_in_words(one: DomainFigures, answered: int, said: tuple[str, ...]) -> None:
    assert Summary(1.0, (one,), 10, answered, 1000).wrong == said


def test_a_role_has_an_address_in_the_network_of_the_other() -> None:
    assert f"to={SERVES.ip}" in ASKS.cmdline
    assert IPv4Address(SERVES.ip) != IPv4Address(ASKS.ip)
