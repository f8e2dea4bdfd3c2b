"""The checker: from raw memory alone, whether everything that keeps guests apart and out of the hypervisor holds.

`check(Hypervisor(memory, symbols))` gives the list of broken rules, empty when all is well. It is meant for a moment at
which a guest runs or the processor idles: within a hypercall, records are legitimately in between (live.py picks it).

Invariants
  - Nothing is taken from the hypervisor but its memory: owners, types and counts are recomputed (survey.py, walk.py).
  - A hypervisor whose records cannot be followed is a violation, never an exception.
  - Of each check at most MOST violations are reported, so that a wild write gives a page of text and no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from xengen.inspect import (
    descriptors,
    events,
    frames,
    free_tree,
    grants,
    hand,
    nic_rings,
    plain,
    region,
    reserved,
    scheduler,
    tables,
    timers,
    vbd,
    vif,
    virtual_devices,
)
from xengen.inspect.survey import Survey, survey
from xengen.inspect.tables import Mapping, Permits, nothing_permitted
from xengen.inspect.views import BadStructure, Hypervisor
from xengen.inspect.violation import Rule, Step, Violation

__all__ = ["Mapping", "Permits", "Rule", "Step", "Timing", "Violation", "check", "timings"]

MOST = 16

Check = Callable[[Survey], Iterator[Violation]]

CHECKS: tuple[Check, ...] = (
    reserved.structures,
    frames.owners,
    frames.nr_pages,
    frames.free_list,
    frames.free_count,
    frames.free_frames,
    free_tree.free_tree,
    hand.in_hand,
    frames.leaks,
    frames.reference_counts,
    frames.types,
    frames.type_counts,
    frames.validated,
    frames.stale_types,
    frames.pins,
    frames.m2p,
    tables.strays,
    tables.partial_tables,
    tables.two_roles,
    tables.targets,
    tables.bits,
    tables.slot_3,
    tables.linear_chains,
    tables.linear_balances,
    tables.writable_linear,
    tables.writable_tables,
    tables.hypervisor_frames,
    tables.io_frames,
    reserved.reserved_slots,
    reserved.alias_slots,
    reserved.base_pointers,
    grants.records,
    descriptors.guest_descriptors,
    descriptors.reserved_descriptors,
    descriptors.windows,
    descriptors.gates,
    events.ports,
    events.channels,
    virtual_devices.places,
    virtual_devices.ports,
    virtual_devices.turns,
    vbd.records,
    vbd.extents,
    vif.records,
    vif.wires,
    vif.queue,
    nic_rings.buffers,
    nic_rings.states,
    timers.timers,
    scheduler.queues,
    scheduler.states,
    plain.plain,
    region.frames_shown,
    region.permissions,
    region.alias_table,
)


@dataclass(frozen=True)
class Timing:
    """How long one part of a check took."""

    name: str
    seconds: float


def check(hypervisor: Hypervisor, *, permits: Permits = nothing_permitted) -> list[Violation]:
    """Return every broken rule. `permits` says which mappings of other domains' frames are granted."""
    try:
        facts = survey(hypervisor)
    except BadStructure as error:
        return [Violation(Rule.STRUCTURE, str(error))]
    return [violation for one in _checks(permits) for violation in _run(one, facts)]


def timings(hypervisor: Hypervisor) -> tuple[Timing, ...]:
    """Run everything once and return the time of each part in order; the first is reading and walking, the last all."""
    start = time.perf_counter()
    facts = survey(hypervisor)
    found = [Timing("survey", time.perf_counter() - start)]
    for one in _checks(nothing_permitted):
        began = time.perf_counter()
        _run(one, facts)
        found.append(Timing(_name(one), time.perf_counter() - began))
    return (*found, Timing("all", time.perf_counter() - start))


def _checks(permits: Permits) -> tuple[Check, ...]:
    return (*CHECKS, partial(tables.foreign_frames, permits=permits))


def _run(one: Check, facts: Survey) -> list[Violation]:
    violations: list[Violation] = []
    try:
        violations.extend(islice(one(facts), MOST + 1))
    except BadStructure as error:
        violations.append(Violation(Rule.STRUCTURE, str(error)))
    if len(violations) > MOST:
        violations[MOST:] = [Violation(violations[-1].rule, f"and more: only the first {MOST} are shown")]
    return violations


def _name(one: Check) -> str:
    function = one.func if isinstance(one, partial) else one
    module, name = getattr(function, "__module__", ""), getattr(function, "__name__", "")
    return f"{module.rpartition('.')[2]}.{name}"
