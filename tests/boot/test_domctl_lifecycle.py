"""domctl: domains come, stop, go on and go, and leave nothing behind.

Invariants
  - After each test memory is as it was before: the fixture compares, and has the checker look.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import sizeof
from functools import partial

import pytest

from tests.boot.control_fixtures import Toolstack
from xengen.abi.control import DomctlInfo, Sysctl
from xengen.abi.symbols import assembler_symbols
from xengen.agent.names import value
from xengen.inspect.live import check_machine, hypervisor_of

ROUNDS = 1000
EINVAL = -value("EINVAL")
OFFLINE = assembler_symbols()["RUNSTATE_offline"]


def running(toolstack: Toolstack, domain: int) -> Callable[[], int]:
    """Let the guest `spin` in a domain run, and return what tells how far it has counted."""
    toolstack.control.unpause(domain)
    match = toolstack.machine.console.expect(rf"^\(d{domain}\) spin: counter at machine address 0x([0-9a-f]+)")
    return partial(toolstack.machine.memory.u32, int(match[1], 16))


def test_a_domain_that_is_created_is_listed_and_has_no_memory(toolstack: Toolstack) -> None:
    domain = toolstack.created(name=b"first", max_pages=4096, handle=handle())
    found = toolstack.about(domain)
    assert (found.name, found.pages, found.max_pages, bytes(found.handle)) == (b"first", 0, 4096, bytes(range(16)))
    assert toolstack.state(domain) == {"paused", "unbuilt"}
    assert check_machine(toolstack.machine) == []


def handle() -> object:
    """Return a handle as the structure wants it."""
    return type(DomctlInfo().handle)(*range(16))


def test_a_domain_gets_the_number_that_is_asked_for(toolstack: Toolstack) -> None:
    assert toolstack.created(0x7FEF) == 0x7FEF
    assert toolstack.created(300) == 300
    assert toolstack.numbers() == [0, 300, 0x7FEF]


def test_a_number_does_not_come_again_at_once(toolstack: Toolstack) -> None:
    first = toolstack.created()
    toolstack.control.destroy(first)
    assert toolstack.created() == first + 1


def test_a_domain_that_is_built_waits_until_it_is_unpaused(toolstack: Toolstack) -> None:
    domain = toolstack.built("hello", command_line="one two")
    assert toolstack.state(domain) == {"paused"}
    assert f"(d{domain})" not in toolstack.machine.console.text
    toolstack.control.unpause(domain)
    toolstack.machine.console.expect(rf'^\(d{domain}\)   command line "one two"')


def test_a_domain_that_is_not_built_cannot_run(toolstack: Toolstack) -> None:
    assert toolstack.domctl("unpause", toolstack.created())[0] == EINVAL


def test_pauses_are_counted(toolstack: Toolstack) -> None:
    domain = toolstack.built()
    toolstack.control.pause(domain)
    assert toolstack.about(domain).pauses == 2
    toolstack.control.unpause(domain)
    assert toolstack.state(domain) == {"paused"}
    toolstack.control.unpause(domain)
    assert "paused" not in toolstack.state(domain)
    assert toolstack.domctl("unpause", domain)[0] == EINVAL


def test_a_paused_domain_does_not_run_and_an_unpaused_one_does(toolstack: Toolstack) -> None:
    domain = toolstack.built()
    counted = running(toolstack, domain)
    before = counted()
    while counted() == before:
        toolstack.about(domain)
    toolstack.control.pause(domain)
    stopped, at = counted(), list(toolstack.about(domain).run_time)
    for _ in range(200):
        toolstack.agent.hypercall("sched_op", value("SCHEDOP_yield"))
    assert counted() == stopped
    now = list(toolstack.about(domain).run_time)
    assert [new > old for old, new in zip(at, now, strict=True)] == [state == OFFLINE for state in range(4)]
    toolstack.control.unpause(domain)
    while counted() == stopped:
        toolstack.about(domain)


def test_a_domain_has_the_most_pages_that_it_is_given(toolstack: Toolstack) -> None:
    domain = toolstack.built(pages=1500)
    assert (toolstack.about(domain).pages, toolstack.about(domain).max_pages) == (1500, 1500)
    toolstack.control.set_max_pages(domain, 3000)
    assert toolstack.about(domain).max_pages == 3000


def test_a_build_does_not_pass_the_most_pages(toolstack: Toolstack) -> None:
    domain = toolstack.created(max_pages=1024)
    fields = {"image": toolstack.images["spin"].number, "initrd": value("IMAGE_NONE")}
    assert toolstack.domctl("build", domain, **fields, pages=1025)[0] == EINVAL
    assert toolstack.domctl("build", domain, **fields, pages=1024)[0] == 0


def test_all_domains_are_listed_by_one_call(toolstack: Toolstack) -> None:
    made = [toolstack.created(name=b"x" * 31) for _ in range(3)]
    buffer = toolstack.agent.put(bytes(4 * sizeof(DomctlInfo)))
    argument = Sysctl(value("SYSCTL_domains"), value("CONTROL_VERSION"))
    argument.u.domains.first, argument.u.domains.count, argument.u.domains.buffer = 1, 32, buffer
    assert toolstack.agent.hypercall("sysctl", argument) == 0
    assert argument.u.domains.count == 3
    found = (DomctlInfo * 3).from_buffer_copy(toolstack.agent.space.read_linear(buffer, 3 * sizeof(DomctlInfo)))
    assert [(info.domain, info.name) for info in found] == [(number, b"x" * 31) for number in made]


def test_a_running_domain_is_destroyed(toolstack: Toolstack) -> None:
    domain = toolstack.built()
    running(toolstack, domain)
    toolstack.control.destroy(domain)
    assert toolstack.numbers() == [0]
    toolstack.machine.console.expect(rf"^\(xengen\) domain {domain} is gone$")


def test_a_thousand_domains_that_come_and_go_leave_memory_as_it_was(toolstack: Toolstack) -> None:
    toolstack.control.destroy(toolstack.built())
    before, heap = toolstack.free_pages, toolstack.control.machine().heap_pages
    frames = hypervisor_of(toolstack.machine).frames.copy()
    for _ in range(ROUNDS):
        toolstack.control.destroy(toolstack.built())
    assert (toolstack.free_pages, toolstack.control.machine().heap_pages) == (before, heap)
    now = hypervisor_of(toolstack.machine).frames
    for field in ("count", "type", "owner"):
        assert (frames[field] == now[field]).all(), field


@pytest.mark.parametrize("guest", ["agent", "hello", "spin"])
def test_what_a_domain_did_before_it_was_destroyed_leaves_nothing(toolstack: Toolstack, guest: str) -> None:
    domain = toolstack.built(guest)
    toolstack.control.unpause(domain)
    toolstack.machine.console.expect(rf"^\(d{domain}\) ")
    toolstack.control.destroy(domain)
    assert toolstack.numbers() == [0]
    toolstack.machine.console.expect(rf"^\(xengen\) domain {domain} is gone$")
