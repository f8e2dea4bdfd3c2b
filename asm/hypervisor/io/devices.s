# Virtual devices: which there are, and which of them have work.
#
# Invariants
#   - io_devices has the address of each at its index, from 1 on; 0 where there is none. A domain has no two of a kind
#     with the same handle, but for those that are going (IO_GOING), which nobody finds any more.
#   - A device that has work is in the IO_QUEUE of its kind, once. It has its turn when it is first, and goes to the end
#     again when it has more: so devices take turns, whatever each of them has to do.

        .text

{% set L = labels("device_add") %}
# device_add(device): makes a virtual device known.
#
# in:    %edx = VIRTUAL_DEVICE, a zeroed block with kind, domain and handle
# out:   %eax = 0 and VIRTUAL_DEVICE_index, or %eax = an error
# clob:  none
# errs:  -EEXIST (its domain has one of this kind and handle), -ENOSPC (there are IO_DEVICES)
{% call routine("device_add") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        movl    %edx, %eax
        movl    VIRTUAL_DEVICE_domain(%eax), %ebx
        movl    VIRTUAL_DEVICE_kind(%eax), %ecx
        movl    VIRTUAL_DEVICE_handle(%eax), %eax
        call    device_find
        movl    $-EEXIST, %eax
        testl   %edx, %edx
        jnz     {{ L("done") }}
        movl    (%esp), %edx
        movl    $1, %ecx
{{ L("next_place") }}:
        cmpl    $0, io_devices(,%ecx,4)
        je      {{ L("place") }}
        incl    %ecx
        cmpl    $IO_DEVICES, %ecx
        jbe     {{ L("next_place") }}
        movl    $-ENOSPC, %eax
        jmp     {{ L("done") }}
{{ L("place") }}:
        movl    %edx, io_devices(,%ecx,4)
        movl    %ecx, VIRTUAL_DEVICE_index(%edx)
        incl    io_device_count
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("device_find") %}
# device_find(domain, kind, handle): the device that a domain knows by a handle.
#
# in:    %ebx = DOMAIN, %ecx = IO_VBD or IO_VIF, %eax = handle
# out:   %edx = VIRTUAL_DEVICE, or 0
# clob:  none
# errs:  0
{% call routine("device_find") %}
        pushl   %esi
        movl    $IO_DEVICES, %esi
{{ L("next_device") }}:
        movl    io_devices(,%esi,4), %edx
        testl   %edx, %edx
        jz      {{ L("another") }}
        cmpl    %ebx, VIRTUAL_DEVICE_domain(%edx)
        jne     {{ L("another") }}
        cmpl    %ecx, VIRTUAL_DEVICE_kind(%edx)
        jne     {{ L("another") }}
        cmpl    %eax, VIRTUAL_DEVICE_handle(%edx)
        jne     {{ L("another") }}
        testl   $IO_GOING, VIRTUAL_DEVICE_flags(%edx)
        jz      {{ L("found") }}
{{ L("another") }}:
        decl    %esi
        jnz     {{ L("next_device") }}
        xorl    %edx, %edx
{{ L("found") }}:
        popl    %esi
        ret
{% endcall %}

# device_remove(device): nobody knows it any more; its block is still there.
#
# in:    %edx = VIRTUAL_DEVICE without a port
# out:   -
# clob:  none
# errs:  none
{% call routine("device_remove") %}
        call    device_unqueue
        pushl   %eax
        movl    VIRTUAL_DEVICE_index(%edx), %eax
        movl    $0, io_devices(,%eax,4)
        decl    io_device_count
        popl    %eax
        ret
{% endcall %}

{% set L = labels("device_wake") %}
# device_wake(device): it has work: its turn comes.
#
# in:    %edx = VIRTUAL_DEVICE
# out:   -
# clob:  none
# errs:  none
{% call routine("device_wake") %}
        call    io_wake
        cmpl    $0, VIRTUAL_DEVICE_queued(%edx)
        jne     {{ L("is_in_it") }}
        pushl   %eax
        pushl   %ecx
        movl    $1, VIRTUAL_DEVICE_queued(%edx)
        movl    $0, VIRTUAL_DEVICE_next(%edx)
        movl    VIRTUAL_DEVICE_kind(%edx), %eax
        movl    io_queues + IO_QUEUE_last(,%eax,8), %ecx
        movl    %edx, io_queues + IO_QUEUE_last(,%eax,8)
        testl   %ecx, %ecx
        jz      {{ L("alone") }}
        movl    %edx, VIRTUAL_DEVICE_next(%ecx)
        jmp     {{ L("linked") }}
{{ L("alone") }}:
        movl    %edx, io_queues + IO_QUEUE_first(,%eax,8)
{{ L("linked") }}:
        popl    %ecx
        popl    %eax
{{ L("is_in_it") }}:
        ret
{% endcall %}

{% set L = labels("device_take") %}
# device_take(kind): takes the first device off its kind's queue.
#
# in:    %eax = IO_VBD or IO_VIF
# out:   %edx = VIRTUAL_DEVICE, or 0: none has work
# clob:  none
# errs:  0
{% call routine("device_take") %}
        movl    io_queues + IO_QUEUE_first(,%eax,8), %edx
        testl   %edx, %edx
        jz      {{ L("none") }}
        pushl   %ecx
        movl    VIRTUAL_DEVICE_next(%edx), %ecx
        movl    %ecx, io_queues + IO_QUEUE_first(,%eax,8)
        testl   %ecx, %ecx
        jnz     {{ L("more") }}
        movl    %ecx, io_queues + IO_QUEUE_last(,%eax,8)
{{ L("more") }}:
        movl    $0, VIRTUAL_DEVICE_queued(%edx)
        popl    %ecx
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("device_unqueue") %}
# device_unqueue(device): it has no work any more.
#
# in:    %edx = VIRTUAL_DEVICE
# out:   -
# clob:  none
# errs:  none
{% call routine("device_unqueue") %}
        cmpl    $0, VIRTUAL_DEVICE_queued(%edx)
        je      {{ L("not_in_it") }}
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        movl    %edx, %ecx
        movl    VIRTUAL_DEVICE_kind(%edx), %eax
        call    device_take
        cmpl    %ecx, %edx
        je      {{ L("done") }}
        call    device_unqueue_behind
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        popl    %eax
{{ L("not_in_it") }}:
        ret
{% endcall %}

{% set L = labels("device_unqueue_behind") %}
# device_unqueue_behind(device, first): takes a device out that is not first; the first goes to the end.
#
# in:    %ecx = VIRTUAL_DEVICE in the queue, %edx = the one that was first, taken already
# out:   -
# clob:  %eax, %edx
# errs:  none
{% call routine("device_unqueue_behind") %}
        call    device_wake                     # that it has lost its turn is no harm
        movl    VIRTUAL_DEVICE_kind(%edx), %eax
        movl    io_queues + IO_QUEUE_first(,%eax,8), %edx
        cmpl    %ecx, %edx
        je      {{ L("is_first") }}
{{ L("next_device") }}:
        cmpl    %ecx, VIRTUAL_DEVICE_next(%edx)
        je      {{ L("before") }}
        movl    VIRTUAL_DEVICE_next(%edx), %edx
        jmp     {{ L("next_device") }}
{{ L("before") }}:                              # what was first is behind it: it is not the last one
        pushl   VIRTUAL_DEVICE_next(%ecx)
        popl    VIRTUAL_DEVICE_next(%edx)
        movl    $0, VIRTUAL_DEVICE_queued(%ecx)
        ret
{{ L("is_first") }}:
        jmp     device_take
{% endcall %}

{{ space("io_devices", "4 * (IO_DEVICES + 1)") }}
{{ space("io_device_count", 4) }}
{{ space("io_queues", "IO_QUEUE_size * (IO_KINDS + 1)") }}
