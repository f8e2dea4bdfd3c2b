# Attempts with segments and gates of our own: through update_descriptor, and with what stands in tables from the start.
#
# P is HV_PRIVATE_START, where the private part begins. A segment's bytes are base + offset, for offsets up to its
# limit, or for an expand-down one above its limit. Where the hypervisor cuts a limit, what is beyond must fault.
#
# Invariants
#   - Each attempt reads, never writes: whether it may write is not what these are about.

        .text

{% set rows = [] %}
{% set G = "FLAG_G | FLAG_B" %}
{% set P = "HV_PRIVATE_START" %}
{# name, base, limit field, access, flags, offset that is read #}
{% set cases = [
    ("flat", "0", "0xfffff", "DATA_{}", G, P),
    ("flat_across", "0", "0xfffff", "DATA_{}", G, P ~ " - 2"),
    ("flat_top", "0", "0xfffff", "DATA_{}", G, "0xfffffffc"),
    ("flat_16_bit", "0", "0xfffff", "DATA_{}", "FLAG_G", P),
    ("flat_accessed", "0", "0xfffff", "DATA_{} | 1", G, P),
    ("one_page_too_many", "0", P ~ " >> 12", "DATA_{}", G, P),
    ("one_megabyte", "0", "0xfffff", "DATA_{}", "FLAG_B", P),
    ("wrap_from_half", "0x80000000", "0xfffff", "DATA_{}", G, P ~ " - 0x80000000"),
    ("wrap_to_top", "0xf0000000", "0xfffff", "DATA_{}", G, "0x0ffffffc"),
    ("wrap_to_zero", "0xf0000000", "0xfffff", "DATA_{}", G, "0x10000000"),
    ("base_private", P, "0", "DATA_{}", G, "0"),
    ("base_private_bytes", P, "3", "DATA_{}", "FLAG_B", "0"),
    ("base_in_hypervisor", "0xfc900000", "0xfff", "DATA_{}", "FLAG_B", "0"),
    ("base_top", "0xfffffffc", "3", "DATA_{}", "FLAG_B", "0"),
    ("base_last_page", "(" ~ P ~ " - 0x1000)", "0xfffff", "DATA_{}", G, "0x1000"),
    ("base_one_below", "(" ~ P ~ " - 0x1001)", "0xfffff", "DATA_{}", G, "0x1001"),
    ("base_two_pages_below", "(" ~ P ~ " - 0x2000)", "0xfffff", "DATA_{}", G, "0x2000"),
    ("base_two_pages_across", "(" ~ P ~ " - 0x2000)", "0xfffff", "DATA_{}", G, "0x1ffe"),
    ("bytes_up_to_the_end", "(" ~ P ~ " - 0x2000)", "0x1fff", "DATA_{}", "FLAG_B", "0x1ffe"),
    ("bytes_one_too_many", "(" ~ P ~ " - 0x2000)", "0x2000", "DATA_{}", "FLAG_B", "0x1ffd"),
    ("bytes_far_too_many", "(" ~ P ~ " - 0x2000)", "0xfffff", "DATA_{}", "FLAG_B", "0x2000"),
    ("down_from_zero", "0", "0", "DOWN_{}", G, P),
    ("down_from_zero_bytes", "0", "0xfff", "DOWN_{}", "FLAG_B", P),
    ("down_low", "0x1000", "0", "DOWN_{}", G, P ~ " - 0x1000"),
    ("down_low_bytes", "0x1000", "0xfff", "DOWN_{}", "FLAG_B", P ~ " - 0x1000"),
    ("down_low_word", "0x1000", "0", "DOWN_{}", "0", P ~ " - 0x1000"),
    ("down_wraps", "(" ~ P ~ " - 0x2000)", "0x3c02", "DOWN_{}", G, "0x2000"),
    ("down_wraps_just_not", "(" ~ P ~ " - 0x2000)", "0x3c01", "DOWN_{}", G, "0x3c01ffc"),
    ("down_wraps_not", "(" ~ P ~ " - 0x2000)", "2", "DOWN_{}", G, "0x3000"),
    ("down_word_above", "(" ~ P ~ " - 0x2000)", "0x1fff", "DOWN_{}", "0", "0x2000"),
    ("down_word_pages", "(" ~ P ~ " - 0x2000)", "1", "DOWN_{}", "FLAG_G", "0x2000"),
    ("down_private", P, "0x3bff", "DOWN_{}", G, "0"),
    ("down_limit_highest", "0x1000", "0xfffff", "DOWN_{}", G, P ~ " - 0x1000"),
    ("absent", "0", "0xfffff", "DATA_{} & ~ACCESS_PRESENT", G, P),
    ("code", "0", "0xfffff", "CODE_{}", G, P),
    ("conforming", "0", "0xfffff", "CONFORMING_{}", G, P),
] %}
{% set read = "movl $(SLOT << 3 | {} | {}), %eax; movl %eax, %fs; movl %fs:{}, %eax" %}
{% for ring, table, local in [(1, "TABLE_GDT", 0), (1, "TABLE_LDT", 4), (3, "TABLE_GDT", 0), (3, "TABLE_LDT", 4)] %}
{% set stem = "ring{}_{}_".format(ring, "ldt" if local else "gdt") %}
{% for name, base, limit, access, flags, offset in cases %}
{% set descriptor = segment(table, base, limit, access.format(ring), flags) %}
{% do rows.append((stem ~ name, ring, "fault", read.format(local, ring, offset), descriptor)) %}
{% endfor %}
{% for name, access in [("data", "DATA_0"), ("down", "DOWN_0"), ("code", "CODE_0"), ("conforming", "CONFORMING_0")] %}
{% set descriptor = segment(table, "0", "0xfffff", access, G) %}
{% do rows.append((stem ~ "ring0_" ~ name, ring, "fault", read.format(local, ring, P), descriptor)) %}
{% endfor %}
{% endfor %}
{# A code segment of ring 0: it becomes one of ring 1. And flat ones: they end where the others do. #}
{% set to = "lcall *slot_{}_{}" %}
{% for table, where in [("TABLE_GDT", "gdt"), ("TABLE_LDT", "ldt")] %}
{% for name, access in [("code", "CODE_0"), ("conforming", "CONFORMING_0")] %}
{% set descriptor = segment(table, "0", "0xfffff", access, G) %}
{% do rows.append(("ring1_run_{}_ring0_{}".format(where, name), 1, "done", to.format(where, "ring"), descriptor)) %}
{% set beyond = to.format(where, "private") %}
{% do rows.append(("ring1_run_{}_{}_beyond".format(where, name), 1, "fault", beyond, descriptor)) %}
{% do rows.append(("ring3_run_{}_ring0_{}".format(where, name), 3, "done", to.format(where, "ring"), descriptor)) %}
{% endfor %}
{% endfor %}

# attempts_at_segments: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
# calls: landing*
{% call routine("attempts_at_segments") %}
{{ attempts("segments", rows) }}
{% endcall %}

{% set rows = [] %}
{% for ring in [1, 3] %}
{% for table, where in [("TABLE_GDT", "gdt"), ("TABLE_LDT", "ldt")] %}
{% for name, descriptor in [
    ("to_kernel", gate(table, "FLAT_KERNEL_CS", "GATE_3", "0", "landing_ring")),
    ("to_kernel_rpl_0", gate(table, "FLAT_KERNEL_CS & ~3", "GATE_3", "0", "landing_ring")),
    ("beyond", gate(table, "FLAT_KERNEL_CS", "GATE_3", "0", "HV_PRIVATE_START")),
    ("of_ring_0", gate(table, "FLAT_KERNEL_CS", "GATE_0", "0", "landing_ring")),
    ("of_ring_1", gate(table, "FLAT_KERNEL_CS", "GATE_1", "0", "landing_ring")),
    ("to_hv_code", gate(table, "HV_CS", "GATE_3", "0", "landing_ring")),
    ("to_hv_code_rpl_3", gate(table, "(HV_CS | 3)", "GATE_3", "0", "landing_ring")),
    ("to_hv_data", gate(table, "HV_DS", "GATE_3", "0", "landing_ring")),
    ("to_hv_tss", gate(table, "HV_TSS", "GATE_3", "0", "landing_ring")),
    ("to_user", gate(table, "FLAT_USER_CS", "GATE_3", "0", "landing_ring")),
    ("beyond_gdt", gate(table, "(GDT_LIMIT + 1)", "GATE_3", "0", "landing_ring")),
    ("to_null", gate(table, "0", "GATE_3", "0", "landing_ring")),
    ("to_itself", gate(table, "(SLOT << 3 | 1)", "GATE_3", "0", "landing_ring")),
    ("to_data", gate(table, "(TABLE_RING0_DATA << 3)", "GATE_3", "0", "landing_ring")),
    ("to_absent", gate(table, "(TABLE_ABSENT << 3 | 1)", "GATE_3", "0", "landing_ring")),
    ("to_corrected_code", gate(table, "(TABLE_RING0_CODE << 3)", "GATE_3", "0", "landing_ring")),
    ("to_corrected_local_code", gate(table, "(TABLE_RING0_CODE << 3 | 4)", "GATE_3", "0", "landing_ring")),
    ("beyond_ldt", gate(table, "(TABLE_ENTRIES << 3 | 4 | 1)", "GATE_3", "0", "landing_ring")),
    ("reserved_bits", gate(table, "FLAT_KERNEL_CS", "GATE_3", "0xe0", "landing_ring")),
] %}
{% set code = "lcall *slot_{}_rpl_{}".format(where, ring) %}
{% do rows.append(("ring{}_{}_gate_{}".format(ring, where, name), ring, "done", code, descriptor)) %}
{% endfor %}
{% endfor %}
{% endfor %}
{% set descriptor = gate("TABLE_GDT", "FLAT_KERNEL_CS", "GATE_1", "0", "landing_ring") %}
{% do rows.append(("ring1_gdt_gate_rpl_3", 1, "fault", "lcall *slot_gdt_rpl_3", descriptor)) %}
{% set descriptor = gate("TABLE_GDT", "FLAT_KERNEL_CS", "GATE_3", "31", "landing_ring") %}
{% set code = "movl $HV_PRIVATE_START, %esp; lcall *slot_gdt_rpl_3" %}
{% do rows.append(("ring3_gdt_gate_parameters_beyond", 3, "fault", code, descriptor)) %}
{% for kind in range(16) if kind != 12 %}
{% set descriptor = gate("TABLE_GDT", "FLAT_KERNEL_CS", "GATE_3 - 0xc + {}".format(kind), "0", "landing_ring") %}
{% do rows.append(("system_type_{}".format(kind), 1, "refused", "xorl %eax, %eax; nop", descriptor)) %}
{% endfor %}

# attempts_at_gates: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
# calls: landing*
{% call routine("attempts_at_gates") %}
{{ attempts("gates", rows) }}
{% endcall %}

        .section .rodata
{% for where, local in [("gdt", 0), ("ldt", 4)] %}
{% for name, address, rpl in [("ring", "landing_ring", 0), ("private", "HV_PRIVATE_START", 0), ("rpl_1", "0", 1),
                              ("rpl_3", "0", 3)] %}
{% call object("slot_{}_{}".format(where, name)) %}
        .long   {{ address }}, SLOT << 3 | {{ local }} | {{ rpl }}
{% endcall %}
{% endfor %}
{% endfor %}
