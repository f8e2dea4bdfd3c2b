"""Non-maskable interrupts, the machine's and virtual ones (ABI 5.9).

Invariants
  - The machine's come from outside, at any moment: what becomes of one is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.boot.harness import Booter, GuestMaker
from xengen.abi.hypervisor import Vcpu
from xengen.abi.traps import CallbackRegister, XenCallback, XenNmiCallback
from xengen.agent.agent import Agent
from xengen.agent.names import ENOSYS, NMI, value
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Machine


def vcpu(machine: Machine) -> Vcpu:
    """What the hypervisor itself holds of domain 0's vcpu."""
    found = hypervisor_of(machine).domains()[0].vcpu
    assert found is not None
    return found.record


def wait_for(fact: Callable[[], bool], what: str) -> None:
    """Return when `fact` holds; it has a minute, however busy the host is."""
    deadline = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < deadline, f"waited in vain for {what}"


def register_nmi(agent: Agent) -> None:
    """Make the agent's handler of vector 2 the callback."""
    argument = XenNmiCallback(agent.address("trap_stub_2"))
    assert agent.hypercall("nmi_op", value("XENNMI_register_callback"), argument) == 0


def test_the_old_call_registers_vector_2_as_the_new_one_does(agent: Agent) -> None:
    register_nmi(agent)
    entry = vcpu(agent.machine).traps[2]
    old = (entry.cs, entry.flags, entry.address)
    assert agent.hypercall("nmi_op", value("XENNMI_unregister_callback"), 0) == 0
    assert vcpu(agent.machine).traps[2].address == 0
    new = CallbackRegister(value("CALLBACKTYPE_nmi"), 0, XenCallback(0, agent.address("trap_stub_2")))
    assert agent.hypercall("callback_op", value("CALLBACKOP_register"), new) == 0
    entry = vcpu(agent.machine).traps[2]
    assert old == (entry.cs, entry.flags, entry.address)


@pytest.mark.parametrize("command", [2, 3, 0xFFFFFFFF])
def test_an_unknown_nmi_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("nmi_op", command, agent.allocate(8)) == -ENOSYS


def test_an_nmi_of_the_machine_is_domain_0s(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    register_nmi(first)
    with first.action(NMI):
        first.hypercall("xen_version", 0)
        first.machine.qmp("inject-nmi")
        wait_for(lambda: [trap.vector for trap in first.traps] == [NMI], "the handler of domain 0")
    assert first.shared_info.arch.nmi_reason == value("XEN_NMIREASON_unknown")
    assert second.shared_info.arch.nmi_reason == 0
    first.shared_info.arch.nmi_reason = 0
    assert first.hypercall("nmi_op", value("XENNMI_unregister_callback"), 0) == 0


# Sleeps until something wakes it, and says which exception did.
SLEEPER = r"""
        .text
# start: a handler for vector 2, then sleep for ever.
{% call routine("start") %}
        movl    $XENNMI_register_callback, %ebx
        movl    $nmi_callback, %ecx
        {{ hypercall("nmi_op") }}
{{ print("asleep\\n") }}
1:
        movl    $SCHEDOP_block, %ebx
        {{ hypercall("sched_op") }}
        jmp     1b
{% endcall %}
# nmi_handler: the end.
{% call routine("nmi_handler") %}
{{ print("an NMI\\n") }}
        movl    $SCHEDOP_shutdown, %ebx
        movl    $reason, %ecx
        {{ hypercall("sched_op") }}
        ud2
{% endcall %}
        .data
{% call object("nmi_callback") %}
        .long   nmi_handler, 0
{% endcall %}
{{ space("reason", 4) }}
"""


@pytest.mark.parametrize("others", [(), ("spin",)], ids=["nobody else runs", "another domain runs"])
def test_an_nmi_wakes_domain_0(boot: Booter, guest: GuestMaker, others: tuple[str, ...]) -> None:
    """It was noted, and told when something else woke domain 0."""
    machine = boot(guest(SLEEPER), *others)
    machine.console.expect("asleep")
    sleeps = value("SLEEP_EVENT")
    wait_for(lambda: vcpu(machine).sched.sleeps == sleeps, "domain 0's sleep")
    machine.qmp("inject-nmi")
    machine.console.expect("an NMI")


def test_an_nmi_that_nobody_handles_is_dropped(agent: Agent) -> None:
    assert agent.hypercall("nmi_op", value("XENNMI_unregister_callback"), 0) == 0
    agent.machine.qmp("inject-nmi")
    wait_for(lambda: agent.shared_info.arch.nmi_reason != 0, "the NMI's reason")
    agent.shared_info.arch.nmi_reason = 0
    assert agent.hypercall("xen_version", 0) > 0
    assert vcpu(agent.machine).nmi_pending == 0
