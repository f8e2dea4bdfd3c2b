"""Fixtures of the boot tests; see harness.py for what they give.

Invariants
  - A test that fails shows what its machines wrote, whatever the failure was.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.boot.agent_fixtures import agent, agent_host, other_agents_host, two_agents
from tests.boot.control_fixtures import control_host, toolstack
from tests.boot.disk_machines import boot_disks
from tests.boot.event_ports import ends
from tests.boot.harness import BOOTER, Booter, GuestMaker, Images
from tests.boot.stretches import counting_agent, counting_machine
from tests.boot.vbds import disk_host, disk_machine
from tests.boot.vif_host import net_host, net_machine

__all__ = [
    "agent", "agent_host", "boot_disks", "control_host", "counting_agent", "counting_machine",
    "disk_host", "disk_machine", "ends", "net_host", "net_machine", "other_agents_host", "toolstack", "two_agents",
]  # fmt: skip

LINES_SHOWN = 60


@pytest.fixture(scope="session")
def images() -> Images:
    """The project's images."""
    return Images()


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> GuestMaker:
    """`guest(source)`: the ELF file of a guest made from a few lines of assembly."""
    return GuestMaker(tmp_path_factory.mktemp("guests"))


@pytest.fixture
def boot(request: pytest.FixtureRequest, images: Images) -> Iterator[Booter]:
    """`boot("hello", ...)`: a running machine with these guests; it ends with the test."""
    booter = Booter(images)
    request.node.stash[BOOTER] = booter
    yield booter
    booter.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the machines' consoles to the report of a test that failed."""
    report = yield
    if report.failed and call.when == "call" and BOOTER in item.stash:
        for number, text in enumerate(item.stash[BOOTER].consoles()):
            tail = "\n".join(text.splitlines()[-LINES_SHOWN:])
            report.sections.append((f"console of machine {number}", tail))
    return report
