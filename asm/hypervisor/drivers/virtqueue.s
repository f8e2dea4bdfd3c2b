# Queues of virtio devices: chains of pieces of memory on their way to a device and back.
#
# Invariants
#   - A chain is made piece by piece (virtqueue_add: first what the device reads, then what it writes), then put, then
#     the device is told (virtqueue_kick). Nothing else is done with the queue between the first piece and the put.
#   - A chain is its owner's word from virtqueue_put to virtqueue_get, and the device's only as long. What the device
#     says of a chain that it does not have is not believed.
#   - VIRTQUEUE_room is the number of free descriptors; they are chained from VIRTQUEUE_free by their own `next`, so
#     that those of a chain, taken from there in turn, are linked already.
#   - VIRTQUEUE_first is VIRTQUEUE_free while no chain is being made.

        .text

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
