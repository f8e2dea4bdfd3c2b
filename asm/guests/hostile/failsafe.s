# Attempts that show on the hypervisor's way back to the guest: to a place, or with selectors, that cannot be.
#
# It must neither go there nor fall over it: the guest's failsafe callback is told (ABI 5.7).
#
# Invariants
#   - Tables that an attempt takes away are back with the row behind it.

        .text

{% set G = "FLAG_G | FLAG_B" %}
{% set data = segment("TABLE_GDT", "0", "0xfffff", "DATA_1", G) %}
{% set flat_code = segment("TABLE_GDT", "0", "0xfffff", "CODE_1", G) %}
{% set local_data = segment("TABLE_LDT", "0", "0xfffff", "DATA_1", G) %}
{% set mine, mine_local = "movl $(SLOT << 3 | 1), %eax; ", "movl $(SLOT << 3 | 4 | 1), %eax; " %}
{% set forget = "movl table_addresses + {}, %ebx; addl $SLOT * DESCRIPTOR_size, %ebx; " %}
{% set forget = forget ~ "xorl %ecx, %ecx; xorl %edx, %edx; xorl %esi, %esi; " ~ calling("update_descriptor") %}
{% set returning = "pushl $({}); pushl $({}); pushl $EFLAGS_ONE; pushl $({}); pushl $({}); pushl $0; " %}
{% set rows = [] %}
{% for name, ss, esp, cs, eip in [
    ("hv_code", "0", "0", "HV_CS | 1", "landing"),
    ("hv_code_rpl_3", "FLAT_USER_SS", "user_stack_top", "HV_CS | 3", "landing"),
    ("hv_data", "0", "0", "HV_DS | 1", "landing"),
    ("hv_tss", "0", "0", "HV_TSS | 1", "landing"),
    ("null", "0", "0", "1", "landing"),
    ("data", "0", "0", "FLAT_KERNEL_DS", "landing"),
    ("absent", "0", "0", "TABLE_ABSENT << 3 | 1", "landing"),
    ("beyond", "0", "0", "FLAT_KERNEL_CS", "HV_PRIVATE_START"),
    ("user_beyond", "FLAT_USER_SS", "user_stack_top", "FLAT_USER_CS", "HV_PRIVATE_START"),
    ("ss_hv_data", "HV_DS", "user_stack_top", "FLAT_USER_CS", "landing"),
    ("ss_hv_data_rpl_3", "HV_DS | 3", "user_stack_top", "FLAT_USER_CS", "landing"),
    ("ss_null", "0", "user_stack_top", "FLAT_USER_CS", "landing"),
    ("ss_kernels", "FLAT_KERNEL_SS", "user_stack_top", "FLAT_USER_CS", "landing"),
] %}
{% do rows.append(("hypercall_iret_to_" ~ name, 1, "fault", returning.format(ss, esp, cs, eip) ~ calling("iret"))) %}
{% endfor %}
{# The same from the list of a multicall: what stands behind the iret must not be done. #}
{% set listed = calling("multicall", "$multicall_iret", "$2") %}
{% for name, wanted, cs, eip in [("hv_code", "fault", "HV_CS | 1", "landing"),
                                 ("hv_data", "fault", "HV_DS | 1", "landing"),
                                 ("ring_1", "value", "FLAT_KERNEL_CS", "landing_ring")] %}
{% do rows.append(("multicall_iret_to_" ~ name, 1, wanted, returning.format("0", "0", cs, eip) ~ listed)) %}
{% endfor %}
{% set code = "movl multicall_iret + MULTICALL_ENTRY_size + MULTICALL_ENTRY_result, %eax; nop" %}
{% do rows.append(("multicall_behind_iret", 1, "value", code)) %}
{% for register in ["ds", "es"] %}
{% set load, load_local = mine ~ "movl %eax, %" ~ register, mine_local ~ "movl %eax, %" ~ register %}
{% for name, wanted, code, descriptor in [
    ("descriptor_gone", "fault", load ~ "; " ~ forget.format("4 * TABLE_GDT"), data),
    ("local_descriptor_gone", "fault", load_local ~ "; " ~ forget.format("4 * TABLE_LDT"), local_data),
    ("ldt_gone", "fault", load_local ~ "; movl $ldt_none, %ebx; call ldt_take", local_data),
    ("ldt_again", "value", "movl $ldt_guest, %ebx; call ldt_take", "0, 0, 0, 0"),
    ("gdt_gone", "fault", load ~ "; " ~ calling("set_gdt", "$guest_gdt_frame", "$0"), data),
    ("gdt_again", "value", calling("set_gdt", "$guest_gdt_frame", "$TABLE_ENTRIES"), "0, 0, 0, 0"),
] %}
{% do rows.append((register ~ "_" ~ name, 1, wanted, code, descriptor)) %}
{% endfor %}
{% endfor %}
{# What is in %fs and %gs stays there: nobody loads it again, and it has been checked. #}
{% for register in ["fs", "gs"] %}
{% set then = "movl %eax, %{}; {}; movl %{}:HV_PRIVATE_START, %eax" %}
{% set then = then.format(register, forget.format("4 * TABLE_GDT"), register) %}
{% do rows.append((register ~ "_descriptor_gone", 1, "fault", mine ~ then, data)) %}
{% endfor %}
{% set enter = "pushl $(SLOT << 3 | 1); pushl $1f; lret; 1:; " %}
{% do rows.append(("cs_descriptor_gone", 1, "fault", enter ~ forget.format("4 * TABLE_GDT"), flat_code)) %}
{% for name in ["xen_version", "sched_op", "platform_op"] %}
{% set code = "movl $HYPERCALL_{}, %edi; jmp edge_enter".format(name) %}
{% do rows.append(("code_ends_behind_" ~ name, 1, "fault", code)) %}
{% endfor %}
{% do rows.append(("code_ends_behind_no_hypercall", 1, "fault", "movl $NR_HYPERCALLS, %edi; jmp edge_enter")) %}
{% do rows.append(("code_ends_behind_bounced_int", 1, "fault", "xorl %edi, %edi; jmp edge_enter_int3")) %}

# attempts_at_failsafe: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
{% call routine("attempts_at_failsafe") %}
{{ attempts("failsafe", rows) }}
{% endcall %}

{% for name, start, bytes in [("edge_enter", "edge", 2), ("edge_enter_int3", "edge_int3", 1)] %}
# {{ name }}: makes a hypercall from a segment that ends right behind it: the way back leads beyond the limit.
#
# in:    %edi = hypercall
# out:   does not return
{% call routine(name) %}
        movl    table_addresses + 4 * TABLE_GDT, %ebx
        addl    $SLOT * DESCRIPTOR_size, %ebx
        movl    ${{ start }}, %esi
        movl    %esi, %edx
        shll    $16, %edx
        movw    ${{ bytes }} - 1, %dx
        movl    %esi, %eax
        andl    $0xff000000, %eax
        shrl    $16, %esi
        andl    $0xff, %esi
        leal    (CODE_1 << 8 | FLAG_B << 20)(%eax,%esi), %esi
        xorl    %ecx, %ecx
        {{ hypercall("update_descriptor") }}
        xorl    %ebx, %ebx                      # the version; to yield
        xorl    %ecx, %ecx
        movl    %edi, %eax
        pushl   $SLOT << 3 | 1
        pushl   edge_offset
        lret
{% endcall %}
{% endfor %}

# edge: what is executed there.
#
# in:    %eax = hypercall
# out:   does not return
{% call routine("edge") %}
        int     $0x82
        int     $VECTOR_DONE
edge_int3:
        int3
        int     $VECTOR_DONE
        jmp     landing
{% endcall %}

{{ space("edge_offset", 4) }}

        .data
{% call object("multicall_iret") %}
        .long   HYPERCALL_iret, 0, 0, 0, 0, 0, 0, 0
        .long   HYPERCALL_xen_version, 0x5eed, 0, 0, 0, 0, 0, 0
{% endcall %}
