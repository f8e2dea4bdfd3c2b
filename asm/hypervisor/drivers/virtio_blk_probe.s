# Virtio disks: finding one, its records, and its name.
#
# Invariants
#   - A device becomes a disk only when all is there that a request needs: queue, slots, interrupt, and an answer.
#   - Waiting for that answer has an end: a device that is silent is left alone.

        .section .init, "ax"

        .set    VIRTIO_BLK_FEATURES, VIRTIO_BLK_SEG_MAX | VIRTIO_BLK_RO | VIRTIO_BLK_FLUSH
        .set    VIRTIO_BLK_LOOKS, 1000000       # at a port: a second or more

{% set L = labels("virtio_blk_probe") %}
# virtio_blk_probe(address): makes a disk of a virtio block device.
#
# in:    %eax = PCI address
# out:   -
# clob:  all
# errs:  what cannot be used is logged and left alone
{% call routine("virtio_blk_probe") %}
        movl    %eax, %esi
        movl    $VIRTIO_BLK_FEATURES, %ecx
        call    virtio_begin
        testl   %edx, %edx
        jz      {{ L("no_device") }}
        movl    %ecx, %ebp                      # features
        call    virtio_blk_records
        testl   %ebx, %ebx
        jz      {{ L("no_queue") }}
        movl    DISK_state(%ebx), %edi
        movl    VIRTIO_DISK_port(%edi), %edx
        testl   $VIRTIO_BLK_RO, %ebp
        jz      {{ L("writable") }}
        orl     $DISK_READ_ONLY, DISK_flags(%ebx)
{{ L("writable") }}:
        testl   $VIRTIO_BLK_FLUSH, %ebp
        jz      {{ L("no_cache") }}
        orl     $DISK_CAN_FLUSH, DISK_flags(%ebx)
{{ L("no_cache") }}:
        addl    $(VIRTIO_CONFIGURATION + VIRTIO_BLK_CAPACITY), %edx
        inl     %dx, %eax
        movl    %eax, DISK_sectors(%ebx)
        addl    $4, %edx
        inl     %dx, %eax
        movl    %eax, DISK_sectors_high(%ebx)
        testl   $VIRTIO_BLK_SEG_MAX, %ebp
        jz      {{ L("enough_segments") }}
        addl    $(VIRTIO_BLK_SEGMENTS - 4), %edx
        inl     %dx, %eax
        cmpl    $DISK_SEGMENTS, %eax
        jb      {{ L("too_few") }}
{{ L("enough_segments") }}:
        movl    %esi, %eax
        call    pci_input
        testl   %eax, %eax
        js      {{ L("no_interrupt") }}
        movl    $virtio_blk_interrupt, %ecx
        movl    %ebx, %edx
        call    interrupt_claim
        jc      {{ L("no_interrupt") }}
        movl    VIRTIO_DISK_port(%edi), %edx
        call    virtio_ready
        call    virtio_blk_name
        jc      {{ L("silent") }}
        jmp     disk_add
{% for label, reason in [("too_few", "its requests are too small"), ("no_interrupt", "it has no interrupt"),
                         ("silent", "it does not answer")] %}
{{ L(label) }}:
{{ log("LOG_WARNING", "virtio disk at 0x%x: not used: " ~ reason ~ "\\n", "%esi") }}
        jmp     {{ L("reset") }}
{% endfor %}
{{ L("no_device") }}:
{{ log("LOG_WARNING", "virtio disk at 0x%x: not used: it is not of the legacy kind\\n", "%esi") }}
        ret
{{ L("no_queue") }}:
{{ log("LOG_WARNING", "virtio disk at 0x%x: not used: no queue, or no memory for it\\n", "%esi") }}
        ret
{{ L("reset") }}:
        movl    VIRTIO_DISK_port(%edi), %edx
        xorl    %eax, %eax
        jmp     virtio_status_set
{% endcall %}

{% set L = labels("virtio_blk_records") %}
# virtio_blk_records(port): the records of a disk.
#
# in:    %edx = port of the first register
# out:   %ebx = DISK with its state, slots and queue, or 0 when there is no memory
# clob:  %eax, %ecx, %edx, %edi
# errs:  0
# why:   what was taken before something was missing is lost: it is less than a page, at boot
{% call routine("virtio_blk_records") %}
        movl    $DISK_size, %ecx
        call    heap_alloc
        movl    %eax, %ebx
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    $virtio_disk_submit, DISK_submit(%ebx)
        movl    $virtio_disk_give_up, DISK_give_up(%ebx)
        movl    $VIRTIO_DISK_size, %ecx
        call    heap_alloc
        movl    %eax, DISK_state(%ebx)
        movl    %eax, %edi
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %edx, VIRTIO_DISK_port(%edi)
        xorl    %eax, %eax
        call    virtqueue_make
        movl    %eax, VIRTIO_DISK_queue(%edi)
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    $1, %ecx
        call    device_memory
        subl    %eax, %edx
        movl    %edx, VIRTIO_DISK_physical(%edi)
        movl    %eax, VIRTIO_DISK_slots(%edi)
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, %ecx
{{ L("next_slot") }}:
        call    virtio_slot_free
        addl    $VIRTIO_SLOT_size, %eax
        subl    %ecx, %eax
        cmpl    $VIRTIO_SLOTS * VIRTIO_SLOT_size, %eax
        leal    (%eax,%ecx), %eax
        jb      {{ L("next_slot") }}
        jmp     virtio_disk_room
{{ L("none") }}:
        xorl    %ebx, %ebx
        ret
{% endcall %}

{% set L = labels("virtio_blk_name") %}
# virtio_blk_name(disk): asks the device for its serial number, and waits for the answer, but not for long.
#
# in:    %ebx = DISK
# out:   DISK_name; carry: there is no answer
# clob:  %eax, %ecx, %edx
# errs:  carry
# why:   the slot's status is ours while it waits; a device that has no number answers so, and the disk has no name
{% call routine("virtio_blk_name") %}
        pushl   %esi
        pushl   %edi
        movl    DISK_state(%ebx), %edi
        movl    VIRTIO_DISK_free(%edi), %esi
        movl    $VIRTIO_BLK_GET_ID, VIRTIO_SLOT_type(%esi)
        pushl   %ebx
        movl    VIRTIO_DISK_queue(%edi), %ebx
        movl    %esi, %eax
        addl    VIRTIO_DISK_physical(%edi), %eax
        movl    $VIRTIO_SLOT_HEAD_BYTES, %ecx
        xorl    %edx, %edx
        call    virtqueue_add
        subl    $VIRTIO_SLOT_size, %eax         # the slot before it has room for the answer, and is zero
        movl    $VIRTIO_BLK_ID_BYTES, %ecx
        movl    $VIRTQ_WRITE, %edx
        call    virtqueue_add
        addl    $(VIRTIO_SLOT_status + VIRTIO_SLOT_size), %eax
        movl    $1, %ecx
        movl    $VIRTQ_WRITE, %edx
        call    virtqueue_add
        movl    %esi, %eax
        call    virtqueue_put
        call    virtqueue_kick
        movl    $VIRTIO_BLK_LOOKS, %edi
{{ L("look") }}:
        movl    VIRTQUEUE_port(%ebx), %edx
        addl    $VIRTIO_INTERRUPT, %edx
        inb     %dx, %al
        call    virtqueue_get
        testl   %eax, %eax
        jnz     {{ L("answered") }}
        decl    %edi
        jnz     {{ L("look") }}
        popl    %ebx
        popl    %edi
        popl    %esi
        stc
        ret
{{ L("answered") }}:
        popl    %ebx
        leal    DISK_name(%ebx), %edi
        subl    $VIRTIO_SLOT_size, %esi
        movl    $(DISK_NAME_BYTES - 1), %ecx
        call    memory_copy
        movl    %esi, %edi
        movl    $VIRTIO_BLK_ID_BYTES, %ecx
        call    memory_zero
        popl    %edi
        popl    %esi
        clc
        ret
{% endcall %}
