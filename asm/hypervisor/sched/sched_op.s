# The hypercalls sched_op and sched_op_compat (ABI 10.1): giving the processor away, and ending domains.
#
# Invariants
#   - What a call does to the processor's use happens on the way out: here only `reschedule` and the vcpu's own state
#     are set. So a call that sleeps has its result, and inside a multicall the rest of the list follows afterwards.
#   - Arguments are copied to sched_argument before they are looked at.

        .text

{% set L = labels("do_sched_op") %}
# do_sched_op(cmd, argument): one operation of the scheduler.
#
# in:    %ebx = SCHEDOP_*, %ecx = address of the argument; %ebp = current vcpu
# out:   %eax = 0, a watchdog's number, or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOSYS (another cmd), -EFAULT (the argument), and what the operation says
# calls: schedop_*
{% call routine("do_sched_op") %}
        movl    $-ENOSYS, %eax
        cmpl    $SCHEDOP_pin_override, %ebx
        ja      {{ L("refused") }}
        movl    %ecx, %esi
        movl    sched_argument_bytes(,%ebx,4), %ecx
        testl   %ecx, %ecx
        jz      {{ L("no_argument") }}
        movl    $sched_argument, %edi
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("refused") }}
{{ L("no_argument") }}:
        jmp     *sched_operations(,%ebx,4)
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("do_sched_op_compat") %}
# do_sched_op_compat(cmd, value): the old form: shutdown has its reason in the register.
#
# in:    %ebx = SCHEDOP_*, %ecx = reason of a shutdown; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOSYS (another cmd)
{% call routine("do_sched_op_compat") %}
        cmpl    $SCHEDOP_shutdown, %ebx
        je      domain_shutdown
        cmpl    $SCHEDOP_block, %ebx
        je      schedop_block
        jb      schedop_yield
        movl    $-ENOSYS, %eax
        ret
{% endcall %}

# schedop_yield(): gives the turn to somebody else.
#
# in:    -
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("schedop_yield") %}
        orl     $(WORK_SCHEDULE | WORK_YIELD), reschedule
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("schedop_block") %}
# schedop_block(): lets events in, and sleeps until there is one.
#
# in:    %ebp = current vcpu
# out:   %eax = 0
# clob:  %edx
# errs:  none
{% call routine("schedop_block") %}
        xorl    %eax, %eax
        movl    VCPU_info(%ebp), %edx
        movb    %al, VCPU_INFO_evtchn_upcall_mask(%edx)
        cmpb    %al, VCPU_INFO_evtchn_upcall_pending(%edx)
        jne     {{ L("done") }}
        movl    $SLEEP_EVENT, VCPU_sched_sleeps(%ebp)
        orl     $WORK_SCHEDULE, reschedule
{{ L("done") }}:
        ret
{% endcall %}

# schedop_shutdown(reason): ends the caller's domain, or suspends it.
#
# in:    sched_argument; %ebp = current vcpu
# out:   %eax = 0
# clob:  %ecx, %edx
# errs:  none
{% call routine("schedop_shutdown") %}
        movl    sched_argument + SCHED_SHUTDOWN_reason, %ecx
        jmp     domain_shutdown
{% endcall %}

{% set L = labels("schedop_remote_shutdown") %}
# schedop_remote_shutdown(domain, reason): ends another domain, as if it had asked for it.
#
# in:    sched_argument; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %edx
# errs:  -ESRCH, -EPERM
{% call routine("schedop_remote_shutdown") %}
        movzwl  sched_argument + SCHED_REMOTE_SHUTDOWN_domain_id, %eax
        call    domain_by_id
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    sched_argument + SCHED_REMOTE_SHUTDOWN_reason, %ecx
        jmp     domain_end
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("schedop_shutdown_code") %}
# schedop_shutdown_code(reason): the reason that the domain's end will have, whatever it is: the first one counts.
#
# in:    sched_argument; %ebp = current vcpu
# out:   %eax = 0
# clob:  %ecx, %edx
# errs:  none
{% call routine("schedop_shutdown_code") %}
        xorl    %eax, %eax
        movl    VCPU_domain(%ebp), %edx
        testl   $DOMAIN_CODE_SET, DOMAIN_flags(%edx)
        jnz     {{ L("too_late") }}
        orl     $DOMAIN_CODE_SET, DOMAIN_flags(%edx)
        movl    sched_argument + SCHED_SHUTDOWN_reason, %ecx
        movl    %ecx, DOMAIN_shutdown_reason(%edx)
{{ L("too_late") }}:
        ret
{% endcall %}

{% set L = labels("schedop_pin_override") %}
# schedop_pin_override(processor): the vcpu is on that processor for now: there is only number 0.
#
# in:    sched_argument; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %edx
# errs:  -EPERM (not domain 0), -EINVAL (no such processor)
{% call routine("schedop_pin_override") %}
        movl    $-EPERM, %eax
        movl    VCPU_domain(%ebp), %edx
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        jz      {{ L("refused") }}
        movl    $-EINVAL, %eax
        cmpl    $0, sched_argument + SCHED_PIN_OVERRIDE_pcpu
        jg      {{ L("refused") }}
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

        .section .rodata
{% set operations = [("yield", 0), ("block", 0), ("shutdown", "SCHED_SHUTDOWN_size"), ("poll", "SCHED_POLL_size"),
                     ("remote_shutdown", "SCHED_REMOTE_SHUTDOWN_size"), ("shutdown_code", "SCHED_SHUTDOWN_size"),
                     ("watchdog", "SCHED_WATCHDOG_size"), ("pin_override", "SCHED_PIN_OVERRIDE_size")] %}
{% call object("sched_operations") %}
{% for name, bytes in operations %}
        .long   schedop_{{ name }}
{% endfor %}
{% endcall %}
{% call object("sched_argument_bytes") %}
{% for name, bytes in operations %}
        .long   {{ bytes }}
{% endfor %}
{% endcall %}

{{ space("sched_argument", "SCHED_POLL_size") }}
