# TCP connections: the records, and what is sent for one (RFC 9293).
#
# What a peer sends goes into its connection's buffer, and from there back to it. A buffer holds what the peer has not
# acknowledged yet, sent or not, from sequence number `una` on. So the window that we offer is what the buffer has room
# for, and nothing that we have acknowledged is ever lost.
#
# Invariants
#   - state is one of CONNECTION_free and so on. `held` bytes are in the buffer, from `start` on, around its end.
#   - una <= next <= most <= una + held + 1: next is what is sent next, most is behind all that was ever sent. The one
#     more is our FIN, which is sent when the peer's has come and all data went before it; or our SYN.
#   - While next is above una, or data wait for a window, the clock runs: `due` is when all is sent again.

        .text

        .set    CONNECTIONS, 16
        .set    CONNECTION_BUFFER, 4096
        .set    SEGMENT_MOST, 536               # data in a segment that every peer takes
        .set    TRIES_MOST, 6

        .set    CONNECTION_free, 0
        .set    CONNECTION_syn_received, 1
        .set    CONNECTION_open, 2

        .set    CONNECTION_state, 0
        .set    CONNECTION_ip, 4                # of the peer, as on the wire
        .set    CONNECTION_port, 8              # likewise
        .set    CONNECTION_mac, 12
        .set    CONNECTION_fin, 20              # 1 when the peer has sent its FIN
        .set    CONNECTION_expected, 24         # sequence number that the peer sends next
        .set    CONNECTION_una, 28
        .set    CONNECTION_next, 32
        .set    CONNECTION_most, 36
        .set    CONNECTION_window, 40           # what the peer has room for, from una on
        .set    CONNECTION_start, 44
        .set    CONNECTION_held, 48
        .set    CONNECTION_running, 52          # 1 when the clock runs
        .set    CONNECTION_due, 56              # in ticks
        .set    CONNECTION_tries, 60
        .set    CONNECTION_offered, 64          # the sequence number up to which we have offered room
        .set    CONNECTION_buffer, 68
        .set    CONNECTION_size, 68 + CONNECTION_BUFFER

        .set    TICK_SHIFT, 20                  # a tick is 2^20 ns, about a millisecond
        .set    TICKS_TO_TRY_AGAIN, 1000     # RFC 6298: a second at least

{{ space("connections", "CONNECTIONS * CONNECTION_size", "PAGE_SIZE") }}
{{ space("tcp_opened", 4) }}
{{ space("tcp_closed", 4) }}
{{ space("tcp_again", 4) }}

{% set L = labels("connection_send") %}
# connection_send(connection, flags, bytes): sends a segment from `next` on.
#
# in:    %ebx = CONNECTION, %eax = TCP_* flags, %ecx = bytes of data, which are in the buffer
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  without a free buffer nothing is sent: as if it were lost
{% call routine("connection_send") %}
        movl    %eax, %edx
        call    net_take
        jc      {{ L("done") }}
        pushl   %eax
        movl    CONNECTION_mac(%ebx), %eax
        movl    %eax, ETHERNET_destination(%edi)
        movw    CONNECTION_mac + 4(%ebx), %ax
        movw    %ax, ETHERNET_destination + 4(%edi)
        movl    CONNECTION_ip(%ebx), %eax
        movl    %eax, ETHERNET_size + IPV4_destination(%edi)
        movb    $IP_PROTOCOL_TCP, ETHERNET_size + IPV4_protocol(%edi)
        addl    $PACKET_HEADS, %edi
        movw    $PORT_ECHO_WIRE, TCP_source(%edi)
        movw    CONNECTION_port(%ebx), %ax
        movw    %ax, TCP_destination(%edi)
        movl    CONNECTION_next(%ebx), %eax
        bswapl  %eax
        movl    %eax, TCP_sequence(%edi)
        movl    CONNECTION_expected(%ebx), %eax
        bswapl  %eax
        movl    %eax, TCP_acknowledgement(%edi)
        movb    $(TCP_size << 2), TCP_offset(%edi)
        movb    %dl, TCP_flags(%edi)
        movl    $CONNECTION_BUFFER, %eax
        subl    CONNECTION_held(%ebx), %eax
        movl    %eax, CONNECTION_offered(%ebx)
        xchgb   %al, %ah
        movw    %ax, TCP_window(%edi)
        movl    CONNECTION_expected(%ebx), %eax
        addl    %eax, CONNECTION_offered(%ebx)
        movl    $0, TCP_checksum(%edi)          # and no urgent data
        pushl   %ecx
        movl    CONNECTION_next(%ebx), %esi
        subl    CONNECTION_una(%ebx), %esi
        addl    CONNECTION_start(%ebx), %esi
        xorl    %edx, %edx
{{ L("next_byte") }}:
        cmpl    %ecx, %edx
        jae     {{ L("copied") }}
        andl    $(CONNECTION_BUFFER - 1), %esi
        movb    CONNECTION_buffer(%ebx,%esi), %al
        movb    %al, TCP_size(%edi,%edx)
        incl    %esi
        incl    %edx
        jmp     {{ L("next_byte") }}
{{ L("copied") }}:
        popl    %ecx
        subl    $PACKET_HEADS, %edi
        addl    $TCP_size, %ecx
        popl    %eax
        call    packet_finish
{{ L("done") }}:
        ret
{% endcall %}

# connection_sent(connection, numbers): so many sequence numbers went out.
#
# in:    %ebx = CONNECTION, %ecx = numbers
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("connection_sent") %}
        addl    CONNECTION_next(%ebx), %ecx
        movl    %ecx, CONNECTION_next(%ebx)
        movl    %ecx, %eax
        subl    CONNECTION_most(%ebx), %eax
        jle     1f
        movl    %ecx, CONNECTION_most(%ebx)
1:
        ret
{% endcall %}

{% set L = labels("connection_output") %}
# connection_output(connection, must): sends what the peer has room for; at the end our FIN; and an acknowledgement
# when nothing else went out, and one is due or much more room is there than the peer knows.
#
# in:    %ebx = CONNECTION that is open; %eax = 1 when the peer must be acknowledged
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("connection_output") %}
        pushl   %eax
{{ L("next_segment") }}:
        movl    CONNECTION_next(%ebx), %edx
        subl    CONNECTION_una(%ebx), %edx      # in flight
        movl    CONNECTION_held(%ebx), %ecx
        subl    %edx, %ecx                      # still to send; -1 behind our FIN
        jle     {{ L("data_sent") }}
        movl    CONNECTION_window(%ebx), %eax
        subl    %edx, %eax
        jle     {{ L("acknowledge") }}          # no room at the peer
        cmpl    %eax, %ecx
        jbe     {{ L("fits_window") }}
        movl    %eax, %ecx
{{ L("fits_window") }}:
        cmpl    $SEGMENT_MOST, %ecx
        jbe     {{ L("fits_segment") }}
        movl    $SEGMENT_MOST, %ecx
{{ L("fits_segment") }}:
        pushl   %ecx
        movl    $(TCP_ACK | TCP_PSH), %eax
        call    connection_send
        popl    %ecx
        call    connection_sent
        movl    $0, (%esp)                      # that acknowledged, too
        jmp     {{ L("next_segment") }}
{{ L("data_sent") }}:
        jl      {{ L("acknowledge") }}
        cmpl    $0, CONNECTION_fin(%ebx)
        je      {{ L("acknowledge") }}
        movl    $(TCP_ACK | TCP_FIN), %eax
        xorl    %ecx, %ecx
        call    connection_send
        movl    $1, %ecx
        call    connection_sent
        movl    $0, (%esp)
{{ L("acknowledge") }}:
        popl    %eax
        testl   %eax, %eax
        jnz     {{ L("must") }}
        movl    CONNECTION_expected(%ebx), %eax
        addl    $CONNECTION_BUFFER / 2, %eax    # when so much more is free, the peer hears of it
        subl    CONNECTION_held(%ebx), %eax
        subl    CONNECTION_offered(%ebx), %eax
        js      {{ L("set_clock") }}
{{ L("must") }}:
        movl    $TCP_ACK, %eax
        xorl    %ecx, %ecx
        call    connection_send
{{ L("set_clock") }}:
        movl    CONNECTION_next(%ebx), %eax
        subl    CONNECTION_una(%ebx), %eax
        orl     CONNECTION_held(%ebx), %eax
        jz      {{ L("stop") }}
        cmpl    $0, CONNECTION_running(%ebx)
        jne     {{ L("done") }}
        jmp     connection_clock
{{ L("stop") }}:
        movl    $0, CONNECTION_running(%ebx)
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("connection_syn") %}
# connection_syn(connection): answers a SYN with ours, for the first time or again.
#
# in:    %ebx = CONNECTION in CONNECTION_syn_received
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("connection_syn") %}
        movl    CONNECTION_una(%ebx), %eax
        movl    %eax, CONNECTION_next(%ebx)
        movl    $(TCP_SYN | TCP_ACK), %eax
        xorl    %ecx, %ecx
        call    connection_send
        movl    $1, %ecx
        call    connection_sent
        jmp     connection_clock
{% endcall %}
