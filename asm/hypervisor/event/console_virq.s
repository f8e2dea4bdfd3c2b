# VIRQ_CONSOLE: domain 0 is told when somebody has typed (ABI 9.3, 10.6).
#
# Invariants
#   - The serial port is looked at every CONSOLE_LOOK_NS, and only while domain 0 has the interrupt bound. Its queue of
#     16 characters, and the other end's flow control, hold what is typed until console_io takes it (io/console_io.s).
#   - As long as something waits the interrupt comes again with each look: a reader that leaves some of it is reminded.

        .text

{% set L = labels("console_virq_bound") %}
# console_virq_bound(domain, virq): somebody listens to an interrupt: if domain 0 does to VIRQ_CONSOLE, looking begins.
#
# in:    %ebx = DOMAIN, %ecx = VIRQ_*
# out:   -
# clob:  none
# errs:  none
{% call routine("console_virq_bound") %}
        cmpl    $VIRQ_CONSOLE, %ecx
        jne     {{ L("another") }}
        cmpl    %ebx, domain_list               # domain 0 is the first
        jne     {{ L("another") }}
        pushl   %eax
        pushl   %edx
        pushl   %edi
        call    console_look_set
        popl    %edi
        popl    %edx
        popl    %eax
{{ L("another") }}:
        ret
{% endcall %}

# console_look_set(): when to look next.
#
# in:    -
# out:   -
# clob:  %eax, %edx, %edi
# errs:  none
{% call routine("console_look_set") %}
        call    clock_now
        addl    $CONSOLE_LOOK_NS, %eax
        adcl    $0, %edx
        movl    $console_timer, %edi
        jmp     timer_set
{% endcall %}

{% set L = labels("console_look_due") %}
# console_look_due(timer): looks whether something has been typed.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %edx, %edi
# errs:  none
{% call routine("console_look_due") %}
        movl    domain_list, %ebx
        cmpw    $0, DOMAIN_virqs + 2 * VIRQ_CONSOLE(%ebx)
        je      {{ L("nobody_listens") }}
        call    uart_has_input
        testl   %eax, %eax
        jz      {{ L("nothing") }}
        movl    $VIRQ_CONSOLE, %eax
        call    event_virq
{{ L("nothing") }}:
        jmp     console_look_set
{{ L("nobody_listens") }}:
        ret
{% endcall %}

        .data
{% call object("console_timer") %}
        .long   0, 0, console_look_due, 0       # TIMER
{% endcall %}
