# Warping: a domain that must answer soon borrows from its future, within limits (ABI 12.4).
#
# Invariants
#   - VCPU_sched_warping is set only while warpback is. Its evt is then warp_value before its avt.
#   - warp_limit 0: no limit. Else warp_rest is what is left of it: filled when the vcpu wakes or begins to warp, used
#     up while it runs, over as many turns as it takes. When it is used up, the vcpu does not warp until `unwarp` has
#     passed, and never again if that is 0.
#   - warp_timer is set while a vcpu runs that warps with a limit (it is due when the rest is used up), or while one
#     that has reached its limit may not warp yet. Never for both at once.

        .text

{% set L = labels("warp_begin") %}
# warp_begin(vcpu, now): a turn begins.
#
# in:    %ebp = VCPU, %edx:%eax = system time
# out:   -
# clob:  %ecx, %edi
# errs:  none
{% call routine("warp_begin") %}
        cmpl    $0, VCPU_sched_warping(%ebp)
        je      {{ L("no_limit") }}
        movl    VCPU_sched_warp_limit(%ebp), %ecx
        orl     VCPU_sched_warp_limit_high(%ebp), %ecx
        jz      {{ L("no_limit") }}
        pushl   %eax
        pushl   %edx
        addl    VCPU_sched_warp_rest(%ebp), %eax
        adcl    VCPU_sched_warp_rest_high(%ebp), %edx
        leal    VCPU_sched_warp_timer(%ebp), %edi
        call    timer_set
        popl    %edx
        popl    %eax
{{ L("no_limit") }}:
        ret
{% endcall %}

{% set L = labels("warp_end") %}
# warp_end(vcpu, now): a turn ends.
#
# in:    %ebp = VCPU, %edx:%eax = system time
# out:   warp_rest
# clob:  %ecx, %edi
# errs:  none
{% call routine("warp_end") %}
        cmpl    $0, VCPU_sched_warping(%ebp)
        je      {{ L("no_limit") }}
        leal    VCPU_sched_warp_timer(%ebp), %edi
        cmpl    $0, TIMER_position(%edi)
        je      {{ L("no_limit") }}
        pushl   %ebx
        movl    TIMER_deadline(%edi), %ecx
        movl    TIMER_deadline_high(%edi), %ebx
        subl    %eax, %ecx
        sbbl    %edx, %ebx
        jns     {{ L("some_left") }}
        xorl    %ecx, %ecx
        xorl    %ebx, %ebx
{{ L("some_left") }}:
        movl    %ecx, VCPU_sched_warp_rest(%ebp)
        movl    %ebx, VCPU_sched_warp_rest_high(%ebp)
        popl    %ebx
        jmp     timer_stop
{{ L("no_limit") }}:
        ret
{% endcall %}

# warp_refill(vcpu): the whole limit is ahead of it again.
#
# in:    %ebp = VCPU
# out:   warp_rest
# clob:  %eax
# errs:  none
{% call routine("warp_refill") %}
        movl    VCPU_sched_warp_limit(%ebp), %eax
        movl    %eax, VCPU_sched_warp_rest(%ebp)
        movl    VCPU_sched_warp_limit_high(%ebp), %eax
        movl    %eax, VCPU_sched_warp_rest_high(%ebp)
        ret
{% endcall %}

{% set L = labels("warp_due") %}
# warp_due(timer): the limit is reached, or it is long enough ago.
#
# in:    %edi = warp_timer of a VCPU, which is not set
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("warp_due") %}
        leal    -VCPU_sched_warp_timer(%edi), %ebp
        cmpl    $0, VCPU_sched_warping(%ebp)
        je      {{ L("unwarped_for_long") }}
        movl    $0, VCPU_sched_warping(%ebp)
        movl    VCPU_sched_unwarp(%ebp), %eax
        orl     VCPU_sched_unwarp_high(%ebp), %eax
        jz      {{ L("for_ever") }}
        call    clock_now
        addl    VCPU_sched_unwarp(%ebp), %eax
        adcl    VCPU_sched_unwarp_high(%ebp), %edx
        call    timer_set
        jmp     warp_changed
{{ L("for_ever") }}:
        movl    %eax, VCPU_sched_warpback(%ebp)
        jmp     warp_changed
{{ L("unwarped_for_long") }}:
        movl    VCPU_sched_warpback(%ebp), %eax
        testl   %eax, %eax
        jz      {{ L("not_wanted") }}
        movl    %eax, VCPU_sched_warping(%ebp)
        call    warp_refill
        jmp     warp_changed
{{ L("not_wanted") }}:
        ret
{% endcall %}

{% set L = labels("warp_changed") %}
# warp_changed(vcpu): a vcpu warps from now on, or does not any more: its place among the others is another one.
#
# in:    %ebp = VCPU
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("warp_changed") %}
        cmpl    %ebp, running_vcpu
        je      {{ L("runs") }}
        cmpl    $0, VCPU_sched_place(%ebp)
        je      sched_effective
        call    queue_take
        call    sched_effective
        call    queue_add
        jmp     sched_consider
{{ L("runs") }}:
        call    clock_now
        call    sched_charge
        call    clock_now
        call    warp_begin
        orl     $WORK_SCHEDULE, reschedule
        ret
{% endcall %}
