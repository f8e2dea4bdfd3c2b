"""Console and store of the domains that `xengen run` boots, and the hypervisor's doorbell under them.

Invariants
  - Whatever domain 0 is, it is not asked: here it sleeps, or is an agent that does what the test says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from ctypes import sizeof
from pathlib import Path

import pytest

from tests.boot.event_ports import INTERDOMAIN, UNBOUND, bind_interdomain
from tests.boot.harness import Booter, GuestMaker, Images
from tests.boot.hosting import make_grub
from tests.boot.snippets import IDLE
from xengen.abi.doorbell import DOORBELL_RINGS, Doorbell, DoorbellRing
from xengen.agent.agent import Agent
from xengen.agent.names import value
from xengen.cli.app import run_command_line
from xengen.cli.status import ExitStatus
from xengen.control.local import OPTION, Bell, LocalServices
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.inspect.views import Domain
from xengen.machine.machine import Machine

SECONDS = 20.0

# Says two lines by its console's ring, and is gone at once.
LAST_WORDS = r"""
        .text
# start: some words.
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    shared_info_map
        call    rings_find
{{ print("it was short\\nbut good") }}
        movl    $SCHEDOP_shutdown, %ebx
        movl    $reason, %ecx
        {{ hypercall("sched_op") }}
        ud2
{% endcall %}
{{ space("reason", 4) }}
"""


def until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def domain(machine: Machine, number: int) -> Domain | None:
    """Return a domain, None when there is no such."""
    return next((one for one in hypervisor_of(machine).domains() if one.id == number), None)


def port_state(machine: Machine, number: int, port: int) -> int:
    """Return the state of a port of a domain."""
    found = domain(machine, number)
    assert found is not None
    return hypervisor_of(machine).read(found.record.ports[0] + 8 * port, 1)[0]


class Served:
    """A machine whose domains are served, and what they have said."""

    def __init__(self, machine: Machine) -> None:
        self.services = LocalServices(machine)
        self.said: dict[int, bytes] = {}

    def look(self) -> dict[int, bytes]:
        """Serve all of them once; return all that they have said."""
        for number, text in self.services.look():
            self.said[number] = self.said.get(number, b"") + text
        return self.said

    def hears(self, number: int, text: bytes) -> None:
        """Serve them until a domain has said `text`."""
        until(lambda: text in self.look().get(number, b""))


# The services.


def test_a_balloon_follows_the_store_of_a_run(boot: Booter, guest: GuestMaker) -> None:
    machine = boot("spin", "balloon", append=f"{OPTION} domu_mem=16M")
    served = Served(machine)
    served.hears(1, b"balloon: 4096 pages\r\n")
    target = ("local", "domain", "1", "memory", "target")
    assert served.services.store.tree.read(0, target) == b"16384"
    served.services.store.tree.write(0, target, b"12288")
    served.hears(1, b"balloon: 3072 pages of 3072, 0 bad\r\n")
    assert check_machine(machine) == []


def test_each_of_several_domains_has_its_own_services(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(
        guest(IDLE), "balloon", guest(LAST_WORDS, like="balloon"), "balloon", append=f"{OPTION} domu_mem=16M"
    )
    served = Served(machine)
    for number in (1, 3):
        served.hears(number, b"balloon: 4096 pages\r\n")
        served.services.store.tree.write(
            0, ("local", "domain", str(number), "memory", "target"), b"%d" % (8192 + number * 1024)
        )
    for number, pages in ((1, 2304), (3, 2816)):
        served.hears(number, b"balloon: %d pages of %d, 0 bad\r\n" % (pages, pages))
    assert served.said[2] == b"it was short\r\nbut good"


def test_a_domains_last_words_are_heard_before_it_goes_with_its_nodes(boot: Booter, guest: GuestMaker) -> None:
    machine = boot("spin", guest(LAST_WORDS, like="balloon"), append=OPTION)
    machine.console.expect("domain 1 shut down: poweroff")
    served = Served(machine)
    served.hears(1, b"it was short\r\nbut good")
    until(lambda: served.look() and domain(machine, 1) is None)
    assert served.services.served == ()
    assert served.services.store.tree.directory(0, ("local", "domain")) == ()
    assert check_machine(machine) == []


def test_a_domain_whose_ports_domain_0_binds_is_domain_0s(boot: Booter) -> None:
    machine = boot("agent", "balloon", append=f"{OPTION} domu_mem=16M dom0_mem=16M", trace=False)
    served = Served(machine)
    served.hears(1, b"balloon: 4096 pages\r\n")
    with Agent(machine) as agent:
        found = domain(machine, 1)
        assert found is not None
        assert found.record.flags & value("DOMAIN_PRESERVE")
        bind_interdomain(agent, 1, found.record.store_port)
        served.look()
        assert served.services.served == ()

        def let_go() -> bool:
            now = domain(machine, 1)
            return now is not None and not now.record.flags & value("DOMAIN_PRESERVE")

        until(lambda: served.look() and let_go())


def test_without_the_option_nobody_is_kept_or_served(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(guest(IDLE), guest(LAST_WORDS, like="balloon"))
    machine.console.expect("domain 1 shut down: poweroff")
    until(lambda: domain(machine, 1) is None)
    assert LocalServices(machine).look() == []


# The doorbell.


@pytest.fixture
def bell(boot: Booter) -> tuple[Machine, int]:
    """A machine that listens to its doorbell, and where that is; its domains are agents."""
    machine = boot("agent", "agent", append=f"{OPTION} dom0_mem=16M domu_mem=16M", trace=False)
    machine.console.expect(r"\(d1\) agent: mailbox")
    hypervisor = hypervisor_of(machine)
    return machine, hypervisor.physical(hypervisor.symbol("doorbell"))


def write_counter(machine: Machine, at: int, name: str, count: int) -> None:
    """Write a counter of the doorbell."""
    machine.memory.write(at + getattr(Doorbell, name).offset, (count % (1 << 32)).to_bytes(4, "little"))


def counters(machine: Machine, at: int) -> tuple[int, int]:
    """Return what was produced and what was consumed."""
    found = Doorbell.from_buffer_copy(machine.memory.read(at, sizeof(Doorbell)))
    return int(found.produced), int(found.consumed)


def heard(machine: Machine, at: int) -> bool:
    """Whether the hypervisor has done all that the doorbell was rung for."""
    produced, consumed = counters(machine, at)
    return produced == consumed


def pending(machine: Machine, number: int) -> set[int]:
    """Return the ports of a domain that are pending."""
    found = domain(machine, number)
    assert found is not None
    bits = int.from_bytes(
        machine.memory.read((found.record.shared_info_mfn << 12) + value("SHARED_INFO_evtchn_pending"), 128), "little"
    )
    return {port for port in range(1024) if bits >> port & 1}


def test_more_rings_than_there_is_room_for_arrive_in_the_end(bell: tuple[Machine, int]) -> None:
    machine, at = bell
    found = domain(machine, 1)
    assert found is not None
    writer = Bell(machine, at)
    assert writer.ready
    for port in range(100, 100 + 3 * DOORBELL_RINGS):  # which are nobody's
        writer.ring(1, port)
    for port in (found.record.store_port, found.record.console_port):
        writer.ring(1, port)

    def all_there() -> bool:
        writer.go_out()
        return pending(machine, 1) >= {found.record.store_port, found.record.console_port}

    until(all_there)
    assert pending(machine, 1) == {found.record.store_port, found.record.console_port}
    assert counters(machine, at)[0] == 3 * DOORBELL_RINGS + 2


@pytest.mark.parametrize(("number", "port"), [(9, 1), (0x7FF0, 1), (0xFFFF, 1), (1, 1023), (1, 0xFFFF), (0, 1), (0, 0)])
def test_a_ring_for_nobody_is_dropped(bell: tuple[Machine, int], number: int, port: int) -> None:
    machine, at = bell
    writer = Bell(machine, at)
    writer.ring(number, port)
    writer.go_out()
    until(lambda: heard(machine, at))
    assert pending(machine, 0) == pending(machine, 1) == set()
    assert check_machine(machine) == []


def test_a_port_that_is_bound_is_not_rung(bell: tuple[Machine, int]) -> None:
    machine, at = bell
    found = domain(machine, 1)
    assert found is not None
    port = found.record.store_port
    with Agent(machine, 0) as zero:
        assert port_state(machine, 1, port) == UNBOUND
        bind_interdomain(zero, 1, port)
        assert port_state(machine, 1, port) == INTERDOMAIN
        writer = Bell(machine, at)
        writer.ring(1, port)
        writer.go_out()
        until(lambda: heard(machine, at))
        assert pending(machine, 1) == set()


def test_a_counter_that_has_run_away_is_caught_up_with(bell: tuple[Machine, int]) -> None:
    machine, at = bell
    ring = DoorbellRing(1, 1)
    for place in range(DOORBELL_RINGS):
        machine.memory.write(at + Doorbell.rings.offset + place * sizeof(DoorbellRing), bytes(ring))
    write_counter(machine, at, "produced", DOORBELL_RINGS + 1)
    until(lambda: heard(machine, at))
    assert pending(machine, 1) == set()


# The command.


def test_grub_shows_its_prompt_beside_domain_0(
    images: Images, guest: GuestMaker, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    images.hypervisor()
    grub = make_grub(tmp_path)
    words = ["--memory", "256M", "--guest", str(guest(IDLE)), "--guest", str(grub), "--append", "dom1_mem=64M"]
    assert run_command_line(["run", *words, "--until", "grub> ", "--timeout", "60"]) == ExitStatus.YES
    assert "(d1) \rgrub> " in capfd.readouterr().out


def test_json_has_what_a_domain_wrote_to_its_ring(
    images: Images, guest: GuestMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    images.hypervisor()
    guests = ["--guest", str(guest(IDLE)), "--guest", str(guest(LAST_WORDS, like="balloon"))]
    status = run_command_line(["run", "--json", *guests, "--until", "domain 1 shut down", "--timeout", "60"])
    assert status == ExitStatus.YES
    found = json.loads(capfd.readouterr().out)
    assert found["domains"]["1"].removesuffix("\n") == "it was short\nbut good"  # it may be broken off


@pytest.mark.parametrize("words", [["--icount"], ["--dry-run"], ["--hypervisor", "build/hypervisor.elf"]])
def test_nobody_is_served_where_that_cannot_be(
    images: Images, guest: GuestMaker, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """In a run that is to repeat exactly, in one that is carried out without us, on somebody else's hypervisor."""
    images.hypervisor()
    guests = ["--guest", str(guest(IDLE)), "--guest", str(guest(IDLE))]
    run_command_line(["run", *guests, *words, "--until", "entering domain 0", "--timeout", "60"])
    assert OPTION not in capfd.readouterr().out
