# Intel's 82540EM at work: what it has sent, what it has received, its link.
#
# Invariants
#   - The device owns the receive descriptors from rx_next on, but for one: it never gets as far as the one before.
#     Descriptor i writes into the frame NIC_buffers[i].
#   - The device owns the transmit descriptors from tx_head to before tx_tail; each belongs to the packet that begins at
#     or before it. A packet is through when its last descriptor says so.
#   - Nothing that the device writes is an index or an address to us: bits of a status, and a length, which is bounded.
#   - Interrupts are masked only while work is left that one run had no time for: then they would bring nothing new.
#   - Without a link nothing is sent and everything that is to be sent is through at once: the pages of a domain never
#     wait for a cable. The device is reset first, so that it has let go of them.

        .text

        .set    E1000_CAUSES, E1000_INT_TXDW | E1000_INT_LSC | E1000_INT_RXDMT | E1000_INT_RXO | E1000_INT_RXT
        .set    E1000_TCTL_ON, E1000_TCTL_EN | E1000_TCTL_PSP | E1000_TCTL_CT | E1000_TCTL_COLD
        .set    E1000_RX_SHIFT, 4               # of the size of a descriptor
        .set    E1000_TX_SHIFT, 4

{% set L = labels("e1000_send") %}
# e1000_send(nic, packet): has the device fetch a packet from where it is.
#
# in:    %ebx = NIC, %esi = PACKET: as nic_send says
# out:   -
# clob:  none
# errs:  none
{% call routine("e1000_send") %}
        pushal
        movl    NIC_state(%ebx), %edx
        movl    E1000_tx_tail(%edx), %eax
        movl    %esi, E1000_packets(%edx,%eax,4)
        movl    PACKET_count(%esi), %ecx
        subl    %ecx, E1000_tx_free(%edx)
        leal    PACKET_pieces(%esi), %edi
{{ L("next_piece") }}:
        movl    %eax, PACKET_driver(%esi)       # the last descriptor, in the end
        movl    %eax, %ebp
        shll    $E1000_TX_SHIFT, %ebp
        addl    E1000_tx(%edx), %ebp
        incl    %eax
        andl    $(NIC_SEND_PLACES - 1), %eax
        pushl   PIECE_address(%edi)
        popl    E1000_TX_address(%ebp)
        movl    $0, E1000_TX_status(%ebp)
        pushl   PIECE_bytes(%edi)
        popl    E1000_TX_command(%ebp)
        addl    $PIECE_size, %edi
        decl    %ecx
        jz      {{ L("last_piece") }}
        orl     $E1000_TX_IFCS, E1000_TX_command(%ebp)
        jmp     {{ L("next_piece") }}
{{ L("last_piece") }}:
        orl     $(E1000_TX_IFCS | E1000_TX_EOP | E1000_TX_RS), E1000_TX_command(%ebp)
        movl    %eax, E1000_tx_tail(%edx)
        movl    E1000_tx_free(%edx), %ecx
        shrl    $NIC_ROOM_SHIFT, %ecx
        movl    %ecx, NIC_room(%ebx)
        movl    E1000_registers(%edx), %ecx
        movl    %eax, E1000_TDT(%ecx)
        cmpl    $0, E1000_stopped(%edx)
        je      {{ L("on_its_way") }}
        call    nic_wake                        # nobody else will say that it is through
{{ L("on_its_way") }}:
        popal
        ret
{% endcall %}

{% set L = labels("e1000_interrupt") %}
# e1000_interrupt(nic): an interrupt at the input that the device uses, its own or another's.
#
# in:    %edx = NIC
# out:   -
# clob:  %eax, %ebx, %ecx, %edx
# errs:  none
# why:   to read the causes drops the line
{% call routine("e1000_interrupt") %}
        movl    %edx, %ebx
        movl    NIC_state(%ebx), %edx
        movl    E1000_registers(%edx), %ecx
        movl    E1000_ICR(%ecx), %eax
        testl   $E1000_CAUSES, %eax
        jz      {{ L("not_ours") }}
        testl   $E1000_INT_LSC, %eax
        jz      {{ L("same_link") }}
        call    e1000_link
{{ L("same_link") }}:
        testl   $E1000_INT_RXO, %eax
        jz      {{ L("no_overrun") }}
        movl    E1000_MPC(%ecx), %eax           # to read it clears it
        addl    %eax, NIC_dropped(%ebx)
{{ L("no_overrun") }}:
        call    nic_wake
{{ L("not_ours") }}:
        ret
{% endcall %}

{% set L = labels("e1000_link") %}
# e1000_link(nic): whether there is a link now, and what follows from that for sending.
#
# in:    %ebx = NIC, %edx = E1000, %ecx = registers
# out:   NIC_flags, E1000_stopped
# clob:  none
# errs:  none
{% call routine("e1000_link") %}
        pushl   %eax
        testl   $E1000_STATUS_LU, E1000_STATUS(%ecx)
        jz      {{ L("down") }}
        orl     $NIC_LINK_UP, NIC_flags(%ebx)
        cmpl    $0, E1000_stopped(%edx)
        je      {{ L("done") }}
        movl    E1000_tx_head(%edx), %eax       # what was through in the meantime is not to be sent
        movl    %eax, E1000_TDH(%ecx)
        movl    E1000_tx_tail(%edx), %eax
        movl    %eax, E1000_TDT(%ecx)
        movl    $0, E1000_stopped(%edx)
        movl    $0, E1000_idle(%edx)
        movl    $E1000_TCTL_ON, E1000_TCTL(%ecx)
        jmp     {{ L("done") }}
{{ L("down") }}:
        andl    $~NIC_LINK_UP, NIC_flags(%ebx)
        movl    $1, E1000_stopped(%edx)
        movl    $0, E1000_TCTL(%ecx)
{{ L("done") }}:
        popl    %eax
        ret
{% endcall %}

{% set L = labels("e1000_run") %}
# e1000_run(nic): takes what the device has sent and received.
#
# in:    %ebx = NIC
# out:   NIC_due: set when more is left
# clob:  %eax, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("e1000_run") %}
        movl    NIC_state(%ebx), %edi
        call    e1000_sent
        call    e1000_received
        movl    E1000_registers(%edi), %ecx
        movl    NIC_due(%ebx), %eax
        cmpl    %eax, E1000_masked(%edi)
        je      {{ L("done") }}
        movl    %eax, E1000_masked(%edi)
        testl   %eax, %eax
        jz      {{ L("open") }}
        movl    $-1, E1000_IMC(%ecx)
        ret
{{ L("open") }}:
        movl    $E1000_CAUSES, E1000_IMS(%ecx)  # what has come since interrupts now
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("e1000_sent") %}
# e1000_sent(nic): packets that the device needs no more.
#
# in:    %ebx = NIC, %edi = E1000
# out:   NIC_due: set when more is left
# clob:  %eax, %ecx, %edx, %esi, %ebp
# errs:  none
{% call routine("e1000_sent") %}
{{ L("next_packet") }}:
        movl    E1000_tx_head(%edi), %eax
        cmpl    E1000_tx_tail(%edi), %eax
        je      {{ L("done") }}
        movl    E1000_packets(%edi,%eax,4), %esi
        movl    PACKET_driver(%esi), %edx       # its last descriptor
        movl    %edx, %eax
        shll    $E1000_TX_SHIFT, %eax
        addl    E1000_tx(%edi), %eax
        testl   $E1000_TX_DD, E1000_TX_status(%eax)
        jnz     {{ L("through") }}
        cmpl    $0, E1000_stopped(%edi)
        je      {{ L("done") }}
        call    e1000_let_go
        cmpl    $0, E1000_stopped(%edi)
        je      {{ L("done") }}                 # the link is back, and the device sends what there is
{{ L("through") }}:
        cmpl    $0, nic_work
        jle     {{ L("no_time") }}
        incl    %edx
        andl    $(NIC_SEND_PLACES - 1), %edx
        movl    %edx, E1000_tx_head(%edi)
        movl    PACKET_count(%esi), %eax
        addl    E1000_tx_free(%edi), %eax
        movl    %eax, E1000_tx_free(%edi)
        shrl    $NIC_ROOM_SHIFT, %eax
        movl    %eax, NIC_room(%ebx)
        pushl   %edi
        call    nic_sent
        popl    %edi
        jmp     {{ L("next_packet") }}
{{ L("no_time") }}:
        movl    $1, NIC_due(%ebx)
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("e1000_let_go") %}
# e1000_let_go(nic): without a link: makes sure that the device reads nothing any more of what it was to send.
#
# in:    %ebx = NIC, %edi = E1000 that is stopped
# out:   E1000_idle
# clob:  none
# errs:  none
{% call routine("e1000_let_go") %}
        cmpl    $0, E1000_idle(%edi)
        jne     {{ L("done") }}
        movl    $1, E1000_idle(%edi)
        call    e1000_reset
        call    e1000_start
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("e1000_received") %}
# e1000_received(nic): packets that have come.
#
# in:    %ebx = NIC, %edi = E1000
# out:   NIC_due: set when more is left
# clob:  %eax, %ecx, %edx, %esi, %ebp
# errs:  none
{% call routine("e1000_received") %}
        movl    E1000_rx_next(%edi), %esi
{{ L("next_packet") }}:
        movl    %esi, %ebp
        shll    $E1000_RX_SHIFT, %ebp
        addl    E1000_rx(%edi), %ebp
        movb    E1000_RX_status(%ebp), %dl
        testb   $E1000_RX_DD, %dl
        jz      {{ L("done") }}
        cmpl    $0, nic_work
        jle     {{ L("no_time") }}
        call    e1000_take
        incl    %esi
        andl    $(NIC_BUFFERS - 1), %esi
        jmp     {{ L("next_packet") }}
{{ L("no_time") }}:
        movl    $1, NIC_due(%ebx)
{{ L("done") }}:
        cmpl    %esi, E1000_rx_next(%edi)
        je      {{ L("none") }}
        movl    %esi, E1000_rx_next(%edi)
        decl    %esi
        andl    $(NIC_BUFFERS - 1), %esi
        movl    E1000_registers(%edi), %ecx
        movl    %esi, E1000_RDT(%ecx)           # as far as here the frames are the device's again
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("e1000_take") %}
# e1000_take(descriptor): one packet, or one that is none.
#
# in:    %ebx = NIC, %edi = E1000; %ebp = E1000_RX that is done, %esi = its number, %dl = its status
# out:   the descriptor is ready to be filled again
# clob:  %eax, %ecx, %edx
# errs:  none; what is too short or too long, or damaged, or does not end where it began, is counted in NIC_errors
{% call routine("e1000_take") %}
        movl    NIC_buffers(%ebx), %ecx
        movl    (%ecx,%esi,4), %eax
        movl    E1000_rx_skip(%edi), %ecx
        orb     E1000_RX_errors(%ebp), %cl
        testb   $E1000_RX_EOP, %dl
        setz    %dl
        movzbl  %dl, %edx
        movl    %edx, E1000_rx_skip(%edi)       # of the next one
        orl     %edx, %ecx
        jnz     {{ L("bad") }}
        movzwl  E1000_RX_bytes(%ebp), %ecx
        cmpl    $NIC_SHORTEST, %ecx
        jb      {{ L("bad") }}
        cmpl    $NIC_BUFFER_BYTES, %ecx
        ja      {{ L("bad") }}
        xorl    %edx, %edx
        call    nic_received
        movl    NIC_buffers(%ebx), %ecx
        movl    %eax, (%ecx,%esi,4)
        jmp     {{ L("ready") }}
{{ L("bad") }}:
        subl    $NIC_WORK_OF_A_RECEIVED, nic_work
        incl    NIC_errors(%ebx)
{{ L("ready") }}:
        shll    $PAGE_SHIFT, %eax
        movl    %eax, E1000_RX_address(%ebp)
        movl    $0, E1000_RX_address_high(%ebp)
        movl    $0, E1000_RX_bytes(%ebp)
        movl    $0, E1000_RX_status(%ebp)
        ret
{% endcall %}
