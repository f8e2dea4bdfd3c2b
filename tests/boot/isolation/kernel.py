"""The attempts with instructions, interrupts, flags, breakpoints and hypercalls, and those that end the domain.

Sources: Intel SDM volume 2 (POPF, IRET, INT n, and each privileged instruction) and volume 3, sections 5.9 (privileged
instructions), 6.8.3 (MOV SS), 17.2 and 17.3 (breakpoints, single step); ABI 5.3, 5.10, 6.11, 10.8 and the error lists.

Invariants
  - What the hypervisor may do for a kernel (ABI 6.11) has two outcomes in ring 1 and one in ring 3.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.boot.isolation.outcomes import DONE, GP, UD, Expected, Row, fault, outcomes, words

VERSION = "0x40002"
IF, NT, AC, ID = 1 << 9, 1 << 14, 1 << 18, 1 << 21

PRIVILEGED = words(
    "lgdt lidt lldt lldt_hv ltr write_cr0 write_cr3 write_dr0 lmsw hlt cli sti invlpg invd rdmsr_none rdpmc sysenter"
    " sysenter_still sysexit inb inb_dx inw inl inl_pci inl_last_port outb outb_dx outw outl outb_pic outb_exit"
    " outb_reset insb rep_insl outsb rep_outsl"
)
EMULATED = words(
    "read_cr0 read_cr2 read_cr3 read_cr4 write_cr2 write_cr4 read_dr0 read_dr7 write_dr7 clts wbinvd rdmsr_apic_base"
    " rdmsr_efer rdmsr_tsc rdmsr_sysenter wrmsr_efer wrmsr_sysenter wrmsr_apic_base"
)


def instructions() -> Iterator[Row]:
    """Privileged instructions: #GP(0), which the guest gets where nothing is done for it."""
    for ring in (1, 3):
        for name in PRIVILEGED:
            yield f"ring{ring}_{name}", Expected(fault(GP))
        for name in EMULATED:
            yield f"ring{ring}_{name}", Expected(f"{fault(GP)} or {DONE}" if ring == 1 else fault(GP))
        for name in ("rsm", "ud2"):
            yield f"ring{ring}_{name}", Expected(UD)
        for name in words("rdtsc cpuid sgdt sidt sldt str smsw verr_hv lar_hv lsl_hv"):
            yield f"ring{ring}_{name}", Expected(DONE)
        for name in words("lar_says lsl_says verr_says verw_says"):
            yield f"ring{ring}_{name}", Expected("0x0")
        yield f"ring{ring}_arpl", Expected("0xe013")


def interrupts() -> Iterator[Row]:
    """`int n` where the gate is ring 0's: an error code that names the vector (ABI 5.3)."""
    for ring in (1, 3):
        vectors = [0, 1, 2, 6, 8, 13, 14, 18, 0x20, 0x21, 0x28, 0x30, 0x7F, 0xEF, 0xFF]
        for vector in vectors + ([0x82] if ring == 3 else []):
            yield f"ring{ring}_int_{vector}", Expected(fault(GP, vector << 3 | 2))
        yield f"ring{ring}_int3", Expected("#BP +1")
        yield f"ring{ring}_into", Expected("#OF +1")


def flags() -> Iterator[Row]:
    """IF, IOPL and VM are not a guest's to change; the others it may have, and take into a hypercall in vain."""
    for ring in (1, 3):
        kept = {"iopl": 0, "if": IF, "vm": 0, "rf": 0, "nt": NT, "vip": 0}
        for name, value in kept.items():
            yield f"ring{ring}_popf_{name}", Expected(f"{value:#x}")
        yield f"ring{ring}_iret_flags", Expected(f"{IF | NT | AC | ID:#x}")
    for name, value in {"iopl": IF, "if": IF, "nt": IF | NT, "rf": IF}.items():
        yield f"hypercall_iret_{name}", Expected(f"{value:#x}")
    yield "hypercall_iret_vm", Expected(fault(GP, 0, " +2"))
    for name in ("nt", "df", "ac"):
        yield f"hypercall_with_{name}", Expected(VERSION)
        yield f"long_hypercall_with_{name}", Expected("0x0")
    # The gate clears TF, iret sets it again, and the instruction behind the hypercall is stepped over.
    yield from outcomes("hypercall_with_tf long_hypercall_with_tf hypercall_behind_mov_ss_with_tf", "#DB +1")
    for name in ("tf", "nt", "df", "ac"):
        yield f"ring3_int_82_with_{name}", Expected(fault(GP, 0x82 << 3 | 2))
        yield f"ring1_fault_with_{name}", Expected(UD)


def debug() -> Iterator[Row]:
    """Breakpoints: none of ours, and one that is noticed late is noticed in vain."""
    yield from outcomes("breakpoint_m2p breakpoint_private breakpoint_text breakpoint_top", "-EPERM")
    yield from outcomes("breakpoint_general_detect breakpoint_port", "-EPERM")
    yield from outcomes("breakpoint_no_register", "-EINVAL")
    yield from outcomes("breakpoint_by_mov_ss", VERSION)
    yield from outcomes("breakpoint_on_argument breakpoint_by_user_mov_ss breakpoint_off", "0x0")
    yield from outcomes("ring3_int_82_behind_mov_ss", fault(GP, 0x82 << 3 | 2))
    yield from outcomes("ring3_int_13_behind_mov_ss", fault(GP, 13 << 3 | 2))


def hypercalls() -> Iterator[Row]:
    """Arguments of the hypervisor's own."""
    calls = words(
        "set_trap_table mmu_update mmuext_op set_gdt memory_op multicall version capabilities console"
        " sched_op callback_op"
    )
    for call in calls:
        for place in ("private", "across", "text", "wrapping"):
            yield f"hypercall_{call}_{place}", Expected("-EFAULT")
    yield from outcomes("hypercall_console_up_to_private hypercall_console_all", "-EFAULT")
    yield from outcomes("hypercall_version_m2p hypercall_version_alias", "-EFAULT")
    yield from outcomes("descriptor_in_hypervisor descriptor_beyond_memory descriptor_above_4_gb", "-EINVAL")
    yield from outcomes("descriptor_misaligned descriptor_in_page_table", "-EINVAL")
    # An entry that may not be: any error will do, as long as it is one (ABI 6.6).
    yield from outcomes("map_hypervisor map_hypervisor_writable map_apic map_page_table_writable", "-E*")
    yield from outcomes("map_gdt_writable map_ldt_writable", "-E*")
    yield from outcomes("map_at_m2p map_at_alias map_at_private unmap_at_private", "-EINVAL")


BAD_STACK = "died: its kernel stack cannot be written"
NO_FAILSAFE = "died: its segments cannot be reloaded, and it has no failsafe callback that can be entered"
NO_HANDLER = "died: it has no handler for this"


def deadly() -> Iterator[Row]:
    """How a domain ends that makes such an attempt: what the hypervisor says of it, or its own line if it lives on."""
    yield from outcomes("stack_push_beyond stack_push_wrapping stack_push_m2p stack_pop_beyond", BAD_STACK)
    yield from outcomes("stack_far_ret_beyond stack_fault_beyond", BAD_STACK)
    yield from outcomes("stack_descriptor_gone stack_gdt_gone stack_ldt_gone", BAD_STACK)
    yield from outcomes("kernel_stack_beyond kernel_stack_m2p kernel_stack_wrapping kernel_stack_hv_data", BAD_STACK)
    yield from outcomes("kernel_stack_null direct_onto_stack_beyond gate_onto_stack_beyond", BAD_STACK)
    yield from outcomes("kernel_stack_users failsafe_hv_code failsafe_users", NO_FAILSAFE)
    yield "failsafe_beyond", Expected(NO_FAILSAFE, by_segment=True)
    yield from outcomes("handler_null handler_none", NO_HANDLER)
    yield from outcomes("handler_hv_code handler_hv_data", "failsafe")
    yield "handler_beyond", Expected("failsafe", by_segment=True)
    yield from outcomes("breakpoint_by_pop_ss", VERSION)
    yield from outcomes("ring1_iret_vm ring3_iret_vm", f"{IF:#x}")
    yield from outcomes("iret_hv_code", "died: its iret hypercall asks for ring 0")
    yield from outcomes("iret_frame_private iret_frame_across", "died: the frame of its iret hypercall cannot be read")
