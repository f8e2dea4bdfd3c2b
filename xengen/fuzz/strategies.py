"""What Hypothesis chooses from: few frames, few entries, the flags and numbers that matter, so that things meet.

Invariants
  - Simple values come first in each list: Hypothesis makes examples smaller by going to the front.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xengen.agent.names import (
    DOMID_INVALID,
    DOMID_IO,
    DOMID_SELF,
    DOMID_XEN,
    PTE_A,
    PTE_AVAILABLE,
    PTE_D,
    PTE_G,
    PTE_NX,
    PTE_P,
    PTE_PCD,
    PTE_PSE,
    PTE_PWT,
    PTE_RW,
    PTE_US,
    UVMF_ALL,
    UVMF_INVLPG,
    UVMF_TLB_FLUSH,
)
from xengen.fuzz.accesses import INSTRUCTIONS, Access, Execute, StaleWrite
from xengen.fuzz.builds import BuildBase, Write
from xengen.fuzz.calls import LISTS, Call, Hypercall, Iret, Multicall
from xengen.fuzz.descriptors import REGISTERS, LoadSegment, SetGdt, UpdateDescriptor
from xengen.fuzz.ends import ENDS, End
from xengen.fuzz.memory import Decrease, Exchange, Increase
from xengen.fuzz.mmu import Extend, MapPage, MmuExtended, MmuUpdate, Store
from xengen.fuzz.places import NOBODYS, OWN, Entry, Extra, Nobodys, Own, Place, Pool, Raw, Value
from xengen.fuzz.settings import Settings, Wild
from xengen.fuzz.world import Operation

DOMAINS = 3
POOL = 14
SEGMENTS = 4  # beside the levels of tables: a page of descriptors

# Unreadable whatever a guest has done: no operation puts anything into the L2 entry behind the first of these.
HOSTILE = (0x12345000, 0xFC400000, 0xFC900000, 0xFFFFFFF8, 0xDEAD0001)
NUMBERS = (0, 1, 2, 3, 6, 7, 11, 63, 511, 512, 0x7FF0, 0x7FF1, 0x7FFF, 0x80000000, 0x80000001, 0xFFFFFFFF)
ERESTART = -85

FLAGS = (
    PTE_P | PTE_RW | PTE_A | PTE_D, PTE_P | PTE_A, PTE_P | PTE_RW | PTE_US | PTE_A, PTE_P, 0, PTE_P | PTE_US,
    PTE_P | PTE_RW, PTE_P | PTE_NX, PTE_P | PTE_RW | PTE_NX, PTE_P | PTE_AVAILABLE, PTE_P | PTE_G, PTE_P | PTE_PCD,
    PTE_P | PTE_PWT | PTE_RW, PTE_P | PTE_PSE, PTE_P | PTE_RW | PTE_PSE, PTE_P | 1 << 32, PTE_P | PTE_RW | 1 << 44,
)  # fmt: skip
# Flat code and data, data that ends beyond the end, expand-down, an old gate, a call gate, LDT, null and not present.
DESCRIPTORS = (
    0x00CFBB000000FFFF, 0x00CFB3000000FFFF, 0x00CF93000000FFFF, 0x00CFFB000000FFFF, 0x00CF97000000FFFF, 0,
    0xFCCF93400000FFFF, 0xFC4093900000FFFF, 0x10C8B7000000FFFF, 0x00CF37000000FFFF, 0x0000EC00E0190000,
    0x0000EC00E0080000, 0x0000E200C0000FFF, 0x00008B0000000067, 0x0000EE00E0191234, 0xFFCF93FFF000FFFF,
)  # fmt: skip
ODD_VALUES = (0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFF003, 0xFFFFFFFFFF000)
VAS = (0x0, 0x1000, 0x40000000, 0x40001000, 0x80000000, 0xC0000000, 0xF5600000, 0xF57FF000, 0xF5800000, 0xF6000000,
       0xFC000000, 0xFC3FF000)  # fmt: skip
BAD_VAS = (0x12345000, 0xFC400000, 0xFC900000, 0xFFFFF000, 0xFFFFFFFF)
INDICES = (0, 1, 2, 3, 427, 428, 490, 511)
SELECTORS = (0, 3, 0x8, 0xB, 0x11, 0x13, 0xC, 0xF, 0x14, 0x17, 0x1005, 0xE019, 0xE021, 0xE02B, 0xE033, 0xE008, 0xE010,
             0xE041, 0xFF8, 0xFFF, 0xFFFF, 0xDFF9)  # fmt: skip


def one_of(values: tuple[int, ...]) -> SearchStrategy[int]:
    """One of a few numbers."""
    return st.sampled_from(values)


domains = st.integers(0, DOMAINS - 1)
pool = st.integers(0, POOL - 1)
# What a spare page is used for more often than not: so that tables find tables to lead to.
USUAL = {0: (0, 1, 2, 3), 1: (4, 5, 6), 2: (7, 8, 9), 3: (10, 11), SEGMENTS: (12, 13)}
pools: SearchStrategy[Place] = st.builds(Pool, domains, pool)
extras: SearchStrategy[Place] = st.builds(Extra, domains, st.integers(0, 7))
own: SearchStrategy[Place] = st.builds(Own, domains, st.sampled_from(OWN))
nobodys: SearchStrategy[Place] = st.builds(Nobodys, st.sampled_from(NOBODYS), st.integers(0, 3))


@cache
def spares(domain: int, use: int | None = None) -> SearchStrategy[Place]:
    """A spare page of a domain's; with `use` one that is usually used for that."""
    return st.builds(Pool, st.just(domain), pool if use is None else one_of(USUAL[use]))


@cache
def places(domain: int, use: int | None = None) -> SearchStrategy[Place]:
    """Any frame; one for `use`, or a spare page of the domain's, more often than not."""
    likely = spares(domain, use)
    given = st.builds(Extra, st.just(domain), st.integers(0, 7))
    return st.one_of(likely, likely, likely, spares(domain), given, own_of(domain), likely, pools, own, extras, nobodys)


@cache
def own_of(domain: int) -> SearchStrategy[Place]:
    """A frame that the domain lives on."""
    return st.builds(Own, st.just(domain), st.sampled_from(OWN))


@cache
def values(domain: int, level: int = 1) -> SearchStrategy[Value]:
    """An entry for a table of a level, right more often than not."""
    right = st.builds(Entry, spares(domain, max(0, level - 1)), one_of(FLAGS[:4] if level < 3 else (PTE_P,)))
    linear = st.builds(Entry, spares(domain, 2), one_of((PTE_P | PTE_A, PTE_P)))
    return st.one_of(
        right, right, st.just(Raw(0)), linear if level == 2 else right, st.builds(Entry, places(domain), one_of(FLAGS)),
        st.builds(Entry, spares(domain), one_of(FLAGS[:4])), st.builds(Raw, one_of((*DESCRIPTORS, *ODD_VALUES))),
    )  # fmt: skip


@cache
def foreign(domain: int) -> SearchStrategy[int]:
    """Whose frames, and in the upper half whose tables; domain 0 may name others."""
    mine = [DOMID_SELF] * (8 if domain == 0 else 24)
    alone = st.sampled_from([*mine, 1, 2, DOMID_IO, DOMID_XEN, DOMID_INVALID, 0, 9])
    both = st.builds(lambda low, high: low | high << 16, alone, st.integers(0, 4))
    return st.one_of(alone, alone, both) if domain == 0 else alone


@cache
def calls(domain: int) -> SearchStrategy[Call]:
    """Any call whose result is predicted."""
    return st.one_of(mmu_updates(domain), maps(domain), extends(domain), memory(domain), descriptors(domain))


@cache
def stores(domain: int) -> SearchStrategy[Store]:
    """Requests of mmu_update."""
    command = st.sampled_from([0] * 12 + [2, 2, 1, 3, 7])
    indices = {3: one_of(INDICES[:4])}
    return st.one_of(*(
        st.builds(Store, places(domain, level), indices.get(level, one_of(INDICES)), values(domain, level), command)
        for level in (1, 2, 3, 0)
    ))  # fmt: skip


@cache
def mmu_updates(domain: int) -> SearchStrategy[Call]:
    """mmu_update."""
    listed = st.lists(stores(domain), min_size=1, max_size=4).map(tuple)
    return st.builds(MmuUpdate, listed, foreign(domain), st.booleans())


@cache
def maps(domain: int) -> SearchStrategy[Call]:
    """update_va_mapping."""
    flags = one_of((UVMF_INVLPG, 0, UVMF_TLB_FLUSH, UVMF_TLB_FLUSH | UVMF_ALL, UVMF_INVLPG | HOSTILE[0]))
    va = st.one_of(spares(domain), spares(domain), one_of(VAS), one_of(BAD_VAS))
    owner = st.sampled_from((*[None] * 9, DOMID_SELF, 0, 1, 2, DOMID_IO, 9))
    return st.builds(MapPage, va, values(domain), flags, owner)


@cache
def extends(domain: int) -> SearchStrategy[Call]:
    """mmuext_op."""
    pins = [st.builds(Extend, st.just(level - 1), places(domain, level)) for level in (1, 2, 3)]
    unpins = [st.builds(Extend, st.just(4), places(domain, level)) for level in (1, 2, 3)]
    base = st.builds(Extend, st.just(5), st.one_of(spares(domain, 3), places(domain, 3)))
    frames = st.builds(Extend, st.sampled_from((0, 1, 2, 4, 5, 16, 3)), places(domain))
    copies = st.builds(Extend, st.just(17), places(domain, 0), places(domain))
    entries = one_of((512, 0, 1, 513, 8192, 8193))
    ldt = st.builds(Extend, st.just(13), one_of((0xC0200000, 0xC0000000, *VAS, 0x800)), entries)
    spare_ldt = st.builds(Extend, st.just(13), spares(domain, SEGMENTS), one_of((512, 1024, 2)))
    numbers = one_of((6, 7, 10, 11, 12, 14, 15, 18, 19, 20, 21, 0xFFFFFFFF))
    others = st.builds(Extend, numbers, one_of(VAS + BAD_VAS))
    masks = st.builds(Extend, st.sampled_from((8, 9)), one_of(VAS), one_of(HOSTILE))
    operations = st.one_of(*pins, *unpins, base, base, frames, copies, ldt, spare_ldt, spare_ldt, others, masks)
    listed = st.lists(operations, min_size=1, max_size=4).map(tuple)
    return st.builds(MmuExtended, listed, foreign(domain), st.booleans())


@cache
def memory(domain: int) -> SearchStrategy[Call]:
    """memory_op."""
    order = st.sampled_from((0, 0, 0, 0, 0, 0, 1, 2, 3, 9, 10, 31, 0xFFFFFFFF))
    small = st.sampled_from((0, 0, 1, 2, 10))
    bits = st.sampled_from((0, 0, 0, 12, 13, 24, 31, 255))
    owner = st.sampled_from((*[DOMID_SELF] * 12, 0, 1, 2, 9, DOMID_IO))
    listed = st.lists(st.one_of(spares(domain, 0), places(domain)), min_size=1, max_size=4).map(tuple)
    given = st.builds(Extra, st.just(domain), st.integers(0, 7))
    gone = st.lists(st.one_of(given, given, places(domain)), min_size=1, max_size=4, unique=True).map(tuple)
    return st.one_of(
        st.builds(Increase, st.integers(0, 3), order, st.booleans(), bits, owner),
        st.builds(Decrease, listed, order, owner),
        st.builds(Exchange, st.one_of(gone, listed), small, st.integers(1, 4), small, owner),
        gone.map(lambda extents: Exchange(extents, 0, len(extents), 0)),
    )  # fmt: skip


@cache
def descriptors(domain: int) -> SearchStrategy[Call]:
    """set_gdt and update_descriptor."""
    entries = one_of((512, 8, 0, 513, 7168, 7169, 0xFFFFFFFF))
    descriptor = st.builds(Raw, one_of(DESCRIPTORS))
    offset = st.sampled_from((0, 0, 0, 4, 1 << 32))
    frames = st.lists(st.one_of(spares(domain, SEGMENTS), places(domain, SEGMENTS)), max_size=2).map(tuple)
    return st.one_of(
        st.builds(SetGdt, frames, entries),
        st.builds(UpdateDescriptor, places(domain, SEGMENTS), one_of(INDICES), descriptor, offset),
    )  # fmt: skip


def by_any_domain(*kinds: str) -> SearchStrategy[Operation]:
    """Operations of some kinds (the keys of OPERATIONS), by any domain."""
    return st.one_of(*(OPERATIONS[kind](domain) for domain in range(DOMAINS) for kind in kinds))


@cache
def writes(domain: int) -> SearchStrategy[Operation]:
    """A page full of entries, pinned or not."""
    made = []
    for level in (1, 2, 3, SEGMENTS):
        entry = st.builds(Raw, one_of(DESCRIPTORS)) if level == SEGMENTS else values(domain, level)
        entries = st.lists(st.tuples(one_of(INDICES), entry), max_size=4).map(tuple)
        page = one_of((*USUAL[level], *USUAL[level], *range(POOL)))
        pin = st.sampled_from((None, level - 1)) if level in (1, 2) else st.none()
        made.append(st.builds(Write, st.just(domain), page, entries, st.just(False), pin))
    data = st.builds(Write, st.just(domain), one_of(USUAL[0]), st.just(()), st.just(True))
    return st.one_of(*made, data)


@cache
def bases(domain: int) -> SearchStrategy[Operation]:
    """Tables to be a base pointer."""
    slot = st.tuples(st.integers(0, 2), st.builds(Entry, spares(domain, 2), st.just(PTE_P)))
    slots, then = st.lists(slot, max_size=2).map(tuple), st.sampled_from((None, 2, 5))
    return st.builds(BuildBase, st.just(domain), one_of(USUAL[3]), one_of(USUAL[2]), slots, then)


@cache
def settings(domain: int) -> SearchStrategy[Operation]:
    """Traps, callbacks, stacks and assists."""
    wild = st.one_of(one_of(HOSTILE), one_of(NUMBERS), one_of(SELECTORS))
    lengths = (("set_trap_table", 3), ("set_callbacks", 4), ("stack_switch", 2))
    calls_of = [
        st.builds(Settings, st.just(domain), st.just(name), st.tuples(*[wild] * count)) for name, count in lengths
    ]
    assist = st.tuples(one_of((0, 0, 1, 2, 0xFFFFFFFF)), one_of((2, 0, 1, 3, 4, 5, 31, 32, 0xFFFFFFFF)))
    return st.one_of(*calls_of, st.builds(Settings, st.just(domain), st.just("vm_assist"), assist))


@cache
def wild_calls(domain: int) -> SearchStrategy[Operation]:
    """Any number, any arguments but readable pointers."""
    number = st.one_of(st.integers(0, 70), st.sampled_from((0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)))
    first = st.one_of(one_of(HOSTILE), one_of(NUMBERS))
    word = one_of(HOSTILE)
    rest = st.one_of(word, one_of(NUMBERS))
    return st.builds(Wild, st.just(domain), number, st.one_of(st.tuples(first, word, rest, rest, rest),
                                                              st.tuples(word, rest, word, rest, rest)))  # fmt: skip


@cache
def accesses(domain: int) -> SearchStrategy[Operation]:
    """Reads and writes."""
    va = st.one_of(spares(domain), one_of(VAS), one_of((0x12345000, 0xF7000000, 0x1004)))
    return st.builds(Access, st.just(domain), va, st.booleans(), st.sampled_from((1, 3)))


@cache
def machine(domain: int) -> SearchStrategy[Operation]:
    """Instructions, segment loads, returns."""
    ring = st.sampled_from((1, 3))
    eax = st.sampled_from((0, ERESTART, -38, 0x7FFFFFFF, 23))
    flags = st.sampled_from((0, 0x3000, 0x10000, 0x40000, 0x200000, 0x3 << 12 | 1 << 18))
    return st.one_of(
        st.builds(Execute, st.just(domain), ring, st.sampled_from(tuple(INSTRUCTIONS))),
        st.builds(LoadSegment, st.just(domain), ring, st.sampled_from(REGISTERS), one_of(SELECTORS)),
        st.builds(Iret, st.just(domain), eax, flags),
    )


OPERATIONS: dict[str, Callable[[int], SearchStrategy[Operation]]] = {
    "write": writes,
    "base": bases,
    "call": lambda domain: st.builds(Hypercall, st.just(domain), calls(domain)),
    "mmu": lambda domain: st.builds(Hypercall, st.just(domain), st.one_of(mmu_updates(domain), extends(domain))),
    "memory": lambda domain: st.builds(Hypercall, st.just(domain), memory(domain)),
    "descriptors": lambda domain: st.one_of(
        st.builds(Hypercall, st.just(domain), descriptors(domain)),
        st.builds(LoadSegment, st.just(domain), st.sampled_from((1, 3)), st.sampled_from(REGISTERS), one_of(SELECTORS)),
    ),
    "multicall": lambda domain: st.builds(
        Multicall, st.just(domain), st.lists(calls(domain), min_size=1, max_size=5).map(tuple), st.sampled_from(LISTS),
        st.sampled_from((0, 1, ERESTART, -1)),
    ),
    "settings": settings,
    "wild": wild_calls,
    "access": accesses,
    "machine": machine,
    "stale": lambda domain: st.builds(StaleWrite, st.just(domain), pool, st.integers(0, 1)),
    "end": lambda domain: st.builds(End, st.just(domain), st.sampled_from(tuple(ENDS))),
}  # fmt: skip
