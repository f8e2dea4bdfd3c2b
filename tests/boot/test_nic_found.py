"""Network interfaces are found, and work, at boot; what is not there is not missed."""

from __future__ import annotations

import pytest

from tests.boot.harness import Booter
from tests.boot.nics import MAC, MODELS, nic, set_link, with_cable
from xengen.agent.agent import Agent
from xengen.inspect.devices import nics
from xengen.inspect.live import check_machine, hypervisor_of


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "release"])
@pytest.mark.parametrize("model", MODELS)
def test_an_interface_is_found_with_its_address_and_its_link(boot: Booter, model: str, debug: bool) -> None:
    machine = boot("agent", nics=[with_cable(model)], debug=debug)
    machine.console.expect(f"network interface 0: {model}, {MAC}, link up")
    with Agent(machine) as agent:
        assert agent.hypercall("xen_version", 0) == 0x40002
    found = nic(machine)
    assert (found.record.number, found.name, found.mac, found.has_link) == (0, model, MAC, True)
    assert check_machine(machine) == []


def test_a_machine_may_have_several_of_each_kind(boot: Booter) -> None:
    models = [*MODELS, *MODELS, *MODELS]
    machine = boot("agent", nics=[with_cable(model, "") for model in models])
    with Agent(machine):
        found = nics(hypervisor_of(machine))
    assert [(one.record.number, one.name) for one in found] == list(enumerate(models))
    assert [one.mac for one in found] == [f"52:54:00:12:34:{0x56 + number:02x}" for number in range(len(models))]
    buffers = [mfn for one in found for mfn in one.buffers]
    assert len(set(buffers)) == len(buffers)
    assert check_machine(machine) == []


def test_a_machine_without_interfaces_has_none(boot: Booter) -> None:
    machine = boot("agent")
    with Agent(machine):
        assert nics(hypervisor_of(machine)) == ()
    assert "network interface" not in machine.console.text


@pytest.mark.parametrize("model", MODELS)
def test_an_interface_that_has_lost_its_link_says_so_and_finds_it_again(boot: Booter, model: str) -> None:
    machine = boot("agent", nics=[with_cable(model)])
    with Agent(machine):
        set_link(machine, up=False)
        set_link(machine, up=True)
    assert check_machine(machine) == []
