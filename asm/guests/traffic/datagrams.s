# The traffic generator's datagrams: when one is sent, what is in it, and which answers count.
#
# Invariants
#   - A datagram has a number. traffic_open has a bit for each of the last TRAFFIC_OPEN numbers that were sent and not
#     answered.
#   - Behind the TRAFFIC_PAYLOAD a datagram holds the numbers of its bytes.

        .text

        .set    TRAFFIC_OPEN, 65536
        .set    TRAFFIC_MAGIC, 0x66617274       # traf
        .set    TRAFFIC_PORT_WIRE, 0x5f1b       # 7007
        .set    TRAFFIC_PAYLOAD_magic, 0
        .set    TRAFFIC_PAYLOAD_number, 4
        .set    TRAFFIC_PAYLOAD_time, 8         # when it was sent, the lower word
        .set    TRAFFIC_PAYLOAD_size, 12
        .set    TRAFFIC_BATCH, 32               # between two looks at what has come
        .set    TRAFFIC_LATE, 20000000          # ns

{{ space("traffic_open", "TRAFFIC_OPEN / 8") }}

{% set L = labels("traffic_send") %}
# traffic_send(): sends what is due.
#
# in:    -
# out:   %edx:%eax = when to go on, 0 when a packet must come first; %ecx = 0 to go on at once, else 1
# clob:  %ebx, %esi, %edi
# errs:  none
{% call routine("traffic_send") %}
        movl    $TRAFFIC_BATCH, %ebx
{{ L("next_datagram") }}:
        movl    traffic_count, %eax
        testl   %eax, %eax
        jz      {{ L("endless") }}
        cmpl    %eax, traffic_sent
        jae     traffic_finish
{{ L("endless") }}:
        call    system_time
        cmpl    $0, traffic_interval
        je      {{ L("due") }}
        subl    traffic_due, %eax
        sbbl    traffic_due + 4, %edx
        js      {{ L("not_due") }}
        jnz     {{ L("late") }}
        cmpl    $TRAFFIC_LATE, %eax
        jb      {{ L("in_time") }}
{{ L("late") }}:
        addl    %eax, traffic_due               # it did not run for a while: nothing is made up for
        adcl    %edx, traffic_due + 4
{{ L("in_time") }}:
        movl    traffic_interval, %eax
        addl    %eax, traffic_due
        adcl    $0, traffic_due + 4
        jmp     {{ L("go") }}
{{ L("due") }}:
        movl    %eax, traffic_due               # of the last one, for the end
        movl    %edx, traffic_due + 4
{{ L("go") }}:
        call    net_take
        jc      {{ L("no_buffer") }}
        call    traffic_fill
        decl    %ebx
        jnz     {{ L("next_datagram") }}
        xorl    %ecx, %ecx
        ret
{{ L("no_buffer") }}:
        xorl    %eax, %eax                      # net_wait asks for an event when some are free
        xorl    %edx, %edx
        movl    $1, %ecx
        ret
{{ L("not_due") }}:
        movl    traffic_due, %eax
        movl    traffic_due + 4, %edx
        movl    $1, %ecx
        ret
{% endcall %}

# traffic_fill(buffer): makes a datagram and sends it.
#
# in:    %eax = buffer, %edi = its address
# out:   traffic_sent
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("traffic_fill") %}
        pushl   %eax
        movl    arp_answer_mac, %eax
        movl    %eax, ETHERNET_destination(%edi)
        movw    arp_answer_mac + 4, %ax
        movw    %ax, ETHERNET_destination + 4(%edi)
        movl    traffic_to, %eax
        movl    %eax, ETHERNET_size + IPV4_destination(%edi)
        movb    $IP_PROTOCOL_UDP, ETHERNET_size + IPV4_protocol(%edi)
        movw    $TRAFFIC_PORT_WIRE, PACKET_HEADS + UDP_source(%edi)
        movw    $PORT_ECHO_WIRE, PACKET_HEADS + UDP_destination(%edi)
        movl    traffic_size, %ecx
        leal    UDP_size(%ecx), %eax
        xchgb   %al, %ah
        movw    %ax, PACKET_HEADS + UDP_bytes(%edi)
        movw    $0, PACKET_HEADS + UDP_checksum(%edi)
        movl    $TRAFFIC_MAGIC, PACKET_HEADS + UDP_size + TRAFFIC_PAYLOAD_magic(%edi)
        movl    traffic_sent, %edx
        incl    traffic_sent
        movl    %edx, PACKET_HEADS + UDP_size + TRAFFIC_PAYLOAD_number(%edi)
        andl    $(TRAFFIC_OPEN - 1), %edx
        btsl    %edx, traffic_open
        call    system_time
        movl    %eax, PACKET_HEADS + UDP_size + TRAFFIC_PAYLOAD_time(%edi)
        movl    $TRAFFIC_PAYLOAD_size, %edx
1:
        cmpl    %ecx, %edx
        jae     2f
        movb    %dl, PACKET_HEADS + UDP_size(%edi,%edx)
        incl    %edx
        jmp     1b
2:
        addl    $UDP_size, %ecx
        popl    %eax
        jmp     packet_finish
{% endcall %}

{% set L = labels("traffic_finish") %}
# traffic_finish(): all is sent: waits for the last answers, then says what came of it, once.
#
# in:    -
# out:   %edx:%eax = when to go on, 0 when a packet must come first; %ecx = 1
# clob:  %ebx, %esi
# errs:  none
{% call routine("traffic_finish") %}
        cmpl    $0, traffic_ended
        jne     {{ L("for_ever") }}
        movl    traffic_sent, %eax
        cmpl    %eax, traffic_answered
        jae     {{ L("ended") }}
        movl    traffic_patience, %eax
        movl    $TRAFFIC_SECOND / 1000, %edx
        mull    %edx
        addl    traffic_due, %eax
        adcl    traffic_due + 4, %edx
        pushl   %eax
        pushl   %edx
        call    system_time
        subl    4(%esp), %eax
        sbbl    (%esp), %edx
        popl    %edx
        popl    %eax
        movl    $1, %ecx
        js      {{ L("done") }}
{{ L("ended") }}:
        movl    $1, traffic_ended
        call    traffic_say
{{ L("for_ever") }}:
        xorl    %eax, %eax
        xorl    %edx, %edx
        movl    $1, %ecx
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("protocol_input") %}
# protocol_input(packet, bytes, protocol): counts an answer; everything else is nobody's.
#
# in:    %esi = Ethernet head, %edi = IPv4 head, %ecx = bytes of payload, %eax = protocol
# out:   traffic_answered, traffic_times
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what is no answer to what we sent, and what is one a second time, is dropped
{% call routine("protocol_input") %}
        cmpl    $IP_PROTOCOL_UDP, %eax
        jne     {{ L("drop") }}
        movl    traffic_size, %eax
        addl    $UDP_size, %eax
        cmpl    %eax, %ecx
        jne     {{ L("drop") }}
        movl    traffic_to, %eax
        cmpl    %eax, IPV4_source(%edi)
        jne     {{ L("drop") }}
        cmpw    $TRAFFIC_PORT_WIRE, IPV4_size + UDP_destination(%edi)
        jne     {{ L("drop") }}
        addl    $IPV4_size + UDP_size, %edi
        cmpl    $TRAFFIC_MAGIC, TRAFFIC_PAYLOAD_magic(%edi)
        jne     {{ L("drop") }}
        movl    traffic_sent, %eax
        movl    TRAFFIC_PAYLOAD_number(%edi), %ecx
        subl    %ecx, %eax                      # 1 for the last one
        decl    %eax
        cmpl    $TRAFFIC_OPEN, %eax
        jae     {{ L("drop") }}
        andl    $(TRAFFIC_OPEN - 1), %ecx
        btrl    %ecx, traffic_open
        jnc     {{ L("drop") }}
        incl    traffic_answered
        call    system_time
        subl    TRAFFIC_PAYLOAD_time(%edi), %eax
        addl    %eax, traffic_times
        adcl    $0, traffic_times + 4
{{ L("drop") }}:
        ret
{% endcall %}
