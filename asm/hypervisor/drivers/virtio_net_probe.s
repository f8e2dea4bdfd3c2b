# Virtio network devices: finding out whether one works.
#
# Invariants
#   - A device that lacks anything is reset and told that its driver has failed: it does nothing from then on. Queues
#     that were made for it stay: they cannot be taken back.
#   - We do all work on packets ourselves: of what a device may offer we take its address and its link's state, no more.

        .section .init, "ax"

        .set    VIRTIO_NET_FEATURES, VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS

{% set L = labels("virtio_net_probe") %}
# virtio_net_probe(device): makes a NIC of a virtio network device, if it works.
#
# in:    %eax = its PCI address
# out:   -
# clob:  none
# errs:  none; what does not work is logged and left alone
{% call routine("virtio_net_probe") %}
        pushal
        movl    %eax, %esi
        movl    $VIRTIO_NET_FEATURES, %ecx
        call    virtio_begin
        movl    $reason_no_legacy, %ebp
        testl   %edx, %edx
        jz      {{ L("say") }}
        movl    $reason_no_mac, %ebp
        testl   $VIRTIO_NET_F_MAC, %ecx
        jz      {{ L("fail") }}
        movl    $virtio_net_no_interrupt, %ebp
        movl    %esi, %eax
        call    pci_input
        testl   %eax, %eax
        js      {{ L("fail") }}
        movl    %eax, %esi
        movl    $virtio_net_no_memory, %ebp
        call    virtio_net_make
        testl   %ebx, %ebx
        jz      {{ L("fail") }}
        movl    $reason_no_queues, %ebp
        call    virtio_net_queues
        jc      {{ L("discard") }}
        call    virtio_net_address
        movl    $virtio_net_no_memory, %ebp
        movl    %esi, %eax
        movl    $virtio_net_interrupt, %ecx
        pushl   %edx
        movl    %ebx, %edx
        call    interrupt_claim
        popl    %edx
        jc      {{ L("discard") }}
        call    virtio_ready
        call    virtio_net_fill
        call    nic_add
        popal
        ret
{{ L("discard") }}:
        call    virtio_net_discard
{{ L("fail") }}:
        xorl    %eax, %eax
        call    virtio_status_set
        movb    $VIRTIO_FAILED, %al
        call    virtio_status_set
{{ L("say") }}:
{{ log("LOG_WARNING", "virtio network device: not used: %s\\n", "%ebp") }}
        popal
        ret
{% endcall %}

{{ text("reason_no_legacy", "it has no legacy interface, or there are too many devices") }}
{{ text("reason_no_mac", "it has no address") }}
{{ text("virtio_net_no_interrupt", "it is connected to no interrupt") }}
{{ text("virtio_net_no_memory", "there is no memory for it") }}
{{ text("reason_no_queues", "its queues are missing or too small, or there is no memory for them") }}

{% set L = labels("virtio_net_make") %}
# virtio_net_make(port, features): a NIC for a device, without queues.
#
# in:    %edx = port of the first register, %ecx = features
# out:   %ebx = NIC, or 0 when there is no memory; %edi = VIRTIO_NET
# clob:  %eax, %ecx
# errs:  0
{% call routine("virtio_net_make") %}
        call    nic_make
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        pushl   %ecx
        movl    $VIRTIO_NET_size, %ecx
        call    heap_alloc
        popl    %ecx
        movl    %eax, NIC_state(%ebx)
        movl    %eax, %edi
        testl   %eax, %eax
        jz      nic_discard
        movl    %ecx, VIRTIO_NET_features(%edi)
        movl    %edx, VIRTIO_NET_port(%edi)
        call    nic_physical
        leal    VIRTIO_NET_header(%eax), %ecx
        movl    %ecx, VIRTIO_NET_header_address(%edi)
        leal    VIRTIO_NET_sink(%eax), %ecx
        movl    %ecx, VIRTIO_NET_sink_address(%edi)
        movl    $virtio_net_send, NIC_send(%ebx)
        movl    $virtio_net_run, NIC_run(%ebx)
        movl    virtio_net_name, %eax
        movl    %eax, NIC_name(%ebx)
        movl    virtio_net_name + 4, %eax
        movl    %eax, NIC_name + 4(%ebx)
{{ L("done") }}:
        ret
{% endcall %}

        .section .rodata
{% call object("virtio_net_name") %}
        .asciz  "virtio"
        .balign 8
{% endcall %}

        .section .init, "ax"

# virtio_net_discard(nic): takes back what virtio_net_make gave.
#
# in:    %ebx = NIC that is not in the list
# out:   %ebx = 0
# clob:  %eax, %ecx
# errs:  none
{% call routine("virtio_net_discard") %}
        movl    NIC_state(%ebx), %eax
        movl    $VIRTIO_NET_size, %ecx
        call    heap_free
        jmp     nic_discard
{% endcall %}

{% set L = labels("virtio_net_queues") %}
# virtio_net_queues(nic, port): the device's two queues.
#
# in:    %ebx = NIC, %edi = VIRTIO_NET; %edx = port of the first register
# out:   VIRTIO_NET_receive, VIRTIO_NET_send, NIC_room; carry: they do not serve
# clob:  %eax
# errs:  carry
{% call routine("virtio_net_queues") %}
        movl    $VIRTIO_NET_QUEUE_RECEIVE, %eax
        call    virtqueue_make
        movl    %eax, VIRTIO_NET_receive(%edi)
        testl   %eax, %eax
        jz      {{ L("no") }}
        movl    $VIRTIO_NET_QUEUE_SEND, %eax
        call    virtqueue_make
        movl    %eax, VIRTIO_NET_send(%edi)
        testl   %eax, %eax
        jz      {{ L("no") }}
        movl    VIRTQUEUE_room(%eax), %eax
        shrl    $NIC_ROOM_SHIFT, %eax
        movl    %eax, NIC_room(%ebx)
        jz      {{ L("no") }}
        clc
        ret
{{ L("no") }}:
        stc
        ret
{% endcall %}

{% set L = labels("virtio_net_address") %}
# virtio_net_address(nic): the interface's own address, and whether it has a link.
#
# in:    %ebx = NIC, %edi = VIRTIO_NET
# out:   NIC_mac, NIC_flags
# clob:  %eax, %ecx
# errs:  none
{% call routine("virtio_net_address") %}
        pushl   %edx
        movl    VIRTIO_NET_port(%edi), %edx
        addl    $VIRTIO_CONFIGURATION, %edx
        xorl    %ecx, %ecx
{{ L("next_byte") }}:
        inb     %dx, %al
        movb    %al, NIC_mac(%ebx,%ecx)
        incl    %edx
        incl    %ecx
        cmpl    $NIC_MAC_BYTES, %ecx
        jb      {{ L("next_byte") }}
        call    virtio_net_link
        popl    %edx
        ret
{% endcall %}

{% set L = labels("virtio_net_fill") %}
# virtio_net_fill(nic): offers all frames to the device, or as many as it has room for.
#
# in:    %ebx = NIC, %edi = VIRTIO_NET of a device that is ready
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("virtio_net_fill") %}
        xorl    %esi, %esi
{{ L("next_place") }}:
        movl    VIRTIO_NET_receive(%edi), %eax
        cmpl    $2, VIRTQUEUE_room(%eax)
        jb      {{ L("done") }}
        call    virtio_net_offer
        incl    %esi
        cmpl    $NIC_BUFFERS, %esi
        jb      {{ L("next_place") }}
{{ L("done") }}:
        pushl   %ebx
        movl    VIRTIO_NET_receive(%edi), %ebx
        call    virtqueue_kick
        popl    %ebx
        ret
{% endcall %}
