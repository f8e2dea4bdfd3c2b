# The doorbell: events that whoever serves domains from outside of the machine sends them, without a domain 0's help.
#
# `xengen run` has no toolstack in domain 0. It finds the console and store rings of the domains in memory
# and serves them there; here it says which port is to have an event (xengen/control/local.py).
#
# Invariants
#   - With the option services=1 only: else there is no timer, and no domain stays longer for it.
#   - Only ports that wait for domain 0 are rung. When domain 0 binds one it serves it, and the doorbell does nothing.
#   - A boot module's domain that ends stays (DOMAIN_PRESERVE) until it is let go, so that its last words are read and
#     nobody else gets the frames that are written from outside.
#   - Each DOORBELL_LOOK_NS at most DOORBELL_RINGS are answered: a bounded number of searches through domain_list.

        .section .init, "ax"

{% set L = labels("doorbell_begin") %}
# doorbell_begin(): the domains are there: from now on the doorbell is heard, if the option says so.
#
# in:    domain_list, option_services
# out:   doorbell
# clob:  %eax, %ebx, %edx, %edi
# errs:  none
{% call routine("doorbell_begin") %}
        cmpl    $0, option_services
        je      {{ L("off") }}
        movl    domain_list, %ebx               # domain 0 is the first
{{ L("next_domain") }}:
        movl    DOMAIN_next(%ebx), %ebx
        testl   %ebx, %ebx
        jz      {{ L("all_kept") }}
        orl     $DOMAIN_PRESERVE, DOMAIN_flags(%ebx)
        jmp     {{ L("next_domain") }}
{{ L("all_kept") }}:
        movl    $1, doorbell + DOORBELL_ready
        call    doorbell_look_set
{{ L("off") }}:
        ret
{% endcall %}

        .text

# doorbell_look_set(): when to look next.
#
# in:    -
# out:   -
# clob:  %eax, %edx, %edi
# errs:  none
{% call routine("doorbell_look_set") %}
        call    clock_now
        addl    $DOORBELL_LOOK_NS, %eax
        adcl    $0, %edx
        movl    $doorbell_timer, %edi
        jmp     timer_set
{% endcall %}

{% set L = labels("doorbell_due") %}
# doorbell_due(timer): does what the doorbell was rung for since the last look.
#
# in:    -
# out:   DOORBELL_consumed
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  a counter that has run away: what it announced is dropped
{% call routine("doorbell_due") %}
        movl    doorbell + DOORBELL_produced, %edi
        movl    %edi, %ecx
        subl    doorbell + DOORBELL_consumed, %ecx
        cmpl    $DOORBELL_RINGS, %ecx
        ja      {{ L("all_done") }}
{{ L("next_ring") }}:
        movl    doorbell + DOORBELL_consumed, %edx
        cmpl    %edi, %edx
        je      {{ L("all_done") }}
        andl    $(DOORBELL_RINGS - 1), %edx
        movzwl  doorbell + DOORBELL_rings + DOORBELL_RING_domain(,%edx,4), %eax
        movzwl  doorbell + DOORBELL_rings + DOORBELL_RING_port(,%edx,4), %ecx
        call    doorbell_answer
        incl    doorbell + DOORBELL_consumed
        jmp     {{ L("next_ring") }}
{{ L("all_done") }}:
        movl    %edi, doorbell + DOORBELL_consumed
        jmp     doorbell_look_set
{% endcall %}

{% set L = labels("doorbell_answer") %}
# doorbell_answer(domain, port): an event for a port that waits for domain 0; or the domain is let go.
#
# in:    %eax = number of the domain, %ecx = port, or DOORBELL_LET_GO
# out:   -
# clob:  %eax, %ebx, %edx
# errs:  none; what cannot be is dropped
{% call routine("doorbell_answer") %}
        call    control_domain                  # %ebx
        testl   %ebx, %ebx
        jz      {{ L("dropped") }}
        testl   $DOMAIN_DYING, DOMAIN_flags(%ebx)
        jnz     {{ L("dropped") }}
        movl    %ecx, %eax
        cmpl    $DOORBELL_LET_GO, %eax
        je      domain_let_go
        call    port_find
        testl   %edx, %edx
        jz      {{ L("dropped") }}
        cmpb    $EVTCHNSTAT_unbound, PORT_state(%edx)
        jne     {{ L("dropped") }}
        cmpl    $0, PORT_remote(%edx)
        je      event_pending
{{ L("dropped") }}:
        ret
{% endcall %}

{% set L = labels("domain_let_go") %}
# domain_let_go(domain): the domain is not preserved any more; if it has ended, it goes now.
#
# in:    %ebx = DOMAIN
# out:   -
# clob:  %eax
# errs:  none
{% call routine("domain_let_go") %}
        call    domain_is_to_go
        je      {{ L("goes_already") }}
        andl    $~DOMAIN_PRESERVE, DOMAIN_flags(%ebx)
        call    domain_is_to_go
        jne     {{ L("lives") }}
        incl    domains_ended
{{ L("goes_already") }}:
{{ L("lives") }}:
        ret
{% endcall %}

        .data
{% call object("doorbell_timer") %}
        .long   0, 0, doorbell_due, 0           # TIMER
{% endcall %}
{{ space("doorbell", "DOORBELL_size") }}
