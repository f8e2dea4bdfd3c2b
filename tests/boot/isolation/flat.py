"""The attempts with the flat segments, the selectors of the reserved GDT page, and the M2P table.

Sources: Intel SDM volume 3, sections 4.7 (page faults), 5.3 to 5.8 (limits, types, privileges), 6.13 (error codes), and
volume 2 for the order of an instruction's checks.

Invariants
  - The processor compares each access as a whole with the limit before it looks at any page.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.boot.isolation.outcomes import (
    DONE,
    FETCH,
    GP,
    NP,
    PRESENT,
    SS,
    TS,
    WRITE,
    Expected,
    P,
    Row,
    fault,
    limit,
    page_fault,
    words,
)

M2P, M2P_END, ALIAS, ALIAS_END = 0xFC000000, P - 4, 0xF5800000, 0xF67FFFFC


def permitted() -> Iterator[Row]:
    """The M2P table: ring 1 may read it and no more; ring 3 nothing, its pages being the supervisor's."""
    places = {"m2p": M2P, "m2p_end": M2P_END, "alias": ALIAS, "alias_end": ALIAS_END}
    for ring in (1, 3):
        for name, address in places.items():
            yield f"ring{ring}_read_{name}", Expected(DONE if ring == 1 else page_fault(3, PRESENT, address))
            yield f"ring{ring}_write_{name}", Expected(page_fault(ring, PRESENT | WRITE, address))
        for name in ("exchange_m2p", "compare_m2p", "bit_string_m2p", "rep_stos_m2p"):
            yield f"ring{ring}_{name}", Expected(page_fault(ring, PRESENT | WRITE, M2P))
        fetch = page_fault(ring, PRESENT | FETCH, M2P)
        yield f"ring{ring}_execute_m2p", Expected(f"{fetch} eip {M2P:#x}")


def accesses() -> Iterator[Row]:
    """A limit is checked for the whole operand and before any page; through %ss it is #SS."""
    everything = words(
        "read_top read_wrapping read_by_index read_by_wrapped_index locked_add exchange cmpxchg8b_across bit_string_up"
        " bit_string_down push_from pop_to translate lfs_across movups_across movups_beyond fild_across movs_from"
        " movs_to rep_movs_to rep_movs_down rep_stos stos_across lods_wrapping scas cmps"
    )
    for ring in (1, 3):
        for segment in ("ds", "es", "fs", "gs", "ss", "cs"):
            what = words("read_{}_beyond read_{}_byte_beyond read_{}_across write_{}_beyond write_{}_across")
            for name in what:
                yield f"ring{ring}_{name.format(segment)}", limit(SS if segment == "ss" else GP)
        for name in everything:
            yield f"ring{ring}_{name}", limit()
        yield f"ring{ring}_read_by_ebp", limit(SS)
        # Several parts are stored, and the first of them are in the M2P table: either check may come first.
        for name, address in (("sidt_across", P - 2), ("fxsave_across", P - 16)):
            yield f"ring{ring}_{name}", Expected(f"{fault(GP)} or {page_fault(ring, PRESENT | WRITE, address)}")
        # The first of these elements is within the limit: ring 1 reads it, ring 3 must not.
        for name, address in (("rep_movs_from", P - 8), ("rep_lods", P - 4)):
            yield f"ring{ring}_{name}", limit() if ring == 1 else Expected(page_fault(3, PRESENT, address))
        for segment in ("ds", "es", "fs", "gs"):
            yield f"ring{ring}_read_by_null_{segment}", limit()


def stacks() -> Iterator[Row]:
    """Every use of a stack beyond its limit is #SS(0)."""
    names = words(
        "push push_across push_wrapping push_segment push_flags push_all call far_call enter enter_nested pop"
        " pop_across pop_segment pop_flags pop_all ret far_ret iret read leave"
    )
    for name in names:
        yield f"ring3_stack_{name}", limit(SS)
    for table in ("gdt", "ldt"):
        for name in ("push", "pop", "below", "word"):
            yield f"ring3_own_stack_{name}_{table}", limit(SS)


# Selectors, and what their descriptors are: "code", "data" or "none" (nothing that can be loaded), DPL, P.
SELECTORS: dict[str, tuple[int, str, int, bool]] = {
    "null": (0, "null", 0, False),
    "null_rpl_3": (3, "null", 0, False),
    "hv_code": (0xE008, "code", 0, True),
    "hv_code_rpl_1": (0xE009, "code", 0, True),
    "hv_code_rpl_3": (0xE00B, "code", 0, True),
    "hv_data": (0xE010, "data", 0, True),
    "hv_data_rpl_1": (0xE011, "data", 0, True),
    "hv_data_rpl_3": (0xE013, "data", 0, True),
    "hv_tss": (0xE040, "none", 0, True),
    "hv_tss_rpl_3": (0xE043, "none", 0, True),
    "hv_ldt": (0xE048, "none", 0, True),
    "double_fault_tss": (0xE000, "none", 0, True),
    "free": (0xE039, "none", 0, False),
    "guests_empty": (0x9, "none", 0, False),
    "beyond_gdt": (0xF001, "none", 0, False),
    "last": (0xFFFB, "none", 0, False),
    "beyond_ldt": (0x45, "none", 0, False),
    "ring1_code": (0xE019, "code", 1, True),
    "ring1_data": (0xE021, "data", 1, True),
    "ring1_data_rpl_0": (0xE020, "data", 1, True),
    "ring3_code": (0xE02B, "code", 3, True),
    "ring3_data": (0xE033, "data", 3, True),
    "absent": (0x29, "data", 1, False),
    "absent_local": (0x2D, "data", 1, False),
}


def loaded(ring: int, register: str, selector: int, kind: str, dpl: int, present: bool) -> str:
    """Return what loading a segment register does (SDM volume 2, MOV): checks of type, privilege, presence in turn."""
    rpl, code = selector & 3, selector & ~3
    if register == "ss":
        if kind == "null":
            return fault(GP)
        if kind != "data" or rpl != ring or dpl != ring:
            return fault(GP, code)
        return DONE if present else fault(SS, code)
    if kind == "null":
        return DONE
    if kind == "none" or max(ring, rpl) > dpl:
        return fault(GP, code)
    return DONE if present else fault(NP, code)


def selectors() -> Iterator[Row]:
    """Loads of segment registers."""
    leave_out = {"hv_code_rpl_1", "hv_code_rpl_3", "hv_tss_rpl_3"}
    for ring in (1, 3):
        for register in ("ds", "es", "fs", "gs", "ss"):
            for name, selector in SELECTORS.items():
                if name not in leave_out:
                    yield f"ring{ring}_load_{register}_{name}", Expected(loaded(ring, register, *selector))


def transfers() -> Iterator[Row]:
    """No jump, call or return reaches a segment of another privilege, and none goes beyond the limit."""
    codes = {
        "null": 0, "hv_code": 0xE008, "hv_code_rpl_1": 0xE008, "hv_code_rpl_3": 0xE008, "hv_data": 0xE010,
        "hv_tss": 0xE040, "hv_tss_rpl_3": 0xE040, "double_fault_tss": 0xE000, "hv_ldt": 0xE048, "free": 0xE038,
        "beyond_gdt": 0xF000, "beyond_ldt": 0x44,
    }  # fmt: skip
    others = {1: {"outer": 0xE028, "outer_rpl_1": 0xE028}, 3: {"inner": 0xE018}}
    for ring in (1, 3):
        for name, code in (codes | others[ring]).items():
            for how in ("jump", "call") if name == "outer" else ("jump", "call", "ret", "iret"):
                yield f"ring{ring}_{how}_{name}", Expected(fault(GP, code))
        for name in ("jump", "call", "ret", "far_jump", "far_call", "far_ret", "iret"):
            yield f"ring{ring}_{name}_beyond", limit()
        yield f"ring{ring}_jump_top", limit()
        yield f"ring{ring}_iret_nested_task", Expected(fault(TS))
    stacks = {"null": 0, "hv_data": 0xE010, "hv_data_rpl_3": 0xE010, "kernels": 0xE020, "code": 0xE028, "free": 0xE038}
    for name, code in (stacks | {"absent": 0x28}).items():
        for how in ("iret", "ret"):
            yield f"ring1_{how}_with_ss_{name}", Expected(fault(GP, code))
