"""Descriptors, windows and gates that would let a guest out."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.inspect.image_memory import ABI, PAGE, RW, A, P, descriptor, gate
from tests.unit.inspect.plantings.base import Expected, Planting, World
from xengen.inspect.violation import Rule

HV_CS = ABI["HV_CS"]


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


def _gate(vector: int, selector: int, target: str, access: int, text: str) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        offset = world.machine.symbols[target] if target else 0x1000
        value = gate(selector, offset, access)
        world.machine.set_gate(vector, value)
        return Expected(Rule.GATE, None, None, "", text)

    return plant


LDT_WINDOW = ABI["DOMAIN_WINDOW"] + 16 * PAGE

PLANTINGS: tuple[Planting, ...] = (
    Planting("a segment beyond the M2P table", _gdt_descriptor(descriptor(0, 0xFC400, 0xFA, 0xC), "reaches into")),
    Planting("a segment that wraps", _gdt_descriptor(descriptor(0xFC3FF000, 0xFFFFF, 0xF2, 0xC), "reaches into")),
    Planting("a segment that expands down", _gdt_descriptor(descriptor(0x1000, 0, 0xF6, 0xC), "reaches into")),
    Planting("a segment of ring 0", _gdt_descriptor(descriptor(0, 0xFC3FF, 0x9E, 0xC), "has privilege 0")),
    Planting("a TSS", _gdt_descriptor(descriptor(0, 103, 0xE9), "is a system descriptor")),
    Planting("a call gate to ring 0", _gdt_descriptor(gate(HV_CS | 1, 0x1000, 0xEC), "is a call gate")),
    Planting("a call gate without ring", _gdt_descriptor(gate(0x20, 0x1000, 0xEC), "is a call gate")),
    Planting("a call gate with reserved bits", _gdt_descriptor(gate(0x21, 0x1000, 0xEC) | 1 << 37, "is a call gate")),
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
    Planting("a gate to ring 0 for ring 3", _gate(0x80, HV_CS, "routine", 0xEE, "another privilege")),
    Planting("a trap gate to ring 0", _gate(0x20, HV_CS, "routine", 0x8F, "with interrupts on")),
    Planting("a guest's gate with ring 0's selector", _gate(0x80, HV_CS | 1, "constant", 0xEE, "no text")),
    Planting("a gate into data", _gate(0x20, HV_CS, "variables", 0x8E, "no text")),
    Planting("a gate to a reserved data segment", _gate(0x80, 0xE021, "", 0xEF, "that is no code")),
    Planting("a guest's gate of privilege 0", _gate(0x80, 0xE019, "", 0x8F, "has privilege 0")),
    Planting("a guest's gate for an exception", _gate(0xE, 0xE019, "", 0xEF, "is an exception, an interrupt or")),
    Planting(
        "a guest's gate for the timer", _gate(ABI["TIMER_VECTOR"], 0xE019, "", 0xEF, "is an exception, an interrupt or")
    ),
    Planting("a guest's gate for the hypercall", _gate(0x82, 0xE019, "", 0xEF, "or the hypercall")),
    Planting("a task gate", _gate(0x80, ABI["DOUBLE_FAULT_TSS"], "", 0xE5, "is a task gate")),
    Planting("a call gate in the IDT", _gate(0x80, 0xE019, "", 0xEC, "is no gate of an IDT")),
)
