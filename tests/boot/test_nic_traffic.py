"""Real packets through the drivers, by a hypervisor that answers each of them itself (nic_echo.py)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.boot.harness import BOOTER, Booter
from tests.boot.nic_echo import EchoImages
from tests.boot.nics import LONGEST, MODELS, SHORTEST, frames, nic, set_link, until, with_cable
from xengen.agent.agent import Agent
from xengen.inspect.live import check_machine
from xengen.machine.machine import Machine


@pytest.fixture(scope="module")
def images_that_echo(tmp_path_factory: pytest.TempPathFactory) -> EchoImages:
    """The images with a hypervisor that echoes."""
    return EchoImages(tmp_path_factory.mktemp("echo"))


@pytest.fixture
def boot_echo(request: pytest.FixtureRequest, images_that_echo: EchoImages) -> Iterator[Booter]:
    """Boots the hypervisor that echoes."""
    booter = Booter(images_that_echo)
    request.node.stash[BOOTER] = booter
    yield booter
    booter.close()


def echo_each(machine: Machine, sent: list[bytes], number: int = 0) -> None:
    """Send frames, each when the one before is through, and expect each back, byte for byte."""
    cable = machine.cables[number]
    for frame in sent:
        wanted = nic(machine, number).record.sent + 1
        cable.send(frame)
        assert cable.receive(30.0) == frame, f"a frame of {len(frame)} bytes"
        until(partial(is_through, machine, number, wanted), "it is through")


def is_through(machine: Machine, number: int, wanted: int) -> bool:
    """Whether an interface has sent `wanted` packets."""
    return bool(nic(machine, number).record.sent == wanted)


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "release"])
@pytest.mark.parametrize("model", MODELS)
def test_what_arrives_is_whole_and_what_is_sent_leaves_byte_for_byte(
    boot_echo: Booter, model: str, debug: bool
) -> None:
    machine = boot_echo("agent", nics=[with_cable(model)], debug=debug)
    with Agent(machine):
        sent = frames(1, 150) + frames(2, 40, (SHORTEST, SHORTEST + 1, LONGEST - 1, LONGEST))
        before = set(nic(machine).buffers)
        echo_each(machine, sent)
        found = nic(machine)
    assert (found.record.received, found.record.dropped, found.record.errors) == (len(sent), 0, 0)
    assert found.record.bytes_sent == found.record.bytes_received == sum(map(len, sent))
    assert set(found.buffers) != before, "frames are exchanged"
    assert len(set(found.buffers)) == len(found.buffers)
    assert check_machine(machine) == []


@pytest.mark.parametrize("model", MODELS)
def test_a_burst_is_answered_in_its_order_but_for_what_there_was_no_room_for(boot_echo: Booter, model: str) -> None:
    machine = boot_echo("agent", nics=[with_cable(model)])
    with Agent(machine):
        cable = machine.cables[0]
        sent = frames(3, 400, (SHORTEST, LONGEST, 333))
        echo_each(machine, sent[:1])
        for frame in sent[1:]:
            cable.send(frame)
        until(lambda: nic(machine).record.received == len(sent), "all packets have arrived")
        until(lambda: nic(machine).record.sent + nic(machine).record.dropped == len(sent), "they are through")
        count = int(nic(machine).record.sent) - 1
        back = [cable.receive(30.0) for _ in range(count)]
    rest = iter(sent[1:])
    assert all(frame is not None and frame in rest for frame in back), "some of those sent, in their order"
    assert count > 0
    assert check_machine(machine) == []


def test_interfaces_at_one_input_do_not_disturb_each_other(boot_echo: Booter) -> None:
    models = [*MODELS, *MODELS, *MODELS]
    machine = boot_echo("agent", nics=[with_cable(model, "") for model in models])
    with Agent(machine) as agent:
        for turn in range(3):
            for number in range(len(models)):
                echo_each(machine, frames(100 * turn + number, 3), number)
        assert agent.hypercall("xen_version", 0) == 0x40002
    assert [nic(machine, number).record.received for number in range(len(models))] == [9] * len(models)


def test_a_packet_longer_than_a_buffer_is_no_harm(boot_echo: Booter) -> None:
    machine = boot_echo("agent", nics=[with_cable(model, "") for model in MODELS])
    with Agent(machine):
        for number in range(len(MODELS)):
            echo_each(machine, frames(5, 1), number)
            machine.cables[number].send(bytes(9000))
            echo_each(machine, frames(6, 140), number)
            assert nic(machine, number).record.received == 141
    assert check_machine(machine) == []


@pytest.mark.parametrize("model", MODELS)
def test_after_a_time_without_a_link_packets_go_both_ways_again(boot_echo: Booter, model: str) -> None:
    machine = boot_echo("agent", nics=[with_cable(model)])
    with Agent(machine):
        echo_each(machine, frames(7, 3))
        set_link(machine, up=False)
        set_link(machine, up=True)
        echo_each(machine, frames(8, 150))
    assert check_machine(machine) == []
