# Virtio devices on PCI, by the legacy interface: how one is begun, and its queues of chains of memory.
#
# Invariants
#   - A chain is made piece by piece (virtqueue_add: first what the device reads, then what it writes), then put, then
#     the device is told (virtqueue_kick). Nothing else is done with the queue between the first piece and the put.
#   - A chain is its owner's word from virtqueue_put to virtqueue_get, and the device's only as long. What the device
#     says of a chain that it does not have is not believed.
#   - VIRTQUEUE_room is the number of free descriptors; they are chained from VIRTQUEUE_free by their own `next`, so
#     that those of a chain, taken from there in turn, are linked already.
#   - VIRTQUEUE_first is VIRTQUEUE_free while no chain is being made.

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
        movl    $VIRTIO_PORTS, %ecx
        call    ports_take
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

# virtqueue_add(queue, address, bytes, flags): one more piece of the chain that is being made.
#
# in:    %ebx = VIRTQUEUE with room; %eax = physical address, %ecx = bytes; %edx = VIRTQ_WRITE when the device
#        writes it, else 0
# out:   -
# clob:  %edx
# errs:  none
{% call routine("virtqueue_add") %}
        pushl   %edi
        movl    VIRTQUEUE_free(%ebx), %edi
{{ assert("cmpl $0, VIRTQUEUE_room(%ebx)", "jne", "a virtqueue has room for what is put into it") }}
        movl    %edi, VIRTQUEUE_last(%ebx)
        shll    $4, %edi                        # VIRTQ_DESCRIPTOR_size
        addl    VIRTQUEUE_descriptors(%ebx), %edi
        orl     $VIRTQ_NEXT, %edx
        movl    %eax, VIRTQ_DESCRIPTOR_address(%edi)
        movl    %ecx, VIRTQ_DESCRIPTOR_bytes(%edi)
        movw    %dx, VIRTQ_DESCRIPTOR_flags(%edi)
        movzwl  VIRTQ_DESCRIPTOR_next(%edi), %edx
        movl    %edx, VIRTQUEUE_free(%ebx)
        decl    VIRTQUEUE_room(%ebx)
        incl    VIRTQUEUE_pieces(%ebx)
        popl    %edi
        ret
{% endcall %}

# virtqueue_put(queue, owner): ends the chain and makes it available to the device.
#
# in:    %ebx = VIRTQUEUE, with one piece at least; %eax = a word, not 0, that virtqueue_get will give back
# out:   -
# clob:  %ecx, %edx
# errs:  none
{% call routine("virtqueue_put") %}
        pushl   %edi
        movl    VIRTQUEUE_last(%ebx), %ecx
        movl    VIRTQUEUE_descriptors(%ebx), %edx
        shll    $4, %ecx                        # VIRTQ_DESCRIPTOR_size
        andw    $~VIRTQ_NEXT, VIRTQ_DESCRIPTOR_flags(%edx,%ecx)
        movl    VIRTQUEUE_first(%ebx), %edi
        movl    VIRTQUEUE_chains(%ebx), %edx
        leal    (%edx,%edi,8), %edx             # VIRTQ_CHAIN_size
        movl    %eax, VIRTQ_CHAIN_owner(%edx)
        movl    VIRTQUEUE_last(%ebx), %ecx
        movw    %cx, VIRTQ_CHAIN_last(%edx)
        movl    VIRTQUEUE_pieces(%ebx), %ecx
        movw    %cx, VIRTQ_CHAIN_pieces(%edx)
        movl    VIRTQUEUE_available_index(%ebx), %ecx
        andl    VIRTQUEUE_mask(%ebx), %ecx
        movl    VIRTQUEUE_available(%ebx), %edx
        movw    %di, VIRTQ_AVAILABLE_ring(%edx,%ecx,2)
        incl    VIRTQUEUE_available_index(%ebx)
        movl    VIRTQUEUE_available_index(%ebx), %ecx
        movw    %cx, VIRTQ_AVAILABLE_index(%edx)        # stores are seen in their order
        movl    VIRTQUEUE_free(%ebx), %ecx
        movl    %ecx, VIRTQUEUE_first(%ebx)
        movl    $0, VIRTQUEUE_pieces(%ebx)
        popl    %edi
        ret
{% endcall %}

{% set L = labels("virtqueue_kick") %}
# virtqueue_kick(queue): tells the device that there is something new, unless it does not want to be told.
#
# in:    %ebx = VIRTQUEUE
# out:   -
# clob:  %eax, %edx
# errs:  none
{% call routine("virtqueue_kick") %}
        movl    VIRTQUEUE_used(%ebx), %edx
        lock addl $0, (%esp)                    # what was put is seen before the device's wish is looked at
        testw   $VIRTQ_NO_NOTIFY, VIRTQ_USED_flags(%edx)
        jnz     {{ L("not_wanted") }}
        movl    VIRTQUEUE_number(%ebx), %eax
        movl    VIRTQUEUE_port(%ebx), %edx
        addl    $VIRTIO_QUEUE_NOTIFY, %edx
        outw    %ax, %dx
{{ L("not_wanted") }}:
        ret
{% endcall %}

{% set L = labels("virtqueue_get") %}
# virtqueue_get(queue): takes back a chain that the device is through with.
#
# in:    %ebx = VIRTQUEUE
# out:   %eax = the owner's word, or 0 when there is no such chain; %ecx = bytes that the device has written
# clob:  %edx
# errs:  0 also for a number that is no chain's: a device that is broken is not listened to
{% call routine("virtqueue_get") %}
        movl    VIRTQUEUE_used(%ebx), %edx
        movl    VIRTQUEUE_used_index(%ebx), %ecx
        cmpw    VIRTQ_USED_index(%edx), %cx
        je      {{ L("none") }}
        incl    VIRTQUEUE_used_index(%ebx)
        andl    VIRTQUEUE_mask(%ebx), %ecx
        leal    VIRTQ_USED_ring(%edx,%ecx,8), %edx
        movl    VIRTQ_USED_ELEMENT_bytes(%edx), %ecx
        movl    VIRTQ_USED_ELEMENT_id(%edx), %edx
        cmpl    VIRTQUEUE_size_field(%ebx), %edx
        jae     {{ L("none") }}
        pushl   %esi
        pushl   %edi
        movl    VIRTQUEUE_chains(%ebx), %esi
        leal    (%esi,%edx,8), %esi             # VIRTQ_CHAIN_size
        movl    VIRTQ_CHAIN_owner(%esi), %eax
        testl   %eax, %eax
        jz      {{ L("nobodys") }}
        movl    $0, VIRTQ_CHAIN_owner(%esi)
        movzwl  VIRTQ_CHAIN_pieces(%esi), %edi
        addl    %edi, VIRTQUEUE_room(%ebx)
        movzwl  VIRTQ_CHAIN_last(%esi), %edi
        shll    $4, %edi                        # VIRTQ_DESCRIPTOR_size
        addl    VIRTQUEUE_descriptors(%ebx), %edi
        movl    VIRTQUEUE_free(%ebx), %esi
        movw    %si, VIRTQ_DESCRIPTOR_next(%edi)
        movl    %edx, VIRTQUEUE_free(%ebx)
        movl    %edx, VIRTQUEUE_first(%ebx)
{{ L("nobodys") }}:
        popl    %edi
        popl    %esi
        ret
{{ L("none") }}:
        xorl    %eax, %eax
        ret
{% endcall %}
