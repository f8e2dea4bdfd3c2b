# The hypercalls sched_op and sched_op_compat (ABI 10.1): yield, block, shutdown.
#
# Invariants
#   - What a call does to the processor's use happens on the way out: here only `reschedule` and flags are set.
#   - There is no timer yet: a domain that blocks waits for its turn only, and finds out itself that nothing happened.

        .text

{% set L = labels("do_sched_op") %}
# do_sched_op(cmd, argument): gives the processor away, or ends the domain.
#
# in:    %ebx = SCHEDOP_*, %ecx = address of the argument; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT (shutdown's argument), -ENOSYS (another cmd)
{% call routine("do_sched_op") %}
        cmpl    $SCHEDOP_shutdown, %ebx
        jne     sched_turn
        movl    %ecx, %esi
        movl    $sched_argument, %edi
        movl    $SCHED_SHUTDOWN_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    sched_argument, %ecx
        jmp     domain_shutdown
{{ L("done") }}:
        ret
{% endcall %}

# do_sched_op_compat(cmd, value): the old form: shutdown has its reason in the register.
#
# in:    %ebx = SCHEDOP_*, %ecx = reason of a shutdown; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOSYS (another cmd)
{% call routine("do_sched_op_compat") %}
        cmpl    $SCHEDOP_shutdown, %ebx
        je      domain_shutdown
        jmp     sched_turn
{% endcall %}

{% set L = labels("sched_turn") %}
# sched_turn(cmd): yield and block.
#
# in:    %ebx = SCHEDOP_*; %ebp = current vcpu
# out:   %eax = 0 or -ENOSYS
# clob:  %edx
# errs:  -ENOSYS: another cmd
{% call routine("sched_turn") %}
        xorl    %eax, %eax
        cmpl    $SCHEDOP_yield, %ebx
        je      {{ L("turn") }}
        cmpl    $SCHEDOP_block, %ebx
        jne     {{ L("unknown") }}
        movl    VCPU_info(%ebp), %edx
        movb    $0, VCPU_INFO_evtchn_upcall_mask(%edx)
        cmpb    $0, VCPU_INFO_evtchn_upcall_pending(%edx)
        jne     {{ L("done") }}
{{ L("turn") }}:
        movl    $1, reschedule
{{ L("done") }}:
        ret
{{ L("unknown") }}:
        movl    $-ENOSYS, %eax
        ret
{% endcall %}

{{ space("sched_argument", "SCHED_SHUTDOWN_size") }}
