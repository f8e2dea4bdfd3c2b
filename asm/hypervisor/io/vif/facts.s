# What rules can ask of a packet (VIF_FACTS), read from our own copy of its head.
#
# Invariants
#   - Only the copy is looked at: what its sender writes into its page later changes nothing.
#   - What a packet has not, or has not in whole, is 0, so that a rule that lets it pass by that does not fit.

        .text

{% set L = labels("vif_facts") %}
# vif_facts(packet): reads the head of a packet.
#
# in:    %ebp = VIF_PACKET whose head and head_bytes (14 at least) are there
# out:   its facts
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("vif_facts") %}
        xorl    %eax, %eax
{% for offset in ["type", "source_ip", "destination_ip", "source_port"] %}
        movl    %eax, VIF_PACKET_facts + VIF_FACTS_{{ offset }}(%ebp)
{% endfor %}
{% for word in [0, 4, 8] %}
        movl    VIF_PACKET_head + {{ word }}(%ebp), %eax
        movl    %eax, VIF_PACKET_facts + {{ word }}(%ebp)
{% endfor %}
        movzwl  VIF_PACKET_head + ETHERNET_type(%ebp), %eax
        movw    %ax, VIF_PACKET_facts + VIF_FACTS_type(%ebp)
        cmpl    $ETHERTYPE_IPV4_WIRE, %eax
        je      vif_facts_ipv4
        cmpl    $ETHERTYPE_ARP_WIRE, %eax
        je      vif_facts_arp
        ret
{% endcall %}

{% set L = labels("vif_facts_ipv4") %}
# vif_facts_ipv4(packet): reads the head of IPv4, and the ports behind it.
#
# in:    %ebp = VIF_PACKET with that type
# out:   its facts
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("vif_facts_ipv4") %}
        call    vif_ipv4
        jc      {{ L("done") }}
        movb    VIF_PACKET_head + ETHERNET_size + IPV4_protocol(%ebp), %dl
        movb    %dl, VIF_PACKET_facts + VIF_FACTS_protocol(%ebp)
{% for side in ["source", "destination"] %}
        movl    VIF_PACKET_head + ETHERNET_size + IPV4_{{ side }}(%ebp), %eax
        movl    %eax, VIF_PACKET_facts + VIF_FACTS_{{ side }}_ip(%ebp)
{% endfor %}
        testw   $IPV4_OFFSET_MASK_WIRE, VIF_PACKET_head + ETHERNET_size + IPV4_fragment(%ebp)
        jnz     {{ L("fragment") }}
        cmpb    $IP_PROTOCOL_UDP, %dl
        je      {{ L("ports") }}
        cmpb    $IP_PROTOCOL_TCP, %dl
        jne     {{ L("done") }}
{{ L("ports") }}:
        leal    4(%ecx), %eax
        cmpl    VIF_PACKET_head_bytes(%ebp), %eax
        ja      {{ L("done") }}
        movl    VIF_PACKET_head(%ebp,%ecx), %eax
        movl    %eax, VIF_PACKET_facts + VIF_FACTS_source_port(%ebp)
{{ L("done") }}:
        ret
{{ L("fragment") }}:
        orb     $VIF_MARK_FRAGMENT, VIF_PACKET_facts + VIF_FACTS_marks(%ebp)
        ret
{% endcall %}

{% set L = labels("vif_ipv4") %}
# vif_ipv4(packet): where what IPv4 carries begins.
#
# in:    %ebp = VIF_PACKET of type IPv4
# out:   no carry: %ecx = offset in the head of what follows the head of IPv4; carry: that is not whole
# clob:  %eax
# errs:  carry
{% call routine("vif_ipv4") %}
        cmpl    $ETHERNET_size + IPV4_size, VIF_PACKET_head_bytes(%ebp)
        jb      {{ L("done") }}
        movzbl  VIF_PACKET_head + ETHERNET_size + IPV4_version(%ebp), %eax
        cmpb    $0x45, %al                      # version 4, five words at least
        jb      {{ L("done") }}
        cmpb    $0x50, %al
        jae     {{ L("other_version") }}
        andl    $0xF, %eax
        leal    ETHERNET_size(,%eax,4), %ecx
        cmpl    %ecx, VIF_PACKET_head_bytes(%ebp)
{{ L("done") }}:
        ret
{{ L("other_version") }}:
        stc
        ret
{% endcall %}

{% set L = labels("vif_facts_arp") %}
# vif_facts_arp(packet): reads a question or answer of ARP.
#
# in:    %ebp = VIF_PACKET with that type
# out:   its facts
# clob:  %eax
# errs:  none
{% call routine("vif_facts_arp") %}
        cmpl    $ETHERNET_size + ARP_size, VIF_PACKET_head_bytes(%ebp)
        jb      {{ L("done") }}
        cmpl    $(ETHERTYPE_IPV4_WIRE << 16 | ARP_ETHERNET_WIRE), VIF_PACKET_head + ETHERNET_size(%ebp)
        jne     {{ L("done") }}
        cmpw    $0x0406, VIF_PACKET_head + ETHERNET_size + ARP_hardware_bytes(%ebp)
        jne     {{ L("done") }}
        movb    VIF_PACKET_head + ETHERNET_size + ARP_operation + 1(%ebp), %al
        movb    %al, VIF_PACKET_facts + VIF_FACTS_protocol(%ebp)
        movl    VIF_PACKET_head + ETHERNET_size + ARP_sender_ip(%ebp), %eax
        movl    %eax, VIF_PACKET_facts + VIF_FACTS_source_ip(%ebp)
        movl    VIF_PACKET_head + ETHERNET_size + ARP_target_ip(%ebp), %eax
        movl    %eax, VIF_PACKET_facts + VIF_FACTS_destination_ip(%ebp)
        movl    VIF_PACKET_head + ETHERNET_source(%ebp), %eax
        cmpl    %eax, VIF_PACKET_head + ETHERNET_size + ARP_sender_mac(%ebp)
        jne     {{ L("done") }}
        movw    VIF_PACKET_head + ETHERNET_source + 4(%ebp), %ax
        cmpw    %ax, VIF_PACKET_head + ETHERNET_size + ARP_sender_mac + 4(%ebp)
        jne     {{ L("done") }}
        orb     $VIF_MARK_ARP_SENDER, VIF_PACKET_facts + VIF_FACTS_marks(%ebp)
{{ L("done") }}:
        ret
{% endcall %}
