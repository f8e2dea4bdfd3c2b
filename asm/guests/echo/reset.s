# The answer to a TCP segment that belongs to no connection (RFC 9293, 3.10.7.1).
#
# Invariants
#   - A reset is never answered by a reset.

        .text

{% set L = labels("tcp_reset") %}
# tcp_reset(packet): answers a segment that belongs to no connection.
#
# in:    %esi = Ethernet head, %ecx = bytes of data
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("tcp_reset") %}
        movl    %ecx, %edx
        leal    ETHERNET_size(%esi), %edi
        movl    $TCP_size, %ecx
        call    answer_begin_keep
        jc      {{ L("done") }}
        pushl   %eax
        addl    $PACKET_HEADS, %edi
        movl    TCP_source(%edi), %eax
        roll    $16, %eax                       # both ports
        movl    %eax, TCP_source(%edi)
        testb   $TCP_ACK, TCP_flags(%edi)
        jz      {{ L("no_acknowledgement") }}
        movl    TCP_acknowledgement(%edi), %eax
        movl    %eax, TCP_sequence(%edi)
        movl    $0, TCP_acknowledgement(%edi)
        movb    $TCP_RST, TCP_flags(%edi)
        jmp     {{ L("filled") }}
{{ L("no_acknowledgement") }}:
        movzbl  TCP_flags(%edi), %eax           # SYN and FIN count as one each
        andl    $(TCP_SYN | TCP_FIN), %eax
        jz      {{ L("counted") }}
        incl    %edx
        cmpl    $(TCP_SYN | TCP_FIN), %eax
        jne     {{ L("counted") }}
        incl    %edx
{{ L("counted") }}:
        movl    TCP_sequence(%edi), %eax
        bswapl  %eax
        addl    %edx, %eax
        bswapl  %eax
        movl    %eax, TCP_acknowledgement(%edi)
        movl    $0, TCP_sequence(%edi)
        movb    $(TCP_RST | TCP_ACK), TCP_flags(%edi)
{{ L("filled") }}:
        movb    $(TCP_size << 2), TCP_offset(%edi)
        movw    $0, TCP_window(%edi)
        movl    $0, TCP_checksum(%edi)
        subl    $PACKET_HEADS, %edi
        popl    %eax
        jmp     packet_finish
{{ L("done") }}:
        ret
{% endcall %}

# answer_begin_keep(packet, bytes): answer_begin, but it keeps %edx.
#
# in:    as of answer_begin: %esi = Ethernet head, %edi = IPv4 head, %ecx = bytes of payload
# out:   %eax = buffer, %edi = its address; carry set when none is free
# clob:  none
# errs:  carry
{% call routine("answer_begin_keep") %}
        pushl   %edx
        call    answer_begin
        popl    %edx
        ret
{% endcall %}
