# Polling (ABI 10.1): a vcpu sleeps until one of its ports is pending, masked or not, or until a time.
#
# Invariants
#   - Guests poll with events masked: the event mask is left alone, and no upcall is needed to wake.
#   - With one port, that one wakes; with none or several, every port of the domain does: the guest looks for itself.
#   - VCPU_sched_poll_timer is set only while the vcpu polls with a timeout.

        .text

{% set L = labels("schedop_poll") %}
# schedop_poll(ports, count, timeout): sleeps, unless there is something already.
#
# in:    sched_argument; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EINVAL (too many ports, or one that cannot be), -EFAULT (the list)
{% call routine("schedop_poll") %}
        movl    $-EINVAL, %eax
        movl    sched_argument + SCHED_POLL_nr_ports, %ecx
        cmpl    $SCHED_POLL_MAX_PORTS, %ecx
        ja      {{ L("refused") }}
        movl    %ecx, %ebx
        shll    $2, %ecx
        movl    sched_argument + SCHED_POLL_ports, %esi
        movl    $poll_ports, %edi
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    %ebx, %eax
        shrl    $2, %eax                        # a port takes some 10 instructions (work.s)
        addl    %eax, work_done
        call    poll_any_pending
        testl   %eax, %eax
        js      {{ L("refused") }}
        jnz     {{ L("awake") }}
        movl    VCPU_info(%ebp), %edx
        cmpb    $0, VCPU_INFO_evtchn_upcall_mask(%edx)
        jne     {{ L("sleep") }}
        cmpb    $0, VCPU_INFO_evtchn_upcall_pending(%edx)
        jne     {{ L("awake") }}
{{ L("sleep") }}:
        movl    $POLL_ANY, %eax
        cmpl    $1, %ebx
        jne     {{ L("any_port") }}
        movl    poll_ports, %eax
{{ L("any_port") }}:
        movl    %eax, VCPU_sched_poll_port(%ebp)
        movl    $SLEEP_POLL, VCPU_sched_sleeps(%ebp)
        orl     $WORK_SCHEDULE, reschedule
        movl    sched_argument + SCHED_POLL_timeout, %eax
        movl    sched_argument + SCHED_POLL_timeout_high, %edx
        movl    %eax, %ecx
        orl     %edx, %ecx
        jz      {{ L("awake") }}
        leal    VCPU_sched_poll_timer(%ebp), %edi
        call    timer_set
{{ L("awake") }}:
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("poll_any_pending") %}
# poll_any_pending(count): whether one of the ports is pending, and whether all can be ports.
#
# in:    poll_ports, %ebx = count; %ebp = current vcpu
# out:   %eax = 1: one is pending; 0: none; -EINVAL
# clob:  %ecx, %edx, %esi
# errs:  -EINVAL
{% call routine("poll_any_pending") %}
        movl    VCPU_domain(%ebp), %edx
        movl    DOMAIN_shared_info(%edx), %edx
        xorl    %eax, %eax
        xorl    %ecx, %ecx
{{ L("next_port") }}:
        cmpl    %ebx, %ecx
        jae     {{ L("done") }}
        movl    poll_ports(,%ecx,4), %esi
        cmpl    $EVTCHN_2L_NR_CHANNELS, %esi
        jae     {{ L("no_port") }}
        btl     %esi, SHARED_INFO_evtchn_pending(%edx)
        adcl    $0, %eax
        incl    %ecx
        jmp     {{ L("next_port") }}
{{ L("no_port") }}:
        movl    $-EINVAL, %eax
{{ L("done") }}:
        ret
{% endcall %}

# poll_due(timer): the timeout of a poll.
#
# in:    %edi = poll_timer of a VCPU
# out:   -
# clob:  %ebp
# errs:  none
{% call routine("poll_due") %}
        leal    -VCPU_sched_poll_timer(%edi), %ebp
        jmp     vcpu_unblock
{% endcall %}

{{ space("poll_ports", "4 * SCHED_POLL_MAX_PORTS") }}
