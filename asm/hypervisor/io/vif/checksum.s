# Checksums of TCP and UDP over IPv4 that a sender has left to us (NETTXF_csum_blank): completed in our copy of the
# packet's head.
#
# Invariants
#   - The field is computed anew, pseudo header included: what its sender has left in it does not count.
#   - Sums are of 16-bit words as the processor loads them: the sum in the other order of bytes, with its bytes
#     exchanged, is the same (RFC 1071). A piece that begins at an odd offset is summed with its bytes exchanged.

        .text

{% set L = labels("vif_checksum") %}
# vif_checksum(packet): completes the checksum of a packet.
#
# in:    %ebp = VIF_PACKET: head and pieces
# out:   no carry: it has its checksum; carry: it has none that can be completed
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  carry (not TCP or UDP over IPv4, a fragment, not whole)
{% call routine("vif_checksum") %}
        pushl   %ebx
        cmpw    $ETHERTYPE_IPV4_WIRE, VIF_PACKET_head + ETHERNET_type(%ebp)
        jne     {{ L("not_for_us") }}
        call    vif_ipv4
        jc      {{ L("done") }}
        testw   $IPV4_FRAGMENT_MASK_WIRE, VIF_PACKET_head + ETHERNET_size + IPV4_fragment(%ebp)
        jnz     {{ L("not_for_us") }}
        movzwl  VIF_PACKET_head + ETHERNET_size + IPV4_bytes(%ebp), %ebx
        xchgb   %bl, %bh
        addl    $ETHERNET_size, %ebx     # where the packet of IPv4 ends
        cmpl    VIF_PACKET_packet_bytes(%ebp), %ebx
        ja      {{ L("not_for_us") }}
        movzbl  VIF_PACKET_head + ETHERNET_size + IPV4_protocol(%ebp), %eax
        movl    $UDP_checksum, %edx
        cmpl    $IP_PROTOCOL_UDP, %eax
        je      {{ L("field_found") }}
        movl    $TCP_checksum, %edx
        cmpl    $IP_PROTOCOL_TCP, %eax
        jne     {{ L("not_for_us") }}
{{ L("field_found") }}:
        addl    %ecx, %edx                      # offset of the field
        leal    2(%edx), %esi
        cmpl    %ebx, %esi
        ja      {{ L("not_for_us") }}
        cmpl    VIF_PACKET_head_bytes(%ebp), %esi
        ja      {{ L("not_for_us") }}
        movw    $0, VIF_PACKET_head(%ebp,%edx)
        shll    $8, %eax                        # the pseudo header: protocol and length, highest byte first
        movl    %ebx, %esi
        subl    %ecx, %esi
        xchgl   %esi, %eax
        xchgb   %al, %ah
        addl    %esi, %eax
        addl    VIF_PACKET_head + ETHERNET_size + IPV4_source(%ebp), %eax
        adcl    VIF_PACKET_head + ETHERNET_size + IPV4_destination(%ebp), %eax
        adcl    $0, %eax
        pushl   %edx
        decl    vif_work                        # it is as much as another packet
        call    vif_sum
        popl    %edx
        testw   %ax, %ax                        # UDP: 0 means that there is none, and its complement is the same number
        jnz     {{ L("have_sum") }}
        decl    %eax
{{ L("have_sum") }}:
        movw    %ax, VIF_PACKET_head(%ebp,%edx)
        andl    $~NETTXF_csum_blank, VIF_PACKET_flags(%ebp)
        clc
{{ L("done") }}:
        popl    %ebx
        ret
{{ L("not_for_us") }}:
        popl    %ebx
        stc
        ret
{% endcall %}

{% set L = labels("vif_sum") %}
# vif_sum(packet, start, end, sum): the complement of the sum of a stretch of a packet.
#
# in:    %ebp = VIF_PACKET, %ecx = start, an offset in the head, %ebx = end, an offset in the packet, %eax = sum so far
# out:   %eax = the complement, 16 bits
# clob:  %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vif_sum") %}
        pushl   %ebx
        subl    %ecx, %ebx                      # bytes that are left
        pushl   %eax                            # the sum, and whether the next byte is an odd one
        pushl   $0
        movl    VIF_PACKET_head_bytes(%ebp), %edx
        subl    %ecx, %edx
        leal    VIF_PACKET_head(%ebp,%ecx), %esi
        xorl    %edi, %edi                      # the head is the first piece
        jmp     {{ L("have_piece") }}
{{ L("next_piece") }}:
        incl    %edi
        movl    VIF_PACKET_packet_pieces + PIECE_bytes(%ebp,%edi,8), %edx
        movl    VIF_PACKET_packet_pieces + PIECE_address(%ebp,%edi,8), %eax
        movl    %eax, %esi
        andl    $PAGE_OFFSET_MASK, %esi
        shrl    $PAGE_SHIFT, %eax
        call    map_frame
        addl    %eax, %esi
{{ L("have_piece") }}:
        cmpl    %ebx, %edx
        jbe     {{ L("whole") }}
        movl    %ebx, %edx
{{ L("whole") }}:
        subl    %edx, %ebx
        movl    %edx, %ecx
        call    bytes_sum
        testl   $1, (%esp)
        jz      {{ L("even") }}
        xchgb   %al, %ah
{{ L("even") }}:
        addl    %eax, 4(%esp)
        adcl    $0, 4(%esp)
        xorl    %edx, (%esp)
        testl   %ebx, %ebx
        jnz     {{ L("next_piece") }}
        popl    %eax
        popl    %eax
        call    sum_fold
        notl    %eax
        andl    $0xFFFF, %eax
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("bytes_sum") %}
# bytes_sum(from, bytes): the sum of the 16-bit words of a piece of memory.
#
# in:    %esi = from, %ecx = bytes
# out:   %eax = sum, 16 bits
# clob:  %ecx, %esi
# errs:  none
{% call routine("bytes_sum") %}
        pushl   %edx
        pushl   %ecx
        xorl    %eax, %eax
        shrl    $2, %ecx                        # and no carry from here on: `lea` and `dec` leave it alone
        jz      {{ L("no_words") }}
        clc
{{ L("next_word") }}:
        adcl    (%esi), %eax
        leal    4(%esi), %esi
        decl    %ecx
        jnz     {{ L("next_word") }}
        adcl    $0, %eax
{{ L("no_words") }}:
        popl    %ecx
        testl   $2, %ecx
        jz      {{ L("no_half") }}
        movzwl  (%esi), %edx
        addl    $2, %esi
        addl    %edx, %eax
        adcl    $0, %eax
{{ L("no_half") }}:
        testl   $1, %ecx
        jz      {{ L("no_byte") }}
        movzbl  (%esi), %edx
        addl    %edx, %eax
        adcl    $0, %eax
{{ L("no_byte") }}:
        popl    %edx
        jmp     sum_fold
{% endcall %}

# sum_fold(sum): a sum of 16-bit words in 16 bits.
#
# in:    %eax = sum in 32 bits
# out:   %eax = sum in 16 bits
# clob:  none
# errs:  none
{% call routine("sum_fold") %}
        pushl   %ecx
        movl    %eax, %ecx
        shrl    $16, %ecx
        andl    $0xFFFF, %eax
        addl    %ecx, %eax
        movl    %eax, %ecx
        shrl    $16, %ecx
        addl    %ecx, %eax
        andl    $0xFFFF, %eax
        popl    %ecx
        ret
{% endcall %}
