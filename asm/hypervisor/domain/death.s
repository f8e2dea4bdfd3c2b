# How a domain ends: by its own shutdown, or crashed by us. Domain 0 takes the machine with it.
#
# Invariants
#   - A domain that has ended is never scheduled again; its frame is never resumed.
#   - Domain 0 is told of every other end by VIRQ_DOM_EXC, and once more when nothing is left of the domain (release.s).
#   - Each end is one line, `domain N shut down: REASON` or `domain N died: REASON`; registers follow a death.
#   - A suspended domain has not ended: it keeps everything, and goes on when control resumes it. Domain 0 cannot be.
#   - Domain 0: poweroff switches the machine off, reboot and a watchdog reset it; a crash ends QEMU with
#     EXIT_DOMAIN0_DIED.

        .text

# domain_shutdown(reason): the current domain's own wish.
#
# in:    %ecx = SHUTDOWN_*; %ebp = current vcpu
# out:   %eax = 0
# clob:  %ecx, %edx
# errs:  none
{% call routine("domain_shutdown") %}
        movl    VCPU_domain(%ebp), %edx
        jmp     domain_end
{% endcall %}

{% set L = labels("domain_end") %}
# domain_end(domain, reason): a domain ends in order, or is suspended.
#
# in:    %edx = DOMAIN, %ecx = SHUTDOWN_*
# out:   %eax = 0
# clob:  %ecx
# errs:  none; an unknown reason is kept as it is; one that has ended or is suspended already stays as it is
{% call routine("domain_end") %}
        pushl   %ebx
        movl    %edx, %ebx
        testl   $(DOMAIN_DYING | DOMAIN_SHUTDOWN | DOMAIN_SUSPENDED), DOMAIN_flags(%ebx)
        jnz     {{ L("done") }}
        testl   $DOMAIN_CODE_SET, DOMAIN_flags(%ebx)
        jz      {{ L("reason_known") }}
        movl    DOMAIN_shutdown_reason(%ebx), %ecx
{{ L("reason_known") }}:
        movl    %ecx, DOMAIN_shutdown_reason(%ebx)
        movl    $shutdown_name_other, %eax
        cmpl    $SHUTDOWN_REASONS, %ecx
        jae     {{ L("name_ok") }}
        movl    shutdown_names(,%ecx,4), %eax
{{ L("name_ok") }}:
{{ log("LOG_ERROR", "domain %u shut down: %s\\n", "DOMAIN_id(%ebx)", "%eax") }}
        cmpl    $0, DOMAIN_id(%ebx)
        je      {{ L("machine") }}
        cmpl    $SHUTDOWN_suspend, %ecx
        je      {{ L("suspend") }}
        orl     $DOMAIN_SHUTDOWN, DOMAIN_flags(%ebx)
        call    domain_remove
        jmp     {{ L("tell") }}
{{ L("suspend") }}:
        orl     $DOMAIN_SUSPENDED, DOMAIN_flags(%ebx)
        call    domain_stop
{{ L("tell") }}:
        movl    $VIRQ_DOM_EXC, %eax
        call    event_virq_global
{{ L("done") }}:
        popl    %ebx
        xorl    %eax, %eax
        ret
{{ L("machine") }}:
        cmpl    $SHUTDOWN_crash, %ecx
        je      domain0_died
        cmpl    $SHUTDOWN_reboot, %ecx
        je      machine_reboot
        cmpl    $SHUTDOWN_watchdog, %ecx
        je      machine_reboot
        jmp     machine_power_off
{% endcall %}

{% set L = labels("domain_crash") %}
# domain_crash(reason, frame): ends the current domain because it cannot go on.
#
# in:    %eax = text, %esi = its ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %edx
# errs:  none
{% call routine("domain_crash") %}
        movl    VCPU_domain(%ebp), %edx
        testl   $DOMAIN_SHUTDOWN, DOMAIN_flags(%edx)
        jnz     {{ L("ended_already") }}
        orl     $(DOMAIN_SHUTDOWN | DOMAIN_CRASHED), DOMAIN_flags(%edx)
        movl    $SHUTDOWN_crash, DOMAIN_shutdown_reason(%edx)
        movl    %eax, DOMAIN_death(%edx)
{{ log("LOG_ERROR", "domain %u died: %s\\n", "DOMAIN_id(%edx)", "%eax") }}
        movl    ENTRY_FRAME_vector(%esi), %eax
        cmpl    $EXCEPTION_VECTORS, %eax
        jae     {{ L("no_exception") }}
{{ log("LOG_ERROR", "exception %u (%s), error code 0x%x\\n", "%eax", "exception_names(,%eax,4)",
       "ENTRY_FRAME_error_code(%esi)") }}
        cmpl    $VECTOR_PF, %eax
        jne     {{ L("no_exception") }}
{{ log("LOG_ERROR", "cr2 %p\\n", "VCPU_cr2(%ebp)") }}
{{ L("no_exception") }}:
        call    registers_print
        movl    VCPU_last_hypercall(%ebp), %eax
        andl    $(NR_HYPERCALLS - 1), %eax
{{ log("LOG_ERROR", "last hypercall %u (%s)\\n", "%eax", "hypercall_names(,%eax,4)") }}
        cmpl    $0, DOMAIN_id(%edx)
        je      domain0_died
        xchgl   %ebx, %edx
        call    domain_remove
        xchgl   %ebx, %edx
        movl    $VIRQ_DOM_EXC, %eax
        jmp     event_virq_global
{{ L("ended_already") }}:
        ret
{% endcall %}

# domain0_died: nothing can go on without domain 0.
#
# in:    -
# out:   does not return
# errs:  none
{% call routine("domain0_died") %}
{{ log("LOG_ERROR", "domain 0 is gone: the machine stops\\n") }}
        movl    $EXIT_DOMAIN0_DIED, %eax
        outb    %al, $EXIT_PORT
        jmp     machine_halt
{% endcall %}

{% set L = labels("machine_halt") %}
# machine_halt: for ever.
#
# in:    -
# out:   does not return
# errs:  none
{% call routine("machine_halt") %}
        cli
{{ L("again") }}:
        hlt
        jmp     {{ L("again") }}
{% endcall %}

        .section .rodata
{% set names = ["poweroff", "reboot", "suspend", "crash", "watchdog", "soft reset"] %}
{% call object("shutdown_names") %}
{% for name in names %}
        .long   shutdown_name_{{ loop.index0 }}
{% endfor %}
{% endcall %}
{% for name in names %}
{{ text("shutdown_name_" ~ loop.index0, name) }}
{% endfor %}
{{ text("shutdown_name_other", "unknown reason") }}
