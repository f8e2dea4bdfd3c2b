# The alarm in virtual time: VIRQ_VIRTUAL_ALARM when the vcpu has run for so long. An extension of ours (docs/time.md).
#
# Invariants
#   - Virtual time is what the run state says of running: time[RUNSTATE_running], and what has passed since the vcpu
#     runs, if it does.
#   - VCPU_virtual_alarm is 0 when there is no alarm. While the vcpu runs virtual_timer is set for it.

        .text

{% set L = labels("virtual_alarm_set") %}
# virtual_alarm_set(vcpu): when its virtual time will have come to the alarm, if it runs on as it does.
#
# in:    %ebp = current vcpu
# out:   virtual_timer
# clob:  %eax, %edx
# errs:  none
{% call routine("virtual_alarm_set") %}
        pushl   %edi
        movl    VCPU_virtual_alarm(%ebp), %eax
        movl    VCPU_virtual_alarm_high(%ebp), %edx
        subl    VCPU_runstate_time + 8 * RUNSTATE_running(%ebp), %eax
        sbbl    VCPU_runstate_time + 8 * RUNSTATE_running + 4(%ebp), %edx
        jae     {{ L("not_passed") }}
        xorl    %eax, %eax
        xorl    %edx, %edx
{{ L("not_passed") }}:
        addl    VCPU_runstate_state_entry_time(%ebp), %eax
        adcl    VCPU_runstate_state_entry_time_high(%ebp), %edx
        jnc     {{ L("in_range") }}
        movl    $-1, %eax
        movl    %eax, %edx
{{ L("in_range") }}:
        movl    $virtual_timer, %edi
        call    timer_set
        popl    %edi
        ret
{% endcall %}

# virtual_alarm_due(timer): the alarm of the vcpu that runs.
#
# in:    %edi = virtual_timer, which is not set
# out:   VCPU_virtual_alarm = 0
# clob:  %eax, %ebx, %ebp
# errs:  none
{% call routine("virtual_alarm_due") %}
        movl    current_vcpu, %ebp
        movl    $0, VCPU_virtual_alarm(%ebp)
        movl    $0, VCPU_virtual_alarm_high(%ebp)
        movl    VCPU_domain(%ebp), %ebx
        movl    $VIRQ_VIRTUAL_ALARM, %eax
        jmp     event_virq
{% endcall %}

{% set L = labels("vcpuop_set_virtual_alarm") %}
# vcpuop_set_virtual_alarm(argument): an alarm in virtual time (docs/time.md).
#
# in:    %esi = address of a VCPU_SET_VIRTUAL_ALARM; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %edi
# errs:  -EFAULT
{% call routine("vcpuop_set_virtual_alarm") %}
        movl    $vcpu_argument, %edi
        movl    $VCPU_SET_VIRTUAL_ALARM_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $virtual_timer, %edi
        call    timer_stop
        movl    vcpu_argument + VCPU_SET_VIRTUAL_ALARM_virtual_ns, %eax
        movl    vcpu_argument + VCPU_SET_VIRTUAL_ALARM_virtual_ns_high, %edx
        movl    %eax, VCPU_virtual_alarm(%ebp)
        movl    %edx, VCPU_virtual_alarm_high(%ebp)
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        orl     %edx, %eax
        jz      {{ L("done") }}
        call    virtual_alarm_set
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

        .data
{% call object("virtual_timer") %}
        .long   0, 0, virtual_alarm_due, 0      # TIMER
{% endcall %}
