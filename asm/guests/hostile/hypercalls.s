# Attempts to have the hypervisor do it: addresses of its own as arguments, frames that are not the guest's.
#
# Invariants
#   - What the hypervisor would write is what stands there, or nothing.

        .text

        .set    HV_TEXT, 0xfc900000
        .set    HV_TEXT_FRAME, 0x100

{% set rows = [] %}
{% for name, address in [("private", "HV_PRIVATE_START"), ("across", "HV_PRIVATE_START - 2"), ("text", "HV_TEXT"),
                         ("wrapping", "0xfffffffe")] %}
{% set at = "$" ~ address %}
{% for what, code in [
    ("set_trap_table", calling("set_trap_table", at)),
    ("mmu_update", calling("mmu_update", at, "$1", "$0", "$DOMID_SELF")),
    ("mmuext_op", calling("mmuext_op", at, "$1", "$0", "$DOMID_SELF")),
    ("set_gdt", calling("set_gdt", at, "$TABLE_ENTRIES")),
    ("memory_op", calling("memory_op", "$XENMEM_machphys_mapping", at)),
    ("multicall", calling("multicall", at, "$1")),
    ("version", calling("xen_version", "$XENVER_extraversion", at)),
    ("capabilities", calling("xen_version", "$XENVER_capabilities", at)),
    ("console", calling("console_io", "$CONSOLEIO_write", "$8", at)),
    ("sched_op", calling("sched_op", "$SCHEDOP_shutdown", at)),
    ("callback_op", calling("callback_op", "$CALLBACKOP_register", at)),
] %}
{% do rows.append(("hypercall_{}_{}".format(what, name), 1, "refused", code)) %}
{% endfor %}
{% endfor %}
{% for what, code in [
    ("hypercall_console_up_to_private", calling("console_io", "$CONSOLEIO_write", "$0x10000", "$HV_PRIVATE_START - 4")),
    ("hypercall_console_all", calling("console_io", "$CONSOLEIO_write", "$0x7fffffff", "$HV_TEXT")),
    ("hypercall_version_m2p", calling("xen_version", "$XENVER_extraversion", "$M2P_READ_ONLY")),
    ("hypercall_version_alias", calling("xen_version", "$XENVER_extraversion", "$M2P_ALIAS")),
    ("descriptor_in_hypervisor", calling("update_descriptor", "$HV_TEXT_FRAME << 12", "$0", "$0", "$0")),
    ("descriptor_beyond_memory", calling("update_descriptor", "$0xfffff000", "$0", "$0", "$0")),
    ("descriptor_above_4_gb", calling("update_descriptor", "table_addresses + 4", "$1", "$0", "$0")),
    ("descriptor_misaligned", calling("update_descriptor", "$HV_TEXT_FRAME << 12 | 4", "$0", "$0", "$0")),
    ("descriptor_in_page_table",
     "movl START_INFO_pt_base(%ebp), %ebx; call page_frame; shll $PAGE_SHIFT, %eax; "
     ~ calling("update_descriptor", "%eax", "$0", "$0", "$0")),
    ("map_hypervisor", "movl $user_stack, %ebx; movl $HV_TEXT_FRAME, %eax; movl $(PTE_P | PTE_A), %ecx; call page_map"),
    ("map_hypervisor_writable",
     "movl $user_stack, %ebx; movl $HV_TEXT_FRAME, %eax; movl $(PTE_P | PTE_RW | PTE_A), %ecx; call page_map"),
    ("map_apic", "movl $user_stack, %ebx; movl $0xfee00, %eax; movl $(PTE_P | PTE_RW | PTE_A), %ecx; call page_map"),
    ("map_page_table_writable",
     "movl START_INFO_pt_base(%ebp), %ebx; movl $(PTE_P | PTE_RW | PTE_A), %ecx; call page_remap"),
    ("map_gdt_writable", "movl $guest_gdt, %ebx; movl $(PTE_P | PTE_RW | PTE_A), %ecx; call page_remap"),
    ("map_ldt_writable",
     "movl $(TABLE_USER_DATA << 3 | 4 | 1), %eax; movl %eax, %fs; movl $guest_ldt, %ebx; "
     ~ "movl $(PTE_P | PTE_RW | PTE_A), %ecx; call page_remap"),
    ("map_at_m2p", "movl $M2P_READ_ONLY, %ebx; movl $HV_TEXT_FRAME, %eax; movl $PTE_P, %ecx; call page_map"),
    ("map_at_alias", "movl $M2P_ALIAS, %ebx; movl $HV_TEXT_FRAME, %eax; movl $PTE_P, %ecx; call page_map"),
    ("map_at_private", "movl $HV_PRIVATE_START, %ebx; movl $HV_TEXT_FRAME, %eax; movl $PTE_P, %ecx; call page_map"),
    ("unmap_at_private", "movl $HV_PRIVATE_START, %ebx; xorl %eax, %eax; xorl %ecx, %ecx; call page_map"),
] %}
{% do rows.append((what, 1, "refused", code)) %}
{% endfor %}

# attempts_at_hypercalls: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
{% call routine("attempts_at_hypercalls") %}
{{ attempts("hypercalls", rows) }}
{% endcall %}

{# Tables that were checked when they were taken, and those that must not be taken. #}
{% set rows = [] %}
{% for ring, local, where in [(1, 0, "gdt"), (1, 4, "ldt"), (3, 0, "gdt"), (3, 4, "ldt")] %}
{% for name, entry in [("ring0_data", "TABLE_RING0_DATA"), ("ring0_code", "TABLE_RING0_CODE"),
                       ("user_data", "TABLE_USER_DATA")] %}
{% set stem = "ring{}_{}_found_{}".format(ring, where, name) %}
{% set load = "movl $({} << 3 | {} | {}), %eax; movl %eax, %fs; ".format(entry, local, ring) %}
{% do rows.append((stem, ring, "fault", load ~ "movl %fs:HV_PRIVATE_START, %eax")) %}
{% do rows.append((stem ~ "_below", ring, "done", load ~ "movl %fs:user_stack, %eax")) %}
{% endfor %}
{% do rows.append(("ring{}_run_{}_found_code".format(ring, where), ring, "done", "lcall *found_" ~ where)) %}
{% endfor %}
{% for name, frames, entries in [("bad", "bad_table_frame", "TABLE_ENTRIES"), ("writable", "writable_table_frame", "1"),
                                 ("hypervisor", "hypervisor_frames", "1"),
                                 ("beyond_memory", "hypervisor_frames + 4", "1"),
                                 ("too_long", "guest_gdt_frame", "GDT_GUEST_ENTRIES + 1"),
                                 ("huge", "guest_gdt_frame", "0xffffffff")] %}
{% do rows.append(("gdt_" ~ name, 1, "refused", calling("set_gdt", "$" ~ frames, "$" ~ entries))) %}
{% endfor %}
{% set code = "movl START_INFO_pt_base(%ebp), %ebx; call page_frame; movl %eax, found_frame; " %}
{% do rows.append(("gdt_page_table", 1, "refused", code ~ calling("set_gdt", "$found_frame", "$1"))) %}
{% for name in ["private", "m2p", "wrapping", "too_long"] %}
{% do rows.append(("ldt_" ~ name, 1, "refused", "movl $ldt_" ~ name ~ ", %ebx; call ldt_take")) %}
{% endfor %}
{% for name, entry in [("bad", "TABLE_RING0_DATA"), ("writable", "TABLE_RING0_DATA"), ("none", "TABLE_RING0_DATA")] %}
{% set code = "movl $ldt_{}, %ebx; call ldt_take; movl $({} << 3 | 4 | 1), %eax; movl %eax, %fs".format(name, entry) %}
{% do rows.append(("ldt_" ~ name, 1, "fault", code)) %}
{% endfor %}
{% do rows.append(("ldt_again", 1, "value", "movl $ldt_guest, %ebx; call ldt_take")) %}

# attempts_at_validated: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
# calls: landing_ring
{% call routine("attempts_at_validated") %}
{{ attempts("validated", rows) }}
{% endcall %}

        .section .rodata
{% call object("found_gdt") %}
        .long   landing_ring, TABLE_RING0_CODE << 3
{% endcall %}
{% call object("found_ldt") %}
        .long   landing_ring, TABLE_RING0_CODE << 3 | 4
{% endcall %}
{% call object("hypervisor_frames") %}
        .long   HV_TEXT_FRAME, INVALID_MFN
{% endcall %}
{{ space("found_frame", 4) }}
