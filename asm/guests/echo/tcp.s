# TCP segments that come: to which connection they belong, and what they change in it (RFC 9293, 3.10.7).
#
# Invariants
#   - A segment is looked at as a whole before anything is changed; all of its lengths were checked.
#   - Nothing is kept that is not next in order: what comes too early is not acknowledged, and comes again.

        .text

{% set L = labels("tcp_input") %}
# tcp_input(packet, data): does with a segment what there is to do.
#
# in:    %esi = Ethernet head, %edi = IPv4 head, %edx = data, %ecx = bytes of data; the checksum was right
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what belongs to no connection is reset
{% call routine("tcp_input") %}
        movl    IPV4_source(%edi), %eax
        addl    $IPV4_size, %edi                # TCP head
        movl    $connections, %ebx
{{ L("next_connection") }}:
        cmpl    $CONNECTION_free, CONNECTION_state(%ebx)
        je      {{ L("other") }}
        cmpl    %eax, CONNECTION_ip(%ebx)
        jne     {{ L("other") }}
        pushl   %eax
        movw    TCP_source(%edi), %ax
        cmpw    %ax, CONNECTION_port(%ebx)
        popl    %eax
        jne     {{ L("other") }}
        cmpw    $PORT_ECHO_WIRE, TCP_destination(%edi)
        je      tcp_segment
{{ L("other") }}:
        addl    $CONNECTION_size, %ebx
        cmpl    $connections + CONNECTIONS * CONNECTION_size, %ebx
        jb      {{ L("next_connection") }}
        movb    TCP_flags(%edi), %al
        testb   $TCP_RST, %al
        jnz     {{ L("drop") }}
        andb    $(TCP_SYN | TCP_ACK | TCP_FIN), %al
        cmpb    $TCP_SYN, %al
        jne     tcp_reset
        cmpw    $PORT_ECHO_WIRE, TCP_destination(%edi)
        jne     tcp_reset
        jmp     tcp_open
{{ L("drop") }}:
        ret
{% endcall %}

{% set L = labels("tcp_open") %}
# tcp_open(packet): a new connection.
#
# in:    %esi = Ethernet head, %edi = TCP head of a SYN, %ecx = bytes of data
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  when all are in use the peer is reset
# why:   data that come with a SYN are not taken: they come again
{% call routine("tcp_open") %}
        movl    $connections, %ebx
{{ L("next_connection") }}:
        cmpl    $CONNECTION_free, CONNECTION_state(%ebx)
        je      {{ L("found") }}
        addl    $CONNECTION_size, %ebx
        cmpl    $connections + CONNECTIONS * CONNECTION_size, %ebx
        jb      {{ L("next_connection") }}
        jmp     tcp_reset
{{ L("found") }}:
        pushl   %edi
        movl    %ebx, %edi
        movl    $CONNECTION_buffer, %ecx
        call    memory_zero
        popl    %edi
        movl    $CONNECTION_syn_received, CONNECTION_state(%ebx)
        movl    ETHERNET_source(%esi), %eax
        movl    %eax, CONNECTION_mac(%ebx)
        movw    ETHERNET_source + 4(%esi), %ax
        movw    %ax, CONNECTION_mac + 4(%ebx)
        movl    ETHERNET_size + IPV4_source(%esi), %eax
        movl    %eax, CONNECTION_ip(%ebx)
        movzwl  TCP_source(%edi), %eax
        movl    %eax, CONNECTION_port(%ebx)
        movl    TCP_sequence(%edi), %eax
        bswapl  %eax
        incl    %eax
        movl    %eax, CONNECTION_expected(%ebx)
        movzwl  TCP_window(%edi), %eax
        xchgb   %al, %ah
        movl    %eax, CONNECTION_window(%ebx)
        call    system_time                     # a number that nobody has used lately (RFC 9293, 3.4.1)
        shrdl   $12, %edx, %eax                 # one in 4 microseconds
        movl    %eax, CONNECTION_una(%ebx)
        movl    %eax, CONNECTION_next(%ebx)
        movl    %eax, CONNECTION_most(%ebx)
        incl    tcp_opened
        jmp     connection_syn
{% endcall %}

{% set L = labels("tcp_segment") %}
# tcp_segment(connection, packet, data): a segment of a connection.
#
# in:    %ebx = CONNECTION, %esi = Ethernet head, %edi = TCP head, %edx = data, %ecx = bytes of data
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  a RST ends the connection when it is in order; what is impossible is answered by an acknowledgement
{% call routine("tcp_segment") %}
        movl    TCP_sequence(%edi), %eax
        bswapl  %eax
        testb   $TCP_RST, TCP_flags(%edi)
        jnz     {{ L("reset") }}
        testb   $TCP_SYN, TCP_flags(%edi)
        jnz     {{ L("syn") }}
        testb   $TCP_ACK, TCP_flags(%edi)
        jz      {{ L("drop") }}
        pushl   %ecx
        pushl   %edx
        pushl   %eax
        call    tcp_acknowledged
        popl    %eax
        popl    %edx
        popl    %ecx
        jc      {{ L("acknowledge") }}
        cmpl    $CONNECTION_open, CONNECTION_state(%ebx)
        jne     {{ L("drop") }}                 # that was our FIN
        call    tcp_data                        # %eax = 1 when there is something to acknowledge
        jmp     connection_output
{{ L("reset") }}:
        cmpl    CONNECTION_expected(%ebx), %eax
        jne     {{ L("drop") }}
        movl    $CONNECTION_free, CONNECTION_state(%ebx)
        ret
{{ L("syn") }}:
        incl    %eax
        cmpl    CONNECTION_expected(%ebx), %eax
        jne     {{ L("acknowledge") }}
        cmpl    $CONNECTION_syn_received, CONNECTION_state(%ebx)
        je      connection_syn                  # ours was lost
{{ L("acknowledge") }}:
        cmpl    $CONNECTION_open, CONNECTION_state(%ebx)
        jne     tcp_reset
        movl    $TCP_ACK, %eax
        xorl    %ecx, %ecx
        jmp     connection_send
{{ L("drop") }}:
        ret
{% endcall %}

{% set L = labels("tcp_acknowledged") %}
# tcp_acknowledged(connection, segment): what the peer has got by now, and has room for.
#
# in:    %ebx = CONNECTION, %edi = TCP head
# out:   carry set when it acknowledges what was never sent
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("tcp_acknowledged") %}
        movl    TCP_acknowledgement(%edi), %eax
        bswapl  %eax
        movl    %eax, %edx
        subl    CONNECTION_una(%ebx), %eax      # newly acknowledged
        movl    CONNECTION_most(%ebx), %ecx
        subl    CONNECTION_una(%ebx), %ecx
        cmpl    %ecx, %eax
        ja      {{ L("not_ahead") }}
        cmpl    $CONNECTION_syn_received, CONNECTION_state(%ebx)
        je      {{ L("of_syn") }}
        movl    CONNECTION_held(%ebx), %ecx
        cmpl    %ecx, %eax
        ja      {{ L("of_fin") }}
        subl    %eax, CONNECTION_held(%ebx)
        addl    %eax, CONNECTION_start(%ebx)
        andl    $(CONNECTION_BUFFER - 1), CONNECTION_start(%ebx)
{{ L("advance") }}:
        movl    %edx, CONNECTION_una(%ebx)
        movzwl  TCP_window(%edi), %ecx
        xchgb   %cl, %ch
        movl    %ecx, CONNECTION_window(%ebx)
        testl   %eax, %eax
        jz      {{ L("good") }}
        movl    $0, CONNECTION_tries(%ebx)
        movl    $0, CONNECTION_running(%ebx)    # the output sets it anew
        subl    CONNECTION_next(%ebx), %edx
        jle     {{ L("good") }}
        movl    CONNECTION_una(%ebx), %edx      # it had got what we were about to send again
        movl    %edx, CONNECTION_next(%ebx)
{{ L("good") }}:
        clc
        ret
{{ L("of_syn") }}:
        testl   %eax, %eax
        jz      {{ L("bad") }}
        movl    $CONNECTION_open, CONNECTION_state(%ebx)
        jmp     {{ L("advance") }}
{{ L("of_fin") }}:
        incl    tcp_closed
        movl    $CONNECTION_free, CONNECTION_state(%ebx)
        clc
        ret
{{ L("not_ahead") }}:
        cmpl    $CONNECTION_open, CONNECTION_state(%ebx)
        jne     {{ L("bad") }}
        testl   %eax, %eax
        js      {{ L("good") }}                 # an old one, overtaken by another
{{ L("bad") }}:
        stc
        ret
{% endcall %}

{% set L = labels("tcp_data") %}
# tcp_data(connection, sequence, data): takes what is next in order and has room, and the peer's FIN behind it.
#
# in:    %ebx = CONNECTION, %edi = TCP head, %eax = sequence number, %edx = data, %ecx = bytes of data
# out:   %eax = 1 when the peer must be told how far we are, else 0
# clob:  %ecx, %edx, %esi
# errs:  what is too early or too much is not taken
{% call routine("tcp_data") %}
        movl    CONNECTION_expected(%ebx), %esi
        subl    %eax, %esi                      # bytes that we have had
        movzbl  TCP_flags(%edi), %eax
        andl    $TCP_FIN, %eax
        addl    %ecx, %eax
        jz      {{ L("none") }}                 # it has neither data nor FIN
        testl   %esi, %esi
        js      {{ L("acknowledge") }}          # something before it was lost
        cmpl    $0, CONNECTION_fin(%ebx)
        jne     {{ L("acknowledge") }}          # behind its FIN a peer has nothing new
        cmpl    %ecx, %esi
        ja      {{ L("acknowledge") }}
        addl    %esi, %edx
        subl    %esi, %ecx
        movl    %edx, %esi
{{ L("next_byte") }}:
        testl   %ecx, %ecx
        jz      {{ L("all_taken") }}
        movl    CONNECTION_held(%ebx), %edx
        cmpl    $CONNECTION_BUFFER, %edx
        jae     {{ L("acknowledge") }}          # the rest comes again
        addl    CONNECTION_start(%ebx), %edx
        andl    $(CONNECTION_BUFFER - 1), %edx
        lodsb
        movb    %al, CONNECTION_buffer(%ebx,%edx)
        incl    CONNECTION_held(%ebx)
        incl    CONNECTION_expected(%ebx)
        decl    %ecx
        jmp     {{ L("next_byte") }}
{{ L("all_taken") }}:
        testb   $TCP_FIN, TCP_flags(%edi)
        jz      {{ L("acknowledge") }}
        incl    CONNECTION_expected(%ebx)
        movl    $1, CONNECTION_fin(%ebx)
{{ L("acknowledge") }}:
        movl    $1, %eax
        ret
{{ L("none") }}:
        xorl    %eax, %eax
        ret
{% endcall %}
