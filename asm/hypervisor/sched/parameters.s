# The scheduler's parameters (ABI 12.2, 12.5), which control sets while everything runs.
#
# Invariants
#   - A vcpu is charged with its old share up to the moment that it gets another. What it is ahead of the others stays
#     the same in real time: else one that had a tiny share would have to wait for ever when it gets a large one.
#   - A warp value is given in units of the ABI, mcu_advance for each MCU: MCU_NS times as much in ours.
#   - Limits are given in ms and told in ns, as they were of old. More than PARAMETER_LONGEST_MS is taken for that.

        .text

{% set L = labels("sched_parameters_set") %}
# sched_parameters_set(domain, parameters): gives a domain another share and other warp parameters, from now on.
#
# in:    %ebx = DOMAIN, %esi = SCHED_BVT_DOMAIN in our memory
# out:   %eax = 0 or -EINVAL
# clob:  %ecx, %edx, %edi
# errs:  -EINVAL: mcu_adv 0, or a negative limit
{% call routine("sched_parameters_set") %}
        movl    $-EINVAL, %eax
        cmpl    $0, SCHED_BVT_DOMAIN_mcu_adv(%esi)
        je      {{ L("refused") }}
        movl    SCHED_BVT_DOMAIN_warpl_high(%esi), %ecx
        orl     SCHED_BVT_DOMAIN_warpu_high(%esi), %ecx
        js      {{ L("refused") }}
        pushl   %ebp
        pushl   %ebx
        movl    DOMAIN_vcpu(%ebx), %ebp
        call    parameters_settle               # %ebx = whether it is in the queue
        movl    SCHED_BVT_DOMAIN_mcu_adv(%esi), %ecx
        call    parameters_rescale
        movl    %ecx, VCPU_sched_mcu_advance(%ebp)
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        movl    SCHED_BVT_DOMAIN_warpvalue(%esi), %eax
        movl    $MCU_NS, %ecx
        imull   %ecx
        movl    %eax, VCPU_sched_warp_value(%ebp)
        movl    %edx, VCPU_sched_warp_value_high(%ebp)
{% for given, kept in [("warpl", "warp_limit"), ("warpu", "unwarp")] %}
        movl    SCHED_BVT_DOMAIN_{{ given }}(%esi), %eax
        movl    SCHED_BVT_DOMAIN_{{ given }}_high(%esi), %edx
        call    parameters_ns
        movl    %eax, VCPU_sched_{{ kept }}(%ebp)
        movl    %edx, VCPU_sched_{{ kept }}_high(%ebp)
{% endfor %}
        xorl    %eax, %eax
        cmpl    %eax, SCHED_BVT_DOMAIN_warpback(%esi)
        setne   %al
        movl    %eax, VCPU_sched_warpback(%ebp)
        movl    %eax, VCPU_sched_warping(%ebp)
        call    warp_refill
        call    parameters_apply
        popl    %ebx
        popl    %ebp
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("parameters_settle") %}
# parameters_settle(vcpu): settles what the old parameters say: charges the one that runs, and stops the warp timer.
#
# in:    %ebp = VCPU
# out:   %ebx = whether the vcpu was in the queue: it is not any more
# clob:  %eax, %ecx, %edx, %edi
# errs:  none
{% call routine("parameters_settle") %}
        pushl   %esi
        leal    VCPU_sched_warp_timer(%ebp), %edi
        call    timer_stop
        movl    VCPU_sched_place(%ebp), %ebx
        testl   %ebx, %ebx
        jnz     {{ L("waits") }}
        cmpl    %ebp, running_vcpu
        jne     {{ L("done") }}
        call    clock_now
        call    sched_charge
        jmp     {{ L("done") }}
{{ L("waits") }}:
        pushl   %ebx
        call    queue_take
        popl    %ebx
{{ L("done") }}:
        pushl   %ebp
        movl    running_vcpu, %ebp
        call    svt_update
        popl    %ebp
        popl    %esi
        ret
{% endcall %}

{% set L = labels("parameters_rescale") %}
# parameters_rescale(vcpu, advance): what the vcpu is ahead of svt, at another mcu_advance.
#
# in:    %ebp = VCPU in no queue, %ecx = its new mcu_advance
# out:   its avt
# clob:  %eax, %edx, %edi
# errs:  none; a lead is bounded as a charge is
{% call routine("parameters_rescale") %}
        movl    VCPU_sched_avt(%ebp), %eax
        movl    VCPU_sched_avt_high(%ebp), %edi
        subl    svt, %eax
        sbbl    svt + 4, %edi
        jl      {{ L("behind") }}
        pushl   %ebx
        mull    %ecx
        movl    %edx, %ebx
        xchgl   %edi, %eax
        mull    %ecx
        addl    %eax, %ebx
        adcl    $0, %edx                        # the product is %edx:%ebx:%edi
        cmpl    VCPU_sched_mcu_advance(%ebp), %edx
        jae     {{ L("too_much") }}
        movl    %ebx, %eax
        divl    VCPU_sched_mcu_advance(%ebp)
        cmpl    $CHARGE_HIGH_LIMIT, %eax
        jae     {{ L("too_much") }}
        movl    %eax, %ebx
        movl    %edi, %eax
        divl    VCPU_sched_mcu_advance(%ebp)
{{ L("have_lead") }}:                           # %ebx:%eax
        addl    svt, %eax
        adcl    svt + 4, %ebx
        movl    %eax, VCPU_sched_avt(%ebp)
        movl    %ebx, VCPU_sched_avt_high(%ebp)
        popl    %ebx
{{ L("behind") }}:
        ret
{{ L("too_much") }}:
        xorl    %eax, %eax
        movl    $CHARGE_HIGH_LIMIT, %ebx
        jmp     {{ L("have_lead") }}
{% endcall %}

{% set L = labels("parameters_apply") %}
# parameters_apply(vcpu): has the new parameters take effect.
#
# in:    %ebp = VCPU, %ebx = whether it goes back into the queue
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("parameters_apply") %}
        pushl   %esi
        call    sched_effective
        call    clock_now
        testl   %ebx, %ebx
        jnz     {{ L("waits") }}
        cmpl    %ebp, running_vcpu
        jne     {{ L("done") }}
        call    warp_begin
        orl     $WORK_SCHEDULE, reschedule
        jmp     {{ L("done") }}
{{ L("waits") }}:
        pushl   %edx
        pushl   %eax
        call    queue_add
        popl    %eax
        popl    %edx
        call    sched_consider
{{ L("done") }}:
        popl    %esi
        ret
{% endcall %}

{% set L = labels("parameters_ns") %}
# parameters_ns(ms): ms as ns.
#
# in:    %edx:%eax = ms, not negative
# out:   %edx:%eax = ns
# clob:  %ecx
# errs:  none
{% call routine("parameters_ns") %}
        cmpl    $PARAMETER_LONGEST_HIGH, %edx
        jb      {{ L("fits") }}
        movl    $PARAMETER_LONGEST_HIGH, %edx
        xorl    %eax, %eax
{{ L("fits") }}:
        pushl   %ebx
        movl    %edx, %ebx
        movl    $NS_PER_MS, %ecx
        mull    %ecx
        imull   %ecx, %ebx
        addl    %ebx, %edx
        popl    %ebx
        ret
{% endcall %}

# sched_parameters_get(domain, buffer): a domain's parameters.
#
# in:    %ebx = DOMAIN, %edi = SCHED_BVT_DOMAIN in our memory
# out:   the parameters there; %eax = 0
# clob:  %ecx, %edx
# errs:  none
{% call routine("sched_parameters_get") %}
        pushl   %ebp
        movl    DOMAIN_vcpu(%ebx), %ebp
{% for kept, told in [("mcu_advance", "mcu_adv"), ("warpback", "warpback"), ("warp_limit", "warpl"),
                      ("warp_limit_high", "warpl_high"), ("unwarp", "warpu"), ("unwarp_high", "warpu_high")] %}
        movl    VCPU_sched_{{ kept }}(%ebp), %eax
        movl    %eax, SCHED_BVT_DOMAIN_{{ told }}(%edi)
{% endfor %}
        movl    VCPU_sched_warp_value(%ebp), %eax
        movl    VCPU_sched_warp_value_high(%ebp), %edx
        movl    $MCU_NS, %ecx
        idivl   %ecx
        movl    %eax, SCHED_BVT_DOMAIN_warpvalue(%edi)
        popl    %ebp
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("sched_allowance_set") %}
# sched_allowance_set(ns): the context switch allowance, from the next choice on.
#
# in:    %eax = ns
# out:   context_allowance, from SMALLEST_ALLOWANCE to LONGEST_SLICE; reschedule
# clob:  %eax
# errs:  none
# why:   the ABI raises it when it is told; nobody can see the difference if it is done at once
{% call routine("sched_allowance_set") %}
        cmpl    $SMALLEST_ALLOWANCE, %eax
        jae     {{ L("large_enough") }}
        movl    $SMALLEST_ALLOWANCE, %eax
{{ L("large_enough") }}:
        cmpl    $LONGEST_SLICE, %eax
        jbe     {{ L("small_enough") }}
        movl    $LONGEST_SLICE, %eax
{{ L("small_enough") }}:
        movl    %eax, context_allowance
        orl     $WORK_SCHEDULE, reschedule
        ret
{% endcall %}

# sched_allowance_get(): the context switch allowance.
#
# in:    -
# out:   %eax = ns
# clob:  none
# errs:  none
{% call routine("sched_allowance_get") %}
        movl    context_allowance, %eax
        ret
{% endcall %}
