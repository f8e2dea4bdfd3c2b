"""vm_assist (ABI 6.9): which assists there are, and that each is on or off as the guest says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xengen.agent.agent import Agent
from xengen.agent.names import EINVAL, ENOSYS, value
from xengen.inspect.live import hypervisor_of

ENABLE, DISABLE = value("VMASST_CMD_enable"), value("VMASST_CMD_disable")
THERE = ("4gb_segments", "4gb_segments_notify", "writable_pagetables", "pae_extended_cr3", "runstate_update_flag")


def assists(agent: Agent) -> int:
    """The assists that are on, a bit each, by the hypervisor's own account."""
    return int(hypervisor_of(agent.machine).domains()[agent.domain].record.vm_assist)


@pytest.fixture
def unassisted(agent: Agent) -> Iterator[Agent]:
    """The agent with all assists off; afterwards they are as they were."""
    before = assists(agent)
    for kind in range(32):
        agent.hypercall("vm_assist", DISABLE, kind)
    yield agent
    for kind in range(32):
        agent.hypercall("vm_assist", ENABLE if before >> kind & 1 else DISABLE, kind)
    assert assists(agent) == before


@pytest.mark.parametrize("name", THERE)
def test_an_assist_is_on_from_when_it_is_enabled_until_it_is_disabled(unassisted: Agent, name: str) -> None:
    kind = value(f"VMASST_TYPE_{name}")
    assert unassisted.hypercall("vm_assist", ENABLE, kind) == 0
    assert assists(unassisted) == 1 << kind
    assert unassisted.hypercall("vm_assist", DISABLE, kind) == 0
    assert assists(unassisted) == 0


@pytest.mark.parametrize(
    "kind", [value("VMASST_TYPE_architectural_iopl"), 6, value("VMASST_TYPE_m2p_strict"), 0xFFFFFFFF]
)
@pytest.mark.parametrize("command", [ENABLE, DISABLE])
def test_an_assist_that_is_not_there_is_refused(unassisted: Agent, command: int, kind: int) -> None:
    assert unassisted.hypercall("vm_assist", command, kind) == -EINVAL
    assert assists(unassisted) == 0


@pytest.mark.parametrize("command", [2, 0xFFFFFFFF])
def test_an_assist_is_enabled_or_disabled_and_nothing_else(unassisted: Agent, command: int) -> None:
    assert unassisted.hypercall("vm_assist", command, value("VMASST_TYPE_writable_pagetables")) == -ENOSYS
    assert assists(unassisted) == 0
