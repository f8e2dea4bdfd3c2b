# Slices: how long the vcpu that runs may go on before the choice is made again.
#
# Invariants
#   - A slice ends when the vcpu that runs has exceeded the one behind it by the context switch allowance of real time;
#     alone it has SLICE_ALONE allowances. It is LONGEST_SLICE and one allowance at the most.
#   - While a vcpu runs, slice_timer is set, for the slice's end or earlier. A switch touches it only when it is set for
#     later: one that is due too early is set again. So vcpus that wake each other need no timer for each switch.
#   - slice_known: slice_end has been worked out. Where that can wait until the timer is due, it is 0: the timer is due
#     an allowance after the beginning at the latest, and nobody's slice who was chosen by the times ends before that.

        .text

{% set L = labels("slice_begin") %}
# slice_begin(vcpu, now): the slice of a vcpu that is chosen to run, or to go on.
#
# in:    %ebp = VCPU, charged up to now; %edx:%eax = system time
# out:   slice_known; slice_end, if it is known
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
# why:   who is ahead of the one behind it only runs because that one has yielded: the moment to begin with is now
{% call routine("slice_begin") %}
        movl    %eax, %ebx
        movl    %edx, %ecx
        movl    $0, slice_known
        call    queue_first
        cmpl    $0, domains_ended
        jne     {{ L("to_bury") }}
        cmpl    $0, slice_timer + TIMER_position
        je      {{ L("find") }}
        testl   %edi, %edi
        jz      {{ L("later") }}
        movl    slice_timer + TIMER_deadline, %eax
        subl    %ebx, %eax
        cmpl    context_allowance, %eax
        jg      {{ L("find") }}
        movl    VCPU_sched_evt(%edi), %eax
        cmpl    VCPU_sched_evt(%ebp), %eax
        movl    VCPU_sched_evt_high(%edi), %eax
        sbbl    VCPU_sched_evt_high(%ebp), %eax
        jl      {{ L("find") }}
{{ L("later") }}:
        ret
{{ L("find") }}:
        call    slice_length
{{ L("have_length") }}:
        xorl    %edx, %edx
        addl    %ebx, %eax
        adcl    %ecx, %edx
        jmp     slice_set
{{ L("to_bury") }}:
        call    slice_length
        cmpl    $RELEASE_INTERVAL, %eax
        jbe     {{ L("have_length") }}
        movl    $RELEASE_INTERVAL, %eax
        jmp     {{ L("have_length") }}
{% endcall %}

{% set L = labels("slice_length") %}
# slice_length(vcpu, other): how long a vcpu runs from now on before another is to have the processor.
#
# in:    %ebp = VCPU that runs, charged up to now; %edi = VCPU that waits, or 0
# out:   %eax = ns
# clob:  %edx
# errs:  none
{% call routine("slice_length") %}
        testl   %edi, %edi
        jz      {{ L("alone") }}
        movl    VCPU_sched_evt(%edi), %eax
        movl    VCPU_sched_evt_high(%edi), %edx
        subl    VCPU_sched_evt(%ebp), %eax
        sbbl    VCPU_sched_evt_high(%ebp), %edx
        js      {{ L("behind") }}
        cmpl    VCPU_sched_mcu_advance(%ebp), %edx
        jae     {{ L("far") }}
        divl    VCPU_sched_mcu_advance(%ebp)
        cmpl    $LONGEST_SLICE, %eax
        ja      {{ L("far") }}
{{ L("have_distance") }}:
        addl    context_allowance, %eax
        ret
{{ L("behind") }}:
        xorl    %eax, %eax
        jmp     {{ L("have_distance") }}
{{ L("far") }}:
        movl    $LONGEST_SLICE, %eax            # then the choice is simply made again
        jmp     {{ L("have_distance") }}
{{ L("alone") }}:
        movl    $SLICE_ALONE, %eax
        mull    context_allowance
        cmpl    $LONGEST_SLICE, %eax
        ja      {{ L("far") }}
        testl   %edx, %edx
        jnz     {{ L("far") }}
        ret
{% endcall %}

# slice_set(end): ends the slice at a given time.
#
# in:    %edx:%eax = system time
# out:   slice_end, slice_known
# clob:  %ecx, %edi
# errs:  none
{% call routine("slice_set") %}
        movl    %eax, slice_end
        movl    %edx, slice_end + 4
        movl    $1, slice_known
        jmp     slice_timer_by
{% endcall %}

{% set L = labels("slice_timer_by") %}
# slice_timer_by(time): has the timer set for a time that is not later than the given one.
#
# in:    %edx:%eax = system time
# out:   -
# clob:  %ecx, %edi
# errs:  none
{% call routine("slice_timer_by") %}
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
        movl    %eax, %ebx
        movl    %edx, %ecx
        call    slice_length
        xorl    %edx, %edx
        addl    %ebx, %eax
        adcl    %ecx, %edx
        cmpl    $0, slice_known
        je      slice_timer_by
        cmpl    slice_end, %eax
        movl    %edx, %ecx
        sbbl    slice_end + 4, %ecx
        jb      slice_set
        ret
{% endcall %}

{% set L = labels("slice_due") %}
# slice_due(timer): the slice is over, or its timer was set for an earlier time.
#
# in:    %edi = slice_timer, which is not set
# out:   reschedule
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("slice_due") %}
        movl    running_vcpu, %ebp
        testl   %ebp, %ebp
        jz      {{ L("nobody_runs") }}
        call    clock_now
        cmpl    $0, slice_known
        je      slice_find
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

{% set L = labels("slice_find") %}
# slice_find(vcpu, now): works out the end of a slice that has begun without: is it over, or when will it be?
#
# in:    %ebp = VCPU that runs, %edx:%eax = system time; slice_timer is not set
# out:   slice_end, or reschedule
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("slice_find") %}
        movl    %eax, %ebx
        movl    %edx, %ecx
        cmpl    $0, domains_ended
        jne     {{ L("over") }}
        pushl   %ecx
        call    sched_charge
        popl    %ecx
        call    queue_first
        testl   %edi, %edi
        jz      {{ L("not_ahead") }}
        movl    context_allowance, %eax
        mull    VCPU_sched_mcu_advance(%ebp)
        addl    VCPU_sched_evt(%edi), %eax      # where it is over
        adcl    VCPU_sched_evt_high(%edi), %edx
        subl    VCPU_sched_evt(%ebp), %eax
        sbbl    VCPU_sched_evt_high(%ebp), %edx
        js      {{ L("over") }}
        cmpl    VCPU_sched_mcu_advance(%ebp), %edx
        jae     {{ L("not_ahead") }}
        divl    VCPU_sched_mcu_advance(%ebp)
        cmpl    context_allowance, %eax
        jb      {{ L("have_rest") }}
{{ L("not_ahead") }}:
        call    slice_length
{{ L("have_rest") }}:
        xorl    %edx, %edx
        addl    %ebx, %eax
        adcl    %ecx, %edx
        jmp     slice_set
{{ L("over") }}:
        orl     $WORK_SCHEDULE, reschedule
        ret
{% endcall %}

        .data
{% call object("slice_timer") %}
        .long   0, 0, slice_due, 0              # TIMER
{% endcall %}
{{ space("slice_end", 8) }}
{{ space("slice_known", 4) }}
