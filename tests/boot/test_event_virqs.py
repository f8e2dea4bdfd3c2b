"""VIRQ_CONSOLE (ABI 9.3): domain 0 is told when somebody types."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.boot.event_ports import bind_virq, close, pending, quiet
from xengen.agent.agent import Agent
from xengen.agent.names import value

Ends = tuple[Agent, Agent]
PATIENCE = 10.0


def until(what: str, happened: Callable[[], bool]) -> None:
    """Wait for a fact of the running machine."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {PATIENCE:g} s")
        time.sleep(0.002)


def read(agent: Agent) -> bytes:
    """Take what was typed."""
    buffer = agent.allocate(64)
    count = agent.hypercall("console_io", value("CONSOLEIO_read"), 64, buffer)
    return agent.read(buffer, count) if count else b""


def test_domain_0_is_told_of_input_and_takes_it(ends: Ends) -> None:
    zero, one = ends
    port, other = bind_virq(zero, "CONSOLE"), bind_virq(one, "CONSOLE")
    assert pending(zero) == set()
    zero.machine.console.send(b"yes")
    until("the event", lambda: pending(zero) == {port})
    typed = b""
    while len(typed) < 3:
        typed += read(zero)
    assert typed == b"yes"
    assert pending(one) == set() and other


def test_input_that_stays_unread_is_told_again(ends: Ends) -> None:
    zero, _ = ends
    port = bind_virq(zero, "CONSOLE")
    zero.machine.console.send(b"x")
    for _ in range(2):
        until("the event", lambda: pending(zero) == {port})
        quiet(zero)
    assert read(zero) == b"x"


def test_input_that_came_before_somebody_listened_is_told(ends: Ends) -> None:
    zero, _ = ends
    zero.machine.console.send(b"z")
    port = bind_virq(zero, "CONSOLE")
    until("the event", lambda: pending(zero) == {port})
    assert close(zero, port) == 0
    until("the character", lambda: read(zero) == b"z")
