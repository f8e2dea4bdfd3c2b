"""Rules about timers: the heap is in order and knows every timer that is set, and the hardware's alarm is not too late.

Invariants
  - timer_heap[1] to timer_heap[timer_count] are addresses of TIMERs (time/timers.s); place n leads to 2n and 2n + 1.
  - A TIMER lies in a DOMAIN, a VCPU or a virtual interface that is there, or in the hypervisor's data.
"""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import Array, Structure, sizeof
from dataclasses import dataclass
from typing import Any

from xengen.abi import vif_records as abi
from xengen.abi.hypervisor import Domain, Timer, Vcpu
from xengen.abi.symbols import assembler_symbols
from xengen.inspect.survey import Survey
from xengen.inspect.views import Hypervisor
from xengen.inspect.vif import vifs
from xengen.inspect.violation import Rule, Violation

MOST = assembler_symbols()["TIMERS"]


@dataclass(frozen=True)
class Place:
    """A piece of memory that TIMERs may lie in: of a domain, or with None of the hypervisor itself."""

    start: int
    size: int
    domain: int | None


@dataclass(frozen=True)
class Heap:
    """The timers that are set, in the order of the heap: address and a copy of each; and the alarm, in ns."""

    addresses: tuple[int, ...]
    timers: tuple[Timer, ...]
    alarm_at: int


def heap(hypervisor: Hypervisor, count: int) -> Heap:
    """Return the first `count` timers of the heap. Raises BadStructure when one leads nowhere."""
    data = hypervisor.read(hypervisor.symbol("timer_heap") + 4, 4 * count)
    addresses = tuple(int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4))
    timers = tuple(Timer.from_buffer_copy(hypervisor.read(address, sizeof(Timer))) for address in addresses)
    return Heap(addresses, timers, int.from_bytes(hypervisor.read(hypervisor.symbol("alarm_at"), 8), "little"))


def timer_offsets(kind: Any, base: int = 0) -> Iterator[int]:
    """Yield the offset of each TIMER in a structure, those in structures and arrays inside of it, too."""
    if kind is Timer:
        yield base
    elif issubclass(kind, Array):
        for index in range(kind._length_):
            yield from timer_offsets(kind._type_, base + index * sizeof(kind._type_))
    elif issubclass(kind, Structure):
        for name, of, *_ in kind._fields_:
            yield from timer_offsets(of, base + getattr(kind, name).offset)


def timers(survey: Survey) -> Iterator[Violation]:
    """Every timer that says that it is set stands where it says; nothing else is in the heap; the alarm comes first."""
    hypervisor = survey.hypervisor
    count = hypervisor.word("timer_count")
    if count > MOST:
        yield Violation(Rule.TIMER, f"{count} timers are set, and there may be {MOST}")
        return
    found = heap(hypervisor, count)
    places = tuple(_places(survey))
    yield from _order(found)
    for number, (address, timer) in enumerate(zip(found.addresses, found.timers, strict=True), 1):
        place = _place_of(places, address)
        fault = None if place else "lies in no domain, vcpu or data of the hypervisor's"
        if timer.position != number:
            fault = f"says that it stands at place {timer.position}"
        elif not hypervisor.symbol("__text_start") <= timer.routine < hypervisor.symbol("__text_end"):
            fault = f"calls {int(timer.routine):#x}, which is no text"
        if fault:
            detail = f"the timer at {address:#x}, place {number} of the heap, {fault}"
            yield Violation(Rule.TIMER, detail, domain=place.domain if place else None)
    standing = dict(enumerate(found.addresses, 1))
    for domain, address, position in _set_timers(survey):
        if standing.get(position) != address:
            detail = f"the timer at {address:#x} says that it stands at place {position} of the heap, and does not"
            yield Violation(Rule.TIMER, detail, domain=domain)


def _order(found: Heap) -> Iterator[Violation]:
    deadlines = [int(timer.deadline) for timer in found.timers]
    for index in range(1, len(deadlines)):
        above = (index - 1) // 2
        if deadlines[index] < deadlines[above]:
            detail = f"the timer at place {index + 1} of the heap is earlier than that at place {above + 1}"
            yield Violation(Rule.TIMER, detail)
    if deadlines and found.alarm_at > deadlines[0]:
        yield Violation(Rule.TIMER, f"the alarm is set for {found.alarm_at}, the earliest timer for {deadlines[0]}")


def _places(survey: Survey) -> Iterator[Place]:
    for domain in survey.domains:
        yield Place(domain.address, sizeof(Domain), domain.id)
        if domain.vcpu is not None:
            yield Place(domain.vcpu.address, sizeof(Vcpu), domain.id)
    for vif in vifs(survey.hypervisor):
        yield Place(vif.device.address, sizeof(abi.Vif), None)
    for section in ("data", "bss"):
        start = survey.hypervisor.symbol(f"__{section}_start")
        yield Place(start, survey.hypervisor.symbol(f"__{section}_end") - start, None)


def _place_of(places: tuple[Place, ...], address: int) -> Place | None:
    inside = (place for place in places if 0 <= address - place.start <= place.size - sizeof(Timer))
    return next(inside, None)


def _set_timers(survey: Survey) -> Iterator[tuple[int, int, int]]:
    """Yield (domain, address, position) of each timer of a domain that says it is set."""
    for domain in survey.domains:
        records: list[tuple[int, Structure]] = [(domain.address, domain.record)]
        if domain.vcpu is not None:
            records.append((domain.vcpu.address, domain.vcpu.record))
        for base, record in records:
            for offset in timer_offsets(type(record)):
                timer = Timer.from_buffer_copy(record, offset)
                if timer.position:
                    yield domain.id, base + offset, int(timer.position)
