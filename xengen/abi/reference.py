"""The reference page of the ABI: docs/abi-reference.md, made from the model alone.

Invariants
  - The page depends on nothing but the declarations: same model, same text.
  - What is public, what is the hardware's, and what is our own stand in separate chapters.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from ctypes import (
    Structure,
    Union,
    c_char,
    c_int8,
    c_int16,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    sizeof,
)
from itertools import groupby
from typing import Any

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
from xengen.abi.hypercalls import HYPERCALLS, Hypercall
from xengen.abi.structure import AbiModule, Constant, Declaration, fields
from xengen.abi.symbols import MODULES

HEAD = """\
<!-- Made by `xengen abi --write docs/abi-reference.md` from xengen/abi: do not edit. -->
# The ABI

What a guest, the hypervisor and the tools agree on: the public Xen PV ABI for 32-bit PAE guests (`xen-3.0-x86_32p`),
the hypervisor's own structures, and those of the agent guest. Sources named "ABI" are sections of the public ABI's
description; "ABI layout" is what a compiler measured on the public headers.

Each field is an assembler symbol, `PREFIX_field`, whose value is its offset; nested fields join with `_`; the upper
half of a 64-bit field is `PREFIX_field_high`; `PREFIX_size` is the size in bytes (a field that is itself called `size`
is `PREFIX_size_field`). In Python the classes of `xengen.abi` lie over bytes with `from_buffer`.
"""

CALLING = """\
`int $0x82` with the number in eax; the result is in eax, an error as its negative number. Entry says what a handler
finds: *bare*, the guest's %ds and %es and nothing saved; *full*, an ENTRY_FRAME and the hypervisor's %ds and %es;
*split*, bare for the commonest use and full for the rest. An *absent* call is not there yet: it answers -ENOSYS
whatever its errors are."""

CHAPTERS: tuple[tuple[str, AbiModule], ...] = (
    ("Hypercalls", hypercalls),
    ("Errors", errno),
    ("Start of a guest", start),
    ("Shared page and time", shared),
    ("Traps, callbacks, frames", traps),
    ("Page tables and assists", mmu),
    ("Memory", memory),
    ("Event channels", event),
    ("Scheduling and vcpus", sched),
    ("Version and features", version),
    ("Physical devices", physdev),
    ("Machine control", platform),
    ("Grant tables", grant),
    ("Console, xenstore and rings", rings),
    ("Block devices", blkif),
    ("Network devices", netif),
    ("Hardware and file formats", x86),
    ("PCI, interrupt controllers and virtio, with what drivers keep of them", pci),
    ("IDE disks", ide),
    ("Packets on the wire", packets),
    ("Intel's 82540EM", e1000),
    ("The hypervisor's own structures", hypervisor),
    ("Control of domains by domain 0", control),
    ("The hypervisor's records of grants", granting),
    ("The hypervisor's devices", devices),
    ("Drivers of network interfaces", nics),
    ("Virtual devices and their control by domain 0", io),
    ("Virtual block devices", vbd),
    ("Virtual interfaces", vif),
    ("Records of virtual interfaces", vif_records),
    ("The doorbell of services outside of the machine", doorbell),
    ("The agent guest's mailbox", agent),
    ("The control agent's serial line", wire),
)

SCALARS: dict[Any, str] = {
    c_uint8: "u8", c_uint16: "u16", c_uint32: "u32", c_uint64: "u64",
    c_int8: "s8", c_int16: "s16", c_int32: "s32", c_int64: "s64", c_char: "char",
}


def render_reference() -> str:
    """The whole page as Markdown, with a newline at its end."""
    names = {declaration.struct: declaration.c_name for module in MODULES for declaration in module.STRUCTURES}
    lines = [HEAD]
    for title, module in CHAPTERS:
        lines += [f"## {title}", ""]
        if module is hypercalls:
            lines += [*_hypercalls(HYPERCALLS), ""]
        for declaration in module.STRUCTURES:
            lines += [*_structure(declaration, names), ""]
        for (group, source), members in groupby(module.CONSTANTS, key=_heading):
            lines += [*_constants(group, source, members), ""]
    return "\n".join(lines).rstrip() + "\n"


def type_name(kind: Any, names: dict[Any, str]) -> str:
    """How a ctypes type reads: `u32`, `u8[16]`, the C name of a declared structure, else `struct` or `union`."""
    if hasattr(kind, "_length_"):
        return f"{type_name(kind._type_, names)}[{kind._length_}]"
    if issubclass(kind, Structure):
        return names.get(kind, "struct")
    if issubclass(kind, Union):
        return names.get(kind, "union")
    return SCALARS[kind]


def _hypercalls(calls: Iterable[Hypercall]) -> Iterator[str]:
    yield CALLING
    yield ""
    yield "| nr | name | arguments | entry | errors | about |"
    yield "|---:|---|---|---|---|---|"
    for call in calls:
        arguments = ", ".join(f"{register} {argument}" for register, argument in call.registers) or "none"
        entry = call.entry.value if call.entry else "absent"
        errors = " ".join(call.errors) or "none"
        yield f"| {call.number} | {call.name} | {arguments} | {entry} | {errors} | {call.about} |"


def _structure(declaration: Declaration, names: dict[Any, str]) -> Iterator[str]:
    yield f"### {declaration.c_name}"
    yield ""
    yield inspect.cleandoc(declaration.struct.__doc__ or "")
    yield ""
    yield f"`{declaration.prefix}_*`, {sizeof(declaration.struct)} bytes ({declaration.source})."
    yield ""
    yield "| offset | size | type | field |"
    yield "|---:|---:|---|---|"
    for field in fields(declaration.struct):
        if not field.is_padding:
            yield f"| {field.offset} | {field.size} | {type_name(field.kind, names)} | {field.path} |"


def _heading(constant: Constant) -> tuple[str, str]:
    return constant.group, constant.source


def _constants(group: str, source: str, members: Iterable[Constant]) -> Iterator[str]:
    yield f"### Constants: {group}"
    yield ""
    yield f"({source})"
    yield ""
    yield "| name | value | |"
    yield "|---|---:|---:|"
    for constant in members:
        yield f"| {constant.name} | {constant.value} | {constant.value:#x} |"
