"""What domain 0 sees of the end of a domain, what is kept of one to be preserved, and frames that it has mapped.

Invariants
  - Behind each test all domains are destroyed, and all that they had has come back: the fixture looks.
"""

from __future__ import annotations

import pytest

from tests.boot.control_fixtures import Toolstack
from tests.boot.event_ports import bind_virq, clear, pending
from tests.boot.harness import GuestMaker
from tests.boot.snippets import doing
from tests.boot.tables import PRESENT, WRITABLE, request, update
from xengen.agent.agent import Agent, Page
from xengen.agent.names import value
from xengen.control.calls import Image
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.inspect.tables import Mapping

PRESERVE = value("DOMCTL_CREATE_preserve")
PAGE = 4096
RESUMED = r"""
{{ print("resumed: %u\\n", "%eax") }}
        movl    $SHUTDOWN_poweroff, argument
"""
SUSPEND = """
        movl    $SHUTDOWN_suspend, argument
        movl    $SCHEDOP_shutdown, %ebx
        movl    $argument, %ecx
        {{ hypercall("sched_op") }}
"""


def uploaded(toolstack: Toolstack, guest: GuestMaker, body: str) -> Image:
    """Make an image of a guest that carries out the instructions `body` and shuts its domain down."""
    data = guest(doing(body)).read_bytes()
    image = toolstack.control.add_image("guest", len(data))
    toolstack.control.write_image(image, 0, data)
    return image


def started(toolstack: Toolstack, guest: GuestMaker, body: str, flags: int) -> int:
    """Let a guest run in a domain of its own until it has ended, and return its number."""
    domain = toolstack.created(flags=flags)
    toolstack.control.build(domain, uploaded(toolstack, guest, body), 1024, "")
    toolstack.control.unpause(domain)
    toolstack.machine.console.expect(rf"^\(xengen\) domain {domain} (died|shut down): .*")
    return domain


def gone(toolstack: Toolstack, domain: int) -> None:
    """Wait until nothing is left of a domain."""
    toolstack.machine.console.expect(rf"^\(xengen\) domain {domain} is gone$")


def test_a_domain_that_dies_is_kept_with_its_reason_when_it_is_to_be_preserved(
    toolstack: Toolstack, guest: GuestMaker
) -> None:
    domain = started(toolstack, guest, "        ud2\n", PRESERVE)
    for _ in range(100):
        toolstack.agent.hypercall("sched_op", value("SCHEDOP_yield"))
    found = toolstack.about(domain)
    assert toolstack.state(domain) == {"shutdown", "crashed"}
    assert found.flags >> value("DOMINF_shutdown_shift") == value("SHUTDOWN_crash")
    assert found.reason != b""
    assert found.pages == 1024
    assert check_machine(toolstack.machine) == []


def test_the_reason_is_the_one_in_the_log(toolstack: Toolstack, guest: GuestMaker) -> None:
    domain = started(toolstack, guest, "        ud2\n", PRESERVE)
    assert f"domain {domain} died: {toolstack.about(domain).reason.decode()}\n" in toolstack.machine.console.text


@pytest.mark.parametrize("reason", ["poweroff", "reboot", "crash"])
def test_a_shutdowns_reason_is_told(toolstack: Toolstack, guest: GuestMaker, reason: str) -> None:
    domain = started(toolstack, guest, f"        movl $SHUTDOWN_{reason}, argument\n", PRESERVE)
    assert toolstack.state(domain) == {"shutdown"}
    assert toolstack.about(domain).flags >> value("DOMINF_shutdown_shift") == value(f"SHUTDOWN_{reason}")


def test_a_domain_that_is_not_to_be_preserved_goes_by_itself(toolstack: Toolstack, guest: GuestMaker) -> None:
    domain = started(toolstack, guest, "        ud2\n", 0)
    gone(toolstack, domain)
    assert toolstack.numbers() == [0]


def test_a_preserved_domain_goes_when_it_is_destroyed(toolstack: Toolstack, guest: GuestMaker) -> None:
    domain = started(toolstack, guest, "", PRESERVE)
    toolstack.control.destroy(domain)
    assert toolstack.numbers() == [0]


def test_others_go_while_one_is_preserved(toolstack: Toolstack, guest: GuestMaker) -> None:
    kept = started(toolstack, guest, "", PRESERVE)
    other = started(toolstack, guest, "", 0)
    gone(toolstack, other)
    assert toolstack.numbers() == [0, kept]


def test_a_suspended_domain_is_told_as_shut_down_and_goes_on_when_it_is_resumed(
    toolstack: Toolstack, guest: GuestMaker
) -> None:
    body = SUSPEND + RESUMED
    domain = started(toolstack, guest, body, PRESERVE)
    assert "shutdown" in toolstack.state(domain)
    assert toolstack.about(domain).flags >> value("DOMINF_shutdown_shift") == value("SHUTDOWN_suspend")
    assert toolstack.domctl("resume", domain)[0] == 0
    toolstack.machine.console.expect(rf"^\(d{domain}\) resumed: ")
    toolstack.machine.console.expect(rf"^\(xengen\) domain {domain} shut down: poweroff")
    assert toolstack.domctl("resume", domain)[0] == -value("EINVAL")


def test_domain_0_gets_an_event_for_each_end(toolstack: Toolstack, guest: GuestMaker) -> None:
    agent = toolstack.agent
    port = bind_virq(agent, "DOM_EXC")
    started(toolstack, guest, "", PRESERVE)
    assert pending(agent) == {port}
    clear(agent)


# Frames of another domain.


def test_domain_0_maps_and_changes_what_another_domain_has(toolstack: Toolstack) -> None:
    domain = toolstack.built()
    agent, page = toolstack.agent, toolstack.agent.page()
    mfn = first_frame(toolstack, domain)
    toolstack.machine.memory.write(mfn * PAGE, b"its own")
    entry, own = entry_of(agent, page), agent.pte(page.va)
    assert update(agent, request(entry, mfn * PAGE | WRITABLE), foreign=domain).result == 0
    assert agent.read(page.va, 7) == b"its own"
    agent.write(page.va, b"another")
    assert toolstack.machine.memory.read(mfn * PAGE, 7) == b"another"
    assert check_machine(toolstack.machine, permits=is_domain_0s) == []
    assert update(agent, request(entry, own)).result == 0


def test_a_frame_that_domain_0_has_mapped_outlives_its_domain(toolstack: Toolstack) -> None:
    domain = toolstack.built()
    agent, page = toolstack.agent, toolstack.agent.page()
    mfn = first_frame(toolstack, domain)
    toolstack.machine.memory.write(mfn * PAGE, b"the last")
    entry, own = entry_of(agent, page), agent.pte(page.va)
    assert update(agent, request(entry, mfn * PAGE | PRESENT), foreign=domain).result == 0
    toolstack.control.destroy(domain)
    assert toolstack.state(domain) >= {"dying"}
    assert toolstack.about(domain).pages == 1
    assert agent.read(page.va, 8) == b"the last"
    assert update(agent, request(entry, own)).result == 0
    gone(toolstack, domain)
    assert toolstack.numbers() == [0]


def entry_of(agent: Agent, page: Page) -> int:
    """Return the machine address of the entry that maps a page."""
    address = agent.space.entry_address(page.va)
    assert address is not None
    return address


def is_domain_0s(mapping: Mapping) -> bool:
    """Say whether domain 0 has mapped it."""
    return mapping.mapper == 0


def first_frame(toolstack: Toolstack, domain: int) -> int:
    """Return the first frame of a domain."""
    hypervisor = hypervisor_of(toolstack.machine)
    (found,) = (one for one in hypervisor.domains() if one.id == domain)
    frames = (hypervisor.frames["owner"] == found.address).nonzero()[0]
    return next(int(mfn) for mfn in frames if mfn != found.record.shared_info_mfn)
