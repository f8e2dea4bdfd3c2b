# The receive ring: a packet into a buffer of the domain's, by copy or by exchange of pages.
#
# Invariants
#   - No buffer, no packet: it is dropped and counted. A buffer that is none is answered with an error, and the packet
#     is dropped with it.
#   - One request is taken and answered for each packet: its req_cons and rsp_prod are equal.
#   - The domain may change its page while we write it, and does not matter: nothing is read back from it.

        .text

{% set L = labels("vif_admit") %}
# vif_admit(packet, vif): a packet for an interface: its rules are asked, then it is delivered, here or where they say.
#
# in:    %ebp = VIF_PACKET with head, pieces and facts, %ebx = VIF
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vif_admit") %}
        movl    $VIF_IN, %ecx
        call    vif_judge
        pushl   %eax
        call    vif_rule_count
        popl    %eax
        cmpl    $VIF_ACCEPT, %eax
        je      vif_deliver
        cmpl    $VIF_REDIRECT, %eax
        jne     {{ L("filtered") }}
        movl    VIF_RULE_RECORD_target(%edx), %edx
        testl   %edx, %edx                      # back to the wire: there it came from
        jz      {{ L("filtered") }}
        movl    %edx, %ebx
        jmp     vif_deliver
{{ L("filtered") }}:
        incl    VIF_filtered(%ebx)
        ret
{% endcall %}

{% set L = labels("vif_deliver") %}
# vif_deliver(packet, vif): puts a packet into the next buffer of an interface.
#
# in:    %ebp = VIF_PACKET with head, pieces and facts, %ebx = VIF
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vif_deliver") %}
        cmpl    $IO_STATE_CONNECTED, VIF_device_state(%ebx)
        jne     {{ L("no_buffer") }}
        testl   $VIF_NO_CHECKSUM, VIF_flags(%ebx)
        jz      {{ L("as_it_is") }}
        testl   $NETTXF_csum_blank, VIF_PACKET_flags(%ebp)
        jz      {{ L("as_it_is") }}
        call    vif_checksum
        jc      {{ L("no_checksum") }}
{{ L("as_it_is") }}:
        movl    VIF_rx_io_mfn(%ebx), %eax
        call    map_frame
        movl    %eax, %esi
        movl    SRING_HEADER_req_prod(%esi), %eax
        movl    VIF_rx_io_req_cons(%ebx), %ecx
        subl    %ecx, %eax
        jz      {{ L("no_buffer") }}
        cmpl    $NETIF_RX_RING_ENTRIES, %eax
        ja      {{ L("bad_producer") }}
        andl    $(NETIF_RX_RING_ENTRIES - 1), %ecx
        leal    SRING_HEADER_size(%esi,%ecx,8), %esi
        movzwl  NETIF_RX_REQUEST_id(%esi), %eax
        movl    %eax, vif_rx_id
        movl    NETIF_RX_REQUEST_gref(%esi), %ecx
        incl    VIF_rx_io_req_cons(%ebx)
        testl   $VIF_RX_COPY, VIF_flags(%ebx)
        jz      {{ L("exchange") }}
        call    vif_copy_in
        jmp     {{ L("answer") }}
{{ L("exchange") }}:
        decl    vif_work                        # a page is to be cleared, too
        call    vif_exchange
{{ L("answer") }}:                              # %eax = offset, carry: the buffer is none
        jc      {{ L("bad_buffer") }}
        movl    VIF_PACKET_packet_bytes(%ebp), %ecx
        incl    VIF_rx_packets(%ebx)
        addl    %ecx, VIF_rx_bytes(%ebx)
        adcl    $0, VIF_rx_bytes_high(%ebx)
        jmp     vif_rx_answer
{{ L("bad_buffer") }}:
        incl    VIF_rx_errors(%ebx)
        xorl    %eax, %eax
        movl    $NETIF_RSP_ERROR, %ecx
        jmp     vif_rx_answer
{{ L("no_checksum") }}:                         # and it takes none without
        incl    VIF_filtered(%ebx)
        ret
{{ L("no_buffer") }}:
        incl    VIF_rx_no_buffer(%ebx)
        ret
{{ L("bad_producer") }}:
        incl    VIF_rx_no_buffer(%ebx)
        movl    $IO_REASON_PRODUCER, %eax
        jmp     vif_hostile
{% endcall %}

{% set L = labels("vif_rx_answer") %}
# vif_rx_answer(packet, vif, offset, status): answers the request that was taken last.
#
# in:    %ebp = VIF_PACKET, %ebx = VIF, %eax = offset, %ecx = bytes or NETIF_RSP_ERROR; vif_rx_id
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("vif_rx_answer") %}
        shll    $16, %eax
        movw    vif_rx_id, %ax
        movl    %eax, %edx
        shll    $16, %ecx
        movl    VIF_PACKET_flags(%ebp), %eax
        testl   $NETTXF_csum_blank, %eax
        jz      {{ L("not_blank") }}
        movw    $(NETRXF_csum_blank | NETRXF_data_validated), %cx
        jmp     {{ L("flags_done") }}
{{ L("not_blank") }}:
        testl   $NETTXF_data_validated, %eax
        jz      {{ L("flags_done") }}
        movw    $NETRXF_data_validated, %cx
{{ L("flags_done") }}:
        movl    VIF_rx_io_mfn(%ebx), %eax
        call    map_frame
        movl    VIF_rx_io_rsp_prod(%ebx), %esi
        andl    $(NETIF_RX_RING_ENTRIES - 1), %esi
        movl    %edx, SRING_HEADER_size(%eax,%esi,8)
        movl    %ecx, SRING_HEADER_size + 4(%eax,%esi,8)
        incl    VIF_rx_io_rsp_prod(%ebx)
        jmp     vif_touch
{% endcall %}

{% set L = labels("vif_copy_in") %}
# vif_copy_in(packet, vif, ref): copies a packet into a granted page.
#
# in:    %ebp = VIF_PACKET, %ebx = VIF, %ecx = ref
# out:   no carry: %eax = offset, 0; carry: no page that we may write
# clob:  %ecx, %edx, %esi, %edi
# errs:  carry
{% call routine("vif_copy_in") %}
        pushl   %ebx
        movl    VIF_device_domain(%ebx), %ebx
        movl    $1, %edx
        xorl    %eax, %eax
        call    grant_acquire
        jc      {{ L("refused") }}
        pushl   %ecx
        pushl   %eax
        call    vif_gather
        popl    %eax
        popl    %ecx
        movl    $1, %edx
        call    grant_release
        xorl    %eax, %eax
{{ L("refused") }}:
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("vif_gather") %}
# vif_gather(packet, mfn): copies a packet to the beginning of a frame.
#
# in:    %ebp = VIF_PACKET, %eax = mfn
# out:   %edi = address behind what was copied
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("vif_gather") %}
        call    map_frame
        movl    %eax, %edi
        leal    VIF_PACKET_head(%ebp), %esi
        movl    VIF_PACKET_head_bytes(%ebp), %ecx
        xorl    %edx, %edx
        jmp     {{ L("copy") }}
{{ L("next_piece") }}:
        movl    VIF_PACKET_packet_pieces + PIECE_address(%ebp,%edx,8), %eax
        movl    %eax, %esi
        andl    $PAGE_OFFSET_MASK, %esi
        shrl    $PAGE_SHIFT, %eax
        call    map_frame
        addl    %eax, %esi
        movl    VIF_PACKET_packet_pieces + PIECE_bytes(%ebp,%edx,8), %ecx
{{ L("copy") }}:
        call    memory_copy
        addl    %ecx, %edi
        incl    %edx
        cmpl    VIF_PACKET_packet_count(%ebp), %edx
        jb      {{ L("next_piece") }}
        ret
{% endcall %}

{{ space("vif_rx_id", 4) }}
