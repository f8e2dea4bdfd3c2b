# Attempts with handlers of our own: gates that the hypervisor puts into the IDT itself, or does not (ABI 5.4).
#
# Invariants
#   - DIRECT_VECTOR is for these rows alone: each of ring 1 gives it a handler, and that of ring 3 behind it uses it.

        .text

        .set    DIRECT_VECTOR, 0x40

{% set handlers = [
    ("hv_code", 3, "HV_CS", "landing_ring"), ("hv_code_rpl_3", 3, "HV_CS | 3", "landing_ring"),
    ("hv_data", 3, "HV_DS", "landing_ring"), ("hv_tss", 3, "HV_TSS | 1", "landing_ring"),
    ("beyond", 3, "FLAT_KERNEL_CS", "HV_PRIVATE_START"), ("user_code", 3, "FLAT_USER_CS", "landing_ring"),
    ("corrected_code", 3, "TABLE_RING0_CODE << 3", "landing_ring"),
    ("corrected_local_code", 3, "TABLE_RING0_CODE << 3 | 4", "landing_ring"),
    ("data", 3, "TABLE_RING0_DATA << 3 | 1", "landing_ring"), ("absent", 3, "TABLE_ABSENT << 3 | 1", "landing_ring"),
    ("empty", 3, "7 << 3 | 1", "landing_ring"), ("beyond_gdt", 3, "GDT_LIMIT + 1", "landing_ring"),
    ("beyond_ldt", 3, "TABLE_ENTRIES << 3 | 4 | 1", "landing_ring"),
    ("of_ring_1", 1, "FLAT_KERNEL_CS", "landing_ring"), ("of_ring_0", 0, "FLAT_KERNEL_CS", "landing_ring"),
] %}
{% set rows = [] %}
{% for name, dpl, cs, address in handlers %}
{% set code = calling("set_trap_table", "$direct_" ~ name) ~ "; int $DIRECT_VECTOR" %}
{% do rows.append(("ring1_handler_" ~ name, 1, "done", code)) %}
{% do rows.append(("ring3_handler_" ~ name, 3, "done", "int $DIRECT_VECTOR")) %}
{% endfor %}

# attempts_at_direct: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
{% call routine("attempts_at_direct") %}
{{ attempts("direct", rows) }}
{% endcall %}

        .section .rodata
{% for name, dpl, cs, address in handlers %}
{% call object("direct_" ~ name) %}
        .byte   DIRECT_VECTOR, {{ dpl }}        # TRAP_INFO
        .word   {{ cs }}
        .long   {{ address }}
        .skip   TRAP_INFO_size
{% endcall %}
{% endfor %}
