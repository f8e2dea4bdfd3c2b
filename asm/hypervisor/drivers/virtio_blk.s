# Virtio disks: any number of requests in flight, each a chain in the device's one queue.
#
# Invariants
#   - A request has a VIRTIO_SLOT from its submission until its done routine is called: the chain's owner is the slot.
#     The chain is the slot's head, the request's pieces, the slot's status.
#   - Slots are free in a chain from VIRTIO_DISK_free. DISK_room is such that each further request has a slot and
#     VIRTIO_PIECES descriptors, the most that one can need.
#   - What the device writes into a slot is one byte; all else of it, and every length, is ours and is trusted.

        .set    VIRTIO_PIECES_SHIFT, 4          # 16 descriptors: two for the slot, DISK_SEGMENTS at the most for pieces

        .text

{% set L = labels("virtio_disk_submit") %}
# virtio_disk_submit(disk, request): puts a request into the queue.
#
# in:    %ebx = DISK with room, %esi = DISK_REQUEST
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("virtio_disk_submit") %}
        pushl   %ebx
        pushl   %edi
        pushl   %ebp
        movl    DISK_state(%ebx), %edi
        movl    VIRTIO_DISK_free(%edi), %ebp
        movl    VIRTIO_SLOT_next(%ebp), %eax
        movl    %eax, VIRTIO_DISK_free(%edi)
        decl    VIRTIO_DISK_free_slots(%edi)
        movl    %esi, VIRTIO_SLOT_request(%ebp)
        movl    $-1, VIRTIO_SLOT_status(%ebp)   # failed, unless the device says something else
        movl    DISK_REQUEST_sector(%esi), %eax
        movl    %eax, VIRTIO_SLOT_sector(%ebp)
        movl    DISK_REQUEST_sector_high(%esi), %eax
        movl    %eax, VIRTIO_SLOT_sector_high(%ebp)
        movl    DISK_REQUEST_operation(%esi), %eax
        movzbl  virtio_types(%eax), %eax
        movl    %eax, VIRTIO_SLOT_type(%ebp)
        movl    VIRTIO_DISK_queue(%edi), %ebx
        movl    VIRTIO_DISK_physical(%edi), %eax
        addl    %ebp, %eax
        movl    $VIRTIO_SLOT_HEAD_BYTES, %ecx
        xorl    %edx, %edx
        call    virtqueue_add
        call    virtio_pieces_add
        movl    VIRTIO_DISK_physical(%edi), %eax
        leal    VIRTIO_SLOT_status(%eax,%ebp), %eax
        movl    $1, %ecx
        movl    $VIRTQ_WRITE, %edx
        call    virtqueue_add
        movl    %ebp, %eax
        call    virtqueue_put
        call    virtqueue_kick
        popl    %ebp
        popl    %edi
        popl    %ebx
        jmp     virtio_disk_room
{% endcall %}

{% set L = labels("virtio_pieces_add") %}
# virtio_pieces_add(queue, request): adds the pieces of a request to the chain that is being made.
#
# in:    %ebx = VIRTQUEUE, %esi = DISK_REQUEST
# out:   DISK_REQUEST_bytes
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("virtio_pieces_add") %}
        pushl   %edi
        pushl   %ebp
        movl    $0, DISK_REQUEST_bytes(%esi)
        movl    DISK_REQUEST_count(%esi), %ebp
        leal    DISK_REQUEST_pieces(%esi), %edi
{{ L("next_piece") }}:
        decl    %ebp
        js      {{ L("done") }}
        movl    PIECE_address(%edi), %eax
        movl    PIECE_bytes(%edi), %ecx
        addl    %ecx, DISK_REQUEST_bytes(%esi)
        xorl    %edx, %edx
        cmpl    $DISK_READ, DISK_REQUEST_operation(%esi)
        jne     {{ L("to_the_disk") }}
        movl    $VIRTQ_WRITE, %edx
{{ L("to_the_disk") }}:
        call    virtqueue_add
        addl    $PIECE_size, %edi
        jmp     {{ L("next_piece") }}
{{ L("done") }}:
        popl    %ebp
        popl    %edi
        ret
{% endcall %}

{% set L = labels("virtio_disk_room") %}
# virtio_disk_room(disk): how many more requests the device takes.
#
# in:    %ebx = DISK
# out:   DISK_room
# clob:  %eax, %edx
# errs:  none
# why:   there are VIRTIO_SLOTS so that one interrupt cannot have more requests to end than that
{% call routine("virtio_disk_room") %}
        movl    DISK_state(%ebx), %edx
        movl    VIRTIO_DISK_queue(%edx), %eax
        movl    VIRTQUEUE_room(%eax), %eax
        shrl    $VIRTIO_PIECES_SHIFT, %eax
        cmpl    VIRTIO_DISK_free_slots(%edx), %eax
        jbe     {{ L("slots_suffice") }}
        movl    VIRTIO_DISK_free_slots(%edx), %eax
{{ L("slots_suffice") }}:
        movl    %eax, DISK_room(%ebx)
        ret
{% endcall %}

# virtio_slot_free(state, slot): a slot is free.
#
# in:    %edi = VIRTIO_DISK, %eax = VIRTIO_SLOT
# out:   -
# clob:  %edx
# errs:  none
{% call routine("virtio_slot_free") %}
        movl    $0, VIRTIO_SLOT_request(%eax)
        movl    VIRTIO_DISK_free(%edi), %edx
        movl    %edx, VIRTIO_SLOT_next(%eax)
        movl    %eax, VIRTIO_DISK_free(%edi)
        incl    VIRTIO_DISK_free_slots(%edi)
        ret
{% endcall %}

{% set L = labels("virtio_blk_interrupt") %}
# virtio_blk_interrupt(disk): takes back what the device has done.
#
# in:    %edx = DISK
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
# why:   reading the register makes the device drop the line
{% call routine("virtio_blk_interrupt") %}
        movl    %edx, %ebx
        movl    DISK_state(%ebx), %edi
        movl    VIRTIO_DISK_port(%edi), %edx
        addl    $VIRTIO_INTERRUPT, %edx
        inb     %dx, %al
        testb   $VIRTIO_INTERRUPT_QUEUE, %al
        jz      {{ L("not_ours") }}
        call    io_wake
{{ L("next_request") }}:
        movl    DISK_state(%ebx), %edi
        pushl   %ebx
        movl    VIRTIO_DISK_queue(%edi), %ebx
        call    virtqueue_get
        popl    %ebx
        testl   %eax, %eax
        jz      {{ L("not_ours") }}
        movl    VIRTIO_SLOT_request(%eax), %esi
        movzbl  VIRTIO_SLOT_status(%eax), %ecx
        call    virtio_slot_free
        call    virtio_disk_room
        xorl    %eax, %eax
        cmpl    $1, %ecx                        # 0: good
        sbbl    $-1, %eax                       # 0, or DISK_FAILED
        call    disk_done
        jmp     {{ L("next_request") }}
{{ L("not_ours") }}:
        ret
{% endcall %}

{% set L = labels("virtio_disk_give_up") %}
# virtio_disk_give_up(disk): resets the device, so that it lets go of all memory, and fails what it had.
#
# in:    %ebx = DISK
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("virtio_disk_give_up") %}
        movl    DISK_state(%ebx), %edi
        movl    VIRTIO_DISK_port(%edi), %edx
        xorl    %eax, %eax
        call    virtio_status_set
        movl    VIRTIO_DISK_slots(%edi), %eax
{{ L("next_slot") }}:
        movl    VIRTIO_SLOT_request(%eax), %esi
        testl   %esi, %esi
        jz      {{ L("no_request") }}
        call    virtio_slot_free
        pushl   %eax
        movl    $DISK_FAILED, %eax
        call    disk_done
        popl    %eax
        movl    DISK_state(%ebx), %edi
{{ L("no_request") }}:
        addl    $VIRTIO_SLOT_size, %eax
        testl   $(VIRTIO_SLOTS * VIRTIO_SLOT_size - 1), %eax
        jnz     {{ L("next_slot") }}
        ret
{% endcall %}

        .section .rodata
{% call object("virtio_types") %}
        .byte   VIRTIO_BLK_IN, VIRTIO_BLK_OUT, VIRTIO_BLK_T_FLUSH       # DISK_READ, DISK_WRITE, DISK_FLUSH
{% endcall %}
