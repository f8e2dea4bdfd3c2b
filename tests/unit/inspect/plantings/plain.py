"""Vcpus that are taken for plain, and have something that a short switch would leave out."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.inspect.image_memory import ABI
from tests.unit.inspect.plantings.base import Expected, Planting, World
from xengen.abi.hypervisor import Domain, Vcpu
from xengen.inspect.violation import Rule

DR7_LOCAL_0 = 1


def _planting(name: str, text: str, change: Callable[[Domain, Vcpu], object], *, plain: str = "PLAIN") -> Planting:
    """Have domain 1 taken for plain, but for what `change` does to it."""

    def break_it(world: World) -> Expected:
        vcpu = world.machine.vcpu(world.one.vcpu)
        vcpu.plain = ABI[plain]
        change(world.machine.domain(world.one.address), vcpu)
        return Expected(Rule.PLAIN, domain=1, text=f"it is taken for plain, but {text}")

    return Planting(name, break_it)


def _warps(_: Domain, vcpu: Vcpu) -> None:
    vcpu.sched.warpback = 1


def _weighs_nothing(_: Domain, vcpu: Vcpu) -> None:
    vcpu.sched.mcu_advance = ABI["CHARGE_HIGH_LIMIT"]


def _breaks(_: Domain, vcpu: Vcpu) -> None:
    vcpu.debugreg[7] |= DR7_LOCAL_0


def _wants_times(_: Domain, vcpu: Vcpu) -> None:
    vcpu.virtual_alarm = 1


def _own_segments(_: Domain, vcpu: Vcpu) -> None:
    vcpu.fs = 0


def _computes(world: World) -> Expected:
    world.machine.vcpu(world.one.vcpu).plain = ABI["PLAIN"]
    world.machine.write("fpu_owner", world.one.vcpu)
    return Expected(Rule.PLAIN, domain=1, text="it is taken for plain, but its floating point is in the processor")


PLANTINGS: tuple[Planting, ...] = (
    _planting("a plain vcpu with an alarm in virtual time", "has virtual_alarm", _wants_times),
    _planting("a plain vcpu with breakpoints", "has breakpoints", _breaks),
    _planting("a plain vcpu that may warp", "may warp", _warps),
    _planting("a plain vcpu with too small a share", "has a share that is too small", _weighs_nothing),
    _planting("a plain vcpu with segments of its own", "it has segments of its own", _own_segments, plain="PLAIN_FLAT"),
    Planting("a plain vcpu that owns the floating point", _computes),
)
