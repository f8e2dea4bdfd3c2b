"""domctl and sysctl: who may call them, and what they say to arguments that are no good.

Invariants
  - What is refused changes nothing: the fixture looks at memory after each test.
"""

from __future__ import annotations

import pytest

from tests.boot.control_fixtures import Toolstack
from xengen.abi.control import Domctl, Sysctl
from xengen.abi.sched import SchedBvtDomain
from xengen.agent.agent import Agent
from xengen.agent.names import value

VERSION = value("CONTROL_VERSION")
NO_DOMAIN = 77
ENOENT, EEXIST, EBUSY, EACCES = (-value(name) for name in ("ENOENT", "EEXIST", "EBUSY", "EACCES"))
EPERM, EFAULT, EINVAL, ENOSYS, ESRCH = (-value(name) for name in ("EPERM", "EFAULT", "EINVAL", "ENOSYS", "ESRCH"))
ENOMEM = -value("ENOMEM")

COMMANDS = ("create", "destroy", "pause", "unpause", "resume", "info", "max_mem", "scheduler", "build", "hypercalls")
COMMANDS_OF_A_DOMAIN = [name for name in COMMANDS if name not in ("create", "info")]
QUESTIONS = ("physinfo", "domains", "image_info", "image_add", "image_write", "image_remove", "scheduler")


@pytest.mark.parametrize("command", COMMANDS)
def test_only_domain_0_controls_domains(two_agents: tuple[Agent, Agent], command: str) -> None:
    argument = Domctl(value(f"DOMCTL_{command}"), VERSION, 1)
    assert two_agents[1].hypercall("domctl", argument) == EPERM


@pytest.mark.parametrize("command", QUESTIONS)
def test_only_domain_0_controls_the_machine(two_agents: tuple[Agent, Agent], command: str) -> None:
    assert two_agents[1].hypercall("sysctl", Sysctl(value(f"SYSCTL_{command}"), VERSION)) == EPERM


@pytest.mark.parametrize("argument", [Domctl(value("DOMCTL_info"), 0x15), Domctl(value("DOMCTL_info"))])
def test_another_version_of_the_interface_is_refused(toolstack: Toolstack, argument: Domctl) -> None:
    assert toolstack.agent.hypercall("domctl", argument) == EACCES


def test_another_version_of_the_machines_interface_is_refused(toolstack: Toolstack) -> None:
    assert toolstack.agent.hypercall("sysctl", Sysctl(value("SYSCTL_physinfo"), 0x15)) == EACCES


@pytest.mark.parametrize("call", ["domctl", "sysctl"])
def test_a_command_that_is_none_is_not_there(toolstack: Toolstack, call: str) -> None:
    argument = (Domctl if call == "domctl" else Sysctl)(0x7777, VERSION)
    assert toolstack.agent.hypercall(call, argument) == ENOSYS


@pytest.mark.parametrize("address", [0, 0xFC400000, 0xFFFFFFFC])
@pytest.mark.parametrize("call", ["domctl", "sysctl"])
def test_an_argument_that_cannot_be_read_is_a_fault(toolstack: Toolstack, call: str, address: int) -> None:
    assert toolstack.agent.hypercall(call, address) == EFAULT


@pytest.mark.parametrize("command", COMMANDS_OF_A_DOMAIN)
def test_a_domain_that_is_not_there_cannot_be_told_anything(toolstack: Toolstack, command: str) -> None:
    assert toolstack.domctl(command, NO_DOMAIN)[0] == ESRCH


@pytest.mark.parametrize("command", ["destroy", "pause", "unpause", "resume", "max_mem", "build"])
def test_domain_0_cannot_be_told_to_stop_or_go(toolstack: Toolstack, command: str) -> None:
    assert toolstack.domctl(command, 0)[0] == EINVAL


@pytest.mark.parametrize(
    ("number", "fields", "error"),
    [
        (0, {"flags": 2}, EINVAL), (0, {"flags": 0x80000001}, EINVAL), (0x7FF0, {}, EINVAL), (0xFFFF, {}, EINVAL),
    ],
)  # fmt: skip
def test_a_domain_is_not_created_with(
    toolstack: Toolstack, number: int, fields: dict[str, int], error: int
) -> None:
    assert toolstack.domctl("create", number, **fields)[0] == error


def test_a_number_that_is_taken_is_not_given_again(toolstack: Toolstack) -> None:
    domain = toolstack.created()
    assert toolstack.domctl("create", domain)[0] == EEXIST


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"image": 31}, ENOENT), ({"image": 32}, ENOENT), ({"image": 0xFFFFFFFF}, ENOENT), ({"initrd": 31}, ENOENT),
        ({"pages": 0}, EINVAL), ({"pages": 0x100000}, EINVAL), ({"pages": 0xFFFFFFFF}, EINVAL),
        ({"command_line_bytes": 1024}, EINVAL), ({"command_line_bytes": 0xFFFFFFFF}, EINVAL),
        ({"command_line_bytes": 10, "command_line": 0xFC400000}, EFAULT),
        ({"pages": 16}, EINVAL), ({"pages": 0x80000}, ENOMEM),
    ],
)  # fmt: skip
def test_a_domain_is_not_built_with(toolstack: Toolstack, fields: dict[str, int], error: int) -> None:
    sound = {"image": toolstack.images["spin"].number, "initrd": value("IMAGE_NONE"), "pages": 1024}
    domain = toolstack.created()
    assert toolstack.domctl("build", domain, **sound | fields)[0] == error
    assert (toolstack.about(domain).pages, toolstack.state(domain)) == (0, {"paused", "unbuilt"})


def test_a_reason_that_cannot_be_written_is_a_fault(toolstack: Toolstack) -> None:
    fields = {"image": toolstack.images["spin"].number, "initrd": value("IMAGE_NONE"), "pages": 16}
    domain = toolstack.created()
    assert toolstack.domctl("build", domain, **fields, reason=0xFC400000, reason_bytes=64)[0] == EFAULT


def test_a_reason_is_cut_to_its_room(toolstack: Toolstack) -> None:
    fields = {"image": toolstack.images["spin"].number, "initrd": value("IMAGE_NONE"), "pages": 16}
    agent, domain = toolstack.agent, toolstack.created()
    room = agent.put(b"-" * 16)
    assert toolstack.domctl("build", domain, **fields, reason=room, reason_bytes=9)[0] == EINVAL
    assert agent.space.read_linear(room, 16) == b"it needs\0-------"


@pytest.mark.parametrize(("fields", "error"), [({"scheduler": 5}, EINVAL), ({"direction": 2}, EINVAL), ({}, EINVAL)])
def test_scheduler_parameters_are_refused(toolstack: Toolstack, fields: dict[str, int], error: int) -> None:
    # The last one puts a share of nothing.
    assert toolstack.domctl("scheduler", toolstack.created(), **fields)[0] == error


def test_a_domain_has_the_scheduler_parameters_that_it_was_given(toolstack: Toolstack) -> None:
    domain = toolstack.created()
    given = SchedBvtDomain(mcu_adv=20, warpback=1, warpvalue=7, warpl=3, warpu=5)
    assert toolstack.domctl("scheduler", domain, direction=value("SCHEDULER_put"), bvt=given)[0] == 0
    result, answer = toolstack.domctl("scheduler", domain, direction=value("SCHEDULER_get"))
    found = answer.u.scheduler.bvt
    assert (result, found.mcu_adv, found.warpback, found.warpvalue) == (0, 20, 1, 7)
    assert (found.warpl, found.warpu) == (3_000_000, 5_000_000)


def test_the_context_switch_allowance_is_put_and_got(toolstack: Toolstack) -> None:
    def allowance(direction: str, ns: int = 0) -> int:
        argument = Sysctl(value("SYSCTL_scheduler"), VERSION)
        argument.u.scheduler.direction, argument.u.scheduler.bvt.ctx_allow = value(f"SCHEDULER_{direction}"), ns
        assert toolstack.agent.hypercall("sysctl", argument) == 0
        return int(argument.u.scheduler.bvt.ctx_allow)

    before = allowance("get")
    allowance("put", 2_000_000)
    assert allowance("get") == 2_000_000
    allowance("put", before)


def test_a_direction_of_the_allowance_that_is_none_is_refused(toolstack: Toolstack) -> None:
    argument = Sysctl(value("SYSCTL_scheduler"), VERSION)
    argument.u.scheduler.direction = 2
    assert toolstack.agent.hypercall("sysctl", argument) == EINVAL


def test_the_hypercalls_of_a_domain_are_counted_by_their_numbers(toolstack: Toolstack) -> None:
    agent = toolstack.agent
    buffer = agent.put([0] * 64)

    def counts() -> memoryview:
        assert toolstack.domctl("hypercalls", 0, buffer=buffer, count=64)[0] == 0
        return memoryview(agent.space.read_linear(buffer, 256)).cast("I")

    before = counts().tolist()
    for _ in range(5):
        agent.hypercall("xen_version", 0)
    agent.hypercall(63)
    after = counts().tolist()
    more = {number: new - old for number, (old, new) in enumerate(zip(before, after, strict=True)) if new > old}
    more.pop(value("HYPERCALL_sched_op"), None)  # the agent sleeps while nobody asks for anything
    assert more == {value("HYPERCALL_xen_version"): 5, 63: 1, value("HYPERCALL_domctl"): 1}


@pytest.mark.parametrize(
    ("fields", "error"), [({"count": 65}, EINVAL), ({"count": 64, "buffer": 0xFC400000}, EFAULT), ({"count": 0}, 0)]
)
def test_a_buffer_for_counts_of_hypercalls(toolstack: Toolstack, fields: dict[str, int], error: int) -> None:
    assert toolstack.domctl("hypercalls", 0, **fields)[0] == error
