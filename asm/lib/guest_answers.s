# What every guest with an address answers: who has it (ARP), whether it is there (ICMP echo), and UDP's service echo.
#
# Invariants
#   - An answer is made of its question, in a buffer of its own. Without a free buffer there is none: whoever asks
#     asks again.
#   - A question with a wrong checksum is none.

        .text

{{ space("answers_arp", 4) }}
{{ space("answers_icmp", 4) }}
{{ space("answers_udp", 4) }}

{% set L = labels("arp_input") %}
# arp_input(packet, bytes): answers a question about our address; remembers an answer to ours.
#
# in:    %esi = Ethernet head, %edi = ARP, %ecx = bytes of it at the most
# out:   arp_answer_ip, arp_answer_mac
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  what is no question for us is dropped
{% call routine("arp_input") %}
        cmpl    $ARP_size, %ecx
        jb      {{ L("drop") }}
        cmpw    $ARP_ETHERNET_WIRE, ARP_hardware(%edi)
        jne     {{ L("drop") }}
        cmpw    $ETHERTYPE_IPV4_WIRE, ARP_protocol(%edi)
        jne     {{ L("drop") }}
        movl    ip_address, %eax
        cmpl    %eax, ARP_target_ip(%edi)
        jne     {{ L("drop") }}
        cmpw    $ARP_REPLY_WIRE, ARP_operation(%edi)
        je      arp_keep
        cmpw    $ARP_REQUEST_WIRE, ARP_operation(%edi)
        jne     {{ L("drop") }}
        movl    %edi, %edx
        call    net_take
        jc      {{ L("drop") }}
        pushl   %eax
        call    packet_back
        call    packet_from_us
        movl    $ARP_REPLY_WIRE, %eax
        call    arp_fill
        movl    ARP_sender_ip(%edx), %eax
        movl    %eax, ETHERNET_size + ARP_target_ip(%edi)
        movl    ARP_sender_mac(%edx), %eax
        movl    %eax, ETHERNET_size + ARP_target_mac(%edi)
        movw    ARP_sender_mac + 4(%edx), %ax
        movw    %ax, ETHERNET_size + ARP_target_mac + 4(%edi)
        popl    %eax
        movl    $ETHERNET_size + ARP_size, %ecx
        incl    answers_arp
        jmp     packet_send
{{ L("drop") }}:
        ret
{% endcall %}

# arp_keep(packet): remembers whose address that is.
#
# in:    %edi = ARP, an answer to us
# out:   arp_answer_ip, arp_answer_mac
# clob:  %eax
# errs:  none
{% call routine("arp_keep") %}
        movl    ARP_sender_mac(%edi), %eax
        movl    %eax, arp_answer_mac
        movw    ARP_sender_mac + 4(%edi), %ax
        movw    %ax, arp_answer_mac + 4
        movl    ARP_sender_ip(%edi), %eax
        movl    %eax, arp_answer_ip
        ret
{% endcall %}

{{ space("arp_answer_ip", 4) }}
{{ space("arp_answer_mac", 8) }}

# arp_fill(packet, operation): what all of our ARP packets have in common.
#
# in:    %edi = Ethernet head, with room behind it; %eax = ARP_*_WIRE
# out:   -
# clob:  %eax
# errs:  none
{% call routine("arp_fill") %}
        movw    $ETHERTYPE_ARP_WIRE, ETHERNET_type(%edi)
        movw    %ax, ETHERNET_size + ARP_operation(%edi)
        movw    $ARP_ETHERNET_WIRE, ETHERNET_size + ARP_hardware(%edi)
        movw    $ETHERTYPE_IPV4_WIRE, ETHERNET_size + ARP_protocol(%edi)
        movb    $6, ETHERNET_size + ARP_hardware_bytes(%edi)
        movb    $4, ETHERNET_size + ARP_protocol_bytes(%edi)
        movl    ip_address, %eax
        movl    %eax, ETHERNET_size + ARP_sender_ip(%edi)
        movl    net_mac, %eax
        movl    %eax, ETHERNET_size + ARP_sender_mac(%edi)
        movw    net_mac + 4, %ax
        movw    %ax, ETHERNET_size + ARP_sender_mac + 4(%edi)
        ret
{% endcall %}

{% set L = labels("icmp_input") %}
# icmp_input(packet, bytes): answers an echo request.
#
# in:    %esi = Ethernet head, %edi = IPv4 head, %ecx = bytes of payload
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what is wrong is dropped; what is no request is protocol_input's
{% call routine("icmp_input") %}
        cmpl    $ICMP_size, %ecx
        jb      {{ L("drop") }}
        call    checksum_payload
        testl   %eax, %eax
        jnz     {{ L("drop") }}
        movl    $IP_PROTOCOL_ICMP, %eax
        cmpb    $ICMP_ECHO_REQUEST, IPV4_size + ICMP_type(%edi)
        jne     protocol_input
        call    answer_begin
        jc      {{ L("drop") }}
        movb    $ICMP_ECHO_REPLY, PACKET_HEADS + ICMP_type(%edi)
        movw    $0, PACKET_HEADS + ICMP_checksum(%edi)
        incl    answers_icmp
        jmp     packet_finish
{{ L("drop") }}:
        ret
{% endcall %}

{% set L = labels("udp_input") %}
# udp_input(packet, bytes): answers what is for the service echo with itself.
#
# in:    %esi = Ethernet head, %edi = IPv4 head, %ecx = bytes of payload
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what is wrong is dropped; what is for another port is protocol_input's
{% call routine("udp_input") %}
        cmpl    $UDP_size, %ecx
        jb      {{ L("drop") }}
        movzwl  IPV4_size + UDP_bytes(%edi), %eax
        xchgb   %al, %ah
        cmpl    %ecx, %eax
        ja      {{ L("drop") }}
        movl    %eax, %ecx                      # UDP has a length of its own, which may be less
        cmpl    $UDP_size, %ecx
        jb      {{ L("drop") }}
        cmpw    $0, IPV4_size + UDP_checksum(%edi)
        je      {{ L("right") }}                # the sender has made none
        call    checksum_payload
        testl   %eax, %eax
        jnz     {{ L("drop") }}
{{ L("right") }}:
        movl    $IP_PROTOCOL_UDP, %eax
        cmpw    $PORT_ECHO_WIRE, IPV4_size + UDP_destination(%edi)
        jne     protocol_input
        cmpw    $PORT_ECHO_WIRE, IPV4_size + UDP_source(%edi)
        je      {{ L("drop") }}                 # two such services would talk for ever
        call    answer_begin
        jc      {{ L("drop") }}
        movl    PACKET_HEADS + UDP_source(%edi), %edx
        roll    $16, %edx                       # both ports
        movl    %edx, PACKET_HEADS + UDP_source(%edi)
        movw    $0, PACKET_HEADS + UDP_checksum(%edi)
        incl    answers_udp
        jmp     packet_finish
{{ L("drop") }}:
        ret
{% endcall %}

{% set L = labels("answer_begin") %}
# answer_begin(packet, bytes): a packet back to where one came from, with the same payload.
#
# in:    %esi = Ethernet head, %edi = IPv4 head, %ecx = bytes of payload
# out:   %eax = buffer, %edi = its address; carry set when none is free, or the packet is longer than an interface sends
# clob:  %edx
# errs:  carry
{% call routine("answer_begin") %}
        cmpl    $ETHERNET_MOST - PACKET_HEADS, %ecx
        ja      {{ L("none") }}
        movl    %edi, %edx
        call    net_take
        jc      {{ L("done") }}
        pushl   %eax
        pushl   %esi
        call    packet_back
        movl    IPV4_source(%edx), %eax
        movl    %eax, ETHERNET_size + IPV4_destination(%edi)
        movb    IPV4_protocol(%edx), %al
        movb    %al, ETHERNET_size + IPV4_protocol(%edi)
        leal    IPV4_size(%edx), %esi
        addl    $PACKET_HEADS, %edi
        call    memory_copy
        subl    $PACKET_HEADS, %edi
        popl    %esi
        popl    %eax
        clc
{{ L("done") }}:
        ret
{{ L("none") }}:
        stc
        ret
{% endcall %}
