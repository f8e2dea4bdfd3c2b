"""event_channel_op (ABI 9.2): what each operation does to a port of each kind, and every error that it may answer."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure
from dataclasses import dataclass

import pytest

from tests.boot.event_ports import (
    CLOSED,
    EEXIST,
    INTERDOMAIN,
    IPI,
    PORTS,
    UNBOUND,
    VIRQ,
    Status,
    alloc_unbound,
    bind_interdomain,
    bind_ipi,
    bind_vcpu,
    bind_virq,
    channel,
    close,
    operate,
    record,
    send,
    status,
    unmask,
)
from tests.boot.pointers import BAD_POINTERS
from xengen.abi.event import (
    EvtchnAllocUnbound,
    EvtchnBindInterdomain,
    EvtchnBindIpi,
    EvtchnBindPirq,
    EvtchnBindVcpu,
    EvtchnBindVirq,
    EvtchnReset,
    EvtchnStatus,
)
from xengen.agent.agent import Agent
from xengen.agent.names import DOMID_SELF, EFAULT, EINVAL, ENOENT, ENOSYS, EPERM, ESRCH, value

Ends = tuple[Agent, Agent]
NEVER_USED = 900
KINDS = (
    "unbound", "channel", "vcpu's interrupt", "machine's interrupt", "ipi", "free", "0", "never used", "1024", "-1",
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A domain with a port of each kind, by name."""

    agent: Agent
    other: Agent
    ports: dict[str, int]


@pytest.fixture
def scene(ends: Ends) -> Scene:
    other, agent = ends
    spare = alloc_unbound(agent, 0)
    _, here = channel(other, agent)
    ports = {
        "unbound": alloc_unbound(agent, 5),
        "channel": here,
        "vcpu's interrupt": bind_virq(agent, "DEBUG"),
        "machine's interrupt": bind_virq(agent, "CONSOLE"),
        "ipi": bind_ipi(agent),
        "free": spare,
        "0": 0,
        "never used": NEVER_USED,
        "1024": PORTS,
        "-1": 0xFFFFFFFF,
    }
    assert close(agent, spare) == 0
    return Scene(agent, other, ports)


def test_the_lowest_free_port_is_given_out_and_port_0_never(ends: Ends) -> None:
    agent, _ = ends
    assert [alloc_unbound(agent, 1) for _ in range(4)] == [1, 2, 3, 4]
    assert close(agent, 2) == 0
    assert [bind_ipi(agent), bind_ipi(agent)] == [2, 5]


STATES = {
    "unbound": Status(UNBOUND, dom=5),
    "vcpu's interrupt": Status(VIRQ, virq=value("VIRQ_DEBUG")),
    "machine's interrupt": Status(VIRQ, virq=value("VIRQ_CONSOLE")),
    "ipi": Status(IPI),
    "free": Status(CLOSED),
    "0": Status(CLOSED),
    "never used": Status(CLOSED),
}


@pytest.mark.parametrize("kind", STATES)
def test_status_says_what_a_port_is(scene: Scene, kind: str) -> None:
    assert status(scene.agent, scene.ports[kind]) == STATES[kind]


def test_status_says_what_is_at_the_other_end_of_a_channel(ends: Ends) -> None:
    first, second = ends
    there, here = channel(first, second)
    assert status(first, there) == Status(INTERDOMAIN, dom=1, port=here)
    assert status(second, here) == Status(INTERDOMAIN, dom=0, port=there)


def test_domain_0_sees_the_ports_of_others(scene: Scene) -> None:
    assert status(scene.other, scene.ports["unbound"], dom=1) == Status(UNBOUND, dom=5)


SENT = {"unbound": 0, "channel": 0, "ipi": 0}
CLOSES = {"unbound": 0, "channel": 0, "vcpu's interrupt": 0, "machine's interrupt": 0, "ipi": 0}
MOVES = {"unbound": 0, "channel": 0, "machine's interrupt": 0}
UNMASKS = dict.fromkeys(set(KINDS) - {"1024", "-1"}, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "operation, results", [(send, SENT), (close, CLOSES), (bind_vcpu, MOVES), (unmask, UNMASKS)],
    ids=["send", "close", "bind_vcpu", "unmask"],
)  # fmt: skip
def test_an_operation_takes_ports_of_its_kinds_and_refuses_others(
    scene: Scene, operation: Callable[[Agent, int], int], results: dict[str, int], kind: str
) -> None:
    assert operation(scene.agent, scene.ports[kind]) == results.get(kind, -EINVAL)


@pytest.mark.parametrize("kind", CLOSES)
def test_a_closed_port_is_free_again(scene: Scene, kind: str) -> None:
    assert close(scene.agent, scene.ports[kind]) == 0
    assert status(scene.agent, scene.ports[kind]) == Status(CLOSED)
    assert close(scene.agent, scene.ports[kind]) == -EINVAL


# Arguments that are refused, by the name of the operation: the argument, and what domain 1 gets for it.
REFUSED: tuple[tuple[str, Structure, int], ...] = (
    ("alloc_unbound", EvtchnAllocUnbound(0, 1), -EPERM),
    ("alloc_unbound", EvtchnAllocUnbound(77, 1), -ESRCH),
    ("alloc_unbound", EvtchnAllocUnbound(value("DOMID_XEN"), 1), -ESRCH),
    ("bind_interdomain", EvtchnBindInterdomain(77, 0, 1), -ESRCH),
    ("bind_interdomain", EvtchnBindInterdomain(value("DOMID_IO"), 0, 1), -ESRCH),
    ("bind_interdomain", EvtchnBindInterdomain(0, 0, 0), -EINVAL),
    ("bind_interdomain", EvtchnBindInterdomain(0, 0, NEVER_USED), -EINVAL),
    ("bind_interdomain", EvtchnBindInterdomain(0, 0, PORTS), -EINVAL),
    ("bind_interdomain", EvtchnBindInterdomain(0, 0, 0xFFFFFFFF), -EINVAL),
    ("bind_virq", EvtchnBindVirq(24, 0), -EINVAL),
    ("bind_virq", EvtchnBindVirq(0xFFFFFFFF, 0), -EINVAL),
    ("bind_virq", EvtchnBindVirq(value("VIRQ_DOM_EXC"), 1), -EINVAL),
    ("bind_virq", EvtchnBindVirq(value("VIRQ_ARCH_0"), 1), -EINVAL),
    ("bind_virq", EvtchnBindVirq(value("VIRQ_TIMER"), 1), -ENOENT),
    ("bind_virq", EvtchnBindVirq(value("VIRQ_XENPMU"), 0xFFFFFFFF), -ENOENT),
    ("bind_pirq", EvtchnBindPirq(16), -EINVAL),
    ("bind_pirq", EvtchnBindPirq(0xFFFFFFFF), -EINVAL),
    ("bind_pirq", EvtchnBindPirq(9), -EPERM),
    ("bind_ipi", EvtchnBindIpi(1), -ENOENT),
    ("bind_vcpu", EvtchnBindVcpu(1, 1), -ENOENT),
    ("status", EvtchnStatus(0, 0, 1), -EPERM),
    ("status", EvtchnStatus(77, 0, 1), -ESRCH),
    ("status", EvtchnStatus(DOMID_SELF, 0, PORTS), -EINVAL),
    ("status", EvtchnStatus(DOMID_SELF, 0, 0xFFFFFFFF), -EINVAL),
    ("reset", EvtchnReset(0), -EPERM),
    ("reset", EvtchnReset(77), -ESRCH),
)


@pytest.mark.parametrize("name, argument, expected", REFUSED, ids=lambda part: getattr(part, "__name__", None))
def test_a_bad_argument_is_refused_and_changes_nothing(
    ends: Ends, name: str, argument: Structure, expected: int
) -> None:
    _, agent = ends
    before = bytes(argument)
    assert operate(agent, name, type(argument).from_buffer_copy(before)) == expected
    assert alloc_unbound(agent, 0) == 1


def test_only_the_domain_that_a_port_waits_for_may_bind_to_it(ends: Ends) -> None:
    first, second = ends
    for remote in (0, 5):
        port = alloc_unbound(first, remote)
        assert operate(second, "bind_interdomain", EvtchnBindInterdomain(0, 0, port)) == -EINVAL
        assert status(first, port) == Status(UNBOUND, dom=remote)


@pytest.mark.parametrize("kind", ["channel", "vcpu's interrupt", "ipi", "free"])
def test_nobody_can_bind_to_a_port_that_does_not_wait(scene: Scene, kind: str) -> None:
    wanted = EvtchnBindInterdomain(1, 0, scene.ports[kind])
    assert operate(scene.other, "bind_interdomain", wanted) == -EINVAL


def test_a_domain_may_wait_for_itself(ends: Ends) -> None:
    for agent in ends:
        there = alloc_unbound(agent, DOMID_SELF)
        assert status(agent, there) == Status(UNBOUND, dom=agent.domain)
        here = bind_interdomain(agent, DOMID_SELF, there)
        assert status(agent, there) == Status(INTERDOMAIN, dom=agent.domain, port=here)
        assert close(agent, there) == 0
        assert status(agent, here) == Status(UNBOUND, dom=agent.domain)


def test_domain_0_may_make_ports_for_others_and_close_all_of_theirs(ends: Ends) -> None:
    zero, one = ends
    port = alloc_unbound(zero, 0, dom=1)
    assert status(one, port) == Status(UNBOUND, dom=0)
    assert bind_interdomain(zero, 1, port) == 1
    assert status(zero, 1) == Status(INTERDOMAIN, dom=1, port=port)


def test_an_interrupt_has_one_port_at_a_time(ends: Ends) -> None:
    agent, _ = ends
    port = bind_virq(agent, "DEBUG")
    assert operate(agent, "bind_virq", EvtchnBindVirq(value("VIRQ_DEBUG"))) == -EEXIST
    assert record(agent).virqs[value("VIRQ_DEBUG")] == port
    assert close(agent, port) == 0
    assert record(agent).virqs[value("VIRQ_DEBUG")] == 0
    assert bind_virq(agent, "DEBUG") == port


def test_every_interrupt_can_be_bound(ends: Ends) -> None:
    for virq in range(value("NR_VIRQS")):
        argument = EvtchnBindVirq(virq)
        assert operate(ends[1], "bind_virq", argument) == 0
        assert status(ends[1], argument.port) == Status(VIRQ, virq=virq)


@pytest.mark.parametrize("name", ["init_control", "expand_array", "set_priority"])
def test_the_fifo_abi_is_refused_so_that_guests_fall_back(ends: Ends, name: str) -> None:
    assert operate(ends[1], name, bytes(24)) == -ENOSYS  # type: ignore[arg-type]


@pytest.mark.parametrize("command", [14, 31, 32, 64, 0x80000000, 0xFFFFFFFF])
def test_an_unknown_command_is_refused(ends: Ends, command: int) -> None:
    assert ends[1].hypercall("event_channel_op", command, 0) == -ENOSYS


OPERATIONS = (
    "bind_interdomain", "bind_virq", "bind_pirq", "close", "send", "status", "alloc_unbound", "bind_ipi", "bind_vcpu",
    "unmask", "reset",
)  # fmt: skip


@pytest.mark.parametrize("where", BAD_POINTERS)
def test_an_argument_that_cannot_be_read_is_a_fault(ends: Ends, where: str) -> None:
    for name in OPERATIONS:
        assert operate(ends[1], name, BAD_POINTERS[where]) == -EFAULT
