"""Run queues that are out of order, and vcpus that are not where their state says."""

from __future__ import annotations

from tests.unit.inspect.image_memory import ABI
from tests.unit.inspect.plantings.base import Expected, Planting, World
from tests.unit.inspect.synthetic import Guest
from xengen.abi.hypervisor import Vcpu
from xengen.inspect.violation import Rule


def _wait(world: World, guest: Guest, avt: int) -> Vcpu:
    """Put a vcpu at the end of the run queue; return it, live."""
    machine = world.machine
    place = machine.read("run_queue_count") + 1
    machine.write("run_queue_count", place)
    start = machine.physical("run_queue") + 4 * place
    machine.memory[start : start + 4] = guest.vcpu.to_bytes(4, "little")
    vcpu = machine.vcpu(guest.vcpu)
    vcpu.sched.avt, vcpu.sched.evt, vcpu.sched.place, vcpu.sched.sleeps = avt, avt, place, ABI["SLEEP_NONE"]
    vcpu.runstate.state = ABI["RUNSTATE_runnable"]
    return vcpu


def _both(world: World) -> tuple[Vcpu, Vcpu]:
    """Have both domains wait, and nobody run."""
    world.machine.write("running_vcpu", 0)
    return _wait(world, world.zero, 1000), _wait(world, world.one, 2000)


def _out_of_order(world: World) -> Expected:
    _, second = _both(world)
    second.sched.avt = 999
    return Expected(Rule.RUN_QUEUE, domain=1, text="its avt at run_queue[2] is before that at run_queue[1]")


def _another_place(world: World) -> Expected:
    _, second = _both(world)
    second.sched.place = 3
    return Expected(Rule.RUN_QUEUE, domain=1, text="it is run_queue[2], but takes itself for number 3")


def _nobody(world: World) -> Expected:
    _wait(world, world.one, 0)
    world.machine.write("run_queue_count", 2)
    return Expected(Rule.RUN_QUEUE, text="where no vcpu is")


def _not_there(world: World) -> Expected:
    _both(world)
    world.machine.write("run_queue_count", 1)
    return Expected(Rule.RUN_QUEUE, domain=1, text="it is not in run_queue, but has place 2 there")


def _warps_elsewhere(world: World) -> Expected:
    _wait(world, world.one, 0).sched.warping = 1
    return Expected(Rule.RUN_QUEUE, domain=1, text="whether it warps and whether it is in warp_queue differ")


def _too_many(world: World) -> Expected:
    world.machine.write("run_queue_count", ABI["RUN_QUEUE_PLACES"] + 1)
    return Expected(Rule.STRUCTURE, text="run_queue_count is 1025, more than 1024")


def _forgotten(world: World) -> Expected:
    vcpu = world.machine.vcpu(world.one.vcpu)
    vcpu.sched.sleeps, vcpu.runstate.state = ABI["SLEEP_NONE"], ABI["RUNSTATE_offline"]
    return Expected(Rule.RUN_STATE, domain=1, text="it may run, but neither runs nor waits")


def _paused(world: World) -> Expected:
    _wait(world, world.one, 0)
    world.machine.domain(world.one.address).pause_count = 1
    return Expected(Rule.RUN_STATE, domain=1, text="it may not run, but runs or waits")


def _state(world: World) -> Expected:
    world.machine.vcpu(world.one.vcpu).runstate.state = ABI["RUNSTATE_runnable"]
    return Expected(Rule.RUN_STATE, domain=1, text="its state is runnable, not blocked")


def _behind(world: World) -> Expected:
    world.machine.write("svt", 1000)
    world.machine.vcpu(world.zero.vcpu).sched.avt = 1000
    _wait(world, world.one, 990)
    return Expected(Rule.RUN_STATE, domain=1, text="its virtual time is 10 behind svt")


def _another_runs(world: World) -> Expected:
    world.machine.write("running_vcpu", world.one.vcpu)
    vcpu, other = world.machine.vcpu(world.one.vcpu), world.machine.vcpu(world.zero.vcpu)
    vcpu.sched.sleeps, vcpu.runstate.state = ABI["SLEEP_NONE"], ABI["RUNSTATE_running"]
    other.sched.sleeps, other.runstate.state = ABI["SLEEP_EVENT"], ABI["RUNSTATE_blocked"]
    return Expected(Rule.RUN_STATE, text="but another vcpu is in the processor")


PLANTINGS: tuple[Planting, ...] = (
    Planting("a run queue that is out of order", _out_of_order),
    Planting("a vcpu at another place of the run queue than it says", _another_place),
    Planting("a run queue with nobody in it", _nobody),
    Planting("a vcpu that is not where it waits", _not_there),
    Planting("a warping vcpu that does not wait as one", _warps_elsewhere),
    Planting("a run queue that is too long", _too_many),
    Planting("a vcpu that may run and is forgotten", _forgotten),
    Planting("a paused vcpu that waits for its turn", _paused),
    Planting("a sleeping vcpu with another state", _state),
    Planting("a vcpu behind the virtual time of the others", _behind),
    Planting("a vcpu that runs and is not in the processor", _another_runs),
)
