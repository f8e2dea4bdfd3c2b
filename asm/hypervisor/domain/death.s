# How a domain ends: by its own shutdown, or crashed by us. Domain 0 takes the machine with it.
#
# Invariants
#   - A domain that has ended is never scheduled again; its frame is never resumed.
#   - Each end is one line, `domain N shut down: REASON` or `domain N died: REASON`; registers follow a death.
#   - Domain 0: poweroff switches the machine off, reboot resets it; a crash ends QEMU with EXIT_DOMAIN0_DIED.

        .text

{% set L = labels("domain_shutdown") %}
# domain_shutdown(reason): the current domain's own wish.
#
# in:    %ecx = SHUTDOWN_*; %ebp = current vcpu
# out:   %eax = 0
# clob:  %edx
# errs:  none; an unknown reason is kept as it is
{% call routine("domain_shutdown") %}
        movl    VCPU_domain(%ebp), %edx
        orl     $DOMAIN_SHUTDOWN, DOMAIN_flags(%edx)
        movl    %ecx, DOMAIN_shutdown_reason(%edx)
        movl    $1, reschedule
        movl    $shutdown_name_other, %eax
        cmpl    $SHUTDOWN_REASONS, %ecx
        jae     {{ L("name_ok") }}
        movl    shutdown_names(,%ecx,4), %eax
{{ L("name_ok") }}:
{{ log("LOG_ERROR", "domain %u shut down: %s\\n", "DOMAIN_id(%edx)", "%eax") }}
        cmpl    $0, DOMAIN_id(%edx)
        jne     {{ L("done") }}
        cmpl    $SHUTDOWN_reboot, %ecx
        je      machine_reboot
        cmpl    $SHUTDOWN_crash, %ecx
        je      domain0_died
        jmp     machine_power_off
{{ L("done") }}:
        xorl    %eax, %eax
        ret
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
        orl     $(DOMAIN_SHUTDOWN | DOMAIN_CRASHED), DOMAIN_flags(%edx)
        movl    $SHUTDOWN_crash, DOMAIN_shutdown_reason(%edx)
        movl    $1, reschedule
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
