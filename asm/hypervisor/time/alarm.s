# The alarm: one interrupt of the hardware at a time that is not later than the earliest timer.
#
# Invariants
#   - alarm_at is the system time for which it was last set, timers.s says what that means.
#   - How fast the hardware counts is known to about 0.05 %: so the last ALARM_DIRECT ns (17 ms) are always set as a
#     stretch of their own, which is wrong by less than 10 microseconds. What is further away gets an alarm that comes
#     a little early, and the next one there sets the last stretch.

        .text

{% set L = labels("alarm_set") %}
# alarm_set(): sets the alarm for the earliest timer.
#
# in:    timer_heap, which is not empty
# out:   alarm_at
# clob:  none
# errs:  none
# calls: lapic_alarm_set, pit_alarm_set
{% call routine("alarm_set") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        movl    timer_heap + 4, %ecx
        call    clock_now
        movl    %eax, alarm_at
        movl    %edx, alarm_at + 4
        movl    TIMER_deadline(%ecx), %eax
        movl    TIMER_deadline_high(%ecx), %edx
        subl    alarm_at, %eax                  # the time that is left
        sbbl    alarm_at + 4, %edx
        jb      {{ L("passed") }}
        jnz     {{ L("far_away") }}
        cmpl    $ALARM_LONGEST, %eax
        ja      {{ L("far_away") }}
        cmpl    $ALARM_DIRECT, %eax
        jbe     {{ L("have_span") }}
        jmp     {{ L("shorten") }}
{{ L("passed") }}:
        xorl    %eax, %eax
        jmp     {{ L("have_span") }}
{{ L("far_away") }}:
        movl    $ALARM_LONGEST, %eax
{{ L("shorten") }}:
        movl    %eax, %edx
        shrl    $ALARM_SHORTER_SHIFT, %edx
        subl    %edx, %eax
{{ L("have_span") }}:
        addl    %eax, alarm_at
        adcl    $0, alarm_at + 4
        incl    %eax                            # a deadline must have passed to be due
        call    *alarm_hardware
        popl    %edx
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

        .data
{% call object("alarm_hardware") %}
        .long   lapic_alarm_set
{% endcall %}
