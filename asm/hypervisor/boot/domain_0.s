# A machine without domain 0, which no other domain can stand for: it stops, and says so.
#
# Invariants
#   - That is whoever gave the modules' mistake and not ours: no panic. Why a kernel was refused is in the log by then.

        .section .init, "ax"

{% set L = labels("domain_0_require") %}
# domain_0_require(): whether there is a domain 0; if not, the machine stops.
#
# in:    domain_list
# out:   -
# clob:  %eax
# errs:  none: ends QEMU with EXIT_NO_DOMAIN0, or halts
{% call routine("domain_0_require") %}
        movl    domain_list, %eax
        testl   %eax, %eax
        jz      {{ L("missing") }}
        cmpl    $0, DOMAIN_id(%eax)             # the list is in the order of the numbers
        jne     {{ L("missing") }}
        ret
{{ L("missing") }}:
{{ log("LOG_ERROR", "there is no domain 0: give a guest kernel as the first boot module\\n") }}
        movl    $EXIT_NO_DOMAIN0, %eax
        outb    %al, $EXIT_PORT
        jmp     machine_halt
{% endcall %}
