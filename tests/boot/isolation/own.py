"""The attempts with descriptors, gates and handlers of the guest's own.

Sources: ABI 6.12 (which descriptors are taken, which are cut) and 5 (handlers, failsafe callback); Intel SDM volume 3,
sections 5.8 (calls through gates) and 6.12 (interrupts through gates).

Invariants
  - Where a descriptor is taken, the attempt is to read beyond what the ABI leaves of it: #GP(0) by the limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.boot.isolation.outcomes import DONE, FAILSAFE, GP, NP, SS, Expected, Row, fault, limit, outcomes, words

# What the dynamic entry's selector gives as an error code, and those of the entries that are there from the start.
SLOT = {"gdt": 0x10, "ldt": 0x14}
RING0_DATA = {"gdt": 0x18, "ldt": 0x1C}
RING0_CODE = {"gdt": 0x20, "ldt": 0x24}
REFUSED = "-EINVAL"
# A selector that cannot be loaded: the load is the instruction in front of the attempt, two bytes long.
AT_LOAD = " -2"
RING_1, RING_3 = "0x1", "0x3"

TAKEN = words(
    "flat flat_across flat_top flat_16_bit flat_accessed one_page_too_many one_megabyte wrap_from_half wrap_to_top"
    " wrap_to_zero base_one_below base_two_pages_below base_two_pages_across bytes_up_to_the_end down_low down_wraps"
    " down_wraps_just_not down_wraps_not down_word_pages down_limit_highest code conforming"
)
# Beyond P already at their base, or by bytes, where nothing can be cut; or a cut would leave nothing.
BAD = words(
    "base_private base_private_bytes base_in_hypervisor base_top base_last_page bytes_one_too_many bytes_far_too_many"
    " down_from_zero down_from_zero_bytes down_low_bytes down_low_word down_word_above down_private"
)


def segments() -> Iterator[Row]:
    """Segments placed by update_descriptor. Those of ring 0 become those of ring 1."""
    for ring in (1, 3):
        for table in ("gdt", "ldt"):
            stem = f"ring{ring}_{table}_"
            for name in TAKEN:
                yield stem + name, limit()
            for name in BAD:
                yield stem + name, Expected(REFUSED)
            yield stem + "absent", Expected(fault(NP, SLOT[table], AT_LOAD))
            # A conforming code segment can be loaded from any ring.
            yield stem + "ring0_conforming", limit()
            # ring0_down is flat and grows downwards: it has no byte at all.
            for name in ("ring0_data", "ring0_down", "ring0_code"):
                yield stem + name, limit() if ring == 1 else Expected(fault(GP, SLOT[table], AT_LOAD))
    for table in ("gdt", "ldt"):
        for kind in ("code", "conforming"):
            yield f"ring1_run_{table}_ring0_{kind}", Expected(RING_1)
            yield f"ring1_run_{table}_{kind}_beyond", limit()
        yield f"ring3_run_{table}_ring0_code", Expected(fault(GP, SLOT[table]))
        yield f"ring3_run_{table}_ring0_conforming", Expected(RING_3)


def gates() -> Iterator[Row]:
    """Call gates: only to code of the guest's own, with a privilege of 1 at the highest."""
    for ring in (1, 3):
        for table, slot in SLOT.items():
            stem = f"ring{ring}_{table}_gate_"
            for name in words("to_hv_code to_hv_code_rpl_3 to_hv_data to_hv_tss to_user beyond_gdt reserved_bits"):
                yield stem + name, Expected(REFUSED)
            for name in ("to_kernel", "to_kernel_rpl_0", "to_corrected_code", "to_corrected_local_code"):
                yield stem + name, Expected(RING_1)
            for name in ("of_ring_0", "of_ring_1"):
                yield stem + name, Expected(RING_1 if ring == 1 else fault(GP, slot))
            yield stem + "beyond", limit()
            targets = {"to_null": 0, "to_itself": 0x10, "to_data": 0x18, "to_absent": 0x28, "beyond_ldt": 0x44}
            for name, code in targets.items():
                yield stem + name, Expected(fault(GP, code))
    yield "ring1_gdt_gate_rpl_3", Expected(fault(GP, SLOT["gdt"]))
    yield "ring3_gdt_gate_parameters_beyond", limit(SS)
    for kind in range(16):
        if kind != 12:
            yield f"system_type_{kind}", Expected(REFUSED)


def validated() -> Iterator[Row]:
    """Whole tables: what is in them is made harmless when they are taken, or they are not taken."""
    for ring in (1, 3):
        for table in ("gdt", "ldt"):
            stem = f"ring{ring}_{table}_found_"
            for name, codes in (("ring0_data", RING0_DATA), ("ring0_code", RING0_CODE)):
                refused = Expected(fault(GP, codes[table], AT_LOAD))
                yield stem + name, limit() if ring == 1 else refused
                yield stem + name + "_below", Expected(DONE) if ring == 1 else refused
            yield stem + "user_data", limit()
            yield stem + "user_data_below", Expected(DONE)
            code = fault(GP, RING0_CODE[table])
            yield f"ring{ring}_run_{table}_found_code", Expected(RING_1 if ring == 1 else code)
    yield from outcomes("gdt_bad gdt_writable gdt_hypervisor gdt_beyond_memory gdt_too_long gdt_huge", REFUSED)
    yield from outcomes("gdt_page_table ldt_private ldt_m2p ldt_wrapping ldt_too_long", REFUSED)
    # A page that cannot be one of an LDT is as if it were not there (ABI 6.12): a fault at the guest's address of it.
    yield from outcomes("ldt_bad ldt_writable", "#PF 0x0 0xc*018")
    yield from outcomes("ldt_none", fault(GP, RING0_DATA["ldt"]))
    yield from outcomes("ldt_again", "0x0")


def direct() -> Iterator[Row]:
    """Handlers in the trap table, with and without a gate in the IDT (ABI 5.4)."""
    for ring in (1, 3):
        stem = f"ring{ring}_handler_"
        # These have no gate: the hypervisor delivers, and cannot enter them.
        for name in words("hv_code hv_code_rpl_3 hv_data hv_tss user_code beyond_gdt"):
            yield stem + name, Expected(FAILSAFE)
        for name in ("corrected_code", "corrected_local_code"):
            yield stem + name, Expected(RING_1)
        # These have one: the processor itself looks at the selector, and the error code is that.
        for name, code in {"data": 0x18, "absent": 0x28, "empty": 0x38, "beyond_ldt": 0x44}.items():
            yield stem + name, Expected(fault(GP, code))
        yield stem + "beyond", limit()
        not_allowed = fault(GP, 0x40 << 3 | 2)
        yield stem + "of_ring_1", Expected(RING_1 if ring == 1 else not_allowed)
        yield stem + "of_ring_0", Expected(not_allowed)


def failsafe() -> Iterator[Row]:
    """What shows on the way back: the failsafe callback is told (ABI 5.7)."""
    ways = words(
        "hv_code hv_code_rpl_3 hv_data hv_tss null data absent ss_hv_data ss_hv_data_rpl_3 ss_null ss_kernels"
    )
    for name in ways:
        yield f"hypercall_iret_to_{name}", Expected(FAILSAFE)
    for name in ("hypercall_iret_to_beyond", "hypercall_iret_to_user_beyond"):
        yield name, Expected(FAILSAFE, by_segment=True)
    yield from outcomes("multicall_iret_to_hv_code multicall_iret_to_hv_data", FAILSAFE)
    yield from outcomes("multicall_iret_to_ring_1", RING_1)
    # The result that stood there before: the entry behind the iret was not made.
    yield from outcomes("multicall_behind_iret", "0x5eed")
    for register in ("ds", "es"):
        for name in ("descriptor_gone", "local_descriptor_gone", "ldt_gone", "gdt_gone"):
            yield f"{register}_{name}", Expected(FAILSAFE)
        for name in ("ldt_again", "gdt_again"):
            yield f"{register}_{name}", Expected("0x0")
    for register in ("fs", "gs"):
        yield f"{register}_descriptor_gone", limit()
    yield "cs_descriptor_gone", Expected(FAILSAFE)
    for name in ("xen_version", "sched_op", "platform_op", "no_hypercall"):
        yield f"code_ends_behind_{name}", Expected(FAILSAFE, by_segment=True)
    # The hypervisor goes back to a handler here, whose frame says where it was: offset 1 of the segment in SLOT.
    yield "code_ends_behind_bounced_int", Expected("#BP eip 0x1 cs 0x11")
