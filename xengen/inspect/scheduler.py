"""The scheduler: a view of who runs and who waits, and the rules about run queue and run states (sched/run_queue.s).

Invariants
  - The rules hold while a guest runs or nobody can: within the hypervisor a vcpu may be between two states.
  - Virtual times are in ns * mcu_advance; an effective one may be negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xengen.abi.symbols import assembler_symbols
from xengen.inspect.survey import Survey
from xengen.inspect.views import BadStructure, Domain, Hypervisor, Vcpu
from xengen.inspect.violation import Rule, Violation

_VALUES = assembler_symbols()
PLACES = _VALUES["RUN_QUEUE_PLACES"]
RUNNING, RUNNABLE, BLOCKED, OFFLINE = (
    _VALUES[f"RUNSTATE_{name}"] for name in ("running", "runnable", "blocked", "offline")
)
STATES = {RUNNING: "running", RUNNABLE: "runnable", BLOCKED: "blocked", OFFLINE: "offline"}
STOPPED = _VALUES["DOMAIN_DYING"] | _VALUES["DOMAIN_SHUTDOWN"] | _VALUES["DOMAIN_SUSPENDED"]


@dataclass(frozen=True)
class Runnable:
    """A domain that runs or waits for its turn, with its virtual times and the inverse of its weight."""

    domain: int
    running: bool
    avt: int
    evt: int
    mcu_advance: int
    warping: bool


def run_queue(hypervisor: Hypervisor) -> tuple[Runnable, ...]:
    """Return who runs (first) and who waits, by effective virtual time; the times of the one that runs are those up to
    when it was charged last."""
    running = hypervisor.word("running_vcpu")
    found = [
        Runnable(
            domain.id, vcpu.address == running, vcpu.record.sched.avt, effective(vcpu),
            vcpu.record.sched.mcu_advance, bool(vcpu.record.sched.warping),
        )
        for domain, vcpu in _vcpus(hypervisor.domains())
        if vcpu.address == running or vcpu.record.sched.place
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda each: (not each.running, each.evt)))


def effective(vcpu: Vcpu) -> int:
    """Return a vcpu's effective virtual time."""
    evt = int(vcpu.record.sched.evt)
    return evt - (1 << 64) if evt >> 63 else evt


def queues(survey: Survey) -> Iterator[Violation]:
    """Each heap has vcpus in order, each of which knows its place; who warps and waits is in the second one."""
    hypervisor = survey.hypervisor
    vcpus = {vcpu.address: (domain, vcpu) for domain, vcpu in _vcpus(survey.domains)}
    for name, key, place in (("run_queue", "avt", "place"), ("warp_queue", "evt", "warp_place")):
        waiting = _heap(hypervisor, name)
        for number, address in enumerate(waiting, 1):
            if address not in vcpus:
                yield Violation(Rule.RUN_QUEUE, f"{name}[{number}] is {address:#x}, where no vcpu is")
                return
            domain, vcpu = vcpus[address]
            if getattr(vcpu.record.sched, place) != number:
                detail = f"it is {name}[{number}], but takes itself for number {getattr(vcpu.record.sched, place)}"
                yield Violation(Rule.RUN_QUEUE, detail, domain=domain.id)
            above = vcpus[waiting[(number >> 1) - 1]][1] if number > 1 else vcpu
            if _key(vcpu, key) < _key(above, key):
                detail = f"its {key} at {name}[{number}] is before that at {name}[{number >> 1}]"
                yield Violation(Rule.RUN_QUEUE, detail, domain=domain.id)
        for address, (domain, vcpu) in vcpus.items():
            if getattr(vcpu.record.sched, place) and address not in waiting:
                detail = f"it is not in {name}, but has place {getattr(vcpu.record.sched, place)} there"
                yield Violation(Rule.RUN_QUEUE, detail, domain=domain.id)
    for domain, vcpu in vcpus.values():
        if bool(vcpu.record.sched.warp_place) != bool(vcpu.record.sched.place and vcpu.record.sched.warping):
            yield Violation(Rule.RUN_QUEUE, "whether it warps and whether it is in warp_queue differ", domain=domain.id)


def states(survey: Survey) -> Iterator[Violation]:
    """Who may run runs or waits; the run state says which; and nobody of them is behind svt."""
    hypervisor = survey.hypervisor
    running = hypervisor.word("running_vcpu")
    if running and running != hypervisor.word("current_vcpu"):
        yield Violation(Rule.RUN_STATE, f"running_vcpu is {running:#x}, but another vcpu is in the processor")
    svt = int.from_bytes(hypervisor.read(hypervisor.symbol("svt"), 8), "little")
    for domain, vcpu in _vcpus(survey.domains):
        record = vcpu.record.sched
        runs, waits = vcpu.address == running, bool(record.place)
        may_run = not (domain.record.flags & STOPPED or domain.record.pause_count or record.sleeps)
        if may_run != (runs or waits):
            detail = "it may run, but neither runs nor waits" if may_run else "it may not run, but runs or waits"
            yield Violation(Rule.RUN_STATE, detail, domain=domain.id)
        wanted = RUNNING if runs else RUNNABLE if waits else BLOCKED if record.sleeps else OFFLINE
        if vcpu.record.runstate.state != wanted:
            state = STATES.get(vcpu.record.runstate.state, str(vcpu.record.runstate.state))
            yield Violation(Rule.RUN_STATE, f"its state is {state}, not {STATES[wanted]}", domain=domain.id)
        if (runs or waits) and record.avt < svt:
            yield Violation(Rule.RUN_STATE, f"its virtual time is {svt - record.avt} behind svt", domain=domain.id)


def _heap(hypervisor: Hypervisor, name: str) -> tuple[int, ...]:
    """Return the addresses of a heap, place 1 first; BadStructure when it has more than there may be."""
    count = hypervisor.word(f"{name}_count")
    if count > PLACES:
        raise BadStructure(f"{name}_count is {count}, more than {PLACES}")
    data = hypervisor.read(hypervisor.symbol(name) + 4, 4 * count)
    return tuple(int.from_bytes(data[start : start + 4], "little") for start in range(0, len(data), 4))


def _key(vcpu: Vcpu, key: str) -> tuple[int, int]:
    return (effective(vcpu) if key == "evt" else int(vcpu.record.sched.avt)), int(vcpu.record.sched.order)


def _vcpus(domains: tuple[Domain, ...]) -> Iterator[tuple[Domain, Vcpu]]:
    for domain in domains:
        if domain.vcpu is not None:
            yield domain, domain.vcpu
