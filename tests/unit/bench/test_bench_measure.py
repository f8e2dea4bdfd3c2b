"""Reading what the bench guest says (xengen/bench/measure.py)."""

from __future__ import annotations

import pytest

from xengen.bench.measure import BenchError, Measurement, parse

CONSOLE = """\
(xengen) entering domain 0
(d0) bench null 19 instructions
(d0) bench set_timer_op not there
(d0) bench pin_l1 error -22
(xengen) domain 0 shut down: poweroff
"""


@pytest.mark.parametrize(
    "name, measurement, is_there",
    [
        ("null", Measurement("null", 19), True),
        ("set_timer_op", Measurement("set_timer_op", None), False),
        ("pin_l1", Measurement("pin_l1", None, -22), True),
    ],
)
def test_a_line_is_a_number_an_absence_or_an_error(name: str, measurement: Measurement, is_there: bool) -> None:
    found = parse(CONSOLE, [name])[name]
    assert (found, found.is_there) == (measurement, is_there)


@pytest.mark.parametrize("prefix", ["", "(XEN) ", "(d0) "])
def test_every_hypervisors_prefix_is_read(prefix: str) -> None:
    assert parse(f"{prefix}bench null 252 instructions\n", ["null"]) == {"null": Measurement("null", 252)}


def test_an_operation_that_is_not_mentioned_is_an_error_that_shows_the_console() -> None:
    with pytest.raises(BenchError, match=r"says nothing of 'yield'; its console ends:\n  \(xengen\) entering domain 0"):
        parse(CONSOLE, ["null", "yield"])
