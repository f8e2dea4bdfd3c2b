# Domains come, stop and go: what the scheduler does about it.
#
# Invariants
#   - Pauses are counted: who pauses must unpause. A pause does not wake anybody, and takes nothing from a sleep.
#   - domains_ended counts the domains that have ended, are to go and are not gone yet: while there are any, the
#     scheduler releases a piece of their memory each time it chooses (release.s), every RELEASE_INTERVAL at the latest.
#   - The flags of a domain that ends are set before domain_remove is called, once for each.

        .text

{% set L = labels("domain_add") %}
# domain_add(domain): a new domain's vcpu: default parameters, the virtual time of the others.
#
# in:    %ebx = DOMAIN, complete; its pause_count
# out:   -
# clob:  none
# errs:  none: the heap ends long before the places in the queue do
{% call routine("domain_add") %}
        pushal
        movl    DOMAIN_vcpu(%ebx), %ebp
        call    runstate_begin
        movl    $MCU_ADVANCE, VCPU_sched_mcu_advance(%ebp)
{% for field, milliseconds in [("warp_limit", "WARP_LIMIT_MS"), ("unwarp", "UNWARP_MS")] %}
        movl    $({{ milliseconds }} * NS_PER_MS), VCPU_sched_{{ field }}(%ebp)
{% endfor %}
        movl    $warp_due, VCPU_sched_warp_timer_routine(%ebp)
        movl    $poll_due, VCPU_sched_poll_timer_routine(%ebp)
{% for number in range(abi.WATCHDOGS) %}
        movl    $watchdog_{{ number + 1 }}_due, DOMAIN_watchdogs + {{ number }} * TIMER_size + TIMER_routine(%ebx)
{% endfor %}
        call    vcpu_wake
        popal
        ret
{% endcall %}

{% set L = labels("domain_pause") %}
# domain_pause(domain): stops a domain until it is unpaused as often as it was paused.
#
# in:    %ebx = DOMAIN
# out:   reschedule, when it is the one that runs
# clob:  none
# errs:  none
{% call routine("domain_pause") %}
        incl    DOMAIN_pause_count(%ebx)
        cmpl    $1, DOMAIN_pause_count(%ebx)
        je      domain_stop
        ret
{% endcall %}

{% set L = labels("domain_unpause") %}
# domain_unpause(domain): takes one pause back.
#
# in:    %ebx = DOMAIN that is paused
# out:   -
# clob:  none
# errs:  none
{% call routine("domain_unpause") %}
        decl    DOMAIN_pause_count(%ebx)
        jnz     {{ L("still_paused") }}
        pushl   %ebp
        movl    DOMAIN_vcpu(%ebx), %ebp
        call    vcpu_wake
        popl    %ebp
{{ L("still_paused") }}:
        ret
{% endcall %}

{% set L = labels("domain_resume") %}
# domain_resume(domain): lets a suspended domain go on behind its hypercall.
#
# in:    %ebx = DOMAIN
# out:   -
# clob:  none
# errs:  none
{% call routine("domain_resume") %}
        pushl   %ebp
        andl    $~DOMAIN_SUSPENDED, DOMAIN_flags(%ebx)
        movl    DOMAIN_vcpu(%ebx), %ebp
        call    vcpu_wake
        popl    %ebp
        ret
{% endcall %}

{% set L = labels("domain_stop") %}
# domain_stop(domain): takes the vcpu of a domain that may not run any more out of the queue, or asks for a switch.
#
# in:    %ebx = DOMAIN
# out:   reschedule
# clob:  none
# errs:  none
{% call routine("domain_stop") %}
        pushal
        movl    DOMAIN_vcpu(%ebx), %ebp
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        cmpl    %ebp, running_vcpu
        je      {{ L("runs") }}
        cmpl    $0, VCPU_sched_place(%ebp)
        je      {{ L("done") }}                 # it sleeps, or is stopped already
        call    queue_take
        movl    $RUNSTATE_offline, %ecx
        call    runstate_change
        jmp     {{ L("done") }}
{{ L("runs") }}:
        orl     $WORK_SCHEDULE, reschedule
{{ L("done") }}:
        popal
        ret
{% endcall %}

{% set L = labels("domain_remove") %}
# domain_remove(domain): a domain has ended: it never runs again, and none of its timers is due any more.
#
# in:    %ebx = DOMAIN, DOMAIN_SHUTDOWN
# out:   -
# clob:  none
# errs:  none
{% call routine("domain_remove") %}
        pushl   %eax
        pushl   %edi
        pushl   %ebp
        call    domain_is_to_go
        jne     {{ L("preserved") }}
        incl    domains_ended
{{ L("preserved") }}:
        movl    DOMAIN_vcpu(%ebx), %ebp
{% for timer in ["warp_timer", "poll_timer"] %}
        leal    VCPU_sched_{{ timer }}(%ebp), %edi
        call    timer_stop
{% endfor %}
{% for number in range(abi.WATCHDOGS) %}
        leal    DOMAIN_watchdogs + {{ number }} * TIMER_size(%ebx), %edi
        call    timer_stop
{% endfor %}
        call    domain_stop
        popl    %ebp
        popl    %edi
        popl    %eax
        ret
{% endcall %}

{{ space("domains_ended", 4) }}
