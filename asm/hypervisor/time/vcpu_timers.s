# The timers of a vcpu that count only while it runs: the periodic one, and the alarm in virtual time.
#
# Invariants
#   - periodic_timer and virtual_timer are those of the vcpu that runs, and set while it does, if it wants them:
#     runstate_change has them resumed and suspended. Nobody else's are ever set.

        .text

{% set L = labels("vcpu_timers_resume") %}
# vcpu_timers_resume(vcpu): the vcpu runs from now on.
#
# in:    %ebp = VCPU, whose state is running since this moment
# out:   -
# clob:  %eax, %edx
# errs:  none
{% call routine("vcpu_timers_resume") %}
        movl    VCPU_virtual_alarm(%ebp), %eax
        orl     VCPU_virtual_alarm_high(%ebp), %eax
        jz      {{ L("no_alarm") }}
        call    virtual_alarm_set
{{ L("no_alarm") }}:
        movl    VCPU_periodic(%ebp), %eax
        orl     VCPU_periodic_high(%ebp), %eax
        jz      {{ L("no_period") }}
        movl    VCPU_domain(%ebp), %eax
        cmpw    $0, DOMAIN_virqs + 2 * VIRQ_TIMER(%eax)
        je      {{ L("no_period") }}
        movl    VCPU_runstate_state_entry_time(%ebp), %eax
        movl    VCPU_runstate_state_entry_time_high(%ebp), %edx
        call    periodic_set
{{ L("no_period") }}:
        ret
{% endcall %}

{% set L = labels("vcpu_timers_suspend") %}
# vcpu_timers_suspend(): the vcpu that ran does not run any more.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("vcpu_timers_suspend") %}
        pushl   %edi
        movl    $periodic_timer, %edi
        call    timer_stop
        movl    $virtual_timer, %edi
        call    timer_stop
        popl    %edi
        ret
{% endcall %}

{% set L = labels("vcpu_timers_release") %}
# vcpu_timers_release(vcpu): none of its timers is set any more.
#
# in:    %ebp = VCPU that never runs again, and does not run now
# out:   -
# clob:  none
# errs:  none
{% call routine("vcpu_timers_release") %}
        pushl   %edi
        leal    VCPU_timer(%ebp), %edi
        call    timer_stop
        popl    %edi
        ret
{% endcall %}
