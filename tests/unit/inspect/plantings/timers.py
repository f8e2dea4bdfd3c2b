"""Timers that are out of order, not where they say, or lead nowhere; and an alarm that is too late."""

from __future__ import annotations

from tests.unit.inspect.image_memory import ABI
from tests.unit.inspect.plantings.base import Expected, Planting, World
from tests.unit.inspect.synthetic import Guest
from xengen.abi.hypervisor import Timer, Vcpu
from xengen.inspect.violation import Rule


def _set(world: World, address: int, deadline: int) -> Timer:
    """Put a timer at the end of the heap; return it, live."""
    machine = world.machine
    place = machine.read("timer_count") + 1
    machine.write("timer_count", place)
    timer = machine.at(Timer, machine.hypervisor().physical(address))
    timer.deadline, timer.position, timer.routine = deadline, place, machine.symbols["routine"]
    start = machine.physical("timer_heap") + 4 * place
    machine.memory[start : start + 4] = address.to_bytes(4, "little")
    return timer


def _single_shot(world: World, guest: Guest, deadline: int) -> Timer:
    return _set(world, guest.vcpu + Vcpu.timer.offset, deadline)


def _two(world: World) -> tuple[Timer, Timer]:
    return _single_shot(world, world.zero, 1000), _single_shot(world, world.one, 2000)


def _out_of_order(world: World) -> Expected:
    _, second = _two(world)
    second.deadline = 999
    return Expected(Rule.TIMER, text="the timer at place 2 of the heap is earlier than that at place 1")


def _another_place(world: World) -> Expected:
    _, second = _two(world)
    second.position = 1
    return Expected(Rule.TIMER, domain=1, text="says that it stands at place 1")


def _not_in_the_heap(world: World) -> Expected:
    _two(world)
    world.machine.write("timer_count", 1)
    return Expected(Rule.TIMER, domain=1, text="says that it stands at place 2 of the heap, and does not")


def _no_routine(world: World) -> Expected:
    first, _ = _two(world)
    first.routine = world.machine.symbols["variables"]
    return Expected(Rule.TIMER, domain=0, text="which is no text")


def _no_domain(world: World) -> Expected:
    _set(world, world.machine.heap_page(), 1000)
    return Expected(Rule.TIMER, text="lies in no domain, vcpu or data")


def _late_alarm(world: World) -> Expected:
    _two(world)
    world.machine.write("alarm_at", 1001)
    return Expected(Rule.TIMER, text="the alarm is set for 1001, the earliest timer for 1000")


def _too_many(world: World) -> Expected:
    world.machine.write("timer_count", ABI["TIMERS"] + 1)
    return Expected(Rule.TIMER, text=f"{ABI['TIMERS'] + 1} timers are set")


PLANTINGS: tuple[Planting, ...] = (
    Planting("a heap that is out of order", _out_of_order),
    Planting("a timer at another place than it says", _another_place),
    Planting("a timer that is set and not in the heap", _not_in_the_heap),
    Planting("a timer without a routine", _no_routine),
    Planting("a timer of nobody's", _no_domain),
    Planting("an alarm that comes too late", _late_alarm),
    Planting("more timers than there may be", _too_many),
)
