# Packets of IPv4 over Ethernet: what comes is checked and given to whom it is for, what goes is completed.
#
# A guest with this has `protocol_input`, which gets what nobody here answers:
#       in:    %esi = Ethernet head, %edi = IPv4 head, %ecx = bytes of payload, %eax = protocol
#       clob:  all but %ebp and %esp
#
# Invariants
#   - A packet is for us only when its heads are whole and right, it is not a fragment, and it is for ip_address. All
#     others are dropped, as are those with IP options.
#   - Nothing is believed of a length before it was held against what has come.

        .text

        .set    PACKET_HEADS, ETHERNET_size + IPV4_size

{{ space("ip_address", 4) }}
{{ space("ip_next_id", 4) }}

{% set L = labels("packet_input") %}
# packet_input(packet, bytes): does with a packet what there is to do.
#
# in:    %esi = Ethernet head, %ecx = bytes
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what is wrong, or for nobody, is dropped
{% call routine("packet_input") %}
        subl    $ETHERNET_size, %ecx
        jb      {{ L("drop") }}
        leal    ETHERNET_size(%esi), %edi
        cmpw    $ETHERTYPE_ARP_WIRE, ETHERNET_type(%esi)
        je      arp_input
        cmpw    $ETHERTYPE_IPV4_WIRE, ETHERNET_type(%esi)
        jne     {{ L("drop") }}
        subl    $IPV4_size, %ecx
        jb      {{ L("drop") }}
        cmpb    $IPV4_VERSION, IPV4_version(%edi)
        jne     {{ L("drop") }}
        movl    ip_address, %eax
        cmpl    %eax, IPV4_destination(%edi)
        jne     {{ L("drop") }}
        testw   $IPV4_FRAGMENT_MASK_WIRE, IPV4_fragment(%edi)
        jnz     {{ L("drop") }}
        pushl   %esi
        pushl   %ecx
        movl    %edi, %esi
        movl    $IPV4_size, %ecx
        xorl    %eax, %eax
        call    checksum_add
        call    checksum_fold
        popl    %ecx
        popl    %esi
        testl   %eax, %eax
        jnz     {{ L("drop") }}
        movzwl  IPV4_bytes(%edi), %eax
        xchgb   %al, %ah
        subl    $IPV4_size, %eax
        jb      {{ L("drop") }}
        cmpl    %ecx, %eax
        ja      {{ L("drop") }}
        movl    %eax, %ecx                      # what is behind that is padding
        movzbl  IPV4_protocol(%edi), %eax
        cmpl    $IP_PROTOCOL_ICMP, %eax
        je      icmp_input
        cmpl    $IP_PROTOCOL_UDP, %eax
        je      udp_input
        jmp     protocol_input
{{ L("drop") }}:
        ret
{% endcall %}

{% set L = labels("packet_finish") %}
# packet_finish(buffer, packet, bytes): completes a packet and sends it.
#
# in:    %eax = buffer that was taken, %edi = its address; its ETHERNET_destination, IPV4_protocol, IPV4_destination and
#        payload are there, with a checksum of 0; %ecx = bytes of payload
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("packet_finish") %}
        pushl   %edi
        pushl   %eax
        movw    $ETHERTYPE_IPV4_WIRE, ETHERNET_type(%edi)
        call    packet_from_us
        addl    $ETHERNET_size, %edi
        movb    $IPV4_VERSION, IPV4_version(%edi)
        movb    $0, IPV4_service(%edi)
        leal    IPV4_size(%ecx), %eax
        xchgb   %al, %ah
        movw    %ax, IPV4_bytes(%edi)
        incl    ip_next_id
        movl    ip_next_id, %eax
        xchgb   %al, %ah
        movw    %ax, IPV4_id(%edi)
        movw    $IPV4_DONT_FRAGMENT_WIRE, IPV4_fragment(%edi)
        movb    $IPV4_TTL, IPV4_ttl(%edi)
        movw    $0, IPV4_checksum(%edi)
        movl    ip_address, %eax
        movl    %eax, IPV4_source(%edi)
        pushl   %ecx
        movl    %edi, %esi
        movl    $IPV4_size, %ecx
        xorl    %eax, %eax
        call    checksum_add
        call    checksum_fold
        movw    %ax, IPV4_checksum(%edi)
        popl    %ecx
        movzbl  IPV4_protocol(%edi), %edx
        movl    $IPV4_size + ICMP_checksum, %esi
        cmpl    $IP_PROTOCOL_ICMP, %edx
        je      {{ L("place_known") }}
        movl    $IPV4_size + UDP_checksum, %esi
        cmpl    $IP_PROTOCOL_UDP, %edx
        je      {{ L("place_known") }}
        movl    $IPV4_size + TCP_checksum, %esi
{{ L("place_known") }}:
        call    checksum_payload
        testl   %eax, %eax
        jnz     {{ L("checksum_good") }}
        decl    %eax                            # the same number, and in UDP 0 would mean that there is none
{{ L("checksum_good") }}:
        movw    %ax, (%edi,%esi)
        addl    $PACKET_HEADS, %ecx
        popl    %eax
        popl    %edi
        jmp     packet_send
{% endcall %}

{% set L = labels("packet_send") %}
# packet_send(buffer, packet, bytes): sends a frame, filled up to the least size that Ethernet has.
#
# in:    %eax = buffer, %edi = its address, %ecx = bytes of the frame
# out:   -
# clob:  %ecx
# errs:  none
{% call routine("packet_send") %}
        cmpl    $ETHERNET_LEAST, %ecx
        jae     net_send
{{ L("next_byte") }}:
        movb    $0, (%edi,%ecx)
        incl    %ecx
        cmpl    $ETHERNET_LEAST, %ecx
        jb      {{ L("next_byte") }}
        jmp     net_send
{% endcall %}

# packet_from_us(packet): our MAC as a frame's source.
#
# in:    %edi = Ethernet head
# out:   -
# clob:  %eax
# errs:  none
{% call routine("packet_from_us") %}
        movl    net_mac, %eax
        movl    %eax, ETHERNET_source(%edi)
        movw    net_mac + 4, %ax
        movw    %ax, ETHERNET_source + 4(%edi)
        ret
{% endcall %}

# packet_back(packet, to): the source of one frame as the destination of another.
#
# in:    %esi = Ethernet head, %edi = the other's
# out:   -
# clob:  %eax
# errs:  none
{% call routine("packet_back") %}
        movl    ETHERNET_source(%esi), %eax
        movl    %eax, ETHERNET_destination(%edi)
        movw    ETHERNET_source + 4(%esi), %ax
        movw    %ax, ETHERNET_destination + 4(%edi)
        ret
{% endcall %}

{% set L = labels("ip_read") %}
# ip_read(text): reads an address like 10.0.2.15.
#
# in:    %esi = text
# out:   %eax = address as it stands in packets, %esi = what is behind it; carry set when it is none
# clob:  %edx
# errs:  carry
{% call routine("ip_read") %}
        pushl   %ecx
        pushl   %edi
        xorl    %edi, %edi
        movl    $4, %ecx
{{ L("next_number") }}:
        call    string_to_number
        testl   %edx, %edx
        jz      {{ L("bad") }}
        cmpl    $255, %eax
        ja      {{ L("bad") }}
        shrl    $8, %edi                        # the first number ends up in the lowest byte
        shll    $24, %eax
        orl     %eax, %edi
        decl    %ecx
        jz      {{ L("done") }}
        cmpb    $'.', (%esi)
        jne     {{ L("bad") }}
        incl    %esi
        jmp     {{ L("next_number") }}
{{ L("done") }}:
        movl    %edi, %eax
        popl    %edi
        popl    %ecx
        clc
        ret
{{ L("bad") }}:
        popl    %edi
        popl    %ecx
        stc
        ret
{% endcall %}
