# The short way of multicall (ABI 3.4): a short list, as long as its entries are calls with a short way themselves.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: all memory is reached through %ss.
#   - Handlers are called as from hypercall_entry. None of them touches `reschedule`, gives the list other page tables,
#     or works for longer than one entry of a table takes; so nothing has to be looked at after each.
#   - All of the list must be readable; that is found out by its last word, for it lies in two pages at the most.
#   - An entry that is not for the short way is left, with all that follow it, to do_multicall: the rest is a list.

        .text

        .set    MULTICALL_FAST_ENTRIES, 64

{% set L = labels("fast_multicall") %}
# fast_multicall(list, count): runs the entries of a list in order.
#
# in:    %ebx = array of MULTICALL_ENTRY, %ecx = count; %ebp = current vcpu
# out:   no carry: %eax = 0 or -EFAULT; carry: %ebx, %ecx are what do_multicall has to do
# clob:  none
# errs:  -EFAULT (a result cannot be stored), carry
# calls: multicall_fast_*, multicall_not_fast
{% call routine("fast_multicall") %}
        leal    -1(%ecx), %eax
        cmpl    $MULTICALL_FAST_ENTRIES, %eax
        jae     {{ L("long_way") }}
        cmpl    $HV_PRIVATE_START - MULTICALL_FAST_ENTRIES * MULTICALL_ENTRY_size, %ebx
        ja      {{ L("long_way") }}
        imull   $MULTICALL_ENTRY_size, %ecx, %eax
        {{ user("testl %eax, %ss:MULTICALL_ENTRY_args + 20 - MULTICALL_ENTRY_size(%ebx,%eax)", fail=L("long_way")) }}
        pushl   %edi
        pushl   %esi
        pushl   %edx
        pushl   %ecx                            # entries that remain
        pushl   %ebx                            # the next one
{{ L("next_entry") }}:
        {{ user("movl %ss:MULTICALL_ENTRY_op(%ebx), %eax", fail=L("rest")) }}
        cmpl    $NR_HYPERCALLS, %eax
        jae     {{ L("rest") }}
        incl    VCPU_hypercalls(%ebp,%eax,4)
        call    *%ss:multicall_fast_table(,%eax,4)
        jc      {{ L("not_fast") }}
        movl    (%esp), %ebx
        {{ user("movl %eax, %ss:MULTICALL_ENTRY_result(%ebx)", fail=L("bad_list")) }}
        addl    $MULTICALL_ENTRY_size, %ebx
        movl    %ebx, (%esp)
        decl    4(%esp)
        jnz     {{ L("next_entry") }}
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %ebx
        popl    %ecx
        popl    %edx
        popl    %esi
        popl    %edi
        ret                                     # with carry clear
{{ L("bad_list") }}:
        movl    $-EFAULT, %eax
        clc
        jmp     {{ L("done") }}
{{ L("not_fast") }}:                            # do_multicall counts it
        movl    (%esp), %ebx
        {{ user("movl %ss:MULTICALL_ENTRY_op(%ebx), %eax", fail=L("rest")) }}
        andl    $(NR_HYPERCALLS - 1), %eax
        decl    VCPU_hypercalls(%ebp,%eax,4)
{{ L("rest") }}:
        popl    %ebx
        popl    %ecx
        popl    %edx
        popl    %esi
        popl    %edi
{{ L("long_way") }}:
        stc
        ret
{% endcall %}

{# mmu_update has lists of its own, and mmuext_op can give the list other page tables. #}
{% set short = [] %}
{% for call in hypercalls if call.entry and call.entry.name in ("BARE", "SPLIT") %}
{% if call.name not in ("multicall", "mmu_update", "mmuext_op") %}
{% set _ = short.append(call) %}
{% endif %}
{% endfor %}
{% for call in short %}
{% set L = labels("multicall_fast_" ~ call.name) %}
# multicall_fast_{{ call.name }}(entry): calls {{ call.name }} with the arguments of an entry.
#
# in:    %ebx = MULTICALL_ENTRY; %ebp = current vcpu
# out:   no carry: %eax = its result; carry: it is not for the short way
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  carry
{% call routine("multicall_fast_" ~ call.name) %}
{% for register, argument in call.registers | reverse %}
        {{ user("movl %%ss:MULTICALL_ENTRY_args + %d(%%ebx), %%%s" % (4 * loop.revindex0, register),
                fail=L("unreadable")) }}
{% endfor %}
        jmp     {{ "do_" if call.entry.name == "BARE" else "fast_" }}{{ call.name }}
{{ L("unreadable") }}:
        stc
        ret
{% endcall %}

{% endfor %}
# multicall_not_fast(entry): a call without a short way.
#
# in:    -
# out:   carry
# clob:  none
# errs:  carry
{% call routine("multicall_not_fast") %}
        stc
        ret
{% endcall %}

        .section .rodata
{% set by_number = {} %}
{% for call in short %}
{% set _ = by_number.update({call.number: call.name}) %}
{% endfor %}
{% call object("multicall_fast_table") %}
{% for number in range(abi.NR_HYPERCALLS) %}
        .long   multicall_{{ "fast_" ~ by_number[number] if number in by_number else "not_fast" }}
{% endfor %}
{% endcall %}
