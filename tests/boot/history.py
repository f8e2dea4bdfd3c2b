"""What the tests of old flaws have in common: pinned tables, and entries of multicalls."""

from __future__ import annotations

from tests.boot.tables import extend, table
from xengen.abi.hypercalls import MulticallEntry
from xengen.agent.agent import Agent, Page
from xengen.agent.names import value


def pinned(agent: Agent, level: int, entries: dict[int, int] | None = None) -> Page:
    """A spare page that is a pinned table."""
    page = table(agent, entries)
    assert extend(agent, f"PIN_L{level}_TABLE", page.mfn) == 0
    return page


def unpin(agent: Agent, *pages: Page) -> None:
    """Take pins back, and the pages."""
    for page in pages:
        assert extend(agent, "UNPIN_TABLE", page.mfn) == 0
    agent.give_back(*pages)


def entry_of(name: str, *arguments: int) -> MulticallEntry:
    """An entry of a multicall, with a result that no call gives."""
    made = MulticallEntry(op=value(f"HYPERCALL_{name}"), result=0x7EADBEEF)
    for index, argument in enumerate(arguments):
        made.args[index] = argument
    return made
