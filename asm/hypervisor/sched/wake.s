# Who may run: waking and sleeping, pausing, and the beginning and the end of a domain's time in the scheduler.
#
# Invariants
#   - A vcpu may run when it does not sleep (VCPU_sched_sleeps), nobody has paused its domain (DOMAIN_pause_count), and
#     the domain has neither ended nor been suspended. Who may run runs or is in the run queue.
#   - VCPU_runstate_state is `running` for the one that runs (running_vcpu), `runnable` for those in the queue,
#     `blocked` for those that sleep, and `offline` for the others.
#   - Nothing is switched here: `reschedule` asks for it.

        .text

{% set L = labels("vcpu_may_run") %}
# vcpu_may_run(vcpu): whether anything keeps a vcpu from running.
#
# in:    %ebp = VCPU
# out:   %eax = 0: it may run
# clob:  %ecx
# errs:  none
{% call routine("vcpu_may_run") %}
        movl    VCPU_domain(%ebp), %ecx
        movl    DOMAIN_flags(%ecx), %eax
        andl    $(DOMAIN_DYING | DOMAIN_SHUTDOWN | DOMAIN_SUSPENDED), %eax
        orl     DOMAIN_pause_count(%ecx), %eax
        orl     VCPU_sched_sleeps(%ebp), %eax
        ret
{% endcall %}

{% set L = labels("vcpu_wake") %}
# vcpu_wake(vcpu): has a vcpu run, if it may and does not already.
#
# in:    %ebp = VCPU
# out:   reschedule: it comes before the one that runs
# clob:  none
# errs:  none
# depth: 2
# why:   a change of state may raise timer events, whose vcpu does not sleep then
{% call routine("vcpu_wake") %}
        pushal
        cmpl    $0, VCPU_sched_place(%ebp)
        jne     {{ L("done") }}
        movl    running_vcpu, %ebx
        cmpl    %ebp, %ebx
        je      {{ L("done") }}
        call    vcpu_may_run
        testl   %eax, %eax
        jnz     {{ L("may_not") }}
        call    clock_now
        pushl   %edx
        pushl   %eax
        xchgl   %ebx, %ebp
        testl   %ebp, %ebp
        jz      {{ L("nobody_runs") }}
        call    sched_charge
{{ L("nobody_runs") }}:
        call    svt_update
        movl    %ebx, %ebp
        call    sched_catch_up
        call    warp_refill
        movl    (%esp), %eax
        movl    4(%esp), %edx
        movl    $RUNSTATE_runnable, %ecx
        call    runstate_change_at
        call    queue_add
        popl    %eax
        popl    %edx
        call    sched_consider
        jmp     {{ L("done") }}
{{ L("may_not") }}:
        cmpl    $0, VCPU_sched_sleeps(%ebp)
        jne     {{ L("done") }}
        movl    $RUNSTATE_offline, %ecx
        call    runstate_change
{{ L("done") }}:
        popal
        ret
{% endcall %}

{% set L = labels("sched_consider") %}
# sched_consider(vcpu, now): somebody waits from now on: is it to run at once, or when?
#
# in:    %ebp = VCPU in the queue; %edx:%eax = system time, up to which the one that runs has been charged
# out:   reschedule, or slice_end
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("sched_consider") %}
        pushl   %ebp
        movl    %ebp, %edi
        movl    running_vcpu, %ebp
        testl   %ebp, %ebp
        jz      {{ L("done") }}                 # the idle loop looks at the queue
        movl    VCPU_sched_evt(%ebp), %ecx
        cmpl    VCPU_sched_evt(%edi), %ecx
        movl    VCPU_sched_evt_high(%ebp), %ecx
        sbbl    VCPU_sched_evt_high(%edi), %ecx
        jl      {{ L("later") }}
        orl     $WORK_SCHEDULE, reschedule
        jmp     {{ L("done") }}
{{ L("later") }}:
        call    slice_shorten
{{ L("done") }}:
        popl    %ebp
        ret
{% endcall %}

{% set L = labels("vcpu_unblock") %}
# vcpu_unblock(vcpu): what a vcpu slept for has come.
#
# in:    %ebp = VCPU that sleeps
# out:   -
# clob:  none
# errs:  none
{% call routine("vcpu_unblock") %}
        pushl   %edi
        movl    $SLEEP_NONE, VCPU_sched_sleeps(%ebp)
        leal    VCPU_sched_poll_timer(%ebp), %edi
        call    timer_stop
        popl    %edi
        jmp     vcpu_wake
{% endcall %}

{% set L = labels("vcpu_event_wake") %}
# vcpu_event_wake(vcpu): an event became pending, or its mask was cleared: wakes the vcpu if it sleeps and both are so.
#
# in:    %ebp = VCPU
# out:   -
# clob:  none
# errs:  none
# why:   to one that does not sleep nothing is done, so that bare hypercalls may ask, with the guest's %ds
{% call routine("vcpu_event_wake") %}
        cmpl    $SLEEP_NONE, VCPU_sched_sleeps(%ebp)
        je      {{ L("awake") }}
        pushl   %eax
        movl    VCPU_info(%ebp), %eax
        cmpb    $0, VCPU_INFO_evtchn_upcall_mask(%eax)
        jne     {{ L("not_yet") }}
        cmpb    $0, VCPU_INFO_evtchn_upcall_pending(%eax)
        je      {{ L("not_yet") }}
        popl    %eax
        jmp     vcpu_unblock
{{ L("not_yet") }}:
        popl    %eax
{{ L("awake") }}:
        ret
{% endcall %}

{% set L = labels("vcpu_poll_wake") %}
# vcpu_poll_wake(vcpu, port): a port became pending: wakes the vcpu if it polls that one, or several.
#
# in:    %ebp = VCPU, %eax = port
# out:   -
# clob:  none
# errs:  none
{% call routine("vcpu_poll_wake") %}
        cmpl    $SLEEP_POLL, VCPU_sched_sleeps(%ebp)
        jne     {{ L("not_polling") }}
        cmpl    $POLL_ANY, VCPU_sched_poll_port(%ebp)
        je      vcpu_unblock
        cmpl    %eax, VCPU_sched_poll_port(%ebp)
        je      vcpu_unblock
{{ L("not_polling") }}:
        ret
{% endcall %}
