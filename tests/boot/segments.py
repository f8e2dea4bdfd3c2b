"""Segment descriptors for tests: made from their parts, the ABI's rules as a function, and a table of all kinds.

Which descriptors are good, and what is made of them, is computed by `checked`, a plain reading of the table in ABI 6.12
with the end of guest segments where this hypervisor has it.
"""

from __future__ import annotations

from tests.boot.tables import table
from xengen.agent.agent import Agent, Page
from xengen.agent.names import (
    GDT_GUEST_ENTRIES,
    HV_PRIVATE_START,
    KERNEL_CS,
    USER_CS,
)

NOWHERE = 0xDEAD0000
P, S, G, DB = 1 << 47, 1 << 44, 1 << 55, 1 << 54
DATA, CODE, DOWN, WRITE, READ = 0, 1 << 43, 1 << 42, 1 << 41, 1 << 41
ACCESSED = 1 << 40  # the processor sets it when it loads the segment
FLAT = 0xFFFFF
END = HV_PRIVATE_START


def descriptor(base: int, limit: int, bits: int, dpl: int = 1) -> int:
    """A segment descriptor: 32 bits of base, the 20-bit limit field, further bits, and the privilege."""
    return (
        limit & 0xFFFF | (base & 0xFFFFFF) << 16 | bits | dpl << 45 | (limit >> 16 & 0xF) << 48 | (base >> 24) << 56
    )


def gate(selector: int, offset: int, kind: int = 0xC, dpl: int = 3, parameters: int = 0) -> int:
    """A gate descriptor."""
    return offset & 0xFFFF | selector << 16 | parameters << 32 | kind << 40 | P | dpl << 45 | (offset >> 16) << 48


def checked(given: int) -> int | None:
    """What ABI 6.12 makes of a descriptor; None when it is bad."""
    if not given & P:
        return given
    if not given >> 45 & 3:
        given |= 1 << 45
    if not given & S:
        if given >> 40 & 0xF != 0xC or given >> 37 & 7:
            return None
        selector = given >> 16 & 0xFFFF
        if not selector & 3:
            selector |= 1
        given = given & ~(0xFFFF << 16) | selector << 16
        return given if selector & 4 or selector < GDT_GUEST_ENTRIES * 8 or selector == KERNEL_CS else None
    base = given >> 16 & 0xFFFFFF | given >> 56 << 24
    field = given & 0xFFFF | given >> 32 & 0xF0000
    size = (field + 1) * (4096 if given & G else 1)
    if base >= END - 4096:
        return None
    if given & DOWN and not given & CODE:
        if base + size > 1 << 32 or base + size == 1 << 32:
            return given
        new = ((1 << 32) - (base & -4096) >> 12) - 1
    else:
        if base + size <= END:
            return given
        new = (END - base >> 12) - 1
    if not given & G or (given & DOWN and not given & CODE and not base & -4096):
        return None
    return given & ~(0xF << 48 | 0xFFFF) | new & 0xFFFF | (new >> 16) << 48


DESCRIPTORS = {
    "nothing at all": 0,
    "not present, whatever else it is": 0xFFFF7FFFFFFFFFFF,
    "flat data": descriptor(0, FLAT, P | S | DATA | WRITE | G | DB),
    "flat code": descriptor(0, FLAT, P | S | CODE | READ | G | DB),
    "flat data of ring 0": descriptor(0, FLAT, P | S | DATA | WRITE | G | DB, 0),
    "flat code of ring 0": descriptor(0, FLAT, P | S | CODE | READ | G | DB, 0),
    "flat data of ring 2": descriptor(0, FLAT, P | S | DATA | WRITE | G | DB, 2),
    "flat data of ring 3": descriptor(0, FLAT, P | S | DATA | WRITE | G | DB, 3),
    "conforming code": descriptor(0, FLAT, P | S | CODE | DOWN | READ | G | DB),
    "conforming code of ring 0": descriptor(0, FLAT, P | S | CODE | DOWN | G | DB, 0),
    "data that ends right below the end": descriptor(0, (END >> 12) - 1, P | S | WRITE | G | DB),
    "data that ends a page beyond the end": descriptor(0, END >> 12, P | S | WRITE | G | DB),
    "data in bytes that ends right below the end": descriptor(END - 0x2000, 0x1FFF, P | S | WRITE | DB),
    "data in bytes that ends a byte beyond the end": descriptor(END - 0x2000, 0x2000, P | S | WRITE | DB),
    "data from the last page but one to the end": descriptor(END - 0x1001, FLAT, P | S | WRITE | G | DB),
    "data from the last page": descriptor(END - 0x1000, 0, P | S | WRITE | G | DB),
    "data from the end": descriptor(END, 0, P | S | WRITE | G | DB),
    "data from within the hypervisor": descriptor(0xFC900000, 0, P | S | WRITE | DB),
    "data from the last byte": descriptor(0xFFFFFFFF, 0, P | S | WRITE | DB),
    "data that wraps": descriptor(0x80000000, FLAT, P | S | WRITE | G | DB),
    "code that wraps": descriptor(0xC0000000, FLAT, P | S | CODE | G | DB),
    "an odd base": descriptor(0x12345678, FLAT, P | S | WRITE | G | DB),
    "small data": descriptor(0xC0100000, 0xFF, P | S | WRITE | DB, 3),
    "expand-down from 0": descriptor(0, 0x100, P | S | DOWN | WRITE | G | DB),
    "expand-down from 0 with nothing in it": descriptor(0, FLAT, P | S | DOWN | WRITE | G | DB),
    "expand-down from 0, in bytes": descriptor(0, 0x100, P | S | DOWN | WRITE | DB),
    "expand-down whose offsets wrap": descriptor(0x10000000, 0xF0000, P | S | DOWN | WRITE | G | DB),
    "expand-down whose offsets do not wrap": descriptor(0x10000000, 0x80000, P | S | DOWN | WRITE | G | DB),
    "expand-down with the least limit": descriptor(0x10000000, 0, P | S | DOWN | WRITE | G | DB),
    "expand-down in bytes that reaches up": descriptor(0x10000000, 0xFFFFF, P | S | DOWN | WRITE | DB),
    "expand-down from near the end": descriptor(END - 0x2000, 0, P | S | DOWN | WRITE | G | DB),
    "expand-down from the end": descriptor(END, FLAT, P | S | DOWN | WRITE | G | DB),
    "a call gate into the kernel": gate(KERNEL_CS, 0x1234),
    "a call gate without a privilege": gate(0xE018, 0x1234),
    "a call gate to a descriptor of the guest's": gate(0x8, 0x1234),
    "a call gate to the guest's last descriptor": gate(GDT_GUEST_ENTRIES * 8 - 8 + 1, 0x1234),
    "a call gate into the LDT": gate(0xF, 0x1234),
    "a call gate with parameters": gate(KERNEL_CS, 0x1234, parameters=4),
    "a call gate to ring 3's code": gate(USER_CS, 0x1234),
    "a call gate to ring 0's code": gate(0xE008, 0x1234),
    "a call gate to ring 0's code with a privilege": gate(0xE00B, 0x1234),
    "a call gate to the task": gate(0xE040, 0x1234),
    "a call gate of ring 0": gate(KERNEL_CS, 0x1234, dpl=0),
    "a call gate with a reserved bit": gate(KERNEL_CS, 0x1234) | 1 << 37,
    **{f"a system descriptor of type {kind:#x}": gate(KERNEL_CS, 0x1234, kind) for kind in range(16) if kind != 0xC},
}


def store(agent: Agent, machine: int, given: int) -> int:
    """update_descriptor."""
    words = machine & 0xFFFFFFFF, machine >> 32, given & 0xFFFFFFFF, given >> 32
    return agent.hypercall("update_descriptor", *words)


def entry(agent: Agent, page: Page, index: int) -> int:
    """A descriptor in a page."""
    return agent.space.memory.u64(page.machine + 8 * index)




def gdt_with(agent: Agent, entries: dict[int, int]) -> Page:
    """Return a page that is the first of the guest's GDT, with these descriptors."""
    page = table(agent, entries)
    assert agent.hypercall("set_gdt", [page.mfn], 512) == 0
    return page
