"""The assembler's view of the ABI: one name space of offsets, sizes and constants.

Invariants
  - MODULES is the whole model: what is not declared in one of them does not exist for templates.
  - One name has one value. The same name may be declared twice only with the same value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xengen.abi import (
    agent,
    blkif,
    control,
    devices,
    doorbell,
    e1000,
    errno,
    event,
    grant,
    granting,
    hypercalls,
    hypervisor,
    ide,
    io,
    memory,
    mmu,
    netif,
    nics,
    packets,
    pci,
    physdev,
    platform,
    rings,
    sched,
    shared,
    start,
    traps,
    vbd,
    version,
    vif,
    vif_records,
    wire,
    x86,
)
from xengen.abi.structure import AbiModule, offsets
from xengen.errors import XengenError

PUBLIC_MODULES: tuple[AbiModule, ...] = (
    errno, hypercalls, start, shared, traps, mmu, memory, event, sched, version, physdev, platform, grant, rings,
    blkif, netif,
)
HARDWARE_MODULES: tuple[AbiModule, ...] = (x86, pci, ide, packets, e1000)
OWN_MODULES: tuple[AbiModule, ...] = (
    hypervisor, control, doorbell, granting, devices, nics, io, vbd, vif, vif_records, agent, wire,
)
MODULES: tuple[AbiModule, ...] = (*PUBLIC_MODULES, *HARDWARE_MODULES, *OWN_MODULES)


def assembler_symbols() -> dict[str, int]:
    """All symbols of the model, in order of declaration. Raises XengenError when one name has two values."""
    return merge_symbols(MODULES)


def merge_symbols(modules: Iterable[AbiModule]) -> dict[str, int]:
    """The symbols of `modules`, in order of declaration. Raises XengenError when one name has two values."""
    merged: dict[str, int] = {}
    for name, value in _symbols(modules):
        if merged.setdefault(name, value) != value:
            raise XengenError(f"the ABI model gives {name} two values, {merged[name]:#x} and {value:#x}: rename one")
    return merged


def _symbols(modules: Iterable[AbiModule]) -> Iterator[tuple[str, int]]:
    for module in modules:
        for declaration in module.STRUCTURES:
            yield from offsets(declaration.prefix, declaration.struct)
        for constant in module.CONSTANTS:
            yield constant.name, constant.value
