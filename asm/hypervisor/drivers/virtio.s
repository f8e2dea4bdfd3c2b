# Virtio devices on PCI, by the legacy interface: how one is begun, and its queues made.
#
# Invariants
#   - A device is reset before anything else is asked of it, and begins when its driver is ready (virtio_ready).
#   - A queue is in one piece of memory that stays: what the device knows of, and our chains behind it.

        .section .init, "ax"

{% set L = labels("virtio_begin") %}
# virtio_begin(address, features): takes a device, resets it, and agrees about features.
#
# in:    %eax = PCI address, %ecx = features that the driver knows
# out:   %edx = port of the first register, or 0; %ecx = those of the features that the device has, too
# clob:  %eax
# errs:  %edx = 0: there is no such interface, or there are too many devices
{% call routine("virtio_begin") %}
        pushl   %ebx
        pushl   %ecx
        movl    $PCI_BAR_0, %ecx
        call    pci_ports
        testl   %edx, %edx
        jz      {{ L("none") }}
        call    pci_take
        jc      {{ L("too_many") }}
        movl    %edx, %ebx
        leal    VIRTIO_STATUS(%ebx), %edx
{% for status in ["0", "VIRTIO_ACKNOWLEDGE", "(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER)"] %}
        movb    ${{ status }}, %al
        outb    %al, %dx
{% endfor %}
        leal    VIRTIO_DEVICE_FEATURES(%ebx), %edx
        inl     %dx, %eax
        andl    %eax, (%esp)
        movl    (%esp), %eax
        leal    VIRTIO_DRIVER_FEATURES(%ebx), %edx
        outl    %eax, %dx
        movl    %ebx, %edx
{{ L("none") }}:
        popl    %ecx
        popl    %ebx
        ret
{{ L("too_many") }}:
        xorl    %edx, %edx
        jmp     {{ L("none") }}
{% endcall %}

# virtio_ready(port): the driver is ready: the device may begin.
#
# in:    %edx = port of the first register
# out:   -
# clob:  %eax
# errs:  none
{% call routine("virtio_ready") %}
        movb    $(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_DRIVER_OK), %al
        jmp     virtio_status_set
{% endcall %}

{% set L = labels("virtqueue_make") %}
# virtqueue_make(port, number): a queue of a device, as large as the device has it.
#
# in:    %edx = port of the device's first register, %eax = number of the queue
# out:   %eax = VIRTQUEUE, or 0
# clob:  none
# errs:  0: the device has no such queue, one of more than VIRTQUEUE_LARGEST, or there is no memory
{% call routine("virtqueue_make") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        movl    %edx, %esi
        movl    $VIRTQUEUE_size, %ecx
        movl    %eax, %ebx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("none") }}
        xchgl   %eax, %ebx
        movl    %esi, VIRTQUEUE_port(%ebx)
        movl    %eax, VIRTQUEUE_number(%ebx)
        leal    VIRTIO_QUEUE_SELECT(%esi), %edx
        outw    %ax, %dx
        leal    VIRTIO_QUEUE_SIZE(%esi), %edx
        inw     %dx, %ax
        movzwl  %ax, %ecx
        movl    %ecx, VIRTQUEUE_size_field(%ebx)
        movl    %ecx, VIRTQUEUE_room(%ebx)
        decl    %ecx
        cmpl    $VIRTQUEUE_LARGEST, %ecx
        jae     {{ L("no_queue") }}
        movl    %ecx, VIRTQUEUE_mask(%ebx)
        testl   VIRTQUEUE_size_field(%ebx), %ecx
        jnz     {{ L("no_queue") }}             # no power of two
        call    virtqueue_lay_out
        testl   %eax, %eax
        jz      {{ L("no_queue") }}
        leal    VIRTIO_QUEUE_ADDRESS(%esi), %edx
        outl    %eax, %dx
        movl    %ebx, %eax
{{ L("none") }}:
        popl    %esi
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{{ L("no_queue") }}:
        movl    %ebx, %eax
        movl    $VIRTQUEUE_size, %ecx
        call    heap_free
        xorl    %eax, %eax
        jmp     {{ L("none") }}
{% endcall %}

{% set L = labels("virtqueue_lay_out") %}
# virtqueue_lay_out(queue): its memory: descriptors, what is available, what is used, and our chains behind them.
#
# in:    %ebx = VIRTQUEUE, whose size is known
# out:   %eax = mfn of its first frame, or 0 when there is no memory; the rest of the VIRTQUEUE
# clob:  %ecx, %edx
# errs:  0
{% call routine("virtqueue_lay_out") %}
        pushl   %esi
        pushl   %edi
        movl    VIRTQUEUE_size_field(%ebx), %ecx
        movl    %ecx, %edx
        shll    $4, %edx                        # VIRTQ_DESCRIPTOR_size
        leal    VIRTQ_AVAILABLE_ring + 2 + VIRTQ_USED_ALIGN - 1(%edx,%ecx,2), %esi      # with used_event
        andl    $~(VIRTQ_USED_ALIGN - 1), %esi
        leal    VIRTQ_USED_ring + 4(%esi,%ecx,8), %edi          # with available_event, and aligned
        leal    PAGE_OFFSET_MASK(%edi,%ecx,8), %ecx
        shrl    $PAGE_SHIFT, %ecx
        pushl   %edx
        call    device_memory
        popl    %ecx
        testl   %eax, %eax
        jz      {{ L("done") }}
        addl    %eax, %esi
        addl    %eax, %edi
        addl    %eax, %ecx
        movl    %eax, VIRTQUEUE_descriptors(%ebx)
        movl    %ecx, VIRTQUEUE_available(%ebx)
        movl    %esi, VIRTQUEUE_used(%ebx)
        movl    %edi, VIRTQUEUE_chains(%ebx)
        xorl    %ecx, %ecx
{{ L("next_descriptor") }}:
        incl    %ecx
        movw    %cx, VIRTQ_DESCRIPTOR_next(%eax)
        addl    $VIRTQ_DESCRIPTOR_size, %eax
        cmpl    VIRTQUEUE_size_field(%ebx), %ecx
        jb      {{ L("next_descriptor") }}
        movl    %edx, %eax
        shrl    $PAGE_SHIFT, %eax
{{ L("done") }}:
        popl    %edi
        popl    %esi
        ret
{% endcall %}

        .text

# virtio_status_set(port, status): sets the status of a device; 0 resets it: it forgets all queues.
#
# in:    %edx = port of the first register, %al = status
# out:   -
# clob:  none
# errs:  none
{% call routine("virtio_status_set") %}
        addl    $VIRTIO_STATUS, %edx
        outb    %al, %dx
        subl    $VIRTIO_STATUS, %edx
        ret
{% endcall %}
