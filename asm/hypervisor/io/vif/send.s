# One packet of a domain from its ring to where it goes, and the credit that it may use up.
#
# Invariants
#   - What is decided about a packet counts (rules, credit, ring) only when it is taken for good: one that a NIC has no
#     room for leaves nothing behind.
#   - Credit may go below zero by one packet, and what is missing is missing in the next period: over many periods the
#     domain sends what it may, whatever the sizes of its packets.

        .text

{% set L = labels("vif_send") %}
# vif_send(vif): the next packet of an interface.
#
# in:    %ebx = VIF that is connected; vif_work
# out:   %eax = VIF_TX_PACKET (one is gone, in whatever way), VIF_TX_NONE, VIF_TX_BLOCKED, VIF_TX_CREDIT, VIF_TX_HOSTILE
# clob:  %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("vif_send") %}
        call    vif_credit_left
        jc      {{ L("no_credit") }}
        call    vif_tx_take
        cmpl    $VIF_TX_BAD, %eax
        je      vif_refuse
        jb      {{ L("packet_or_none") }}
        movl    %ecx, %eax
        call    vif_hostile
        movl    $VIF_TX_HOSTILE, %eax
        ret
{{ L("no_credit") }}:
        movl    $VIF_TX_CREDIT, %eax
        ret
{{ L("packet_or_none") }}:
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    VIF_PACKET_count(%ebp), %eax
        shrl    $2, %eax                        # four pages more are as much as another packet
        incl    %eax
        subl    %eax, vif_work
        call    vif_hold
        jc      vif_refuse
        call    vif_facts
        movl    $VIF_OUT, %ecx
        call    vif_judge
        pushl   %edx
        call    vif_carry_out
        popl    %edx
        cmpl    $VIF_TX_BLOCKED, %eax
        je      {{ L("no_room") }}
        pushl   %eax
        call    vif_rule_count
        movl    (%esp), %eax
        call    vif_consume
        popl    %eax
        cmpl    $VIF_TX_KEPT, %eax
        je      {{ L("taken") }}
        pushl   %eax
        call    vif_let_go
        popl    %eax
        movl    vif_statuses(,%eax,4), %eax
        call    vif_answer
{{ L("taken") }}:
        movl    $VIF_TX_PACKET, %eax
{{ L("done") }}:
        ret
{{ L("no_room") }}:
        call    vif_let_go
        movl    $VIF_TX_BLOCKED, %eax
        ret
{% endcall %}

{% set L = labels("vif_carry_out") %}
# vif_carry_out(packet, vif, action, rule): does with a packet what the rules say.
#
# in:    %ebp = VIF_PACKET with head, pieces and facts, %ebx = its VIF, %eax = VIF_ACCEPT, VIF_DROP or VIF_REDIRECT,
#        %edx = VIF_RULE_RECORD of a VIF_REDIRECT
# out:   %eax = VIF_TX_PACKET, VIF_TX_KEPT, VIF_TX_BLOCKED, VIF_TX_BAD or VIF_TX_DROPPED
# clob:  %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vif_carry_out") %}
        cmpl    $VIF_ACCEPT, %eax
        je      vif_switch
        cmpl    $VIF_REDIRECT, %eax
        jne     {{ L("dropped") }}
        movl    VIF_RULE_RECORD_target(%edx), %edx
        testl   %edx, %edx
        jz      vif_to_nic
        pushl   %ebx
        movl    %edx, %ebx
        call    vif_deliver
        popl    %ebx
        xorl    %eax, %eax
        ret
{{ L("dropped") }}:
        incl    VIF_spoofed(%ebx)
        movl    $VIF_TX_DROPPED, %eax
        ret
{% endcall %}

{% set L = labels("vif_refuse") %}
# vif_refuse(packet, vif): takes a packet that cannot be sent, and answers it with an error.
#
# in:    %ebp = VIF_PACKET that holds no page, %ebx = its VIF
# out:   %eax = VIF_TX_PACKET
# clob:  %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vif_refuse") %}
        decl    vif_work
        incl    VIF_tx_errors(%ebx)
        subl    $VIF_BAD_BYTES, VIF_deficit(%ebx)
        call    vif_consume_slots
        movl    $NETIF_RSP_ERROR, %eax
        call    vif_answer
        movl    $VIF_TX_PACKET, %eax
        ret
{% endcall %}

{% set L = labels("vif_consume") %}
# vif_consume(packet, vif): takes a packet for good.
#
# in:    %ebp = VIF_PACKET, %ebx = its VIF, %eax = VIF_TX_*: what became of it
# out:   -
# clob:  %ecx
# errs:  none
{% call routine("vif_consume") %}
        movl    VIF_PACKET_packet_bytes(%ebp), %ecx
        subl    %ecx, VIF_deficit(%ebx)
        subl    %ecx, VIF_credit(%ebx)
        cmpl    $VIF_TX_DROPPED, %eax
        je      vif_consume_slots
        cmpl    $VIF_TX_BAD, %eax
        je      {{ L("bad") }}
        incl    VIF_tx_packets(%ebx)
        addl    %ecx, VIF_tx_bytes(%ebx)
        adcl    $0, VIF_tx_bytes_high(%ebx)
        jmp     vif_consume_slots
{{ L("bad") }}:
        incl    VIF_tx_errors(%ebx)
        jmp     vif_consume_slots
{% endcall %}

# vif_consume_slots(packet, vif): the slots of a packet are taken from its ring.
#
# in:    %ebp = VIF_PACKET, %ebx = its VIF
# out:   -
# clob:  %ecx
# errs:  none
{% call routine("vif_consume_slots") %}
        movl    VIF_PACKET_count(%ebp), %ecx
        addl    VIF_PACKET_extras(%ebp), %ecx
        addl    %ecx, VIF_tx_io_req_cons(%ebx)
        ret
{% endcall %}

{% set L = labels("vif_credit_left") %}
# vif_credit_left(vif): whether an interface may send now; if not, it waits for its next period.
#
# in:    %ebx = VIF
# out:   carry: it waits
# clob:  %eax, %ecx, %edx, %edi
# errs:  none
{% call routine("vif_credit_left") %}
        cmpl    $0, VIF_credit_period_us(%ebx)
        je      {{ L("may_send") }}
        cmpl    $0, VIF_credit(%ebx)
        jg      {{ L("may_send") }}
        call    clock_now
        movl    %eax, %ecx
        movl    %edx, %edi
        subl    VIF_credit_end(%ebx), %ecx
        sbbl    VIF_credit_end_high(%ebx), %edi
        jb      {{ L("wait") }}
        movl    VIF_credit_bytes(%ebx), %ecx
        addl    %ecx, VIF_credit(%ebx)
        call    vif_period
        cmpl    $0, VIF_credit(%ebx)
        jle     {{ L("wait") }}
{{ L("may_send") }}:
        clc
        ret
{{ L("wait") }}:
        incl    VIF_credit_waits(%ebx)
        movl    $VIF_WAITS_FOR_CREDIT, VIF_waits(%ebx)
        movl    VIF_credit_end(%ebx), %eax
        movl    VIF_credit_end_high(%ebx), %edx
        leal    VIF_credit_timer(%ebx), %edi
        call    timer_set
        stc
        ret
{% endcall %}

{% set L = labels("vif_period") %}
# vif_period(vif, now): when the next period ends: one behind the last one's end, or from now on if that has passed.
#
# in:    %ebx = VIF, %edx:%eax = system time
# out:   VIF_credit_end
# clob:  %eax, %ecx, %edx, %edi
# errs:  none
{% call routine("vif_period") %}
        pushl   %edx
        pushl   %eax
        movl    VIF_credit_period_us(%ebx), %eax
        movl    $1000, %ecx
        mull    %ecx
        movl    %eax, %ecx
        movl    %edx, %edi                      # ns
        addl    VIF_credit_end(%ebx), %eax
        adcl    VIF_credit_end_high(%ebx), %edx
        cmpl    (%esp), %eax
        pushl   %edx
        sbbl    8(%esp), %edx
        popl    %edx
        jae     {{ L("have_end") }}
        movl    (%esp), %eax
        movl    4(%esp), %edx
        addl    %ecx, %eax
        adcl    %edi, %edx
{{ L("have_end") }}:
        movl    %eax, VIF_credit_end(%ebx)
        movl    %edx, VIF_credit_end_high(%ebx)
        popl    %eax
        popl    %edx
        ret
{% endcall %}

# vif_credit_due(timer): a period is over: the interface has its turn again.
#
# in:    %edi = its VIF_credit_timer
# out:   -
# clob:  %edx
# errs:  none
{% call routine("vif_credit_due") %}
        leal    -VIF_credit_timer(%edi), %edx
        movl    $VIF_WAITS_FOR_NOTHING, VIF_waits(%edx)
        jmp     device_wake
{% endcall %}

        .section .rodata
{% call object("vif_statuses") %}
        .long   NETIF_RSP_OKAY, 0, NETIF_RSP_ERROR, 0, 0, 0, 0, NETIF_RSP_DROPPED   # by VIF_TX_*
{% endcall %}
