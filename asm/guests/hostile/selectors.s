# Attempts to load what is not for a guest into the segment registers.
#
# Invariants
#   - A selector that can be loaded is of no use either: what the null selector reads is in accesses.s.

        .text

{% set selectors = [
    ("null", "0"), ("null_rpl_3", "3"), ("hv_code", "HV_CS"), ("hv_data", "HV_DS"), ("hv_data_rpl_1", "HV_DS | 1"),
    ("hv_data_rpl_3", "HV_DS | 3"), ("hv_tss", "HV_TSS"), ("hv_ldt", "HV_LDT"),
    ("double_fault_tss", "DOUBLE_FAULT_TSS"), ("free", "0xe038 | 1"), ("guests_empty", "1 << 3 | 1"),
    ("beyond_gdt", "(GDT_LIMIT + 1) | 1"), ("last", "0xfffb"),
    ("beyond_ldt", "TABLE_ENTRIES << 3 | 4 | 1"), ("ring1_code", "FLAT_KERNEL_CS"), ("ring1_data", "FLAT_KERNEL_DS"),
    ("ring1_data_rpl_0", "FLAT_KERNEL_DS & ~3"), ("ring3_code", "FLAT_USER_CS"), ("ring3_data", "FLAT_USER_DS"),
    ("absent", "TABLE_ABSENT << 3 | 1"), ("absent_local", "TABLE_ABSENT << 3 | 4 | 1"),
] %}
{% set rows = [] %}
{% for ring in [1, 3] %}
{% for register in ["ds", "es", "fs", "gs", "ss"] %}
{% for name, selector in selectors %}
{% set code = "movl $(" ~ selector ~ "), %eax; movl %eax, %" ~ register %}
{% do rows.append(("ring" ~ ring ~ "_load_" ~ register ~ "_" ~ name, ring, "done", code)) %}
{% endfor %}
{% endfor %}
{% endfor %}

# attempts_at_selectors: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
{% call routine("attempts_at_selectors") %}
{{ attempts("selectors", rows) }}
{% endcall %}
