# The single-shot timer of a vcpu (ABI 10.2): VIRQ_TIMER at a system time. set_timer_op and vcpu_op set the same one.
#
# Invariants
#   - A time that has passed is told at once, and the timer is not set.
#   - The event comes to a vcpu whether it runs or not.

        .text

{% set L = labels("do_set_timer_op") %}
# do_set_timer_op(timeout_low, timeout_high): sets the timer, or with 0 stops it.
#
# in:    %ebx, %ecx = system time in ns, low and high; %ebp = current vcpu
# out:   %eax = 0
# clob:  %ebx, %ecx, %edx, %edi
# errs:  none; a time that is negative, or more than 2^50 ns ahead, is 100 ms from now
# why:   a guest that computes such a time means "not soon", but some rely on a tick
{% call routine("do_set_timer_op") %}
        leal    VCPU_timer(%ebp), %edi
        movl    %ebx, %eax
        orl     %ecx, %eax
        jz      {{ L("stop") }}
        testl   %ecx, %ecx
        js      {{ L("instead") }}
        call    clock_now
        subl    %ebx, %eax                      # now - timeout
        sbbl    %ecx, %edx
        jae     {{ L("in_range") }}
        cmpl    $-TIMEOUT_FARTHEST_HIGH, %edx
        jge     {{ L("in_range") }}
{{ L("instead") }}:
        call    clock_now
        addl    $TIMEOUT_INSTEAD, %eax
        adcl    $0, %edx
        movl    %eax, %ebx
        movl    %edx, %ecx
{{ L("in_range") }}:
        call    single_shot_set
        xorl    %eax, %eax
        ret
{{ L("stop") }}:
        call    timer_stop
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("fast_set_timer_op") %}
# fast_set_timer_op(timeout_low, timeout_high): the short way, if the hardware is to interrupt us before that anyway.
#
# in:    %ebx, %ecx = system time in ns, low and high; %ebp = current vcpu
# out:   no carry: %eax = 0; carry: the time is earlier than alarm_at, or very far away
# clob:  none
# errs:  carry
# why:   as the alarm comes first, it does not matter here what time it is; alarm_at is at most 2^30 ns from now, which
#        is less than the 2^32 that are left of the 2^50. A time of 0 is earlier, too. %ds is the guest's
{% call routine("fast_set_timer_op") %}
        pushl   %edx
        movl    %ecx, %edx
        cmpl    %ss:alarm_at, %ebx
        sbbl    %ss:alarm_at + 4, %edx
        jb      {{ L("long_way") }}
        cmpl    $TIMEOUT_FARTHEST_HIGH - 1, %edx
        jae     {{ L("long_way") }}
        pushl   %edi
        leal    VCPU_timer(%ebp), %edi
        movl    $single_shot_due, TIMER_routine + VCPU_timer(%ebp)
        movl    %ebx, %eax
        movl    %ecx, %edx
        call    timer_place
        popl    %edi
        popl    %edx
        xorl    %eax, %eax                      # and carry is clear
        ret
{{ L("long_way") }}:
        popl    %edx
        stc
        ret
{% endcall %}

{% set L = labels("single_shot_set") %}
# single_shot_set(vcpu, timeout): sets the timer; when the time has passed, the event comes at once.
#
# in:    %ecx:%ebx = system time, %ebp = VCPU
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("single_shot_set") %}
        leal    VCPU_timer(%ebp), %edi
        call    clock_now
        subl    %ebx, %eax
        sbbl    %ecx, %edx
        jae     {{ L("passed") }}
        movl    %ebx, %eax
        movl    %ecx, %edx
        movl    $single_shot_due, TIMER_routine(%edi)
        jmp     timer_set
{{ L("passed") }}:
        call    timer_stop
        movl    VCPU_domain(%ebp), %ebx
        movl    $VIRQ_TIMER, %eax
        jmp     event_virq
{% endcall %}

# single_shot_due(timer): the time has come.
#
# in:    %edi = VCPU_timer of a VCPU
# out:   -
# clob:  %eax, %ebx
# errs:  none
{% call routine("single_shot_due") %}
        movl    VCPU_domain - VCPU_timer(%edi), %ebx
        movl    $VIRQ_TIMER, %eax
        jmp     event_virq
{% endcall %}

{% set L = labels("vcpuop_set_singleshot_timer") %}
# vcpuop_set_singleshot_timer(argument): sets the timer, if need be only for a time that is still to come.
#
# in:    %esi = address of a VCPU_SET_SINGLESHOT_TIMER; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %edi
# errs:  -EFAULT, -ETIME: VCPU_SSHOTTMR_future is set, and the time has passed
{% call routine("vcpuop_set_singleshot_timer") %}
        movl    $vcpu_argument, %edi
        movl    $VCPU_SET_SINGLESHOT_TIMER_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    vcpu_argument + VCPU_SET_SINGLESHOT_TIMER_timeout_abs_ns, %ebx
        movl    vcpu_argument + VCPU_SET_SINGLESHOT_TIMER_timeout_abs_ns_high, %ecx
        testl   $VCPU_SSHOTTMR_future, vcpu_argument + VCPU_SET_SINGLESHOT_TIMER_flags
        jz      {{ L("set") }}
        call    clock_now
        movl    %ecx, %edi
        cmpl    %eax, %ebx
        sbbl    %edx, %edi
        jb      {{ L("too_late") }}
{{ L("set") }}:
        call    single_shot_set
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("too_late") }}:
        movl    $-ETIME, %eax
        ret
{% endcall %}

# vcpuop_stop_singleshot_timer(): it will not come.
#
# in:    %ebp = current vcpu
# out:   %eax = 0
# clob:  %edi
# errs:  none
{% call routine("vcpuop_stop_singleshot_timer") %}
        xorl    %eax, %eax
        leal    VCPU_timer(%ebp), %edi
        jmp     timer_stop
{% endcall %}
