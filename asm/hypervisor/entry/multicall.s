# The hypercall multicall (ABI 3.4): a list of hypercalls in one.
#
# Invariants
#   - Handlers are called as from full_hypercall: arguments in registers, %ebp = current vcpu. They never take arguments
#     from guest_frame, which describes the multicall itself.
#   - Each entry's result is stored before the next entry is read; an entry that fails does not stop the list.
#   - An entry must be readable to its last word, although no call has six arguments.
#   - The list ends early at an iret, whose frame replaces the multicall's; and when its domain must give the processor
#     away, or a stretch of work is done (work.s): then the guest makes the call again, for the rest. An entry that is
#     itself to be continued gets its new arguments in the list.
#   - A multicall inside of a multicall is -EINVAL.

        .text

{% set L = labels("do_multicall") %}
# do_multicall(list, count): runs the entries of a list in order.
#
# in:    %ebx = array of MULTICALL_ENTRY, %ecx = count; %ebp = current vcpu
# out:   %eax = 0, an error, or what an iret entry wants
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT (the list cannot be read or written), -EINVAL (nested)
# calls: do_*
# depth: 2
{% call routine("do_multicall") %}
        movl    $-EINVAL, %eax
        cmpl    $0, VCPU_in_multicall(%ebp)
        jne     {{ L("nested") }}
        movl    $1, VCPU_in_multicall(%ebp)
        pushl   %ecx                            # entries that remain
        pushl   %ebx                            # the next one
        jmp     {{ L("any_left") }}
{{ L("next_entry") }}:
        movl    (%esp), %eax
        cmpl    $HV_PRIVATE_START - MULTICALL_ENTRY_size, %eax
        ja      {{ L("bad_list") }}
        {{ user("testl %eax, MULTICALL_ENTRY_args + 20(%eax)", fail=L("bad_list")) }}
        {{ user("movl MULTICALL_ENTRY_args + 0(%eax), %ebx", fail=L("bad_list")) }}
        {{ user("movl MULTICALL_ENTRY_args + 4(%eax), %ecx", fail=L("bad_list")) }}
        {{ user("movl MULTICALL_ENTRY_args + 8(%eax), %edx", fail=L("bad_list")) }}
        {{ user("movl MULTICALL_ENTRY_args + 12(%eax), %esi", fail=L("bad_list")) }}
        {{ user("movl MULTICALL_ENTRY_args + 16(%eax), %edi", fail=L("bad_list")) }}
        {{ user("movl MULTICALL_ENTRY_op(%eax), %eax", fail=L("bad_list")) }}
        cmpl    $NR_HYPERCALLS, %eax
        jae     {{ L("bad_number") }}
        movl    %eax, VCPU_last_hypercall(%ebp)
        incl    VCPU_hypercalls(%ebp,%eax,4)
        call    *multicall_table(,%eax,4)
        cmpl    $HYPERCALL_iret, VCPU_last_hypercall(%ebp)
        je      {{ L("returned") }}
        cmpl    $-ERESTART, %eax
        je      {{ L("restart_entry") }}
{{ L("have_result") }}:
        movl    (%esp), %ebx
        {{ user("movl %eax, MULTICALL_ENTRY_result(%ebx)", fail=L("bad_list")) }}
        addl    $MULTICALL_ENTRY_size, (%esp)
        decl    4(%esp)
        cmpl    $0, reschedule
        jne     {{ L("give_way") }}
        addl    $WORK_OF_A_CALL, work_done
        cmpl    $WORK_PIECE, work_done
        jge     {{ L("give_way") }}
{{ L("any_left") }}:
        cmpl    $0, 4(%esp)
        jne     {{ L("next_entry") }}
        xorl    %eax, %eax
        jmp     {{ L("returned") }}
{{ L("restart_entry") }}:
        movl    (%esp), %eax
        movl    continuation + CONTINUATION_ebx, %ecx
        {{ user("movl %ecx, MULTICALL_ENTRY_args + 0(%eax)", fail=L("bad_list")) }}
        movl    continuation + CONTINUATION_ecx, %ecx
        {{ user("movl %ecx, MULTICALL_ENTRY_args + 4(%eax)", fail=L("bad_list")) }}
        cmpl    $0, continuation + CONTINUATION_new_edx
        je      {{ L("give_way") }}
        movl    continuation + CONTINUATION_edx, %ecx
        {{ user("movl %ecx, MULTICALL_ENTRY_args + 8(%eax)", fail=L("bad_list")) }}
        jmp     {{ L("give_way") }}
{{ L("bad_number") }}:
        movl    $-ENOSYS, %eax
        jmp     {{ L("have_result") }}
{{ L("bad_list") }}:
        movl    $-EFAULT, %eax
        jmp     {{ L("returned") }}
{{ L("give_way") }}:
        xorl    %eax, %eax
        movl    4(%esp), %ecx
        testl   %ecx, %ecx
        jz      {{ L("returned") }}
        movl    (%esp), %ebx
        movl    $HYPERCALL_multicall, %eax
        call    hypercall_continue
{{ L("returned") }}:
        movl    $0, VCPU_in_multicall(%ebp)
        addl    $8, %esp
{{ L("nested") }}:
        ret
{% endcall %}
