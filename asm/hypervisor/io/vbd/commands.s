# What domain 0 asks about VBDs (io_op): made, given extents, connected, disconnected, destroyed, looked at.
#
# Invariants
#   - A VBD has its extents before it is connected, and keeps them: what it has in flight is translated by them.
#   - A connected VBD has its ring page and its port; one that is not has neither.

        .text

{% set L = labels("vbd_find") %}
# vbd_find(domain, handle): the VBD that a command is about.
#
# in:    %ebx = DOMAIN, %ecx = handle
# out:   %eax = 0 and %edx = VBD, or %eax = -ENOENT
# clob:  %ecx, %edx
# errs:  -ENOENT
{% call routine("vbd_find") %}
        movl    %ecx, %eax
        movl    $IO_VBD, %ecx
        call    device_find
        movl    $-ENOENT, %eax
        testl   %edx, %edx
        jz      {{ L("none") }}
        xorl    %eax, %eax
{{ L("none") }}:
        ret
{% endcall %}

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
# in:    %ebx = DOMAIN, %ecx = handle, %esi = VBD_CONNECT
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOENT, -EBUSY (it is connected, or something of its last connection is in flight), -EINVAL (ring_ref, port)
# why:   what was sent by the port before is not lost: the ring is looked at
{% call routine("io_op_vbd_connect") %}
        call    vbd_find
        testl   %eax, %eax
        jnz     {{ L("done") }}
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

{% set L = labels("io_op_vbd_disconnect") %}
# io_op_vbd_disconnect(argument): serves its ring no more.
#
# in:    %ebx = DOMAIN, %ecx = handle
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOENT; one that is not connected stays as it is
{% call routine("io_op_vbd_disconnect") %}
        call    vbd_find
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $IO_REASON_DISCONNECTED, %eax
        call    device_shut
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("io_op_vbd_destroy") %}
# io_op_vbd_destroy(argument): takes it away; the handle is free at once.
#
# in:    %ebx = DOMAIN, %ecx = handle
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOENT
{% call routine("io_op_vbd_destroy") %}
        call    vbd_find
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $IO_REASON_DISCONNECTED, %eax
        call    device_destroy
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("io_op_vbd_info") %}
# io_op_vbd_info(argument): its state and its counters.
#
# in:    %ebx = DOMAIN, %ecx = handle, %esi = VBD_INFO
# out:   %eax = 0 or -ENOENT
# clob:  %ecx, %edx
# errs:  -ENOENT
{% call routine("io_op_vbd_info") %}
        call    vbd_find
        testl   %eax, %eax
        jnz     {{ L("done") }}
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
{{ L("done") }}:
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
