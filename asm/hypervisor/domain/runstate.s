# Run states: how long a vcpu has been running, waiting for its turn, or blocked (ABI 10.3).
#
# Invariants
#   - VCPU_runstate's times add up to what has passed since the vcpu was made, but for the present state's.
#   - The guest's own area is written while its address space is in place: when its vcpu gives the processor away, and
#     when it has it back. An area that cannot be written is passed over: that is the guest's business.
#   - Whoever changes the state has the timers that count while the vcpu runs suspended or resumed (time/vcpu_timers.s).
#     A plain vcpu (sched/plain.s) has none.

        .text

# runstate_change(vcpu, state): the vcpu is in another state from now on.
#
# in:    %ebp = VCPU, %ecx = RUNSTATE_*
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("runstate_change") %}
        call    clock_now
        jmp     runstate_change_at
{% endcall %}

{% set L = labels("runstate_change_at") %}
# runstate_change_at(vcpu, state, now): the vcpu is in another state from now on.
#
# in:    %ebp = VCPU, %ecx = RUNSTATE_*, %edx:%eax = system time
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("runstate_change_at") %}
        pushl   %ebx
        movl    VCPU_runstate_state(%ebp), %ebx
        movl    %ecx, VCPU_runstate_state(%ebp)
        movl    %eax, %ecx
        subl    VCPU_runstate_state_entry_time(%ebp), %ecx
        movl    %eax, VCPU_runstate_state_entry_time(%ebp)
        movl    %edx, %eax
        sbbl    VCPU_runstate_state_entry_time_high(%ebp), %edx
        movl    %eax, VCPU_runstate_state_entry_time_high(%ebp)
        addl    %ecx, VCPU_runstate_time(%ebp,%ebx,8)
        adcl    %edx, VCPU_runstate_time + 4(%ebp,%ebx,8)
        cmpl    $PLAIN_NOT, VCPU_plain(%ebp)
        je      {{ L("may_have_timers") }}
{{ L("done") }}:
        popl    %ebx
        ret
{{ L("may_have_timers") }}:
        testl   %ebx, %ebx                      # RUNSTATE_running
        jnz     {{ L("did_not_run") }}
        call    vcpu_timers_suspend
{{ L("did_not_run") }}:
        cmpl    $RUNSTATE_running, VCPU_runstate_state(%ebp)
        jne     {{ L("done") }}
        popl    %ebx
        jmp     vcpu_timers_resume
{% endcall %}

# runstate_begin(vcpu): a new vcpu is offline from now on.
#
# in:    %ebp = VCPU
# out:   -
# clob:  %eax, %edx
# errs:  none
{% call routine("runstate_begin") %}
        call    clock_now
        movl    %eax, VCPU_runstate_state_entry_time(%ebp)
        movl    %edx, VCPU_runstate_state_entry_time_high(%ebp)
        movl    $RUNSTATE_offline, VCPU_runstate_state(%ebp)
        ret
{% endcall %}

# runstate_since(vcpu, now): how long the vcpu has been in its state.
#
# in:    %ebp = VCPU, %edx:%eax = system time
# out:   %edx:%eax = ns
# clob:  none
# errs:  none
{% call routine("runstate_since") %}
        subl    VCPU_runstate_state_entry_time(%ebp), %eax
        sbbl    VCPU_runstate_state_entry_time_high(%ebp), %edx
        ret
{% endcall %}

# runstate_publish(vcpu): copies the run state to where the guest wants it.
#
# in:    %ebp = VCPU, which has a VCPU_runstate_area, and whose address space is in place
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("runstate_publish") %}
        pushl   %esi
        pushl   %edi
        movl    VCPU_runstate_area(%ebp), %edi
        leal    VCPU_runstate(%ebp), %esi
        movl    $VCPU_RUNSTATE_INFO_size, %ecx
        call    copy_to_guest
        popl    %edi
        popl    %esi
        ret
{% endcall %}

# runstate_turn(vcpu, state, now): a change of state with a change of turns; the guest's area follows.
#
# in:    %ebp = VCPU, whose address space is in place; %ecx = RUNSTATE_*; %edx:%eax = system time
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("runstate_turn") %}
        call    runstate_change_at
        cmpl    $0, VCPU_runstate_area(%ebp)
        jne     runstate_publish
        ret
{% endcall %}

{% set L = labels("vcpuop_register_runstate") %}
# vcpuop_register_runstate(argument): where the guest wants its run state kept; 0: nowhere.
#
# in:    %esi = address of a VCPU_REGISTER_RUNSTATE_MEMORY_AREA; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EFAULT: the argument, or the area
{% call routine("vcpuop_register_runstate") %}
        movl    $vcpu_argument, %edi
        movl    $VCPU_REGISTER_RUNSTATE_MEMORY_AREA_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    vcpu_argument + VCPU_REGISTER_RUNSTATE_MEMORY_AREA_addr_v, %edx
        testl   %edx, %edx
        jz      {{ L("store") }}
        movl    %edx, %edi
        leal    VCPU_runstate(%ebp), %esi
        movl    $VCPU_RUNSTATE_INFO_size, %ecx
        call    copy_to_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ L("store") }}:
        movl    %edx, VCPU_runstate_area(%ebp)
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

# vcpuop_get_runstate(argument): the run state, with the time in the present state up to now.
#
# in:    %esi = address of a VCPU_RUNSTATE_INFO; %ebp = current vcpu
# out:   %eax = 0 or -EFAULT
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT
{% call routine("vcpuop_get_runstate") %}
        pushl   %esi
        leal    VCPU_runstate(%ebp), %esi
        movl    $runstate_now, %edi
        movl    $VCPU_RUNSTATE_INFO_size, %ecx
        call    memory_copy
        call    clock_now
        call    runstate_since
        movl    VCPU_runstate_state(%ebp), %ebx
        addl    %eax, runstate_now + VCPU_RUNSTATE_INFO_time(,%ebx,8)
        adcl    %edx, runstate_now + VCPU_RUNSTATE_INFO_time + 4(,%ebx,8)
        movl    %edi, %esi
        popl    %edi
        jmp     copy_to_guest
{% endcall %}

{{ space("runstate_now", "VCPU_RUNSTATE_INFO_size") }}
