# The periodic timer of a vcpu (ABI 10.2): ticks of VIRQ_TIMER while it runs.
#
# Invariants
#   - It is set only while somebody listens: VIRQ_TIMER is bound. So a guest that does not is never interrupted for it.
#   - Ticks that a vcpu has missed because it did not run are one, which comes when it runs again.

        .text

{% set L = labels("periodic_begin") %}
# periodic_begin(vcpu): begins a new period of the vcpu's periodic timer, if it has one and somebody listens.
#
# in:    %ebp = current vcpu
# out:   VCPU_periodic_last
# clob:  none
# errs:  none
{% call routine("periodic_begin") %}
        pushl   %eax
        pushl   %edx
        pushl   %edi
        movl    $periodic_timer, %edi
        call    timer_stop
        movl    VCPU_domain(%ebp), %eax
        cmpw    $0, DOMAIN_virqs + 2 * VIRQ_TIMER(%eax)
        je      {{ L("not_wanted") }}
        movl    VCPU_periodic(%ebp), %eax
        orl     VCPU_periodic_high(%ebp), %eax
        jz      {{ L("not_wanted") }}
        call    clock_now
        movl    %eax, VCPU_periodic_last(%ebp)
        movl    %edx, VCPU_periodic_last_high(%ebp)
        call    periodic_set
{{ L("not_wanted") }}:
        popl    %edi
        popl    %edx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("periodic_virq_bound") %}
# periodic_virq_bound(domain, virq): somebody listens to a virtual interrupt from now on: if it is VIRQ_TIMER, it ticks.
#
# in:    %ebx = DOMAIN of the current vcpu, %ecx = VIRQ_*
# out:   -
# clob:  none
# errs:  none
{% call routine("periodic_virq_bound") %}
        cmpl    $VIRQ_TIMER, %ecx
        jne     {{ L("another") }}
        pushl   %ebp
        movl    DOMAIN_vcpu(%ebx), %ebp
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        call    periodic_begin
        popl    %ebp
{{ L("another") }}:
        ret
{% endcall %}

{% set L = labels("periodic_set") %}
# periodic_set(vcpu, now): sets the timer for the next tick; one that should have been by now is sent at once.
#
# in:    %ebp = current vcpu, %edx:%eax = system time
# out:   VCPU_periodic_last
# clob:  %eax, %edx
# errs:  none
{% call routine("periodic_set") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edi
        movl    VCPU_periodic_last(%ebp), %ebx
        movl    VCPU_periodic_last_high(%ebp), %ecx
        addl    VCPU_periodic(%ebp), %ebx
        adcl    VCPU_periodic_high(%ebp), %ecx
        movl    %edx, %edi
        cmpl    %ebx, %eax
        sbbl    %ecx, %edi
        jb      {{ L("not_yet") }}
        movl    %eax, VCPU_periodic_last(%ebp)
        movl    %edx, VCPU_periodic_last_high(%ebp)
        addl    VCPU_periodic(%ebp), %eax
        adcl    VCPU_periodic_high(%ebp), %edx
        movl    %eax, %edi
        movl    VCPU_domain(%ebp), %ebx
        movl    $VIRQ_TIMER, %eax
        call    event_virq
        movl    %edi, %eax
        jmp     {{ L("have_next") }}
{{ L("not_yet") }}:
        movl    %ebx, %eax
        movl    %ecx, %edx
{{ L("have_next") }}:
        movl    $periodic_timer, %edi
        call    timer_set
        popl    %edi
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("periodic_due") %}
# periodic_due(timer): a tick for the vcpu that runs. The next one is a period after this one should have been.
#
# in:    %edi = periodic_timer, which is not set
# out:   -
# clob:  %eax, %ebx, %edx, %ebp
# errs:  none; when nobody listens any more, it was the last one
{% call routine("periodic_due") %}
        movl    current_vcpu, %ebp
        movl    VCPU_domain(%ebp), %ebx
        cmpw    $0, DOMAIN_virqs + 2 * VIRQ_TIMER(%ebx)
        je      {{ L("nobody_listens") }}
        movl    $VIRQ_TIMER, %eax
        call    event_virq
        movl    TIMER_deadline(%edi), %eax
        movl    %eax, VCPU_periodic_last(%ebp)
        movl    TIMER_deadline_high(%edi), %eax
        movl    %eax, VCPU_periodic_last_high(%ebp)
        call    clock_now
        jmp     periodic_set
{{ L("nobody_listens") }}:
        ret
{% endcall %}

{% set L = labels("vcpuop_set_periodic_timer") %}
# vcpuop_set_periodic_timer(argument): the period of the vcpu's timer.
#
# in:    %esi = address of a VCPU_SET_PERIODIC_TIMER; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %edi
# errs:  -EFAULT, -EINVAL: less than a millisecond, or more than 146 years
{% call routine("vcpuop_set_periodic_timer") %}
        movl    $vcpu_argument, %edi
        movl    $VCPU_SET_PERIODIC_TIMER_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    vcpu_argument + VCPU_SET_PERIODIC_TIMER_period_ns, %eax
        movl    vcpu_argument + VCPU_SET_PERIODIC_TIMER_period_ns_high, %ecx
        testl   %ecx, %ecx
        jnz     {{ L("long_enough") }}
        cmpl    $SHORTEST_PERIOD, %eax
        jb      {{ L("out_of_range") }}
{{ L("long_enough") }}:
        cmpl    $LONGEST_PERIOD_HIGH, %ecx
        ja      {{ L("out_of_range") }}
        movl    %eax, VCPU_periodic(%ebp)
        movl    %ecx, VCPU_periodic_high(%ebp)
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        call    periodic_begin
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("out_of_range") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

# vcpuop_stop_periodic_timer(): no periodic timer.
#
# in:    %ebp = current vcpu
# out:   %eax = 0
# clob:  %edi
# errs:  none
{% call routine("vcpuop_stop_periodic_timer") %}
        xorl    %eax, %eax
        movl    %eax, VCPU_periodic(%ebp)
        movl    %eax, VCPU_periodic_high(%ebp)
        movl    $periodic_timer, %edi
        jmp     timer_stop
{% endcall %}

        .data
{% call object("periodic_timer") %}
        .long   0, 0, periodic_due, 0           # TIMER
{% endcall %}
