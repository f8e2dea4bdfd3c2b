# The short way of sched_op (ABI 10.1): a yield when there is nobody to yield to.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: all memory is reached through %ss.
#   - When nobody waits in the run queue, and no domain is to be buried, `schedule` would come back at once.

        .text

{% set L = labels("fast_sched_op") %}
# fast_sched_op(cmd): yields, if nobody else can run.
#
# in:    %ebx = SCHEDOP_*; %ebp = current vcpu
# out:   no carry: %eax = 0; carry: another cmd, or there are others
# clob:  none
# errs:  carry
{% call routine("fast_sched_op") %}
        cmpl    $SCHEDOP_yield, %ebx
        jne     {{ L("long_way") }}
        movl    %ss:run_queue_count, %eax
        orl     %ss:domains_ended, %eax
        jnz     {{ L("long_way") }}
        ret                                     # %eax = 0, carry is clear
{{ L("long_way") }}:
        stc
        ret
{% endcall %}
