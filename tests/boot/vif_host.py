"""The machines whose domains have virtual interfaces.

Invariants
  - Behind each test all interfaces are gone, the agents answer, and the checker finds nothing wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.boot.harness import BOOTER, Booter, Images
from tests.boot.vifs import NetFront, mac
from xengen.agent.agent import Agent
from xengen.inspect.live import check_machine
from xengen.machine.cable import CableEnd
from xengen.machine.nics import NicSpec
from xengen.machine.spec import MIB


class NetHost:
    """A machine with an agent in each of its domains."""

    def __init__(self, images: Images, domains: int = 3, nics: Sequence[NicSpec] = ()) -> None:
        self.booter = Booter(images)
        self.machine = self.booter(*["agent"] * domains, memory=(64 + 32 * domains) * MIB, nics=nics)
        self.agents = tuple(Agent(self.machine, domain) for domain in range(domains))
        self.fronts: list[NetFront] = []

    def front(self, domain: int = 1, number: int | None = None, *, handle: int = 0, **how: int | bytes) -> NetFront:
        """A front end in a domain, of an interface that is there. `number`: of its address."""
        made = NetFront(self.agents[0], self.agents[domain], mac(domain if number is None else number), handle)
        self.fronts.append(made)
        made.create(**how)  # type: ignore[arg-type]
        return made

    def connected(self, domain: int = 1, number: int | None = None, *, handle: int = 0, buffers: int = 0) -> NetFront:
        """A front end that is connected, with buffers to receive into."""
        made = self.front(domain, number, handle=handle)
        made.connect()
        made.post(buffers)
        return made

    @property
    def cable(self) -> CableEnd:
        """The other end of the first NIC's cable."""
        return self.machine.cables[0]

    def settle(self) -> None:
        """Take all interfaces away; the agents must answer, and the checker find nothing."""
        for front in self.fronts:
            front.destroy()
        self.fronts.clear()
        for agent in self.agents:
            agent.reset()
        violations = check_machine(self.machine)
        assert violations == [], "\n".join(str(violation) for violation in violations)

    def close(self) -> None:
        """End the machine."""
        for agent in self.agents:
            agent.close()
        self.booter.close()


@pytest.fixture(scope="module")
def net_machine(images: Images) -> Iterator[NetHost]:
    """The machine that `net_host` is on."""
    host = NetHost(images)
    yield host
    host.close()


@pytest.fixture
def net_host(request: pytest.FixtureRequest, net_machine: NetHost) -> Iterator[NetHost]:
    """A machine with three domains, without interfaces."""
    request.node.stash[BOOTER] = net_machine.booter
    yield net_machine
    net_machine.settle()
