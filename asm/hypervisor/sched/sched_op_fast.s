# The short way of sched_op (ABI 10.1): a yield when there is nobody to yield to.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: all memory is reached through %ss.
#   - With one domain, which can run, there is nobody else to run or to bury: `schedule` would come back at once.

        .text

{% set L = labels("fast_sched_op") %}
# fast_sched_op(cmd): yields, if the caller is the only domain and can run.
#
# in:    %ebx = SCHEDOP_*; %ebp = current vcpu
# out:   no carry: %eax = 0; carry: another cmd, or there are others
# clob:  none
# errs:  carry
{% call routine("fast_sched_op") %}
        cmpl    $SCHEDOP_yield, %ebx
        jne     {{ L("long_way") }}
        movl    VCPU_domain(%ebp), %eax
        testl   $(DOMAIN_DYING | DOMAIN_SHUTDOWN), %ss:DOMAIN_flags(%eax)
        jnz     {{ L("long_way") }}
        cmpl    $0, %ss:DOMAIN_next(%eax)
        jne     {{ L("long_way") }}
        cmpl    %eax, %ss:domain_list
        jne     {{ L("long_way") }}
        xorl    %eax, %eax                      # and carry is clear
        ret
{{ L("long_way") }}:
        stc
        ret
{% endcall %}
