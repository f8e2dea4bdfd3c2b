# What domain 0 asks about VBDs (io_op): made, given extents, connected, disconnected, destroyed, looked at.
#
# Invariants
#   - A VBD has its extents before it is connected, and keeps them: what it has in flight is translated by them.
#   - A connected VBD has its ring page and its port; one that is not has neither.

        .text

{% set L = labels("io_op_vbd_create") %}
# io_op_vbd_create(argument): a VBD without extents.
#
# in:    %ebx = DOMAIN, %ecx = handle, %esi = VBD_CREATE
# out:   %eax = 0 or an error
# clob:  %ecx, %edx
# errs:  -EINVAL (flags), -ENOMEM, -EEXIST (the handle), -ENOSPC (devices)
{% call routine("io_op_vbd_create") %}
        movl    $-EINVAL, %eax
        testl   $~VBD_READ_ONLY, VBD_CREATE_flags(%esi)
        jnz     {{ L("done") }}
        pushl   %ecx
        movl    $VBD_size, %ecx
        call    heap_alloc
        popl    %ecx
        movl    %eax, %edx
        movl    $-ENOMEM, %eax
        testl   %edx, %edx
        jz      {{ L("done") }}
        movl    $IO_VBD, VIRTUAL_DEVICE_kind(%edx)
        movl    %ebx, VIRTUAL_DEVICE_domain(%edx)
        movl    %ecx, VIRTUAL_DEVICE_handle(%edx)
        movl    VBD_CREATE_flags(%esi), %eax
        movl    %eax, VBD_flags(%edx)
        call    device_add
        testl   %eax, %eax
        jz      {{ L("done") }}
        pushl   %eax
        movl    %edx, %eax
        movl    $VBD_size, %ecx
        call    heap_free
        popl    %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("io_op_vbd_connect") %}
# io_op_vbd_connect(argument): begins to serve its ring.
#
# in:    %edx = VBD, %esi = VBD_CONNECT
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EBUSY (it is connected, or something of its last connection is in flight), -EINVAL (ring_ref, port)
# why:   what was sent by the port before is not lost: the ring is looked at
{% call routine("io_op_vbd_connect") %}
        movl    $-EBUSY, %eax
        cmpl    $IO_STATE_CONNECTED, VIRTUAL_DEVICE_state(%edx)
        je      {{ L("done") }}
        cmpl    $0, VIRTUAL_DEVICE_in_flight(%edx)
        jne     {{ L("done") }}
        movl    VBD_CONNECT_ring_ref(%esi), %eax
        movl    VBD_CONNECT_port(%esi), %edi
        leal    VBD_ring(%edx), %esi
        call    ring_attach
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    %edi, %eax
        call    device_port_bind
        testl   %eax, %eax
        jnz     {{ L("no_port") }}
        movl    $IO_STATE_CONNECTED, VIRTUAL_DEVICE_state(%edx)
        movl    $IO_REASON_NONE, VIRTUAL_DEVICE_reason(%edx)
        jmp     device_wake
{{ L("no_port") }}:
        pushl   %eax
        call    ring_detach
        popl    %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("io_op_vbd_info") %}
# io_op_vbd_info(argument): its state and its counters.
#
# in:    %edx = VBD, %esi = VBD_INFO
# out:   %eax = 0; the VBD_INFO
# clob:  none
# errs:  none
{% call routine("io_op_vbd_info") %}
{% for field in ["state", "reason", "port", "in_flight", "events", "kicks"] %}
        movl    VIRTUAL_DEVICE_{{ field }}(%edx), %eax
        movl    %eax, VBD_INFO_{{ field }}(%esi)
{% endfor %}
{% for field in ["flags", "sectors", "sectors_high", "reads", "writes", "flushes", "barriers", "refused", "errors",
                 "segments", "sectors_read", "sectors_read_high", "sectors_written", "sectors_written_high"] %}
        movl    VBD_{{ field }}(%edx), %eax
        movl    %eax, VBD_INFO_{{ field }}(%esi)
{% endfor %}
        movl    VBD_extent_count(%edx), %eax
        movl    %eax, VBD_INFO_extents(%esi)
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("io_op_disk_info") %}
# io_op_disk_info(argument): what is known of a disk.
#
# in:    %esi = DISK_INFO with a number
# out:   %eax = 0 or -ENOENT
# clob:  %ebx, %ecx, %edi
# errs:  -ENOENT: there is no such disk
{% call routine("io_op_disk_info") %}
        movl    DISK_INFO_number(%esi), %eax
        call    disk_find
        movl    $-ENOENT, %eax
        testl   %ebx, %ebx
        jz      {{ L("done") }}
{% for field in ["flags", "sectors", "sectors_high", "in_flight", "reads", "writes", "errors", "sectors_moved",
                 "sectors_moved_high"] + ["name", "name + 4", "name + 8", "name + 12"] %}
        movl    DISK_{{ field }}(%ebx), %eax
        movl    %eax, DISK_INFO_{{ field }}(%esi)
{% endfor %}
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}
