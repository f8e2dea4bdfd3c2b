"""What running guests are told of the time: renewed records, copies of them, the wall clock (ABI 4.3, 4.4)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.harness import Booter, Images
from tests.boot.pointers import vcpu
from tests.boot.timers import MILLISECOND, SECOND, now, spin_until
from xengen.abi.platform import XenPlatformOp
from xengen.abi.sched import VcpuRegisterTimeMemoryArea, VcpuRunstateInfo
from xengen.abi.shared import VcpuTimeInfo
from xengen.agent.agent import Agent
from xengen.agent.names import EACCES, EFAULT, EINVAL, ENOSYS, EPERM, HV_PRIVATE_START, value
from xengen.agent.outcome import completed
from xengen.inspect.live import check_machine

NOWHERE = 0xDEAD0000
SETTIME, VERSION = value("XENPF_settime"), value("XENPF_INTERFACE_VERSION")


@pytest.fixture(scope="module")
def machine_agents(images: Images) -> Iterator[tuple[Agent, Agent]]:
    """Agents in two domains of a deterministic machine."""
    booter = Booter(images)
    machine = booter("agent", "agent", icount=True, trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        yield first, second
    booter.close()


@pytest.fixture
def agents(machine_agents: tuple[Agent, Agent]) -> Iterator[tuple[Agent, Agent]]:
    """The same; checked afterwards."""
    yield machine_agents
    assert check_machine(machine_agents[0].machine) == []


def record(agent: Agent) -> VcpuTimeInfo:
    """A copy of the vcpu's time record."""
    return VcpuTimeInfo.from_buffer_copy(agent.shared_info.vcpu_info[0].time)


def yield_once(agent: Agent) -> None:
    """Let others run."""
    assert agent.hypercall("sched_op", value("SCHEDOP_yield"), 0) == 0


# Records.


def test_a_record_is_a_second_old_at_the_most(images: Images) -> None:
    booter = Booter(images)
    try:
        with Agent(booter("agent", icount=True, trace=False)) as agent:
            versions = set()
            for _ in range(8):
                spin_until(agent, now(agent) + SECOND // 2)
                before = record(agent)
                assert now(agent) - before.system_time <= SECOND + MILLISECOND or record(agent).version > before.version
                versions.add(before.version)
            assert len(versions) >= 4
    finally:
        booter.close()


def test_a_clock_never_runs_backwards(agents: tuple[Agent, Agent]) -> None:
    last = [0, 0]
    for _ in range(30):
        for number, agent in enumerate(agents):
            found = now(agent)
            assert found > last[number] and found > last[1 - number]
            last[number] = found


def area_of(agent: Agent, address: int) -> int:
    """VCPUOP_register_vcpu_time_memory_area."""
    argument = VcpuRegisterTimeMemoryArea()
    argument.addr.p = address
    return agent.hypercall("vcpu_op", value("VCPUOP_register_vcpu_time_memory_area"), 0, argument)


def same(agent: Agent, area: int) -> bool:
    """Whether the guest finds in `area` what is in its record, at one moment."""
    text = """
        cld
        movl $VCPU_TIME_INFO_size, %ecx
        movl $agent_shared_info + VCPU_INFO_time_version, %edi
        repe cmpsb
        sete %al
        movzbl %al, %eax
    """
    return bool(completed(agent.ring1(text, esi=area)).eax)


def test_a_copy_of_the_record_is_kept_where_the_guest_wants_it(agents: tuple[Agent, Agent]) -> None:
    first, _ = agents
    page = first.page()
    area = page.va + 4
    assert area_of(first, area) == 0
    for _ in range(3):
        assert same(first, area)
        yield_once(first)
    assert area_of(first, 0) == 0
    yield_once(first)
    assert not same(first, area)
    first.give_back(page)


def test_a_copy_is_not_kept_where_the_guest_cannot_write(agents: tuple[Agent, Agent]) -> None:
    first, _ = agents
    for address in (NOWHERE, HV_PRIVATE_START - 4, HV_PRIVATE_START, 0xFFFFFFFC, first.start_info.pt_base):
        assert area_of(first, address) == -EFAULT
    assert vcpu(first).time_area == 0
    for pointer in (0, NOWHERE, 0xFFFFFFFC):
        assert first.hypercall("vcpu_op", value("VCPUOP_register_vcpu_time_memory_area"), 0, pointer) == -EFAULT


def test_a_copy_whose_page_has_gone_away_is_passed_over(agents: tuple[Agent, Agent]) -> None:
    first, _ = agents
    page = first.page()
    assert area_of(first, page.va) == 0
    assert first.map(page.va, 0) == 0
    yield_once(first)
    assert area_of(first, 0) == 0
    first.give_back(page)


# Run states.


def test_run_states_account_for_all_time(agents: tuple[Agent, Agent]) -> None:
    first, second = agents
    spin_until(second, now(second) + 5 * MILLISECOND)
    found = VcpuRunstateInfo()
    before = now(first)
    assert first.hypercall("vcpu_op", value("VCPUOP_get_runstate_info"), 0, found) == 0
    after = now(first)
    # It has been in some state since it was made; that was at some time after system time 0.
    assert sum(found.time) <= after
    again = VcpuRunstateInfo()
    assert first.hypercall("vcpu_op", value("VCPUOP_get_runstate_info"), 0, again) == 0
    assert 0 < sum(again.time) - sum(found.time) <= now(first) - before


# The wall clock.


def set_time(agent: Agent, seconds: int, nanoseconds: int, system_time: int) -> int:
    """XENPF_settime."""
    return agent.hypercall("platform_op", XenPlatformOp(SETTIME, VERSION, seconds, nanoseconds, system_time))


def wall(agent: Agent) -> tuple[int, int]:
    """Seconds and nanoseconds of the time of day at system time 0, as the domain is told."""
    shared = agent.shared_info
    return shared.arch.wc_sec_hi << 32 | shared.wc_sec, shared.wc_nsec


@pytest.mark.parametrize("seconds, nanoseconds, system_time", [
    (1_700_000_000, 0, 0), (1_700_000_000, 999_999_999, 0), (1_700_000_000, 5, 10), (0xFFFFFFFF, 0xFFFFFFFF, 0),
    (1_000_000, 123_456_789, 999_999 * SECOND + 987_654_321), (1, 0, SECOND),
])  # fmt: skip
def test_domain_0_sets_the_wall_clock_of_all_domains(
    agents: tuple[Agent, Agent], seconds: int, nanoseconds: int, system_time: int
) -> None:
    versions = [agent.shared_info.wc_version for agent in agents]
    assert set_time(agents[0], seconds, nanoseconds, system_time) == 0
    expected = divmod(seconds * SECOND + nanoseconds - system_time, SECOND)
    assert [wall(agent) for agent in agents] == [expected, expected]
    assert [agent.shared_info.wc_version for agent in agents] == [version + 2 for version in versions]


def test_a_wall_clock_before_1970_is_refused(agents: tuple[Agent, Agent]) -> None:
    assert set_time(agents[0], 1_600_000_000, 0, 0) == 0
    assert set_time(agents[0], 1, 0, SECOND + 1) == -EINVAL
    assert wall(agents[0]) == (1_600_000_000, 0)


def test_only_domain_0_controls_the_machine(agents: tuple[Agent, Agent]) -> None:
    before = wall(agents[0])
    assert set_time(agents[1], 1, 0, 0) == -EPERM
    assert agents[1].hypercall("platform_op", NOWHERE) == -EPERM
    assert wall(agents[0]) == before


def test_other_commands_and_versions_and_bad_addresses_are_refused(agents: tuple[Agent, Agent]) -> None:
    first, _ = agents
    for command in (0, 16, 18, 62, 0xFFFFFFFF):
        assert first.hypercall("platform_op", XenPlatformOp(command, VERSION)) == -ENOSYS
    assert first.hypercall("platform_op", XenPlatformOp(SETTIME, VERSION + 1)) == -EACCES
    for pointer in (0, NOWHERE, HV_PRIVATE_START, 0xFFFFFFFC):
        assert first.hypercall("platform_op", pointer) == -EFAULT
