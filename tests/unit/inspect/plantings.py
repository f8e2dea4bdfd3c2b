"""One broken rule each: what is done to a consistent memory, and what the checker must say about it.

Invariants
  - A planting breaks one rule only: counts and records are kept right where they are not what is broken.
  - What is expected is the rule, and of one of its violations the frame, the domain, the path, and words of the text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.unit.inspect.synthetic import (
    ABI, ALLOCATED, L1, L2, L2R, L3, NOBODY, NX, PAGE, PINNED, RW, SEGMENTS, TABLE, US, VALIDATED, WRITABLE, A, D, Guest,
    P, Synthetic, descriptor, gate,
)  # fmt: skip

from xengen.inspect.violation import Rule

HV_CS = ABI["HV_CS"]


@dataclass
class World:
    """A machine with a privileged domain 0, and domain 1 whose M2P is at the alias."""

    machine: Synthetic
    zero: Guest
    one: Guest


@dataclass(frozen=True)
class Expected:
    """What a violation must say."""

    rule: Rule
    frame: int | None = None
    domain: int | None = None
    path: str = ""
    text: str = ""


@dataclass(frozen=True)
class Planting:
    """A way to break a rule, with a name that reads after "the checker finds"."""

    name: str
    break_it: Callable[[World], Expected]


def make_world() -> World:
    """Return a consistent world."""
    machine = Synthetic()
    zero = machine.add_domain(0, flags=ABI["DOMAIN_PRIVILEGED"])
    return World(machine, zero, machine.add_domain(1, virt_start=ABI["M2P_ALIAS"]))


def way(guest: Guest, *, index: int, top: bool = False) -> str:
    """The path to an entry of the L1 in entry 0 of slot 0, or of slot 3."""
    if top:
        return f"L3 {guest.l3:#x}[3] -> L2 {guest.l2_reserved:#x}[0] -> L1 {guest.top_l1:#x}[{index}]"
    return f"L3 {guest.l3:#x}[0] -> L2 {guest.l2:#x}[0] -> L1 {guest.l1:#x}[{index}]"


# Mappings.


def _writable_table(kind: str) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        guest = world.one
        target: int = getattr(guest, kind)
        world.machine.poke(guest.l1, 100, target * PAGE | P | RW)
        world.machine.take(target)
        return Expected(Rule.WRITABLE_TABLE, target, 1, way(guest, index=100), "a writable mapping of")

    return plant


def _hypervisor_frame(world: World) -> Expected:
    target = world.machine.mfn("routine")
    world.machine.poke(world.zero.l1, 101, target * PAGE | P)
    world.machine.take(target)
    return Expected(Rule.HYPERVISOR_FRAME, target, 0, way(world.zero, index=101), "read-only")


def _foreign_frame(world: World) -> Expected:
    target = world.zero.pages[3]
    world.machine.map(world.one.l1, 102, target)
    return Expected(Rule.FOREIGN_FRAME, target, 1, way(world.one, index=102), "domain 0's")


def _free_frame(world: World) -> Expected:
    guest = world.one
    target = world.machine.allocate()
    world.machine.free(target)
    world.machine.poke(guest.l1, 103, target * PAGE | P)
    return Expected(Rule.FREE_FRAME, target, 1, way(guest, index=103), "in use by L1")


def _io_frame(world: World) -> Expected:
    world.machine.poke(world.one.l1, 104, 0xB8000 | P | RW)
    return Expected(Rule.IO_FRAME, 0xB8, 1, way(world.one, index=104), "no RAM")


def _apic_frame(world: World) -> Expected:
    world.machine.map_region(ABI["FIXMAP_APIC"], 0xFEE00, P | RW | A | D | NX)
    world.machine.poke(world.zero.l1, 105, 0xFEE00000 | P)
    return Expected(Rule.IO_FRAME, 0xFEE00, 0, way(world.zero, index=105), "local APIC")


def _cache_bits(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l1, 0, world.machine.entry(guest.l1, 0) | 0x10)
    return Expected(Rule.TABLE_BITS, guest.pages[0], 1, way(guest, index=0), "has bits 0x10")


def _superpage(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l2, 0, world.machine.entry(guest.l2, 0) | 0x80)
    return Expected(Rule.TABLE_BITS, guest.l1, 1, f"L3 {guest.l3:#x}[0] -> L2 {guest.l2:#x}[0]", "has bits 0x80")


# Tables.


def _two_roles(world: World) -> Expected:
    guest = world.one
    world.machine.link(guest.l2, 9, guest.l3, 0)
    return Expected(Rule.TWO_ROLES, guest.l3, 1, f"L3 {guest.l3:#x}[0] -> L2 {guest.l2:#x}[9]", "L1 and L3")


def _writable_linear(world: World) -> Expected:
    guest = world.one
    world.machine.link(guest.l2, 10, guest.l2_reserved, 0)
    path = f"L3 {guest.l3:#x}[0] -> L2 {guest.l2:#x}[10]"
    return Expected(Rule.LINEAR_WRITABLE, guest.l2_reserved, 1, path, "leads to an L2")


def _foreign_table(world: World) -> Expected:
    world.machine.link(world.one.l2, 11, world.zero.l1, L1)
    path = f"L3 {world.one.l3:#x}[0] -> L2 {world.one.l2:#x}[11]"
    return Expected(Rule.TABLE_TARGET, world.zero.l1, 1, path, "domain 0's")


def _stray_table(world: World) -> Expected:
    target = world.machine.allocate(world.one.address)
    world.machine.record(target).type = L1 | VALIDATED | 1
    return Expected(Rule.STRAY_TABLE, target, 1, "", "record says L1")


def _linear_circle(world: World) -> Expected:
    machine, owner = world.machine, world.one.address
    first, second = machine.allocate(owner), machine.allocate(owner)
    machine.link(first, 5, second, L2, P | US)
    machine.link(second, 5, first, L2, P | US)
    return Expected(Rule.STRAY_TABLE, first, 1, "", "record says L2")


def _no_slot_3(world: World) -> Expected:
    machine, guest = world.machine, world.one
    l3 = machine.allocate(guest.address)
    machine.pin(l3, L3)
    return Expected(Rule.SLOT_3, l3, 1, "", "nothing in slot 3")


def _shared_slot_3(world: World) -> Expected:
    machine, guest = world.machine, world.one
    l3 = machine.allocate(guest.address)
    machine.link(l3, 0, guest.l2, L2)
    machine.link(l3, 3, guest.l2_reserved, L2R)
    machine.pin(l3, L3)
    return Expected(Rule.SLOT_3, guest.l2_reserved, 1, "[3]", "slot 3 of 2 L3s")


# Records.


def _reference_count(world: World) -> Expected:
    target = world.one.pages[1]
    world.machine.record(target).count += 1
    return Expected(Rule.REFERENCE_COUNT, target, 1, way(world.one, index=1), "its allocation, L1")


def _lost_reference(world: World) -> Expected:
    guest = world.one
    world.machine.record(guest.l2).count -= 1
    return Expected(Rule.REFERENCE_COUNT, guest.l2, 1, f"L3 {guest.l3:#x}[0]", "references are found")


def _type(world: World) -> Expected:
    target = world.one.pages[1]
    world.machine.record(target).type = SEGMENTS | VALIDATED | 1
    return Expected(Rule.TYPE, target, 1, way(world.one, index=1), "needs writable")


def _type_count(world: World) -> Expected:
    target = world.one.l1
    world.machine.record(target).type += 1
    return Expected(Rule.TYPE_COUNT, target, 1, f"L2 {world.one.l2:#x}[0]", "count as L1 is 2, but 1")


def _not_validated(world: World) -> Expected:
    target = world.one.pinned_l1
    world.machine.record(target).type &= ~VALIDATED
    return Expected(Rule.NOT_VALIDATED, target, 1, "", "pinned as L1, but not validated")


def _stale_type(world: World) -> Expected:
    target = world.machine.allocate(world.one.address)
    world.machine.record(target).type = L2 | VALIDATED
    return Expected(Rule.STALE_TYPE, target, 1, "", "its type's count is 0")


def _pin(world: World) -> Expected:
    target = world.one.pages[2]
    world.machine.pin(target, WRITABLE)
    return Expected(Rule.PIN, target, 1, "", "pinned as writable")


def _owner(world: World) -> Expected:
    target = world.machine.allocate(world.one.address)
    world.machine.domain(world.one.address).nr_pages -= 1
    world.machine.record(target).owner = world.one.address + 0x40
    return Expected(Rule.OWNER, target, None, "", "no domain is")


def _nr_pages(world: World) -> Expected:
    world.machine.domain(world.one.address).nr_pages += 1
    return Expected(Rule.NR_PAGES, None, 1, "", "frames are its own")


def _free_list(world: World) -> Expected:
    target = world.machine.allocate()
    world.machine.free(target)
    world.machine.record(target).count = ALLOCATED | 1
    return Expected(Rule.FREE_LIST, target, None, "", "its record is not empty")


def _free_hole(world: World) -> Expected:
    bitmap = world.machine.physical("frame_bitmap")
    world.machine.memory[bitmap] |= 1 << 5
    world.machine.write("free_frames", world.machine.read("free_frames") + 1)
    return Expected(Rule.FREE_LIST, 5, None, "", "no RAM")


def _free_beyond(world: World) -> Expected:
    bitmap = world.machine.physical("frame_bitmap")
    world.machine.memory[bitmap + world.machine.max_frame // 8] |= 1
    world.machine.write("free_frames", world.machine.read("free_frames") + 1)
    return Expected(Rule.FREE_LIST, world.machine.max_frame, None, "", "beyond max_frame")


def _free_count(world: World) -> Expected:
    world.machine.write("free_frames", 17)
    return Expected(Rule.FREE_COUNT, None, None, "", "free_frames is 17")


def _leak(world: World) -> Expected:
    target = world.machine.allocate()
    return Expected(Rule.LEAK, target, None, "", "the hypervisor does not use it")


def _leak_of_domain(world: World) -> Expected:
    target = world.machine.allocate(world.one.address)
    world.machine.record(target).count = 0
    return Expected(Rule.LEAK, target, 1, "", "nothing refers to it")


def _m2p(world: World) -> Expected:
    world.machine.set_m2p(world.machine.mfn("routine"), 7)
    return Expected(Rule.M2P, world.machine.mfn("routine"), None, "", "M2P entry is 0x7")


def _invalid_page(world: World) -> Expected:
    index = world.machine.region_entry(ABI["M2P_READ_ONLY"] + ABI["M2P_BYTES"] - PAGE)
    target = (world.machine.entry(*index) & ~NX) // PAGE
    world.machine.poke(target, 3, 0)
    return Expected(Rule.M2P, target, None, "", "has valid ones")


# What the hypervisor puts into address spaces.


def _reserved_slot(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l2_reserved, 485, guest.l1 * PAGE | TABLE)
    path = f"L3 {guest.l3:#x}[3] -> L2 {guest.l2_reserved:#x}[485]"
    return Expected(Rule.RESERVED_SLOT, guest.l2_reserved, 1, path)


def _other_window(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l2_reserved, 490, world.zero.window * PAGE | P | RW | A | D)
    return Expected(Rule.RESERVED_SLOT, guest.l2_reserved, 1, f"L2 {guest.l2_reserved:#x}[490]")


def _old_linear(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l2_reserved, 497, guest.l2 * PAGE | P | RW | A | D | NX)
    return Expected(Rule.RESERVED_SLOT, guest.l2_reserved, 1, f"L2 {guest.l2_reserved:#x}[497]", "not 0x0")


def _old_linear_kept(world: World) -> Expected:
    """The L2 of slot 3 of an L3 that is gone, kept by a linear entry, still shows the L2s of that L3."""
    machine, guest = world.machine, world.one
    top = machine.allocate(guest.address)
    machine.link(guest.l2, 12, top, L2R, P | US)
    machine.fill_reserved(guest, top, guest.l3)
    return Expected(Rule.RESERVED_SLOT, top, 1, f"L2 {guest.l2:#x}[12] -> L2 {top:#x}[496]", "not 0x0")


def _idle_slot(world: World) -> Expected:
    idle = world.machine.mfn("idle_l2") + 3
    entry = world.machine.entry(idle, 481) | US
    world.machine.poke(idle, 481, entry)
    for guest in (world.zero, world.one):
        world.machine.poke(guest.l2_reserved, 481, entry)
    return Expected(Rule.RESERVED_SLOT, None, None, "", "idle_l2 entry 481")


def _alias_slot(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l2_reserved, 428, world.machine.mfn("hv_l1") * PAGE | P | A | RW)
    path = f"L3 {guest.l3:#x}[3] -> L2 {guest.l2_reserved:#x}[428]"
    return Expected(Rule.ALIAS_SLOT, guest.l2_reserved, 1, path)


def _base_pointer(world: World) -> Expected:
    world.machine.vcpu(world.one.vcpu).l3[1] = world.one.l2 * PAGE | P
    return Expected(Rule.BASE_POINTER, world.one.l3, 1, f"L3 {world.one.l3:#x}[1]", "in slot 1")


def _reserved_l3_bits(world: World) -> Expected:
    world.machine.vcpu(world.one.vcpu).l3[0] |= RW
    return Expected(Rule.BASE_POINTER, world.one.l3, 1, f"L3 {world.one.l3:#x}[0]", "in slot 0")


def _cr3(world: World) -> Expected:
    world.machine.vcpu(world.one.vcpu).cr3 = world.one.l3 * PAGE
    return Expected(Rule.BASE_POINTER, world.one.l3, 1, "", "cr3 is")


def _foreign_base(world: World) -> Expected:
    machine, guest = world.machine, world.one
    machine.drop(guest.l3, typed=True)
    machine.pin(guest.l3, L3)
    machine.take(world.zero.l3, L3)
    machine.vcpu(guest.vcpu).guest_table = world.zero.l3
    return Expected(Rule.BASE_POINTER, world.zero.l3, 1, "", "no frame of the domain")


def _shared_info(world: World) -> Expected:
    world.machine.domain(world.one.address).shared_info = world.machine.domain(world.zero.address).shared_info
    return Expected(Rule.STRUCTURE, world.one.shared_info, 1, "", "its shared_info is in frame")


def _endless_list(world: World) -> Expected:
    world.machine.domain(world.one.address).next = world.zero.address
    return Expected(Rule.STRUCTURE, text="domain_list has no end")


def _wild_pointer(world: World) -> Expected:
    world.machine.domain(world.one.address).next = ABI["HEAP_END"] - PAGE
    return Expected(Rule.STRUCTURE, text="is not mapped by hv_l1")


# Descriptors.


def _gdt_descriptor(value: int, text: str) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        world.machine.poke(world.one.gdt, 17, value)
        return Expected(Rule.DESCRIPTOR, world.one.gdt, 1, "", f"descriptor 17, {value:#018x}, {text}")

    return plant


def _reserved_descriptor(index: int, value: int, text: str) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        page = world.machine.mfn("gdt_reserved")
        world.machine.poke(page, index, value)
        return Expected(Rule.DESCRIPTOR, page, None, "", text)

    return plant


def _empty_page(world: World) -> Expected:
    page = world.machine.mfn("empty_page")
    world.machine.poke(page, 1, descriptor(0, 0xFC3FF, 0xFA, 0xC))
    return Expected(Rule.DESCRIPTOR, page, None, "", "the empty page is not empty")


def _window_of_writable(world: World) -> Expected:
    machine, guest = world.machine, world.one
    machine.poke(guest.window, 14, guest.pages[0] * PAGE | P | RW)
    return Expected(Rule.DESCRIPTOR_WINDOW, guest.pages[0], 1, "", "page 14")


def _window_gap(world: World) -> Expected:
    machine, guest = world.machine, world.one
    machine.poke(guest.window, 40, guest.gdt * PAGE | P)
    return Expected(Rule.DESCRIPTOR_WINDOW, guest.gdt, 1, "", "where nothing may be")


def _window_order(world: World) -> Expected:
    machine, guest = world.machine, world.one
    machine.poke(guest.window, 3, machine.entry(guest.window, 0))
    machine.poke(guest.window, 0, machine.mfn("empty_page") * PAGE | P | A)
    return Expected(Rule.DESCRIPTOR_WINDOW, guest.gdt, 1, "", "page 3")


def _gate(vector: int, selector: int, target: str, access: int, *texts: str) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        offset = world.machine.symbols[target] if target else 0x1000
        value = gate(selector, offset, access)
        world.machine.set_gate(vector, value)
        return Expected(Rule.GATE, None, None, "", f"{texts[0]}{value:#018x}, ")

    return plant


# The hypervisor's own mappings.


def _region_guest_frame(world: World) -> Expected:
    machine = world.machine
    target = world.one.pages[0]
    machine.map_region(machine._heap, target)
    return Expected(Rule.REGION, target, 1, "", "heap shows a frame of domain 1")


def _m2p_for_guests(world: World) -> Expected:
    machine = world.machine
    target = machine.mfn("variables")
    machine.map_region(ABI["M2P_READ_ONLY"] + PAGE, target, P | A | NX)
    return Expected(Rule.REGION, target, None, "", "guests see another page")


def _alias_table(world: World) -> Expected:
    machine = world.machine
    target = machine.mfn("variables")
    machine.poke(machine.mfn("invalid_m2p_l1"), 7, target * PAGE | P | A)
    return Expected(Rule.REGION, target, None, "", "invalid_m2p_l1[7]")


def _region_gap(world: World) -> Expected:
    target = world.machine.mfn("variables")
    world.machine.map_region(ABI["LINEAR_TABLES"], target)
    return Expected(Rule.REGION, target, None, "", "nothing may be mapped here")


def _permission(name: str, flags: int, text: str) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        machine = world.machine
        machine.map_region(machine.symbols[name], machine.mfn(name), flags)
        return Expected(Rule.PERMISSIONS, machine.mfn(name), None, "", text)

    return plant


LDT_WINDOW = ABI["DOMAIN_WINDOW"] + 16 * PAGE

PLANTINGS: tuple[Planting, ...] = (
    *(
        Planting(f"a writable mapping of the guest's {kind}", _writable_table(kind))
        for kind in ("l1", "l2", "l2_reserved", "l3", "top_l1", "pinned_l1", "gdt")
    ),
    Planting("a mapping of a frame of the hypervisor's", _hypervisor_frame),
    Planting("a mapping of another domain's frame", _foreign_frame),
    Planting("a mapping of a free frame", _free_frame),
    Planting("a mapping of what is no RAM", _io_frame),
    Planting("a mapping of the local APIC", _apic_frame),
    Planting("cache bits in an L1", _cache_bits),
    Planting("a superpage", _superpage),
    Planting("an L3 that is an L1, too", _two_roles),
    Planting("an L2 that is a writable L1, too", _writable_linear),
    Planting("a table of another domain", _foreign_table),
    Planting("a validated table that nothing leads to", _stray_table),
    Planting("two L2s that keep each other", _linear_circle),
    Planting("an L3 without slot 3", _no_slot_3),
    Planting("an L2 of slot 3 in two L3s", _shared_slot_3),
    Planting("a reference too many", _reference_count),
    Planting("a reference too few", _lost_reference),
    Planting("a frame of another type than its use", _type),
    Planting("a type reference too many", _type_count),
    Planting("a pinned table that is not validated", _not_validated),
    Planting("a table that is validated without a use", _stale_type),
    Planting("a pinned frame that is no table", _pin),
    Planting("an owner that is no domain", _owner),
    Planting("a wrong number of pages", _nr_pages),
    Planting("a free frame with a record", _free_list),
    Planting("a free frame that is no RAM", _free_hole),
    Planting("a free frame beyond memory", _free_beyond),
    Planting("a wrong number of free frames", _free_count),
    Planting("a frame that nobody has", _leak),
    Planting("a domain's frame without references", _leak_of_domain),
    Planting("a valid M2P entry of a frame without owner", _m2p),
    Planting("a valid entry in the page of invalid M2P entries", _invalid_page),
    Planting("a changed entry of the hypervisor's in an L2", _reserved_slot),
    Planting("another domain's window", _other_window),
    Planting("a linear entry that its L3 does not have", _old_linear),
    Planting("linear entries of an L3 that is gone", _old_linear_kept),
    Planting("an entry of the region that is open to ring 3", _idle_slot),
    Planting("a writable alias of the M2P table", _alias_slot),
    Planting("a slot that the guest's L3 does not have", _base_pointer),
    Planting("bits that PAE does not allow in the processor's L3", _reserved_l3_bits),
    Planting("a cr3 that is not the vcpu's", _cr3),
    Planting("a base pointer to another domain's L3", _foreign_base),
    Planting("a shared_info in another place", _shared_info),
    Planting("a list of domains without end", _endless_list),
    Planting("a pointer to nothing", _wild_pointer),
    Planting("a segment beyond the M2P table", _gdt_descriptor(descriptor(0, 0xFC400, 0xFA, 0xC), "reaches into")),
    Planting("a segment that wraps", _gdt_descriptor(descriptor(0xFC3FF000, 0xFFFFF, 0xF2, 0xC), "reaches into")),
    Planting("a segment that expands down", _gdt_descriptor(descriptor(0x1000, 0, 0xF6, 0xC), "reaches into")),
    Planting("a segment of ring 0", _gdt_descriptor(descriptor(0, 0xFC3FF, 0x9E, 0xC), "has privilege 0")),
    Planting("a TSS", _gdt_descriptor(descriptor(0, 103, 0xE9), "is a system descriptor")),
    Planting("a call gate to ring 0", _gdt_descriptor(gate(HV_CS | 1, 0x1000, 0xEC), "is a call gate")),
    Planting("a call gate without ring", _gdt_descriptor(gate(0x20, 0x1000, 0xEC), "is a call gate")),
    Planting("a call gate with reserved bits", _gdt_descriptor(gate(0x21, 0x1000, 0xEC20), "is a call gate")),
    Planting(
        "a reserved segment beyond the M2P table",
        _reserved_descriptor(4, descriptor(0, 0xFFFFF, 0xB2, 0xC), "reserved selector 0xe020"),
    ),
    Planting(
        "ring 0's segment open to ring 1",
        _reserved_descriptor(2, descriptor(0, 0xFFFFF, 0xB2, 0xC), "reserved selector 0xe010 is open to ring 1"),
    ),
    Planting(
        "conforming code of ring 0",
        _reserved_descriptor(1, descriptor(0, 0xFFFFF, 0x9E, 0xC), "no non-conforming code"),
    ),
    Planting(
        "a TSS elsewhere", _reserved_descriptor(8, descriptor(0x1000, 103, 0x89), "reserved selector 0xe040 is not")
    ),
    Planting(
        "an LDT beyond its window",
        _reserved_descriptor(9, descriptor(LDT_WINDOW, 0x10000, 0x82), "no LDT within the domain's window"),
    ),
    Planting("a descriptor in the empty page", _empty_page),
    Planting("a window without the reserved page", _window_of_writable),
    Planting("a window page where none may be", _window_gap),
    Planting("a window that is not the vcpu's GDT", _window_order),
    Planting("a gate to ring 0 for ring 3", _gate(0x80, HV_CS, "routine", 0xEE, "vector 0x80, ", "another privilege")),
    Planting("a trap gate to ring 0", _gate(0x20, HV_CS, "routine", 0x8F, "vector 0x20, ", "with interrupts on")),
    Planting("a guest's gate with ring 0's selector", _gate(0x80, HV_CS | 1, "constant", 0xEE, "vector 0x80, ", "no text")),
    Planting("a gate into data", _gate(0x20, HV_CS, "variables", 0x8E, "vector 0x20, ", "no text")),
    Planting("a gate to a reserved data segment", _gate(0x80, 0xE021, "", 0xEF, "vector 0x80, ", "that is no code")),
    Planting("a guest's gate of privilege 0", _gate(0xE, 0xE019, "", 0x8F, "vector 0xe, ", "has privilege 0")),
    Planting("a task gate", _gate(0x80, ABI["DOUBLE_FAULT_TSS"], "", 0xE5, "vector 0x80, ", "is a task gate")),
    Planting("a call gate in the IDT", _gate(0x80, 0xE019, "", 0xEC, "vector 0x80, ", "is no gate of an IDT")),
    Planting("a guest's frame in the heap", _region_guest_frame),
    Planting("a frame that is not M2P's where guests read", _m2p_for_guests),
    Planting("another page behind the alias", _alias_table),
    Planting("a page between the parts of the region", _region_gap),
    Planting("writable text", _permission("routine", P | RW | A, "text is writable")),
    Planting("writable constants", _permission("constant", P | RW | A | NX, "rodata is writable")),
    Planting("executable data", _permission("variables", P | RW | A | D, "data is executable")),
    Planting("data that is open to ring 3", _permission("variables", P | RW | US | A | D | NX, "ring 3 may use")),
)
