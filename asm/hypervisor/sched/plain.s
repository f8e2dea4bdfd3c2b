# Plain vcpus: those of whom the processor has nothing but registers, an address space and a kernel stack.
#
# Most guests have no LDT, no breakpoints, no direct gates and no floating point in the processor at a moment, and want
# no copies of their clocks. To find out anew at each switch, item by item, would cost more than the rest of the switch.
#
# Invariants
#   - VCPU_plain is PLAIN or PLAIN_FLAT only while everything that plain_find looks at is as it wants it. Whoever
#     changes such a thing of a vcpu writes PLAIN_NOT; when the vcpu leaves the processor, it is looked at anew.
#   - PLAIN_FLAT of a vcpu that is not in the processor: it may run when it does not sleep, it was left in ring 1, and
#     all its selectors but %cs are those of the flat segments, which are the same for everybody.
#   - specials_live is 0 only if what was loaded last was plain: then there is nothing in the processor that another
#     plain vcpu must not see.

        .text

        .set    FLAT_FS_AND_GS, FLAT_RING1_DS << 16 | FLAT_RING1_DS

{% set L = labels("plain_find") %}
# plain_find(vcpu): finds out whether a vcpu is plain, after something of it has changed.
#
# in:    %ebp = VCPU, whose frame and selectors have just been saved
# out:   VCPU_plain
# clob:  %eax, %ecx
# errs:  none
# why:   a charge of less than 2^32 ns must stay below its limit (hand_over.s), so the weight counts as well
{% call routine("plain_find") %}
        movl    VCPU_domain(%ebp), %ecx
        movl    DOMAIN_flags(%ecx), %eax
        andl    $(DOMAIN_DYING | DOMAIN_SHUTDOWN | DOMAIN_SUSPENDED), %eax
        orl     DOMAIN_pause_count(%ecx), %eax
{% for field in ["direct_gates", "ldt_entries", "cr4", "nmi_pending", "runstate_area", "time_area", "virtual_alarm",
                 "virtual_alarm_high", "sched_warpback", "sched_warping"] %}
        orl     VCPU_{{ field }}(%ebp), %eax
{% endfor %}
        jnz     {{ L("not_plain") }}
        testb   $DR7_ENABLES, VCPU_debugreg + 4 * 7(%ebp)
        jnz     {{ L("not_plain") }}
        cmpl    %ebp, fpu_owner
        je      {{ L("not_plain") }}
        cmpl    $CHARGE_HIGH_LIMIT, VCPU_sched_mcu_advance(%ebp)
        jae     {{ L("not_plain") }}
        movl    VCPU_periodic(%ebp), %eax
        orl     VCPU_periodic_high(%ebp), %eax
        jz      plain_find_flat
        cmpw    $0, DOMAIN_virqs + 2 * VIRQ_TIMER(%ecx)
        jne     {{ L("not_plain") }}
        jmp     plain_find_flat
{{ L("not_plain") }}:
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        ret
{% endcall %}

{% set L = labels("plain_find_flat") %}
# plain_find_flat(vcpu): finds out whether a plain vcpu has flat segments only.
#
# in:    %ebp = VCPU that is plain, whose frame and selectors have just been saved
# out:   VCPU_plain = PLAIN_FLAT or PLAIN
# clob:  none
# errs:  none
{% call routine("plain_find_flat") %}
        movl    $PLAIN, VCPU_plain(%ebp)
{% for selector in ["ss", "ds", "es"] %}
        cmpw    $FLAT_RING1_DS, VCPU_frame + ENTRY_FRAME_{{ selector }}(%ebp)
        jne     {{ L("others") }}
{% endfor %}
        cmpl    $FLAT_FS_AND_GS, VCPU_fs(%ebp)
        jne     {{ L("others") }}
        movl    $PLAIN_FLAT, VCPU_plain(%ebp)
{{ L("others") }}:
        ret
{% endcall %}

# specials_load(vcpu): puts what is special about a vcpu into the processor, in place of what is there of others.
#
# in:    %ebp = VCPU
# out:   specials_live
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("specials_load") %}
        call    ldt_load
        call    fpu_load
        call    control_load
        call    debug_load
        call    direct_gates_install
        xorl    %eax, %eax
        cmpl    $PLAIN_NOT, VCPU_plain(%ebp)
        sete    %al
        movl    %eax, specials_live
        ret
{% endcall %}

        .data
{% call object("specials_live") %}
        .long   1
{% endcall %}
