# Attempts with breakpoints: on what is not a guest's, and such that are noticed one instruction late.
#
# `mov %ss` holds debug exceptions back until the next instruction is through. When that one is `int`, the breakpoint of
# the load of %ss is noticed in front of the handler's first instruction, which may be one of ring 0.
#
# Invariants
#   - Breakpoint 0 is the only one, and the last row takes it away.

        .text

        .set    DR7_ACCESS_4, 0x000f0001        # breakpoint 0: enabled, on reads and writes of four bytes
        .set    DR7_IO, 0x00020001              # the same, on a port

{% set off = "movl %eax, %ebp; " ~ calling("set_debugreg", "$7", "$0") ~ "; movl %ebp, %eax; nop" %}
{% set on = calling("set_debugreg", "$7", "$DR7_ACCESS_4") %}
{% macro watching(place) %}{{ calling("set_debugreg", "$0", "$" ~ place) }}; {{ on }}; {% endmacro %}
{% set rows = [
    ("breakpoint_m2p", 1, "refused", calling("set_debugreg", "$0", "$M2P_READ_ONLY")),
    ("breakpoint_private", 1, "refused", calling("set_debugreg", "$1", "$HV_PRIVATE_START")),
    ("breakpoint_text", 1, "refused", calling("set_debugreg", "$2", "$0xfc900000")),
    ("breakpoint_top", 1, "refused", calling("set_debugreg", "$3", "$0xfffffffc")),
    ("breakpoint_general_detect", 1, "refused", calling("set_debugreg", "$7", "$DR7_GD")),
    ("breakpoint_port", 1, "refused", calling("set_debugreg", "$7", "$DR7_IO")),
    ("breakpoint_no_register", 1, "refused", calling("set_debugreg", "$8", "$0")),
    ("breakpoint_by_mov_ss", 1, "value",
     watching("stack_selectors") ~ "xorl %ebx, %ebx; movl $HYPERCALL_xen_version, %eax; "
     ~ "movw stack_selectors, %ss; int $0x82; " ~ off),
    ("breakpoint_on_argument", 1, "value",
     watching("watched") ~ calling("xen_version", "$XENVER_extraversion", "$watched") ~ "; " ~ off),
    ("breakpoint_by_user_mov_ss", 1, "value", watching("stack_selectors + 4") ~ "nop"),
    ("ring3_int_82_behind_mov_ss", 3, "fault", "movw stack_selectors + 4, %ss; int $0x82"),
    ("ring3_int_13_behind_mov_ss", 3, "fault", "movw stack_selectors + 4, %ss; int $13"),
    ("breakpoint_off", 1, "value", calling("set_debugreg", "$7", "$0")),
] %}

# attempts_at_debug: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
{% call routine("attempts_at_debug") %}
{{ attempts("debug", rows) }}
{% endcall %}

        .section .rodata
{% call object("stack_selectors") %}
        .long   FLAT_KERNEL_SS, FLAT_USER_SS
{% endcall %}
{{ space("watched", 16) }}
