# Where packets of domains go: by destination to another domain on the same wire, to the NIC, or to many.
#
# Invariants
#   - Interfaces with the same VIF_nic are on one wire. No two of them that are not going have the same address.
#   - A packet goes to a NIC as our copy of its head and pieces of its sender's pages, which stay until the NIC is done.
#   - What is for many goes to the NIC like that, and to domains by way of a copy in the queue (receive.s).

        .text

{% set L = labels("vif_hash") %}
# vif_hash(mac): the chain that an address is in.
#
# in:    %eax = the last four bytes of it
# out:   %eax = address of the head of its chain
# clob:  none
# errs:  none
{% call routine("vif_hash") %}
        pushl   %ecx
        movl    %eax, %ecx
        shrl    $16, %ecx
        xorl    %ecx, %eax
        xorb    %ah, %al
        andl    $(VIF_HASHES - 1), %eax
        leal    vif_hashes(,%eax,4), %eax
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("vif_find_mac") %}
# vif_find_mac(packet, nic): the interface that a packet is for.
#
# in:    %ebp = VIF_PACKET with its head, %ecx = NIC, 0: the wire without one
# out:   %ebx = VIF, or 0
# clob:  %eax, %edx
# errs:  0
{% call routine("vif_find_mac") %}
        movl    VIF_PACKET_head + ETHERNET_destination + 2(%ebp), %eax
        movl    %eax, %edx
        call    vif_hash
        movl    (%eax), %ebx
        movw    VIF_PACKET_head + ETHERNET_destination(%ebp), %ax
        jmp     {{ L("have_vif") }}
{{ L("next_vif") }}:
        movl    VIF_mac_next(%ebx), %ebx
{{ L("have_vif") }}:
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        cmpl    %edx, VIF_mac + 2(%ebx)
        jne     {{ L("next_vif") }}
        cmpw    %ax, VIF_mac(%ebx)
        jne     {{ L("next_vif") }}
        cmpl    %ecx, VIF_nic(%ebx)
        jne     {{ L("next_vif") }}
        testl   $IO_GOING, VIF_device_flags(%ebx)
        jnz     {{ L("next_vif") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vif_switch") %}
# vif_switch(packet, vif): sends a packet of a domain on its way.
#
# in:    %ebp = VIF_PACKET with head, pieces and facts, %ebx = its VIF
# out:   %eax = VIF_TX_PACKET (done with), VIF_TX_KEPT (a NIC has it), VIF_TX_BLOCKED (no room), VIF_TX_BAD
# clob:  %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vif_switch") %}
        movl    VIF_nic(%ebx), %ecx
        testb   $1, VIF_PACKET_head(%ebp)
        jnz     {{ L("for_many") }}
        pushl   %ebx
        call    vif_find_mac
        testl   %ebx, %ebx
        jz      {{ L("elsewhere") }}
        cmpl    (%esp), %ebx
        je      {{ L("itself") }}
        call    vif_admit
        popl    %ebx
        xorl    %eax, %eax
        ret
{{ L("itself") }}:
        popl    %ebx
        incl    VIF_tx_lost(%ebx)
        xorl    %eax, %eax
        ret
{{ L("elsewhere") }}:
        popl    %ebx
        jmp     vif_to_nic
{{ L("for_many") }}:
        testl   %ecx, %ecx
        jz      {{ L("no_nic") }}
        movl    $VIF_TX_BLOCKED, %eax
        cmpl    $0, NIC_room(%ecx)
        je      {{ L("done") }}
        call    vif_spread
        jmp     vif_to_nic
{{ L("no_nic") }}:
        call    vif_spread
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vif_spread") %}
# vif_spread(packet, vif): queues a copy of a packet for all others on its wire.
#
# in:    %ebp = VIF_PACKET, %ebx = its VIF
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none: without a place in the queue, or a frame, it is lost for them, and counted
{% call routine("vif_spread") %}
        call    vif_input_place
        jc      {{ L("lost") }}
        call    vif_spare_get
        testl   %eax, %eax
        jz      {{ L("lost") }}
        movl    %eax, VIF_INPUT_mfn(%esi)
        movw    $0, VIF_INPUT_offset(%esi)
        movl    VIF_PACKET_packet_bytes(%ebp), %ecx
        movw    %cx, VIF_INPUT_bytes(%esi)
        movl    VIF_nic(%ebx), %ecx
        movl    %ecx, VIF_INPUT_nic(%esi)
        movl    %ebx, VIF_INPUT_vif(%esi)
        movl    VIF_PACKET_flags(%ebp), %ecx
        movl    %ecx, VIF_INPUT_flags(%esi)
        incl    vif_input_prod
        jmp     vif_gather
{{ L("lost") }}:
        incl    VIF_tx_lost(%ebx)
        ret
{% endcall %}

{% set L = labels("vif_to_nic") %}
# vif_to_nic(packet, vif): hands a packet to the NIC of its wire.
#
# in:    %ebp = VIF_PACKET with head and pieces, %ebx = its VIF
# out:   %eax = as vif_switch; VIF_TX_KEPT: it is the NIC's, and vif_record is another
# clob:  %ecx, %edx, %esi, %edi
# errs:  VIF_TX_BAD: a checksum that cannot be completed
# calls: *_send, nic_*
{% call routine("vif_to_nic") %}
        movl    VIF_nic(%ebx), %ecx
        testl   %ecx, %ecx
        jz      {{ L("lost") }}
        movl    $VIF_TX_BLOCKED, %eax
        cmpl    $0, NIC_room(%ecx)
        je      {{ L("done") }}
        testl   $NETTXF_csum_blank, VIF_PACKET_flags(%ebp)
        jz      {{ L("complete") }}
        call    vif_checksum
        jc      {{ L("bad") }}
{{ L("complete") }}:
        call    vif_record_make
        testl   %eax, %eax
        jz      {{ L("lost") }}
        movl    %eax, vif_record
        movl    VIF_nic(%ebx), %eax
        movl    %eax, VIF_PACKET_packet_nic(%ebp)
        movl    $packet_done, VIF_PACKET_packet_done(%ebp)
        movl    %ebx, VIF_PACKET_packet_owner(%ebp)
        incl    VIF_device_in_flight(%ebx)
        incl    VIF_PACKET_in_flight(%ebp)
        movl    %ebp, %esi
        call    nic_send
        movl    $VIF_TX_KEPT, %eax
{{ L("done") }}:
        ret
{{ L("bad") }}:
        movl    $VIF_TX_BAD, %eax
        ret
{{ L("lost") }}:
        incl    VIF_tx_lost(%ebx)
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("packet_done") %}
# packet_done(packet): a NIC needs the pieces of a packet no more.
#
# in:    %esi = VIF_PACKET
# out:   -
# clob:  %eax
# errs:  none
# why:   whoever calls it has a bound of its own: pages are let go in the next run of interfaces
{% call routine("packet_done") %}
        movl    vif_done, %eax
        movl    %eax, VIF_PACKET_packet_next(%esi)
        movl    %esi, vif_done
        jmp     io_wake
{% endcall %}

{% set L = labels("vif_record_make") %}
# vif_record_make(): a VIF_PACKET for the next packet of any interface.
#
# in:    -
# out:   %eax = VIF_PACKET whose first piece is its head, or 0
# clob:  %ecx
# errs:  0: no memory
{% call routine("vif_record_make") %}
        movl    vif_records, %eax
        testl   %eax, %eax
        jz      {{ L("new_one") }}
        pushl   VIF_PACKET_packet_next(%eax)
        popl    vif_records
        ret
{{ L("new_one") }}:
        movl    $VIF_PACKET_size, %ecx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    vif_made, %ecx
        movl    %ecx, VIF_PACKET_made_next(%eax)
        movl    %eax, vif_made
        pushl   %eax
        leal    VIF_PACKET_head(%eax), %ecx
        call    heap_mfn
        shll    $PAGE_SHIFT, %eax
        andl    $PAGE_OFFSET_MASK, %ecx
        addl    %eax, %ecx
        popl    %eax
        movl    %ecx, VIF_PACKET_packet_pieces + PIECE_address(%eax)
{{ L("done") }}:
        ret
{% endcall %}

        .data
{% for name in ["vif_record", "vif_records", "vif_made", "vif_done", "vif_list"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("vif_hashes", "4 * VIF_HASHES") }}
