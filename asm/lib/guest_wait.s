# Waiting: a guest sleeps until one of its ports has an event, or until a time (SCHEDOP_poll, ABI 10.1).
#
# Invariants
#   - wait_ports has wait_count ports, each of which somebody looks after when a wait is over.
#   - A pending bit is taken back after the sleep, before anybody looks: what comes later ends the next sleep at once.

        .text

        .set    vcpu_time, shared_info_page + SHARED_INFO_vcpu_info + VCPU_INFO_time

        .set    WAIT_PORTS, 8

{{ space("wait_ports", "4 * WAIT_PORTS") }}
{{ space("wait_count", 4) }}
{{ space("wait_argument", "SCHED_POLL_size") }}

# wait_add(port): what waits is also woken by this port.
#
# in:    %eax = port
# out:   -
# clob:  none
# errs:  none: there are few devices
{% call routine("wait_add") %}
        pushl   %ecx
        movl    wait_count, %ecx
        movl    %eax, wait_ports(,%ecx,4)
        incl    wait_count
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("wait_for_ever") %}
# wait_for_ever(): sleeps, whatever events there are: what the guest was for is over.
#
# in:    the shared page is mapped
# out:   does not return
# errs:  none
{% call routine("wait_for_ever") %}
{{ L("again") }}:
        xorl    %eax, %eax
        xorl    %edx, %edx
        call    wait_events
        jmp     {{ L("again") }}
{% endcall %}

{% set L = labels("wait_events") %}
# wait_events(until): sleeps until a port has an event, or until that time.
#
# in:    %edx:%eax = system time in ns, 0 for ever; the shared page is mapped
# out:   no port is pending, as of then
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("wait_events") %}
        pushl   %ebx
        pushl   %esi
        movl    %eax, wait_argument + SCHED_POLL_timeout
        movl    %edx, wait_argument + SCHED_POLL_timeout_high
        movl    $wait_ports, wait_argument + SCHED_POLL_ports
        movl    wait_count, %eax
        movl    %eax, wait_argument + SCHED_POLL_nr_ports
        movl    $SCHEDOP_poll, %ebx
        movl    $wait_argument, %ecx
        {{ hypercall("sched_op") }}
        movl    shared_info, %edx
        movl    wait_count, %ecx
{{ L("next_port") }}:
        decl    %ecx
        js      {{ L("done") }}
        movl    wait_ports(,%ecx,4), %eax
        lock btrl %eax, SHARED_INFO_evtchn_pending(%edx)
        jmp     {{ L("next_port") }}
{{ L("done") }}:
        popl    %esi
        popl    %ebx
        ret
{% endcall %}

# wait_nanoseconds(ns): the time that is so much later than now.
#
# in:    %eax = ns, up to 4 seconds
# out:   %edx:%eax = system time
# clob:  %ecx
# errs:  none
{% call routine("wait_nanoseconds") %}
        movl    %eax, %ecx
        call    system_time
        addl    %ecx, %eax
        adcl    $0, %edx
        ret
{% endcall %}
