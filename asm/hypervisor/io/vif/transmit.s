# The transmit ring: one packet out of it, checked, its head copied and its payload held where it is.
#
# Invariants
#   - The ring is the domain's to write at any moment: its producer is read once, each slot is copied once into the
#     VIF_PACKET, and only the copy is used.
#   - A producer that is more than a ring ahead of the responses, behind what was taken, or in the middle of a packet
#     shuts the interface. A packet that cannot be sent is answered with an error, and nothing else happens.
#   - Slots are consumed (req_cons) when the packet is taken for good: what is tried again is read again.

        .text

{% set L = labels("vif_tx_take") %}
# vif_tx_take(vif): reads the next packet of a ring.
#
# in:    %ebx = VIF that is connected
# out:   %eax = VIF_TX_PACKET: %ebp = vif_record with slots, extras, flags and bytes; VIF_TX_BAD: the same, to be
#        refused; VIF_TX_NONE; VIF_TX_HOSTILE: %ecx = IO_REASON_*
# clob:  %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("vif_tx_take") %}
        movl    vif_record, %ebp
        movl    VIF_tx_io_mfn(%ebx), %eax
        call    map_frame
        movl    %eax, %esi
        movl    SRING_HEADER_req_prod(%esi), %ecx
        movl    %ecx, %eax
        subl    VIF_tx_io_rsp_prod(%ebx), %eax
        cmpl    $NETIF_TX_RING_ENTRIES, %eax
        ja      {{ L("bad_producer") }}
        movl    VIF_tx_io_req_cons(%ebx), %edx
        subl    %edx, %ecx                      # slots that wait
        jz      {{ L("none") }}
        cmpl    $NETIF_TX_RING_ENTRIES, %ecx
        ja      {{ L("bad_producer") }}
        movl    $0, VIF_PACKET_count(%ebp)
        movl    $0, VIF_PACKET_extras(%ebp)
        movl    %ebx, VIF_PACKET_vif(%ebp)
        leal    VIF_PACKET_slots(%ebp), %edi
        call    vif_slot_copy
        movzwl  VIF_SLOT_flags(%edi), %eax
        movl    %eax, VIF_PACKET_flags(%ebp)
        movzwl  VIF_SLOT_bytes(%edi), %eax
        movl    %eax, VIF_PACKET_packet_bytes(%ebp)
        testl   $NETTXF_extra_info, VIF_PACKET_flags(%ebp)
        jz      {{ L("no_extras") }}
        call    vif_extras_take
        jc      {{ L("hostile") }}
{{ L("no_extras") }}:
        testw   $NETTXF_more_data, VIF_SLOT_flags(%edi)
        jz      {{ L("complete") }}
        addl    $VIF_SLOT_size, %edi
        cmpl    $XEN_NETIF_NR_SLOTS_MIN, VIF_PACKET_count(%ebp)
        je      {{ L("too_many") }}
        testl   %ecx, %ecx
        jz      {{ L("incomplete") }}
        call    vif_slot_copy
        jmp     {{ L("no_extras") }}
{{ L("complete") }}:
        call    vif_slots_check
        ret
{{ L("none") }}:
        incl    %edx
        movl    %edx, SRING_HEADER_req_event(%esi)
        movl    $VIF_TX_NONE, %eax
        ret
{{ L("bad_producer") }}:
        movl    $IO_REASON_PRODUCER, %ecx
        movl    $VIF_TX_HOSTILE, %eax
        ret
{{ L("too_many") }}:
        movl    $IO_REASON_PACKET, %ecx
        movl    $VIF_TX_HOSTILE, %eax
        ret
{{ L("incomplete") }}:
        movl    $IO_REASON_PACKET, %ecx
{{ L("hostile") }}:
        movl    $VIF_TX_HOSTILE, %eax
        ret
{% endcall %}

# vif_slot_copy(ring, index, waiting, slot, packet): copies a request.
#
# in:    %esi = ring's page, %edx = counter of the slot, %ecx = slots that wait, %edi = VIF_SLOT, %ebp = VIF_PACKET
# out:   the VIF_SLOT; %edx, %ecx: behind it; one more in the packet's count
# clob:  %eax
# errs:  none
{% call routine("vif_slot_copy") %}
        pushl   %esi
        movl    %edx, %eax
        andl    $(NETIF_TX_RING_ENTRIES - 1), %eax
        leal    (%eax,%eax,2), %eax
        leal    SRING_HEADER_size(%esi,%eax,4), %esi
        movl    NETIF_TX_REQUEST_gref(%esi), %eax
        movl    %eax, VIF_SLOT_ref(%edi)
        movl    NETIF_TX_REQUEST_offset(%esi), %eax     # and the flags
        movl    %eax, VIF_SLOT_offset(%edi)
        movl    NETIF_TX_REQUEST_id(%esi), %eax         # and the size
        movl    %eax, VIF_SLOT_id(%edi)
        movl    $0, VIF_SLOT_mfn(%edi)
        popl    %esi
        incl    VIF_PACKET_count(%ebp)
        incl    %edx
        decl    %ecx
        ret
{% endcall %}

{% set L = labels("vif_extras_take") %}
# vif_extras_take(ring, index, waiting, packet): looks at the slots that say more about a packet.
#
# in:    %esi = ring's page, %edx = counter of the slot, %ecx = slots that wait, %ebp = VIF_PACKET
# out:   no carry: %edx, %ecx: behind them; VIF_PACKET_extras; VIF_BAD_EXTRA in its flags when one asks for what is not
#        offered; carry: %ecx = IO_REASON_*
# clob:  %eax
# errs:  carry (they do not end)
{% call routine("vif_extras_take") %}
{{ L("next_extra") }}:
        cmpl    $XEN_NETIF_EXTRA_TYPE_HASH, VIF_PACKET_extras(%ebp)
        jae     {{ L("hostile") }}              # more than there are types
        testl   %ecx, %ecx
        jz      {{ L("hostile") }}
        movl    %edx, %eax
        andl    $(NETIF_TX_RING_ENTRIES - 1), %eax
        leal    (%eax,%eax,2), %eax
        movzwl  SRING_HEADER_size(%esi,%eax,4), %eax    # type and flags
        incl    VIF_PACKET_extras(%ebp)
        incl    %edx
        decl    %ecx
        cmpb    $XEN_NETIF_EXTRA_TYPE_HASH, %al
        je      {{ L("known") }}
        orl     $VIF_BAD_EXTRA, VIF_PACKET_flags(%ebp)
{{ L("known") }}:
        testb   $XEN_NETIF_EXTRA_FLAG_MORE, %ah
        jnz     {{ L("next_extra") }}
        clc
        ret
{{ L("hostile") }}:
        movl    $IO_REASON_PACKET, %ecx
        stc
        ret
{% endcall %}

{% set L = labels("vif_slots_check") %}
# vif_slots_check(packet): whether the slots of a packet make sense.
#
# in:    %ebp = VIF_PACKET with slots and bytes
# out:   %eax = VIF_TX_PACKET or VIF_TX_BAD; the first slot's size is its own from now on
# clob:  %ecx, %edx, %edi
# errs:  none
{% call routine("vif_slots_check") %}
        testl   $VIF_BAD_EXTRA, VIF_PACKET_flags(%ebp)
        jnz     {{ L("bad") }}
        movl    VIF_PACKET_packet_bytes(%ebp), %edx
        cmpl    $ETHERNET_size, %edx
        jb      {{ L("bad") }}
        cmpl    $ETHERNET_MOST, %edx
        ja      {{ L("bad") }}
        movl    VIF_PACKET_count(%ebp), %ecx
        leal    VIF_PACKET_slots(%ebp), %edi
        jmp     {{ L("others") }}
{{ L("next_slot") }}:
        addl    $VIF_SLOT_size, %edi
        movzwl  VIF_SLOT_bytes(%edi), %eax
        subl    %eax, %edx
        jb      {{ L("bad") }}
        addw    VIF_SLOT_offset(%edi), %ax
        jc      {{ L("bad") }}
        cmpl    $PAGE_SIZE, %eax
        ja      {{ L("bad") }}
{{ L("others") }}:
        decl    %ecx
        jnz     {{ L("next_slot") }}
        leal    VIF_PACKET_slots(%ebp), %edi
        movw    %dx, VIF_SLOT_bytes(%edi)
        movzwl  VIF_SLOT_offset(%edi), %eax
        addl    %edx, %eax
        cmpl    $PAGE_SIZE, %eax
        ja      {{ L("bad") }}
        movl    $VIF_TX_PACKET, %eax
        ret
{{ L("bad") }}:
        movl    $VIF_TX_BAD, %eax
        ret
{% endcall %}

{% set L = labels("vif_hold") %}
# vif_hold(packet): holds the pages of a packet, copies its head, and lists its pieces.
#
# in:    %ebp = VIF_PACKET whose slots are good, %ebx = its VIF
# out:   no carry: head, head_bytes, pieces; carry: a slot has no page that we may read, and none is held
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  carry
{% call routine("vif_hold") %}
        movl    $0, VIF_PACKET_head_bytes(%ebp)
        movl    $1, VIF_PACKET_packet_count(%ebp)
        leal    VIF_PACKET_slots(%ebp), %edi
        movl    VIF_PACKET_count(%ebp), %ecx
{{ L("next_slot") }}:
        cmpw    $0, VIF_SLOT_bytes(%edi)
        je      {{ L("held") }}
        pushl   %ecx
        pushl   %ebx
        movl    VIF_device_domain(%ebx), %ebx
        movl    VIF_SLOT_ref(%edi), %ecx
        xorl    %edx, %edx
        xorl    %eax, %eax                      # domain 0's part is played by us
        call    grant_acquire
        jc      {{ L("refused") }}
        movl    %eax, VIF_SLOT_mfn(%edi)
        call    vif_slot_head
        testl   %eax, %eax
        jz      {{ L("in_the_head") }}
        movl    VIF_PACKET_packet_count(%ebp), %edx
        movl    %eax, VIF_PACKET_packet_pieces + PIECE_bytes(%ebp,%edx,8)
        movl    VIF_SLOT_mfn(%edi), %eax
        shll    $PAGE_SHIFT, %eax
        addl    %ecx, %eax
        movl    %eax, VIF_PACKET_packet_pieces + PIECE_address(%ebp,%edx,8)
        incl    VIF_PACKET_packet_count(%ebp)
        jmp     {{ L("slot_done") }}
{{ L("in_the_head") }}:                         # the page is needed no more
        call    vif_slot_drop
{{ L("slot_done") }}:
        popl    %ebx
        popl    %ecx
{{ L("held") }}:
        addl    $VIF_SLOT_size, %edi
        decl    %ecx
        jnz     {{ L("next_slot") }}
        movl    VIF_PACKET_head_bytes(%ebp), %eax
        movl    %eax, VIF_PACKET_packet_pieces + PIECE_bytes(%ebp)
        clc
        ret
{{ L("refused") }}:
        popl    %ebx
        popl    %ecx
        call    vif_let_go
        stc
        ret
{% endcall %}

{% set L = labels("vif_slot_head") %}
# vif_slot_head(packet, slot): copies what of a slot belongs to the head.
#
# in:    %ebp = VIF_PACKET, %edi = VIF_SLOT that is held
# out:   %eax = bytes of it that are left, %ecx = their offset in the page
# clob:  %edx, %esi
# errs:  none
{% call routine("vif_slot_head") %}
        movl    VIF_SLOT_mfn(%edi), %eax
        call    map_frame
        movzwl  VIF_SLOT_offset(%edi), %edx
        leal    (%eax,%edx), %esi
        movl    $VIF_HEAD_BYTES, %ecx
        subl    VIF_PACKET_head_bytes(%ebp), %ecx
        movzwl  VIF_SLOT_bytes(%edi), %eax
        cmpl    %eax, %ecx
        jbe     {{ L("fits") }}
        movl    %eax, %ecx
{{ L("fits") }}:
        pushl   %edi
        movl    VIF_PACKET_head_bytes(%ebp), %edi
        leal    VIF_PACKET_head(%ebp,%edi), %edi
        call    memory_copy
        popl    %edi
        addl    %ecx, VIF_PACKET_head_bytes(%ebp)
        subl    %ecx, %eax
        addl    %edx, %ecx
        ret
{% endcall %}

{% set L = labels("vif_slot_drop") %}
# vif_slot_drop(domain, slot): lets go of the page of a slot.
#
# in:    %ebx = DOMAIN that granted it, %edi = VIF_SLOT that is held
# out:   VIF_SLOT_mfn = 0
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("vif_slot_drop") %}
        movl    VIF_SLOT_ref(%edi), %ecx
        movl    VIF_SLOT_mfn(%edi), %eax
        xorl    %edx, %edx
        movl    %edx, VIF_SLOT_mfn(%edi)
        jmp     grant_release
{% endcall %}

{% set L = labels("vif_let_go") %}
# vif_let_go(packet): lets go of all pages of a packet.
#
# in:    %ebp = VIF_PACKET of a VIF
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vif_let_go") %}
        pushl   %ebx
        movl    VIF_PACKET_vif(%ebp), %ebx
        movl    VIF_device_domain(%ebx), %ebx
        movl    VIF_PACKET_count(%ebp), %esi
        leal    VIF_PACKET_slots(%ebp), %edi
{{ L("next_slot") }}:
        cmpl    $0, VIF_SLOT_mfn(%edi)
        je      {{ L("not_held") }}
        call    vif_slot_drop
{{ L("not_held") }}:
        addl    $VIF_SLOT_size, %edi
        decl    %esi
        jnz     {{ L("next_slot") }}
        popl    %ebx
        ret
{% endcall %}
