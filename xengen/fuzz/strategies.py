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
POOL = 10

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
pools: SearchStrategy[Place] = st.builds(Pool, domains, pool)
extras: SearchStrategy[Place] = st.builds(Extra, domains, st.integers(0, 7))
own: SearchStrategy[Place] = st.builds(Own, domains, st.sampled_from(OWN))
nobodys: SearchStrategy[Place] = st.builds(Nobodys, st.sampled_from(NOBODYS), st.integers(0, 3))


@cache
def places(domain: int) -> SearchStrategy[Place]:
    """Any frame, one of the domain's spare pages more often than not."""
    mine = st.builds(Pool, st.just(domain), pool)
    given = st.builds(Extra, st.just(domain), st.integers(0, 7))
    return st.one_of(mine, mine, given, mine, pools, own, extras, nobodys)


@cache
def spares(domain: int) -> SearchStrategy[Place]:
    """A spare page of a domain's."""
    return st.builds(Pool, st.just(domain), pool)


@cache
def values(domain: int) -> SearchStrategy[Value]:
    """A page-table entry, or a descriptor."""
    return st.one_of(
        st.builds(Entry, places(domain), one_of(FLAGS)),
        st.builds(Entry, spares(domain), one_of(FLAGS[:4])),
        st.builds(Raw, one_of((0, *DESCRIPTORS, 0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFF003))),
    )


@cache
def foreign(domain: int) -> SearchStrategy[int]:
    """Whose frames, and in the upper half whose tables; domain 0 may name others."""
    names = (DOMID_SELF, DOMID_SELF, DOMID_SELF, DOMID_SELF, DOMID_IO, DOMID_XEN, DOMID_INVALID, 0, 1, 2, 9)
    alone = st.sampled_from(names)
    both = st.builds(lambda low, high: low | high << 16, alone, st.integers(0, 4))
    return st.one_of(alone, both) if domain == 0 else alone


@cache
def calls(domain: int) -> SearchStrategy[Call]:
    """Any call whose result is predicted."""
    return st.one_of(mmu_updates(domain), maps(domain), extends(domain), memory(domain), descriptors(domain))


@cache
def mmu_updates(domain: int) -> SearchStrategy[Call]:
    """mmu_update."""
    command = st.sampled_from((0, 0, 0, 0, 2, 1, 3, 7))
    stores = st.builds(Store, places(domain), one_of(INDICES), values(domain), command)
    return st.builds(MmuUpdate, st.lists(stores, min_size=1, max_size=4).map(tuple), foreign(domain), st.booleans())


@cache
def maps(domain: int) -> SearchStrategy[Call]:
    """update_va_mapping."""
    flags = one_of((UVMF_INVLPG, 0, UVMF_TLB_FLUSH, UVMF_TLB_FLUSH | UVMF_ALL, UVMF_INVLPG | HOSTILE[0]))
    va = st.one_of(spares(domain), one_of(VAS), one_of(BAD_VAS))
    owner = st.sampled_from((None, None, None, DOMID_SELF, 0, 1, 2, DOMID_IO, 9))
    return st.builds(MapPage, va, values(domain), flags, owner)


@cache
def extends(domain: int) -> SearchStrategy[Call]:
    """mmuext_op."""
    frames = st.one_of(places(domain), spares(domain))
    tables = st.sampled_from((0, 1, 2, 4, 4, 5, 5, 16, 3))
    entries = one_of((512, 0, 1, 513, 8192, 8193))
    ldt = st.builds(Extend, st.just(13), one_of((0xC0200000, 0xC0000000, *VAS, 0x800)), entries)
    spare_ldt = st.builds(Extend, st.just(13), spares(domain), one_of((512, 1024, 2)))
    numbers = one_of((6, 7, 10, 11, 12, 14, 15, 18, 19, 20, 21, 0xFFFFFFFF))
    others = st.builds(Extend, numbers, one_of(VAS + BAD_VAS))
    masks = st.builds(Extend, st.sampled_from((8, 9)), one_of(VAS), one_of(HOSTILE))
    operations = st.one_of(
        st.builds(Extend, tables, frames), st.builds(Extend, tables, spares(domain)),
        st.builds(Extend, st.just(17), frames, frames), ldt, spare_ldt, others, masks,
    )  # fmt: skip
    listed = st.lists(operations, min_size=1, max_size=4).map(tuple)
    return st.builds(MmuExtended, listed, foreign(domain), st.booleans())


@cache
def memory(domain: int) -> SearchStrategy[Call]:
    """memory_op."""
    order = st.sampled_from((0, 0, 0, 1, 2, 3, 9, 10, 31, 0xFFFFFFFF))
    small = st.sampled_from((0, 0, 1, 2, 10))
    bits = st.sampled_from((0, 0, 0, 12, 13, 24, 31, 255))
    owner = st.sampled_from((DOMID_SELF, DOMID_SELF, DOMID_SELF, 0, 1, 2, 9, DOMID_IO))
    listed = st.lists(st.one_of(places(domain), spares(domain)), min_size=1, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Increase, st.integers(0, 3), order, st.booleans(), bits, owner),
        st.builds(Decrease, listed, order, owner),
        st.builds(Exchange, listed, small, st.integers(1, 4), small, owner),
    )  # fmt: skip


@cache
def descriptors(domain: int) -> SearchStrategy[Call]:
    """set_gdt and update_descriptor."""
    entries = one_of((512, 8, 0, 513, 7168, 7169, 0xFFFFFFFF))
    descriptor = st.builds(Raw, one_of(DESCRIPTORS))
    offset = st.sampled_from((0, 0, 0, 4, 1 << 32))
    frames = st.lists(st.one_of(spares(domain), places(domain)), max_size=2).map(tuple)
    return st.one_of(
        st.builds(SetGdt, frames, entries),
        st.builds(UpdateDescriptor, st.one_of(spares(domain), places(domain)), one_of(INDICES), descriptor, offset),
    )  # fmt: skip


def by_any_domain(*kinds: str) -> SearchStrategy[Operation]:
    """Operations of some kinds (the keys of OPERATIONS), by any domain."""
    return st.one_of(*(OPERATIONS[kind](domain) for domain in range(DOMAINS) for kind in kinds))


@cache
def writes(domain: int) -> SearchStrategy[Operation]:
    """A page full of entries."""
    entry = st.tuples(one_of(INDICES), values(domain))
    tables = st.tuples(one_of(INDICES), st.builds(Entry, spares(domain), one_of(FLAGS[:3])))
    segments = st.tuples(one_of(INDICES), st.builds(Raw, one_of(DESCRIPTORS)))
    entries = st.one_of(*(st.lists(one, max_size=4).map(tuple) for one in (tables, entry, segments)))
    return st.builds(Write, st.just(domain), pool, entries, st.sampled_from((False, False, False, True)))


@cache
def bases(domain: int) -> SearchStrategy[Operation]:
    """Tables to be a base pointer."""
    slot = st.tuples(st.integers(0, 2), st.builds(Entry, spares(domain), st.just(PTE_P)))
    return st.builds(BuildBase, st.just(domain), pool, pool, st.lists(slot, max_size=2).map(tuple))


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
