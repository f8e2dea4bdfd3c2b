"""Event channels whose ends do not agree, and ports that are not what their records say."""

from __future__ import annotations

from ctypes import sizeof

from tests.unit.inspect.image_memory import ABI, PAGE
from tests.unit.inspect.plantings.base import Expected, Planting, World
from tests.unit.inspect.synthetic import Guest
from xengen.abi.hypervisor import Port
from xengen.inspect.violation import Rule

UNBOUND, INTERDOMAIN, VIRQ, IPI = (ABI[f"EVTCHNSTAT_{name}"] for name in ("unbound", "interdomain", "virq", "ipi"))
CONSOLE = ABI["VIRQ_CONSOLE"]


def _port(world: World, guest: Guest, number: int) -> Port:
    """Return the record of a port of the first block, live; the block is made when there is none."""
    domain = world.machine.domain(guest.address)
    if not domain.ports[0]:
        domain.ports[0] = world.machine.heap_page()
    block = world.machine.heap_mfn(domain.ports[0]) * PAGE
    return world.machine.at(Port, block + number * sizeof(Port))


def _set(port: Port, state: int, *, virq: int = 0, remote: int = 0, remote_port: int = 0) -> None:
    port.state, port.virq, port.remote, port.remote_port = state, virq, remote, remote_port


def _channel(world: World) -> None:
    """A channel between port 4 of domain 0 and port 1 of domain 1."""
    _set(_port(world, world.zero, 4), INTERDOMAIN, remote=world.one.address, remote_port=1)
    _set(_port(world, world.one, 1), INTERDOMAIN, remote=world.zero.address, remote_port=4)


def _one_end_closed(world: World) -> Expected:
    _channel(world)
    _set(_port(world, world.one, 1), 0)
    return Expected(Rule.CHANNEL, domain=0, text="port 4 leads to port 1 of domain 1, which does not lead back")


def _no_block(world: World) -> Expected:
    _set(_port(world, world.one, 1), INTERDOMAIN, remote=world.zero.address, remote_port=700)
    return Expected(Rule.CHANNEL, domain=1, text="port 700 of domain 0")


def _crossed(world: World) -> Expected:
    _channel(world)
    _set(_port(world, world.one, 2), INTERDOMAIN, remote=world.zero.address, remote_port=4)
    return Expected(Rule.CHANNEL, domain=1, text="port 2 leads to port 4 of domain 0, which does not lead back")


def _gone(world: World) -> Expected:
    _set(_port(world, world.one, 1), INTERDOMAIN, remote=world.zero.address + 0x40, remote_port=4)
    return Expected(Rule.CHANNEL, domain=1, text="where no domain is")


def _unknown_state(world: World) -> Expected:
    _set(_port(world, world.one, 3), 9)
    return Expected(Rule.PORT, domain=1, text="port 3: its state is 9")


def _port_0(world: World) -> Expected:
    _set(_port(world, world.one, 0), UNBOUND)
    return Expected(Rule.PORT, domain=1, text="port 0: it is in use")


def _not_empty(world: World) -> Expected:
    _set(_port(world, world.one, 3), 0, remote=1)
    return Expected(Rule.PORT, domain=1, text="port 3: it is free, but its record is not empty")


def _unbound_with_address(world: World) -> Expected:
    _set(_port(world, world.one, 3), UNBOUND, remote=world.zero.address)
    return Expected(Rule.PORT, domain=1, text="more than the number of a domain")


def _ipi_to_another(world: World) -> Expected:
    _set(_port(world, world.one, 3), IPI, remote=world.one.address, remote_port=4)
    return Expected(Rule.PORT, domain=1, text="an IPI that does not lead to itself")


def _virq_not_bound(world: World) -> Expected:
    _set(_port(world, world.zero, 3), VIRQ, virq=CONSOLE)
    return Expected(Rule.PORT, domain=0, text=f"it is for interrupt {CONSOLE}, which is bound to port 0")


def _virq_without_port(world: World) -> Expected:
    world.machine.domain(world.zero.address).virqs[CONSOLE] = 5
    return Expected(Rule.PORT, domain=0, text=f"interrupt {CONSOLE} is bound to port 5, which is not")


PLANTINGS: tuple[Planting, ...] = (
    Planting("a channel with one end", _one_end_closed),
    Planting("a channel to a port that was never used", _no_block),
    Planting("two ports with one other end", _crossed),
    Planting("a channel to a domain that is gone", _gone),
    Planting("a port without a state", _unknown_state),
    Planting("port 0 in use", _port_0),
    Planting("a free port with a record", _not_empty),
    Planting("an unbound port that leads somewhere", _unbound_with_address),
    Planting("an IPI to another port", _ipi_to_another),
    Planting("a port whose interrupt is not bound to it", _virq_not_bound),
    Planting("an interrupt without its port", _virq_without_port),
)
