"""All plantings: each breaks one rule of the checker in a consistent memory."""

from __future__ import annotations

from tests.unit.inspect.plantings import (
    descriptors,
    events,
    grants,
    mappings,
    nics,
    plain,
    records,
    region,
    scheduler,
    spaces,
    tables,
    timers,
    vbds,
    vifs,
)
from tests.unit.inspect.plantings.base import Expected, Planting, World, make_world

PLANTINGS: tuple[Planting, ...] = (
    *mappings.PLANTINGS,
    *tables.PLANTINGS,
    *records.PLANTINGS,
    *spaces.PLANTINGS,
    *descriptors.PLANTINGS,
    *events.PLANTINGS,
    *grants.PLANTINGS,
    *timers.PLANTINGS,
    *vbds.PLANTINGS,
    *vifs.PLANTINGS,
    *nics.PLANTINGS,
    *scheduler.PLANTINGS,
    *plain.PLANTINGS,
    *region.PLANTINGS,
)

__all__ = ["PLANTINGS", "Expected", "Planting", "World", "make_world"]
