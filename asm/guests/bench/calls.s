# Operations that are one hypercall without page tables.
#
# Invariants
#   - Between NAME_begin and NAME_end stands what a guest needs for one operation: arguments, number, `int`.

        .text

# bench_null(): the call that does the least: which version.
#
# in:    -
# out:   %eax = the version
# clob:  %ebx
# errs:  none
{% call routine("bench_null") %}
null_begin:
        movl    $XENVER_version, %ebx
        {{ hypercall("xen_version") }}
null_end:
        ret
{% endcall %}

        .set    MULTICALL_COUNT, 16

{% set L = labels("multicall_prepare") %}
# multicall_prepare(): a list of calls that do the least.
#
# in:    -
# out:   %eax = 0; multicall_list
# clob:  %ecx
# errs:  none
{% call routine("multicall_prepare") %}
        movl    $multicall_list, %ecx
{{ L("next_entry") }}:
        movl    $HYPERCALL_xen_version, MULTICALL_ENTRY_op(%ecx)
        movl    $XENVER_version, MULTICALL_ENTRY_args(%ecx)
        addl    $MULTICALL_ENTRY_size, %ecx
        cmpl    $multicall_list + MULTICALL_COUNT * MULTICALL_ENTRY_size, %ecx
        jb      {{ L("next_entry") }}
        xorl    %eax, %eax
        ret
{% endcall %}

# bench_multicall_16(): 16 null calls in one.
#
# in:    multicall_list
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  what the hypervisor says
{% call routine("bench_multicall_16") %}
multicall_16_begin:
        movl    $multicall_list, %ebx
        movl    $MULTICALL_COUNT, %ecx
        {{ hypercall("multicall") }}
multicall_16_end:
        ret
{% endcall %}

# bench_stack_switch(): where the kernel's stack is, as at each switch of processes.
#
# in:    -
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  what the hypervisor says
{% call routine("bench_stack_switch") %}
stack_switch_begin:
        movl    $FLAT_KERNEL_SS, %ebx
        movl    $trap_stack_top, %ecx
        {{ hypercall("stack_switch") }}
stack_switch_end:
        ret
{% endcall %}

# bench_fpu_taskswitch(): the virtual CR0.TS cleared.
#
# in:    -
# out:   %eax = 0 or an error
# clob:  %ebx
# errs:  what the hypervisor says
{% call routine("bench_fpu_taskswitch") %}
fpu_taskswitch_begin:
        xorl    %ebx, %ebx
        {{ hypercall("fpu_taskswitch") }}
fpu_taskswitch_end:
        ret
{% endcall %}

{% for name, command in [("invlpg", "MMUEXT_INVLPG_LOCAL"), ("tlb_flush", "MMUEXT_TLB_FLUSH_LOCAL")] %}
# bench_{{ name }}(): mmuext_op {{ command }}.
#
# in:    -
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  what the hypervisor says
{% call routine("bench_" ~ name) %}
{{ name }}_begin:
        movl    ${{ name }}_operation, %ebx
        movl    $1, %ecx
        xorl    %edx, %edx
        movl    $DOMID_SELF, %esi
        {{ hypercall("mmuext_op") }}
{{ name }}_end:
        ret
{% endcall %}

{% endfor %}
# bench_yield(): the processor given away, with nobody to take it.
#
# in:    -
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  what the hypervisor says
{% call routine("bench_yield") %}
yield_begin:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
yield_end:
        ret
{% endcall %}

        .section .rodata
{% for name, command in [("invlpg", "MMUEXT_INVLPG_LOCAL"), ("tlb_flush", "MMUEXT_TLB_FLUSH_LOCAL")] %}
{% call object(name ~ "_operation") %}
        .long   {{ command }}, scratch, 0
{% endcall %}
{% endfor %}

{{ space("multicall_list", "MULTICALL_COUNT * MULTICALL_ENTRY_size") }}
