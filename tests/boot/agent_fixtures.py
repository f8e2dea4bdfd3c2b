"""Fixtures that give a test an agent: one machine serves all tests of a module, unless one of them breaks it.

Invariants
  - Every test begins with the agent as it sets itself up: its handlers, no GDT or LDT, the base pointer of the start.
  - After every test the agent must still answer, and the checker must find nothing wrong in memory; else the test
    has an error, whatever it said itself, and the next one gets a new machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.harness import BOOTER, Booter, Images
from xengen.agent.agent import Agent
from xengen.inspect.live import check_machine
from xengen.machine.spec import MIB


class AgentHost:
    """A machine with `count` domains, an agent in each, made when it is first asked for."""

    def __init__(self, images: Images, count: int = 1) -> None:
        self.booter = Booter(images)
        self._count = count
        self._agents: tuple[Agent, ...] = ()

    def agents(self) -> tuple[Agent, ...]:
        """Return the agents, of domain 0 first; a new machine's when there is none that works."""
        if not self._agents:
            guests = ["agent"] * self._count
            machine = self.booter(*guests, memory=(64 + 32 * self._count) * MIB, trace=self._count == 1)
            self._agents = tuple(Agent(machine, domain) for domain in range(self._count))
        return self._agents

    def settle(self) -> None:
        """Put the agents back to their start and have the checker look at the machine; raises when either fails."""
        agents, self._agents = self._agents, ()
        for one in agents:
            one.reset()
        if agents:
            violations = check_machine(agents[0].machine)
            assert violations == [], "\n".join(str(violation) for violation in violations)
        self._agents = agents

    def close(self) -> None:
        """End the machine."""
        for one in self._agents:
            one.close()
        self.booter.close()


@pytest.fixture(scope="module")
def agent_host(images: Images) -> Iterator[AgentHost]:
    """The machine that `agent` is on."""
    host = AgentHost(images)
    yield host
    host.close()


@pytest.fixture(scope="module")
def other_agents_host(images: Images) -> Iterator[AgentHost]:
    """The machine that `two_agents` are on."""
    host = AgentHost(images, 2)
    yield host
    host.close()


@pytest.fixture
def agent(request: pytest.FixtureRequest, agent_host: AgentHost) -> Iterator[Agent]:
    """The agent of domain 0, alone on its machine."""
    request.node.stash[BOOTER] = agent_host.booter
    (one,) = agent_host.agents()
    yield one
    agent_host.settle()


@pytest.fixture
def two_agents(request: pytest.FixtureRequest, other_agents_host: AgentHost) -> Iterator[tuple[Agent, Agent]]:
    """The agents of domains 0 and 1 on one machine."""
    request.node.stash[BOOTER] = other_agents_host.booter
    first, second = other_agents_host.agents()
    yield first, second
    other_agents_host.settle()
