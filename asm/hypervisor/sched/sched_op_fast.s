# The short way of sched_op (ABI 10.1): a yield when there is nobody to yield to, and sleep when one waits.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: all memory is reached through %ss.
#   - When nobody waits in the run queue, and no domain is to be buried, `schedule` would come back at once.
#   - What has been done when the long way is gone after all, it does again.

        .text

{% set L = labels("fast_sched_op") %}
# fast_sched_op(cmd): sleeps if just one waits for the processor, or has an event to look at; yields if nobody does.
#
# in:    %ebx = SCHEDOP_*; %ebp = current vcpu
# out:   no carry: %eax = 0; carry: another cmd, or others than that
# clob:  none
# errs:  carry
{% call routine("fast_sched_op") %}
        cmpl    $SCHEDOP_block, %ebx
        jne     {{ L("not_block") }}
        movl    VCPU_info(%ebp), %eax
        movb    $0, %ss:VCPU_INFO_evtchn_upcall_mask(%eax)
        cmpb    $0, %ss:VCPU_INFO_evtchn_upcall_pending(%eax)
        jne     {{ L("done") }}
        cmpl    $1, %ss:run_queue_count
        jne     {{ L("long_way") }}
        movl    %ss:run_queue + 4, %eax
        cmpl    $PLAIN_FLAT, %ss:VCPU_plain(%eax)
        jne     {{ L("long_way") }}
{{ unless_easy_to_leave(L("long_way"), 0) }}
        jmp     hand_over_sleep
{{ L("not_block") }}:
        cmpl    $SCHEDOP_yield, %ebx
        jne     {{ L("long_way") }}
        movl    %ss:run_queue_count, %eax
        orl     %ss:domains_ended, %eax
        jnz     {{ L("long_way") }}
{{ L("done") }}:
        xorl    %eax, %eax                      # and carry is clear
        ret
{{ L("long_way") }}:
        stc
        ret
{% endcall %}
