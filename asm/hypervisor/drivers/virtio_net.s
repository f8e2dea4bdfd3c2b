# Virtio network devices at work: what they have sent, what they have received.
#
# Invariants
#   - A place to receive into is a chain of two pieces: the device's header, which goes to VIRTIO_NET_sink unread, and
#     the frame NIC_buffers[place]. Its owner is place + 1.
#   - A packet that is to be sent is a chain of VIRTIO_NET_header, which says that nothing is left to be done for it,
#     and its pieces. Its owner is the PACKET.
#   - What the device says that it has written is bounded here, whose chain it was in virtqueue_get.
#   - Interrupts are not asked for only while work is left that one run had no time for.

        .text

{% set L = labels("virtio_net_send") %}
# virtio_net_send(nic, packet): makes a packet available to the device, where it is.
#
# in:    %ebx = NIC, %esi = PACKET: as nic_send says
# out:   -
# clob:  none
# errs:  none
{% call routine("virtio_net_send") %}
        pushal
        pushl   %ebx
        movl    NIC_state(%ebx), %edi
        movl    VIRTIO_NET_send(%edi), %ebx
        movl    VIRTIO_NET_header_address(%edi), %eax
        movl    $VIRTIO_NET_HEADER, %ecx
        xorl    %edx, %edx
        call    virtqueue_add
        leal    PACKET_pieces(%esi), %edi
        movl    PACKET_count(%esi), %ebp
{{ L("next_piece") }}:
        movl    PIECE_address(%edi), %eax
        movl    PIECE_bytes(%edi), %ecx
        xorl    %edx, %edx
        call    virtqueue_add
        addl    $PIECE_size, %edi
        decl    %ebp
        jnz     {{ L("next_piece") }}
        movl    %esi, %eax
        call    virtqueue_put
        call    virtqueue_kick
        movl    VIRTQUEUE_room(%ebx), %eax
        popl    %ebx
        shrl    $NIC_ROOM_SHIFT, %eax
        movl    %eax, NIC_room(%ebx)
        popal
        ret
{% endcall %}

{% set L = labels("virtio_net_interrupt") %}
# virtio_net_interrupt(nic): an interrupt at the input that the device uses, its own or another's.
#
# in:    %edx = NIC
# out:   -
# clob:  %eax, %ebx, %edx
# errs:  none
# why:   to read the register drops the line
{% call routine("virtio_net_interrupt") %}
        movl    %edx, %ebx
        movl    NIC_state(%ebx), %edx
        movl    VIRTIO_NET_port(%edx), %edx
        addl    $VIRTIO_INTERRUPT, %edx
        inb     %dx, %al
        testb   $(VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIGURATION), %al
        jz      {{ L("not_ours") }}
        testb   $VIRTIO_INTERRUPT_CONFIGURATION, %al
        jz      {{ L("same_link") }}
        call    virtio_net_link
{{ L("same_link") }}:
        call    nic_wake
{{ L("not_ours") }}:
        ret
{% endcall %}

{% set L = labels("virtio_net_link") %}
# virtio_net_link(nic): whether there is a link now; a device that does not know has one.
#
# in:    %ebx = NIC
# out:   NIC_flags
# clob:  %eax, %edx
# errs:  none
{% call routine("virtio_net_link") %}
        orl     $NIC_LINK_UP, NIC_flags(%ebx)
        movl    NIC_state(%ebx), %edx
        testl   $VIRTIO_NET_F_STATUS, VIRTIO_NET_features(%edx)
        jz      {{ L("up") }}
        movl    VIRTIO_NET_port(%edx), %edx
        addl    $(VIRTIO_CONFIGURATION + VIRTIO_NET_CONFIG_STATUS), %edx
        inw     %dx, %ax
        testb   $VIRTIO_NET_S_LINK_UP, %al
        jnz     {{ L("up") }}
        andl    $~NIC_LINK_UP, NIC_flags(%ebx)
{{ L("up") }}:
        ret
{% endcall %}

{% set L = labels("virtio_net_run") %}
# virtio_net_run(nic): takes what the device has sent and received.
#
# in:    %ebx = NIC
# out:   NIC_due: set when more is left
# clob:  %eax, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("virtio_net_run") %}
{{ L("again") }}:
        movl    NIC_state(%ebx), %edi
        call    virtio_net_sent
        call    virtio_net_received
        movl    NIC_due(%ebx), %eax
        movl    NIC_state(%ebx), %edi
        cmpl    %eax, VIRTIO_NET_masked(%edi)
        je      {{ L("done") }}
        movl    %eax, VIRTIO_NET_masked(%edi)
        movl    VIRTIO_NET_send(%edi), %ecx
        movl    VIRTQUEUE_available(%ecx), %ecx
        movw    %ax, VIRTQ_AVAILABLE_flags(%ecx)        # VIRTQ_NO_INTERRUPT, or 0
        movl    VIRTIO_NET_receive(%edi), %ecx
        movl    VIRTQUEUE_available(%ecx), %ecx
        movw    %ax, VIRTQ_AVAILABLE_flags(%ecx)
        lock addl $0, (%esp)
        testl   %eax, %eax
        jz      {{ L("again") }}                # what has come before the device saw that will not interrupt
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("virtio_net_sent") %}
# virtio_net_sent(nic): packets that the device needs no more.
#
# in:    %ebx = NIC, %edi = VIRTIO_NET
# out:   NIC_due: set when more may be left
# clob:  %eax, %ecx, %edx, %esi, %ebp
# errs:  none
{% call routine("virtio_net_sent") %}
{{ L("next_packet") }}:
        cmpl    $0, nic_work
        jle     {{ L("no_time") }}
        pushl   %ebx
        movl    VIRTIO_NET_send(%edi), %ebx
        call    virtqueue_get
        movl    VIRTQUEUE_room(%ebx), %ecx
        popl    %ebx
        testl   %eax, %eax
        jz      {{ L("done") }}
        shrl    $NIC_ROOM_SHIFT, %ecx
        movl    %ecx, NIC_room(%ebx)
        movl    %eax, %esi
        pushl   %edi
        call    nic_sent
        popl    %edi
        jmp     {{ L("next_packet") }}
{{ L("no_time") }}:
        movl    $1, NIC_due(%ebx)
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("virtio_net_received") %}
# virtio_net_received(nic): packets that have come.
#
# in:    %ebx = NIC, %edi = VIRTIO_NET
# out:   NIC_due: set when more may be left
# clob:  %eax, %ecx, %edx, %esi, %ebp
# errs:  none
{% call routine("virtio_net_received") %}
        xorl    %ebp, %ebp                      # how many frames went to the device again
{{ L("next_packet") }}:
        cmpl    $0, nic_work
        jle     {{ L("no_time") }}
        pushl   %ebx
        movl    VIRTIO_NET_receive(%edi), %ebx
        call    virtqueue_get
        popl    %ebx
        testl   %eax, %eax
        jz      {{ L("no_more") }}
        leal    -1(%eax), %esi                  # the place
        call    virtio_net_take
        call    virtio_net_offer
        incl    %ebp
        jmp     {{ L("next_packet") }}
{{ L("no_time") }}:
        movl    $1, NIC_due(%ebx)
{{ L("no_more") }}:
        testl   %ebp, %ebp
        jz      {{ L("done") }}
        pushl   %ebx
        movl    VIRTIO_NET_receive(%edi), %ebx
        call    virtqueue_kick
        popl    %ebx
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("virtio_net_take") %}
# virtio_net_take(nic, place, bytes): one packet, or one that is none.
#
# in:    %ebx = NIC, %esi = place, %ecx = bytes that the device says that it has written, its header's too
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none; what is too short or too long is counted in NIC_errors
{% call routine("virtio_net_take") %}
        subl    $VIRTIO_NET_HEADER, %ecx
        cmpl    $NIC_SHORTEST, %ecx
        jl      {{ L("bad") }}
        cmpl    $NIC_BUFFER_BYTES, %ecx
        ja      {{ L("bad") }}
        movl    NIC_buffers(%ebx), %edx
        movl    (%edx,%esi,4), %eax
        xorl    %edx, %edx
        call    nic_received
        movl    NIC_buffers(%ebx), %edx
        movl    %eax, (%edx,%esi,4)
        ret
{{ L("bad") }}:
        subl    $NIC_WORK_OF_A_RECEIVED, nic_work
        incl    NIC_errors(%ebx)
        ret
{% endcall %}

# virtio_net_offer(nic, place): makes the frame of a place available to the device.
#
# in:    %ebx = NIC, %edi = VIRTIO_NET, %esi = place
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("virtio_net_offer") %}
        pushl   %ebx
        movl    NIC_buffers(%ebx), %eax
        pushl   (%eax,%esi,4)
        movl    VIRTIO_NET_receive(%edi), %ebx
        movl    VIRTIO_NET_sink_address(%edi), %eax
        movl    $VIRTIO_NET_HEADER, %ecx
        movl    $VIRTQ_WRITE, %edx
        call    virtqueue_add
        popl    %eax
        shll    $PAGE_SHIFT, %eax
        movl    $NIC_BUFFER_BYTES, %ecx
        movl    $VIRTQ_WRITE, %edx
        call    virtqueue_add
        leal    1(%esi), %eax
        call    virtqueue_put
        popl    %ebx
        ret
{% endcall %}
