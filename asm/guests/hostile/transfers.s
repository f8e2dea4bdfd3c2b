# Attempts to jump, call and return to where a guest must not run.
#
# Invariants
#   - Far pointers are in constants, open to both rings: one for each selector, all with the address `landing`.

        .text

{% set selectors = [
    ("null", "0"), ("hv_code", "HV_CS"), ("hv_code_rpl_1", "HV_CS | 1"), ("hv_code_rpl_3", "HV_CS | 3"),
    ("hv_data", "HV_DS"), ("hv_tss", "HV_TSS"), ("hv_tss_rpl_3", "HV_TSS | 3"),
    ("double_fault_tss", "DOUBLE_FAULT_TSS"), ("hv_ldt", "HV_LDT"), ("free", "0xe038"),
    ("beyond_gdt", "GDT_LIMIT + 1"), ("beyond_ldt", "TABLE_ENTRIES << 3 | 4 | 3"),
] %}
{% set own = {1: "FLAT_KERNEL_CS", 3: "FLAT_USER_CS"} %}
{% set others = {1: [("outer", "FLAT_USER_CS"), ("outer_rpl_1", "FLAT_USER_CS & ~2")],
                 3: [("inner", "FLAT_KERNEL_CS")]} %}
{% set rows = [] %}
{% for ring in [1, 3] %}
{% set stem = "ring" ~ ring ~ "_" %}
{% for name, selector in selectors + others[ring] %}
{% do rows.append((stem ~ "jump_" ~ name, ring, "fault", "ljmp *far_" ~ name)) %}
{% do rows.append((stem ~ "call_" ~ name, ring, "fault", "lcall *far_" ~ name)) %}
{% if name != "outer" %}
{% set push = "pushl $(" ~ selector ~ "); pushl $landing; " %}
{% do rows.append((stem ~ "ret_" ~ name, ring, "fault", push ~ "lret")) %}
{% do rows.append((stem ~ "iret_" ~ name, ring, "fault", "pushfl; " ~ push ~ "iret")) %}
{% endif %}
{% endfor %}
{% set push = "pushl $" ~ own[ring] ~ "; pushl private_pointer; " %}
{% for name, code in [
    ("jump_beyond", "jmpl *private_pointer"),
    ("jump_top", "jmpl *top_pointer"),
    ("call_beyond", "call *private_pointer"),
    ("ret_beyond", "pushl private_pointer; ret"),
    ("far_jump_beyond", "ljmp *private_pointer_" ~ ring),
    ("far_call_beyond", "lcall *private_pointer_" ~ ring),
    ("far_ret_beyond", push ~ "lret"),
    ("iret_beyond", "pushfl; " ~ push ~ "iret"),
    ("iret_nested_task", "pushfl; orl $EFLAGS_NT, (%esp); popfl; iret"),
] %}
{% do rows.append((stem ~ name, ring, "fault", code)) %}
{% endfor %}
{% endfor %}
{# Returns to ring 3 with a stack that is not for it. #}
{% for name, selector in [("null", "0"), ("hv_data", "HV_DS"), ("hv_data_rpl_3", "HV_DS | 3"),
                          ("kernels", "FLAT_KERNEL_SS"), ("code", "FLAT_USER_CS"), ("free", "0xe03b"),
                          ("absent", "TABLE_ABSENT << 3 | 3")] %}
{% set push = "pushl $(" ~ selector ~ "); pushl $user_stack_top; " %}
{% set to = "pushl $FLAT_USER_CS; pushl $landing; " %}
{% do rows.append(("ring1_iret_with_ss_" ~ name, 1, "fault", push ~ "pushl $EFLAGS_ONE; " ~ to ~ "iret")) %}
{% do rows.append(("ring1_ret_with_ss_" ~ name, 1, "fault", push ~ to ~ "lret")) %}
{% endfor %}

# attempts_at_transfers: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
# calls: landing
{% call routine("attempts_at_transfers") %}
{{ attempts("transfers", rows) }}
{% endcall %}

        .section .rodata
{% for name, selector in selectors + others[1] + others[3] %}
{% call object("far_" ~ name) %}
        .long   landing, {{ selector }}
{% endcall %}
{% endfor %}
{% call object("private_pointer") %}
        .long   HV_PRIVATE_START
{% endcall %}
{% call object("top_pointer") %}
        .long   0xffffffff
{% endcall %}
{% call object("private_pointer_1") %}
        .long   HV_PRIVATE_START, FLAT_KERNEL_CS
{% endcall %}
{% call object("private_pointer_3") %}
        .long   HV_PRIVATE_START, FLAT_USER_CS
{% endcall %}
