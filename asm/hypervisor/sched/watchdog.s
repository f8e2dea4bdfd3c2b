# Watchdogs (ABI 10.1): a domain that does not ask for more time in time is ended, with reason 4.
#
# Invariants
#   - A domain has WATCHDOGS of them. One that is in use has its TIMER set; its number is its place, from 1.

        .text

{% set L = labels("schedop_watchdog") %}
# schedop_watchdog(id, timeout): starts, restarts or cancels one.
#
# in:    sched_argument; %ebp = current vcpu
# out:   %eax = the number of a new one, 0, or an error
# clob:  %ecx, %edx, %edi
# errs:  -EINVAL (no such number, or it is not in use), -ENOSPC (all are in use)
{% call routine("schedop_watchdog") %}
        movl    VCPU_domain(%ebp), %edx
        movl    sched_argument + SCHED_WATCHDOG_id, %ecx
        testl   %ecx, %ecx
        jnz     {{ L("have_number") }}
        cmpl    %ecx, sched_argument + SCHED_WATCHDOG_timeout
        je      {{ L("no_number") }}
{% for number in range(1, abi.WATCHDOGS + 1) %}
        incl    %ecx
        leal    DOMAIN_watchdogs + {{ number - 1 }} * TIMER_size(%edx), %edi
        cmpl    $0, TIMER_position(%edi)
        je      {{ L("start") }}
{% endfor %}
        movl    $-ENOSPC, %eax
        ret
{{ L("have_number") }}:
        cmpl    $WATCHDOGS, %ecx
        ja      {{ L("no_number") }}
        movl    %ecx, %edi
        shll    $4, %edi                        # TIMER_size
        leal    DOMAIN_watchdogs - TIMER_size(%edx,%edi), %edi
        cmpl    $0, TIMER_position(%edi)
        je      {{ L("no_number") }}
        xorl    %ecx, %ecx
        cmpl    %ecx, sched_argument + SCHED_WATCHDOG_timeout
        jne     {{ L("start") }}
        call    timer_stop
        xorl    %eax, %eax
        ret
{{ L("start") }}:
        pushl   %ecx                            # the result
        movl    sched_argument + SCHED_WATCHDOG_timeout, %eax
        movl    $NS_PER_S, %ecx
        mull    %ecx
        movl    %eax, %ecx
        pushl   %edx
        call    clock_now
        addl    %ecx, %eax
        popl    %ecx
        adcl    %ecx, %edx
        call    timer_set
        popl    %eax
        ret
{{ L("no_number") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% for number in range(1, abi.WATCHDOGS + 1) %}
# watchdog_{{ number }}_due(timer): a domain has not asked for more time.
#
# in:    %edi = that TIMER in a DOMAIN
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("watchdog_%d_due" % number) %}
        leal    -DOMAIN_watchdogs - {{ number - 1 }} * TIMER_size(%edi), %edx
        movl    $SHUTDOWN_watchdog, %ecx
        jmp     domain_end
{% endcall %}

{% endfor %}
