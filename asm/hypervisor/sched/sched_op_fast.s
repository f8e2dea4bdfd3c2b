# The short way of sched_op (ABI 10.1): sleep and yield, when it is simple who comes next.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: all memory is reached through %ss.
#   - When nobody waits in the run queue, and no domain is to be buried, `schedule` would come back at once.
#   - What has been done when the long way is gone after all, it does again.

        .text

{% set L = labels("fast_sched_op") %}
# fast_sched_op(cmd): sleeps unless there is an event to look at, or yields, if who comes first is easy to have.
#
# in:    %ebx = SCHEDOP_*; %ebp = current vcpu
# out:   no carry: %eax = 0; carry: another cmd, or it is not that simple; when another one runs it does not return
# clob:  none
# errs:  carry
{% call routine("fast_sched_op") %}
        cmpl    $SCHEDOP_block, %ebx
        jne     {{ L("not_block") }}
        movl    VCPU_info(%ebp), %eax
        movb    $0, %ss:VCPU_INFO_evtchn_upcall_mask(%eax)
        cmpb    $0, %ss:VCPU_INFO_evtchn_upcall_pending(%eax)
        jne     {{ L("done") }}
        cmpl    $0, %ss:run_queue_count
        je      {{ L("long_way") }}
{{ unless_easy_to_leave(L("long_way"), 0) }}
{{ next_if_easy("%eax", L("long_way")) }}
        jmp     hand_over_sleep
{{ L("not_block") }}:
        cmpl    $SCHEDOP_yield, %ebx
        jne     {{ L("long_way") }}
        cmpl    $0, %ss:run_queue_count
        je      {{ L("nobody") }}
{{ unless_easy_to_leave(L("long_way"), 0) }}
{{ next_if_easy("%eax", L("long_way")) }}
        jmp     hand_over_yield
{{ L("nobody") }}:
        cmpl    $0, %ss:domains_ended
        jne     {{ L("long_way") }}
{{ L("done") }}:
        xorl    %eax, %eax                      # and carry is clear
        ret
{{ L("long_way") }}:
        stc
        ret
{% endcall %}
