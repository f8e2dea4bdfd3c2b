"""xen_version and console_io (ABI 10.5, 10.6): what is told, and where it can be put or come from."""

from __future__ import annotations

from ctypes import Structure, sizeof

import pytest

from tests.boot.pointers import BAD_POINTERS, NOWHERE
from xengen.abi.version import (
    XenCapabilitiesInfo,
    XenChangesetInfo,
    XenCommandline,
    XenCompileInfo,
    XenDomainHandle,
    XenExtraversion,
    XenFeatureInfo,
    XenPlatformParameters,
)
from xengen.agent.agent import Agent
from xengen.agent.names import (
    EFAULT,
    EINVAL,
    ENOSYS,
    EPERM,
    value,
)

# xen_version (ABI 10.5).

VERSION_STRUCTURES: dict[str, type[Structure]] = {
    "extraversion": XenExtraversion,
    "compile_info": XenCompileInfo,
    "capabilities": XenCapabilitiesInfo,
    "changeset": XenChangesetInfo,
    "platform_parameters": XenPlatformParameters,
    "get_features": XenFeatureInfo,
    "guest_handle": XenDomainHandle,
    "commandline": XenCommandline,
}
versions = pytest.mark.parametrize("name", VERSION_STRUCTURES)


def version(agent: Agent, name: str, address: int) -> int:
    """xen_version XENVER_name with its argument at `address`."""
    return agent.hypercall("xen_version", value(f"XENVER_{name}"), address)


def test_the_version_is_that_of_the_hypervisor_whatever_the_pointer(agent: Agent) -> None:
    expected = value("XENGEN_MAJOR") << 16 | value("XENGEN_MINOR")
    assert [version(agent, "version", pointer) for pointer in (0, NOWHERE)] == [expected, expected]


def test_the_capabilities_name_the_abi_that_guests_ask_for(agent: Agent) -> None:
    found = XenCapabilitiesInfo()
    assert agent.hypercall("xen_version", value("XENVER_capabilities"), found) == 0
    assert b"xen-3.0-x86_32p " in found.text


def test_a_guest_without_a_note_is_told_the_hole_at_its_fixed_place(agent: Agent) -> None:
    found = XenPlatformParameters()
    assert agent.hypercall("xen_version", value("XENVER_platform_parameters"), found) == 0
    assert found.virt_start == value("HYPERVISOR_VIRT_START_PAE")


def test_features_beyond_the_first_word_are_refused(agent: Agent) -> None:
    assert agent.hypercall("xen_version", value("XENVER_get_features"), XenFeatureInfo(submap_idx=1)) == -EINVAL


@pytest.mark.parametrize("feature", ["writable_page_tables", "auto_translated_physmap", "supervisor_mode_kernel",
                                     "hvm_callback_vector"])
def test_a_feature_of_other_guests_is_not_offered(agent: Agent, feature: str) -> None:
    found = XenFeatureInfo()
    assert agent.hypercall("xen_version", value("XENVER_get_features"), found) == 0
    assert not found.submap & 1 << value(f"XENFEAT_{feature}")


@pytest.mark.parametrize("pointer, result", [(0, 4096), (1, -EINVAL), (NOWHERE, -EINVAL)])
def test_the_page_size_wants_a_null_pointer(agent: Agent, pointer: int, result: int) -> None:
    assert version(agent, "pagesize", pointer) == result


@pytest.mark.parametrize("command", [11, 12, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_unknown_version_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("xen_version", command, agent.allocate(64)) == -ENOSYS


@versions
@pytest.mark.parametrize("where", BAD_POINTERS)
def test_version_facts_cannot_be_stored_at(agent: Agent, name: str, where: str) -> None:
    assert version(agent, name, BAD_POINTERS[where]) == -EFAULT


@versions
def test_version_facts_cannot_be_stored_in_read_only_memory(agent: Agent, name: str) -> None:
    before = agent.read(agent.start_info.pt_base + 2048, 16)
    assert version(agent, name, agent.start_info.pt_base + 2048) == -EFAULT
    assert agent.read(agent.start_info.pt_base + 2048, 16) == before


@versions
def test_version_facts_may_end_where_memory_ends(agent: Agent, name: str) -> None:
    agent.write(agent.edge - 8, bytes(8))
    assert version(agent, name, agent.edge - sizeof(VERSION_STRUCTURES[name])) == 0


@versions
def test_version_facts_cannot_go_over_the_end_of_memory(agent: Agent, name: str) -> None:
    agent.write(agent.edge - 8, bytes(8))
    assert version(agent, name, agent.edge - sizeof(VERSION_STRUCTURES[name]) + 1) == -EFAULT


@versions
def test_version_facts_leave_what_is_behind_them_alone(agent: Agent, name: str) -> None:
    size = sizeof(VERSION_STRUCTURES[name])
    address = agent.put(bytes(size) + b"\xee" * 8)
    assert version(agent, name, address) == 0
    assert agent.read(address + size, 8) == b"\xee" * 8


@pytest.mark.parametrize("name, size", [
    ("extraversion", 16), ("compile_info", 144), ("capabilities", 1024), ("changeset", 64), ("commandline", 1024),
])
def test_version_texts_are_followed_by_zeroes_alone(agent: Agent, name: str, size: int) -> None:
    address = agent.put(b"\xee" * size)
    assert version(agent, name, address) == 0
    data = agent.read(address, size)
    fields = [64, 16, 32, 32] if name == "compile_info" else [size]
    for length in fields:
        text, data = data[:length], data[length:]
        assert text.partition(b"\0")[2].strip(b"\0") == b""


# console_io (ABI 10.6).


def console(agent: Agent, name: str, count: int, address: int) -> int:
    """console_io."""
    return agent.hypercall("console_io", value(f"CONSOLEIO_{name}"), count, address)


def test_what_a_domain_writes_is_on_the_console(agent: Agent) -> None:
    assert console(agent, "write", 20, agent.put(b"twenty characters..\n")) == 0
    agent.machine.console.expect(r"twenty characters\.\.$")


@pytest.mark.parametrize("size", [1, 127, 128, 129, 300])
def test_a_text_of_any_length_is_written_whole(agent: Agent, size: int) -> None:
    text = (b"%d:" % size).ljust(size - 1, b"x") + b"\n"
    assert console(agent, "write", len(text), agent.put(text)) == 0
    agent.machine.console.expect(text.decode().rstrip("\n") + "$" if size > 1 else "$")


def test_nothing_is_written_for_a_count_of_zero(agent: Agent) -> None:
    assert console(agent, "write", 0, NOWHERE) == 0


@pytest.mark.parametrize("where", BAD_POINTERS)
def test_a_text_cannot_come_from(agent: Agent, where: str) -> None:
    assert console(agent, "write", 4, BAD_POINTERS[where]) == -EFAULT


def test_a_text_cannot_go_over_the_end_of_memory(agent: Agent) -> None:
    assert console(agent, "write", 5, agent.edge - 4) == -EFAULT


@pytest.mark.parametrize("command", [2, 3, 0xFFFFFFFF])
def test_an_unknown_console_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("console_io", command, 1, agent.allocate(1)) == -ENOSYS


def test_domain_0_reads_what_is_typed(agent: Agent) -> None:
    agent.machine.console.send(b"key")
    buffer, found = agent.put(bytes(16)), b""
    while len(found) < 3:
        count = console(agent, "read", 16, buffer)
        assert count >= 0
        found += agent.read(buffer, count) if count else b""
    assert found == b"key"


def test_another_domain_cannot_read_what_is_typed(two_agents: tuple[Agent, Agent]) -> None:
    assert console(two_agents[1], "read", 16, two_agents[1].allocate(16)) == -EPERM
