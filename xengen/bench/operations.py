"""The operations that are measured, and what they cost elsewhere.

Invariants
  - `name` is what the guest asm/guests/bench prints, and NAME_begin and NAME_end are labels in it. NAMES is its order.
  - The numbers are instructions under `-icount shift=0`: those of the two Xens were measured with a guest of the same
    kind (PAE, ring 1; the few instructions that load arguments are in them), the target is what is to be reached.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One row. All numbers are instructions per operation.

    xen417: Xen 4.17.0 (64-bit, mitigations off). xen42: Xen 4.2.5, the last 32-bit one. units: operations between the
    labels NAME_begin and NAME_end.
    """

    name: str
    title: str
    xen417: int
    xen42: int
    target: int
    units: int = 1


OPERATIONS: tuple[Operation, ...] = (
    Operation("null", "null hypercall, guest to guest", 252, 99, 30),
    Operation("multicall_16", "multicall of 16 null calls", 3482, 1940, 350),
    Operation("mmu_update_remap", "mmu_update, one entry remapped", 1074, 950, 150),
    Operation("mmu_update_batch", "mmu_update, per entry in a batch of 128", 701, 683, 90, units=128),
    Operation("mmu_update_flags", "mmu_update, flags only", 735, 653, 100),
    Operation("update_va_mapping", "update_va_mapping, remap + invlpg", 974, 827, 120),
    Operation("stack_switch", "stack_switch", 231, 102, 35),
    Operation("fpu_taskswitch", "fpu_taskswitch", 226, 90, 35),
    Operation("new_baseptr", "mmuext_op: new base pointer", 932, 339, 110),
    Operation("invlpg", "mmuext_op: invlpg", 587, 283, 70),
    Operation("tlb_flush", "mmuext_op: local TLB flush", 597, 325, 70),
    Operation("undefined", "exception bounced to ring 1 and back (#UD)", 394, 340, 60),
    Operation("page_fault", "page fault bounced and back", 409, 238, 70),
    Operation("int_bounced", "int $n from ring 3 to ring 1 and back, bounced", 352, 210, 60),
    Operation("int_direct", "int $0x80 from ring 3 to ring 1 and back, direct", 230, 4, 4),
    Operation("set_timer_op", "set_timer_op", 434, 316, 80),
    Operation("event", "event to self: send, upcall, return", 535, 395, 120),
    Operation("yield", "yield, nobody else to run", 1941, 957, 60),
)


@dataclass(frozen=True)
class LongOperation:
    """A hypercall with as much to do as a guest might ask for at a time: it must be done in pieces.

    What counts is not what it costs, but for how many instructions interrupts are off: INTERRUPTS_OFF at the most.
    """

    name: str
    title: str


INTERRUPTS_OFF = 40_000

LONG_OPERATIONS: tuple[LongOperation, ...] = (
    LongOperation("mmu_long", "mmu_update, 1024 entries remapped"),
    LongOperation("multicall_long", "multicall of 1024 null calls"),
    LongOperation("flush_long", "mmuext_op, 1024 times invlpg"),
    LongOperation("clear_long", "mmuext_op, 64 pages cleared"),
    LongOperation("pin_l1", "a full L1 table pinned and unpinned"),
    LongOperation("pin_l2", "an L2 table with 4 full L1 tables pinned and unpinned"),
    LongOperation("set_gdt", "a descriptor table of 14 pages taken and given up"),
    LongOperation("balloon", "128 frames given back, and as many taken"),
    LongOperation("extent", "2 MB taken as one extent, and given back"),
    LongOperation("exchange", "512 frames exchanged for 2 MB, and back"),
)

_ALL: tuple[Operation | LongOperation, ...] = (*OPERATIONS, *LONG_OPERATIONS)
NAMES = tuple(op.name for op in _ALL)
