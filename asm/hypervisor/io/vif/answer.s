# Answers: responses written into rings, shown to front ends at the end of a run, and events as they were asked for.
#
# Invariants
#   - Each slot taken from a ring gets one response, so rsp_prod never passes req_cons, and a response always
#     has the place of a request that was taken.
#   - Responses up to VIF_RING_told are shown. Whoever has others is in vif_touched, and is shown them by vifs_show:
#     one event at the most for all that one run has done.

        .text

{% set L = labels("vif_answer") %}
# vif_answer(packet, vif, status): answers all slots of a packet that was taken from a transmit ring.
#
# in:    %ebp = VIF_PACKET, %ebx = its VIF, whose ring may be gone, %eax = NETIF_RSP_*
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vif_answer") %}
        pushl   %eax
        movl    VIF_tx_io_mfn(%ebx), %eax
        testl   %eax, %eax
        jz      {{ L("no_ring") }}
        call    map_frame
        movl    %eax, %esi
        movzwl  (%esp), %eax
        shll    $16, %eax                       # the status is the response's upper half
        movl    VIF_PACKET_count(%ebp), %ecx
        leal    VIF_PACKET_slots(%ebp), %edi
        movl    VIF_PACKET_extras(%ebp), %edx
        movl    %edx, (%esp)
{{ L("next_slot") }}:
        movw    VIF_SLOT_id(%edi), %ax
        call    vif_answer_slot
        cmpl    $0, (%esp)
        je      {{ L("no_extra") }}
        pushl   %eax
        movl    $(NETIF_RSP_NULL << 16), %eax
{{ L("next_extra") }}:                          # they stood behind the first slot
        call    vif_answer_slot
        decl    4(%esp)
        jnz     {{ L("next_extra") }}
        popl    %eax
{{ L("no_extra") }}:
        addl    $VIF_SLOT_size, %edi
        decl    %ecx
        jnz     {{ L("next_slot") }}
        popl    %eax
        jmp     vif_touch
{{ L("no_ring") }}:
        popl    %eax
        ret
{% endcall %}

# vif_answer_slot(ring, vif, response): writes one response.
#
# in:    %esi = ring's page, %ebx = VIF, %eax = NETIF_TX_RESPONSE
# out:   -
# clob:  %edx
# errs:  none
{% call routine("vif_answer_slot") %}
        movl    VIF_tx_io_rsp_prod(%ebx), %edx
        andl    $(NETIF_TX_RING_ENTRIES - 1), %edx
        leal    (%edx,%edx,2), %edx
        movl    %eax, SRING_HEADER_size(%esi,%edx,4)
        incl    VIF_tx_io_rsp_prod(%ebx)
        ret
{% endcall %}

{% set L = labels("vif_touch") %}
# vif_touch(vif): it has responses to be shown.
#
# in:    %ebx = VIF
# out:   -
# clob:  none
# errs:  none
{% call routine("vif_touch") %}
        cmpl    $0, VIF_touched(%ebx)
        jne     {{ L("done") }}
        movl    $1, VIF_touched(%ebx)
        pushl   vif_touched
        popl    VIF_touched_next(%ebx)
        movl    %ebx, vif_touched
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vifs_show") %}
# vifs_show(): shows all front ends what they have been answered.
#
# in:    -
# out:   vif_touched is empty
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  none
{% call routine("vifs_show") %}
        movl    vif_touched, %ebx
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        pushl   VIF_touched_next(%ebx)
        popl    vif_touched
        movl    $0, VIF_touched(%ebx)
        leal    VIF_tx(%ebx), %esi
        call    vif_ring_show
        leal    VIF_rx(%ebx), %esi
        call    vif_ring_show
        jmp     vifs_show
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vif_ring_show") %}
# vif_ring_show(vif, ring): shows responses, with an event if the front end waits for one of them (ABI 11.4).
#
# in:    %ebx = VIF, %esi = VIF_RING
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("vif_ring_show") %}
        movl    VIF_RING_io_rsp_prod(%esi), %ecx
        movl    %ecx, %edx
        subl    VIF_RING_told(%esi), %edx       # how many are new
        jz      {{ L("done") }}
        movl    VIF_RING_io_mfn(%esi), %eax
        testl   %eax, %eax
        jz      {{ L("done") }}
        call    map_frame
        movl    %ecx, SRING_HEADER_rsp_prod(%eax)
        movl    %ecx, VIF_RING_told(%esi)
        subl    SRING_HEADER_rsp_event(%eax), %ecx
        cmpl    %edx, %ecx
        jae     {{ L("done") }}
        cmpl    $IO_STATE_CONNECTED, VIF_device_state(%ebx)
        jne     {{ L("done") }}                 # it has been told, and has no port any more
        movl    VIF_RING_port(%esi), %eax
        incl    VIF_device_events(%ebx)
        pushl   %ebx
        movl    VIF_device_domain(%ebx), %ebx
        call    event_pending
        popl    %ebx
{{ L("done") }}:
        ret
{% endcall %}

        .data
{% call object("vif_touched") %}
        .long   0
{% endcall %}
