# Slices: how long the vcpu that runs may go on before the choice is made again.
#
# Invariants
#   - slice_end is when the vcpu that runs has exceeded the one behind it by the context switch allowance of real time;
#     alone it has SLICE_ALONE allowances.
#   - While a vcpu runs, slice_timer is set, for slice_end or earlier. A switch touches it only when it is set for
#     later: one that is due too early is set again. So vcpus that wake each other need no timer for each switch.

        .text

{% set L = labels("slice_begin") %}
# slice_begin(vcpu, now): the slice of a vcpu that is chosen to run, or to go on.
#
# in:    %ebp = VCPU, charged up to now; %edx:%eax = system time
# out:   slice_end
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("slice_begin") %}
        pushl   %edx
        pushl   %eax
        call    queue_first
        testl   %edi, %edi
        jz      {{ L("alone") }}
        call    slice_until
        jmp     {{ L("have_slice") }}
{{ L("alone") }}:
        movl    $SLICE_ALONE, %eax
        mull    context_allowance
{{ L("have_slice") }}:
        cmpl    $0, domains_ended
        je      {{ L("nobody_to_bury") }}
        testl   %edx, %edx
        jnz     {{ L("short") }}
        cmpl    $RELEASE_INTERVAL, %eax
        jbe     {{ L("nobody_to_bury") }}
{{ L("short") }}:
        movl    $RELEASE_INTERVAL, %eax
        xorl    %edx, %edx
{{ L("nobody_to_bury") }}:
        popl    %ecx
        addl    %ecx, %eax
        popl    %ecx
        adcl    %ecx, %edx
        jmp     slice_set
{% endcall %}

{% set L = labels("slice_until") %}
# slice_until(vcpu, other): how long a vcpu runs before it has exceeded another by the allowance.
#
# in:    %ebp = VCPU that runs, %edi = VCPU that waits
# out:   %edx:%eax = ns
# clob:  %ecx
# errs:  none
# why:   a distance of 4 s and more is taken for 4 s: then the choice is simply made again
{% call routine("slice_until") %}
        movl    VCPU_sched_evt(%edi), %eax
        movl    VCPU_sched_evt_high(%edi), %edx
        subl    VCPU_sched_evt(%ebp), %eax
        sbbl    VCPU_sched_evt_high(%ebp), %edx
        js      {{ L("behind") }}               # it only runs because the other has yielded
        cmpl    VCPU_sched_mcu_advance(%ebp), %edx
        jae     {{ L("far") }}
        divl    VCPU_sched_mcu_advance(%ebp)
{{ L("have_distance") }}:
        xorl    %edx, %edx
        addl    context_allowance, %eax
        adcl    $0, %edx
        ret
{{ L("behind") }}:
        xorl    %eax, %eax
        jmp     {{ L("have_distance") }}
{{ L("far") }}:
        movl    $-1, %eax
        jmp     {{ L("have_distance") }}
{% endcall %}

{% set L = labels("slice_set") %}
# slice_set(end): ends the slice at a given time.
#
# in:    %edx:%eax = system time
# out:   slice_end
# clob:  %ecx, %edi
# errs:  none
{% call routine("slice_set") %}
        movl    %eax, slice_end
        movl    %edx, slice_end + 4
        cmpl    $0, slice_timer + TIMER_position
        je      {{ L("not_set") }}
        cmpl    slice_timer + TIMER_deadline, %eax
        movl    %edx, %ecx
        sbbl    slice_timer + TIMER_deadline_high, %ecx
        jae     {{ L("early_enough") }}
{{ L("not_set") }}:
        movl    $slice_timer, %edi
        jmp     timer_set
{{ L("early_enough") }}:
        ret
{% endcall %}

{% set L = labels("slice_shorten") %}
# slice_shorten(vcpu, other, now): somebody waits from now on who may be next.
#
# in:    %ebp = VCPU that runs, charged up to now; %edi = VCPU that waits; %edx:%eax = system time
# out:   slice_end, not later than it was
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("slice_shorten") %}
        pushl   %edx
        pushl   %eax
        call    slice_until
        popl    %ecx
        addl    %ecx, %eax
        popl    %ecx
        adcl    %ecx, %edx
        cmpl    slice_end, %eax
        movl    %edx, %ecx
        sbbl    slice_end + 4, %ecx
        jb      slice_set
        ret
{% endcall %}

{% set L = labels("slice_due") %}
# slice_due(timer): the slice is over, or its timer was set for an earlier one.
#
# in:    %edi = slice_timer, which is not set
# out:   reschedule
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("slice_due") %}
        cmpl    $0, running_vcpu
        je      {{ L("nobody_runs") }}
        call    clock_now
        cmpl    slice_end, %eax
        sbbl    slice_end + 4, %edx
        jae     {{ L("over") }}
        movl    slice_end, %eax
        movl    slice_end + 4, %edx
        jmp     timer_set
{{ L("over") }}:
        orl     $WORK_SCHEDULE, reschedule
{{ L("nobody_runs") }}:
        ret
{% endcall %}

        .data
{% call object("slice_timer") %}
        .long   0, 0, slice_due, 0              # TIMER
{% endcall %}
{{ space("slice_end", 8) }}
