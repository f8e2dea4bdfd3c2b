# Borrowed Virtual Time: what a vcpu is charged, who comes first, and how long a turn is (ABI 12).
#
# Invariants
#   - Virtual times count ns * mcu_advance: what a vcpu is charged is exact, nothing is rounded. avt is never negative
#     and below 1 << 63, evt is signed: comparisons are signed ones of 64 bits.
#   - evt is avt, or avt - warp_value while the vcpu warps.
#   - svt is what the least avt of all runnable vcpus was when it was looked at last. It never falls but by a rebase, so
#     that who sleeps while nobody runs gains no credit either.
#   - The avt of the vcpu that runs is charged up to charged_until; that of all others is complete.

        .text

{% set L = labels("sched_charge") %}
# sched_charge(vcpu, now): charges a vcpu for the time since it was charged last.
#
# in:    %ebp = VCPU that runs, %edx:%eax = system time
# out:   its avt, evt; charged_until
# clob:  %eax, %ecx, %edx
# errs:  none; one charge is bounded by CHARGE_HIGH_LIMIT << 32, which nobody reaches whose parameters make sense
{% call routine("sched_charge") %}
        pushl   %edx
        pushl   %eax
        subl    charged_until, %eax
        sbbl    charged_until + 4, %edx
        popl    charged_until
        popl    charged_until + 4
        movl    %edx, %ecx
        mull    VCPU_sched_mcu_advance(%ebp)
        testl   %ecx, %ecx
        jnz     {{ L("seconds") }}
{{ L("have_product") }}:
        cmpl    $CHARGE_HIGH_LIMIT, %edx
        jae     {{ L("too_much") }}
{{ L("add") }}:
        addl    VCPU_sched_avt(%ebp), %eax
        adcl    VCPU_sched_avt_high(%ebp), %edx
        movl    %eax, VCPU_sched_avt(%ebp)
        movl    %edx, VCPU_sched_avt_high(%ebp)
        cmpl    $AVT_HIGH_LIMIT, %edx
        jae     {{ L("rebase") }}
        cmpl    $0, VCPU_sched_warping(%ebp)
        jne     sched_effective
        movl    %eax, VCPU_sched_evt(%ebp)
        movl    %edx, VCPU_sched_evt_high(%ebp)
        ret
{{ L("rebase") }}:
        call    sched_rebase
        jmp     sched_effective
{{ L("seconds") }}:
        pushl   %ebx
        pushl   %eax
        movl    %edx, %ebx
        movl    %ecx, %eax
        mull    VCPU_sched_mcu_advance(%ebp)
        addl    %eax, %ebx
        adcl    $0, %edx
        popl    %eax
        xchgl   %ebx, %edx                      # the product is %ebx:%edx:%eax
        testl   %ebx, %ebx
        popl    %ebx
        jz      {{ L("have_product") }}
{{ L("too_much") }}:
        xorl    %eax, %eax
        movl    $CHARGE_HIGH_LIMIT, %edx
        jmp     {{ L("add") }}
{% endcall %}

{% set L = labels("sched_effective") %}
# sched_effective(vcpu): the effective virtual time.
#
# in:    %ebp = VCPU in no queue
# out:   its evt
# clob:  %eax, %edx
# errs:  none
{% call routine("sched_effective") %}
        movl    VCPU_sched_avt(%ebp), %eax
        movl    VCPU_sched_avt_high(%ebp), %edx
        cmpl    $0, VCPU_sched_warping(%ebp)
        je      {{ L("as_it_is") }}
        subl    VCPU_sched_warp_value(%ebp), %eax
        sbbl    VCPU_sched_warp_value_high(%ebp), %edx
{{ L("as_it_is") }}:
        movl    %eax, VCPU_sched_evt(%ebp)
        movl    %edx, VCPU_sched_evt_high(%ebp)
        ret
{% endcall %}

{% set L = labels("sched_rebase") %}
# sched_rebase(): takes the same amount off all virtual times, before one of them overflows.
#
# in:    -
# out:   -
# clob:  %eax
# errs:  none
# why:   a runnable vcpu is less than two charges behind the one that has the limit, so all keep their distances; who
#        sleeps may have less than the amount, and is at 0 then, which is behind all others still
{% call routine("sched_rebase") %}
        pushl   %ebx
        pushl   %ebp
        movl    domain_list, %ebx
{{ L("next_domain") }}:
        movl    DOMAIN_vcpu(%ebx), %ebp
        movl    VCPU_sched_avt_high(%ebp), %eax
        subl    $AVT_HIGH_REBASE, %eax
        jns     {{ L("not_behind") }}
        movl    VCPU_sched_avt(%ebp), %eax
        subl    %eax, VCPU_sched_evt(%ebp)
        movl    VCPU_sched_avt_high(%ebp), %eax
        sbbl    %eax, VCPU_sched_evt_high(%ebp)
        xorl    %eax, %eax
        movl    %eax, VCPU_sched_avt(%ebp)
        jmp     {{ L("have_avt") }}
{{ L("not_behind") }}:
        subl    $AVT_HIGH_REBASE, VCPU_sched_evt_high(%ebp)
{{ L("have_avt") }}:
        movl    %eax, VCPU_sched_avt_high(%ebp)
        movl    DOMAIN_next(%ebx), %ebx
        testl   %ebx, %ebx
        jnz     {{ L("next_domain") }}
        subl    $AVT_HIGH_REBASE, svt + 4
        jns     {{ L("svt_ok") }}
        movl    $0, svt
        movl    $0, svt + 4
{{ L("svt_ok") }}:
        popl    %ebp
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("svt_update") %}
# svt_update(vcpu): the scheduler's virtual time, now that somebody comes or goes.
#
# in:    %ebp = VCPU that runs and has been charged, or 0
# out:   svt
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("svt_update") %}
        xorl    %ecx, %ecx
        cmpl    %ecx, run_queue_count
        je      {{ L("nobody_waits") }}
        movl    run_queue + 4, %ecx
        testl   %ebp, %ebp
        jz      {{ L("have_least") }}
        movl    VCPU_sched_avt(%ebp), %eax
        cmpl    VCPU_sched_avt(%ecx), %eax
        movl    VCPU_sched_avt_high(%ebp), %eax
        sbbl    VCPU_sched_avt_high(%ecx), %eax
        jge     {{ L("have_least") }}
{{ L("nobody_waits") }}:
        movl    %ebp, %ecx
        testl   %ecx, %ecx
        jz      {{ L("done") }}
{{ L("have_least") }}:
        movl    VCPU_sched_avt(%ecx), %eax
        movl    VCPU_sched_avt_high(%ecx), %edx
        cmpl    svt, %eax
        movl    %edx, %ecx
        sbbl    svt + 4, %ecx
        jl      {{ L("done") }}
        movl    %eax, svt
        movl    %edx, svt + 4
{{ L("done") }}:
        ret
{% endcall %}

# sched_catch_up(vcpu): who wakes, or is new, does not begin behind the others: sleep is no credit.
#
# in:    %ebp = VCPU in no queue; svt
# out:   its avt and evt
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("sched_catch_up") %}
        movl    svt, %eax
        movl    svt + 4, %edx
        call    sched_at_least
        jmp     sched_effective
{% endcall %}

{% set L = labels("sched_yields") %}
# sched_yields(vcpu): what a yield costs: its turn counts as a whole charging unit (MCU), and it gains no credit over
# the one that has waited longest.
#
# in:    %ebp = VCPU that runs and is in no queue, charged up to now; %edx:%eax = system time; somebody waits
# out:   its avt and evt
# clob:  %eax, %ecx, %edx
# errs:  none
# why:   without the first, those who yield would not take turns; without the second, one that only polls would see the
#        others charged for its idleness, and could then hold the processor for as long. %ss:, for the short way comes
#        with the guest's %ds
{% call routine("sched_yields") %}
        call    runstate_since                  # its turn
        testl   %edx, %edx
        jnz     {{ L("long_turn") }}
        subl    $MCU_NS, %eax
        jae     {{ L("long_turn") }}
        negl    %eax
        mull    VCPU_sched_mcu_advance(%ebp)
        addl    %eax, VCPU_sched_avt(%ebp)
        adcl    %edx, VCPU_sched_avt_high(%ebp)
{{ L("long_turn") }}:
        movl    %ss:run_queue + 4, %ecx
        movl    %ss:VCPU_sched_avt(%ecx), %eax
        movl    %ss:VCPU_sched_avt_high(%ecx), %edx
        call    sched_at_least
        jmp     sched_effective
{% endcall %}

{% set L = labels("sched_at_least") %}
# sched_at_least(vcpu, time): raises an actual virtual time.
#
# in:    %ebp = VCPU in no queue; %edx:%eax = virtual time
# out:   its avt
# clob:  %ecx
# errs:  none
{% call routine("sched_at_least") %}
        movl    VCPU_sched_avt(%ebp), %ecx
        cmpl    %eax, %ecx
        movl    VCPU_sched_avt_high(%ebp), %ecx
        sbbl    %edx, %ecx
        jge     {{ L("is_there") }}
        movl    %eax, VCPU_sched_avt(%ebp)
        movl    %edx, VCPU_sched_avt_high(%ebp)
{{ L("is_there") }}:
        ret
{% endcall %}

        .data
{% call object("context_allowance") %}
        .long   CONTEXT_ALLOWANCE
{% endcall %}
{{ space("svt", 8) }}
{{ space("charged_until", 8) }}
