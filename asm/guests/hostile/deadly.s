# Attempts that cost the guest its life: it loses the stack that handlers need, or has no handler, or asks for ring 0.
#
# Each is made by a domain of its own, whose command line is the attempt's name. It must die, and nobody else.
#
# Invariants
#   - As in accesses.s. A domain that survives says so, and ends in order.

        .text

{% set G = "FLAG_G | FLAG_B" %}
{% set data = segment("TABLE_GDT", "0", "0xfffff", "DATA_1", G) %}
{% set local_data = segment("TABLE_LDT", "0", "0xfffff", "DATA_1", G) %}
{% set load_ss = "movl $(SLOT << 3 | {} | 1), %eax; movl %eax, %ss; " %}
{% set forget = "movl table_addresses + 4 * TABLE_GDT, %ebx; addl $SLOT * DESCRIPTOR_size, %ebx; " %}
{% set forget = forget ~ "xorl %ecx, %ecx; xorl %edx, %edx; xorl %esi, %esi; " ~ calling("update_descriptor") %}
{% macro stack(ss, esp) %}{{ calling("stack_switch", "$" ~ ss, "$" ~ esp) }}; {% endmacro %}
{% macro failsafe(name) %}{{ calling("callback_op", "$CALLBACKOP_register", "$failsafe_" ~ name) }}; {% endmacro %}
{% set fault = "movl $landing_fault, %eax; jmp user_enter" %}
{% set direct = "movl $landing, %eax; jmp user_enter" %}
{% set gated = "movl $landing_gate, %eax; jmp user_enter" %}
{% set kernel_gate = gate("TABLE_GDT", "FLAT_KERNEL_CS", "GATE_3", "0", "landing_ring") %}
{% set rows = [
    ("stack_push_beyond", 1, "fault", "movl $HV_PRIVATE_START + 4, %esp; pushl $-1"),
    ("stack_push_wrapping", 1, "fault", "xorl %esp, %esp; pushl $-1"),
    ("stack_push_m2p", 1, "fault", "movl $M2P_READ_ONLY + 16, %esp; pushl $-1"),
    ("stack_pop_beyond", 1, "fault", "movl $HV_PRIVATE_START, %esp; popl %eax"),
    ("stack_far_ret_beyond", 1, "fault", "movl $HV_PRIVATE_START - 4, %esp; lret"),
    ("stack_fault_beyond", 1, "fault", "movl $HV_PRIVATE_START + 0x1000, %esp; ud2"),
    ("stack_descriptor_gone", 1, "fault", load_ss.format(0) ~ forget, data),
    ("stack_gdt_gone", 1, "fault", load_ss.format(0) ~ calling("set_gdt", "$guest_gdt_frame", "$0"), data),
    ("stack_ldt_gone", 1, "fault", load_ss.format(4) ~ "movl $ldt_none, %ebx; call ldt_take", local_data),
    ("kernel_stack_beyond", 1, "fault", stack("FLAT_KERNEL_SS", "HV_PRIVATE_START + 16") ~ fault),
    ("kernel_stack_m2p", 1, "fault", stack("FLAT_KERNEL_SS", "M2P_READ_ONLY + 64") ~ fault),
    ("kernel_stack_wrapping", 1, "fault", stack("FLAT_KERNEL_SS", "8") ~ fault),
    ("kernel_stack_hv_data", 1, "fault", stack("HV_DS", "trap_stack_top") ~ fault),
    ("kernel_stack_null", 1, "fault", stack("0", "trap_stack_top") ~ fault),
    ("kernel_stack_users", 1, "fault", stack("FLAT_USER_SS", "trap_stack_top") ~ fault),
    ("direct_onto_stack_beyond", 1, "fault", stack("FLAT_KERNEL_SS", "HV_PRIVATE_START + 16") ~ direct),
    ("gate_onto_stack_beyond", 1, "fault", stack("FLAT_KERNEL_SS", "HV_PRIVATE_START + 16") ~ gated, kernel_gate),
    ("breakpoint_by_pop_ss", 1, "value",
     calling("set_debugreg", "$0", "$stack_selectors") ~ "; " ~ calling("set_debugreg", "$7", "$DR7_ACCESS_4") ~ "; "
     ~ "xorl %ebx, %ebx; movl $HYPERCALL_xen_version, %eax; movl %esp, %ecx; movl $stack_selectors, %esp; popl %ss; "
     ~ "int $0x82; movl %ecx, %esp; nop"),
    ("handler_null", 1, "fault", calling("set_trap_table", "$handler_null") ~ "; ud2"),
    ("handler_hv_code", 1, "fault", calling("set_trap_table", "$handler_hv_code") ~ "; ud2"),
    ("handler_hv_data", 1, "fault", calling("set_trap_table", "$handler_hv_data") ~ "; ud2"),
    ("handler_beyond", 1, "fault", calling("set_trap_table", "$handler_beyond") ~ "; ud2"),
    ("handler_none", 1, "fault", calling("set_trap_table", "$0") ~ "; ud2"),
    ("failsafe_hv_code", 1, "fault", failsafe("hv_code") ~ "jmp fail"),
    ("failsafe_beyond", 1, "fault", failsafe("beyond") ~ "jmp fail"),
    ("failsafe_users", 1, "fault", failsafe("users") ~ "jmp fail"),
    ("ring1_iret_vm", 1, "value", "pushl $EFLAGS_VM; pushl $FLAT_KERNEL_CS; pushl $landing_flags; iret"),
    ("ring3_iret_vm", 3, "value", "pushl $EFLAGS_VM; pushl $FLAT_USER_CS; pushl $landing_flags; iret"),
    ("iret_hv_code", 1, "fault", "pushl $EFLAGS_ONE; pushl $HV_CS; pushl $landing; pushl $0; " ~ calling("iret")),
    ("iret_frame_private", 1, "fault", "movl $HV_PRIVATE_START, %esp; " ~ calling("iret")),
    ("iret_frame_across", 1, "fault", "movl $HV_PRIVATE_START - 8, %esp; " ~ calling("iret")),
] %}

# attempts_at_deadly: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
{% call routine("attempts_at_deadly") %}
{{ attempts("deadly", rows) }}
{% endcall %}

# fail: what makes the hypervisor call the failsafe callback.
#
# in:    -
# out:   does not return
{% call routine("fail") %}
        pushl   $EFLAGS_ONE
        pushl   $HV_CS | 1
        pushl   $landing
        pushl   $0
        {{ hypercall("iret") }}
        jmp     landing
{% endcall %}

# landing_fault: an exception of ring 3.
#
# in:    ring 3
# out:   does not return
{% call routine("landing_fault") %}
        ud2
        jmp     landing
{% endcall %}

# landing_gate: the call of the gate in entry SLOT from ring 3.
#
# in:    ring 3
# out:   does not return
# calls: landing_ring
{% call routine("landing_gate") %}
        lcall   *slot_gdt_rpl_3
        jmp     landing
{% endcall %}

        .section .rodata
{% for name, cs, address in [("null", "1", "landing"), ("hv_code", "HV_CS", "landing"), ("hv_data", "HV_DS", "landing"),
                             ("beyond", "FLAT_KERNEL_CS", "HV_PRIVATE_START")] %}
{% call object("handler_" ~ name) %}
        .byte   VECTOR_UD, 0                    # TRAP_INFO
        .word   {{ cs }}
        .long   {{ address }}
        .skip   TRAP_INFO_size
{% endcall %}
{% endfor %}
{% for name, cs, address in [("hv_code", "HV_CS", "landing"), ("beyond", "FLAT_KERNEL_CS", "HV_PRIVATE_START"),
                             ("users", "FLAT_USER_CS", "landing")] %}
{% call object("failsafe_" ~ name) %}
        .word   CALLBACKTYPE_failsafe, 0        # CALLBACK_REGISTER
        .long   {{ cs }}, {{ address }}
{% endcall %}
{% endfor %}
