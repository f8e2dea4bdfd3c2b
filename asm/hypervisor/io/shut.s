# How a virtual device ends: shut with a reason, settled when nothing of it is in flight, gone when nobody wants it.
#
# Invariants
#   - Only a connected device has rings and a port. Shutting it takes the port, tells the owner by a last event, and
#     takes nothing new; what is in flight ends first, and then the rings go. The reason is the first one.
#   - A device that is shut may be connected again, once it has settled (VIRTUAL_DEVICE_in_flight is 0).
#   - A device that is IO_GOING goes when it has settled. A domain that has ended stays until all of its devices have.

        .text

{% set L = labels("device_shut") %}
# device_shut(device, reason): takes nothing more from its rings.
#
# in:    %edx = VIRTUAL_DEVICE, %eax = IO_REASON_*
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none; one that is not connected stays as it is
# why:   whoever holds something in flight for it has its turn, so that it can give it back
{% call routine("device_shut") %}
        cmpl    $IO_STATE_CONNECTED, VIRTUAL_DEVICE_state(%edx)
        jne     {{ L("not_connected") }}
        movl    $IO_STATE_SHUT, VIRTUAL_DEVICE_state(%edx)
        movl    %eax, VIRTUAL_DEVICE_reason(%edx)
        call    device_notify
        call    device_port_unbind
        call    device_wake
        jmp     device_settle
{{ L("not_connected") }}:
        ret
{% endcall %}

{% set L = labels("device_settle") %}
# device_settle(device): when nothing of a device that is not connected is in flight, its rings go; and it, if it is to.
#
# in:    %edx = VIRTUAL_DEVICE
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
# calls: vbd_settle, vif_settle, vbd_free, vif_free
# why:   whoever calls it must look in io_devices whether the device is still there
{% call routine("device_settle") %}
        cmpl    $IO_STATE_CONNECTED, VIRTUAL_DEVICE_state(%edx)
        je      {{ L("not_yet") }}
        cmpl    $0, VIRTUAL_DEVICE_in_flight(%edx)
        jne     {{ L("not_yet") }}
        movl    VIRTUAL_DEVICE_kind(%edx), %eax
        call    *io_kinds + IO_KIND_settle(,%eax,8)
        testl   $IO_GOING, VIRTUAL_DEVICE_flags(%edx)
        jz      {{ L("not_yet") }}
        call    device_remove
        movl    VIRTUAL_DEVICE_kind(%edx), %eax
        jmp     *io_kinds + IO_KIND_free(,%eax,8)
{{ L("not_yet") }}:
        ret
{% endcall %}

# device_disconnect(device): domain 0 wants it to serve its rings no more (io_op).
#
# in:    %edx = VIRTUAL_DEVICE
# out:   %eax = 0
# clob:  %ebx, %ecx, %esi, %edi
# errs:  none; one that is not connected stays as it is
{% call routine("device_disconnect") %}
        movl    $IO_REASON_DISCONNECTED, %eax
        call    device_shut
        xorl    %eax, %eax
        ret
{% endcall %}

# device_destroy(device): domain 0 wants it to go (io_op); its handle is free at once.
#
# in:    %edx = VIRTUAL_DEVICE
# out:   %eax = 0
# clob:  %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("device_destroy") %}
        movl    $IO_REASON_DISCONNECTED, %eax
        call    device_go
        xorl    %eax, %eax
        ret
{% endcall %}

# device_go(device, reason): it is to go, as soon as nothing of it is in flight.
#
# in:    %edx = VIRTUAL_DEVICE, %eax = IO_REASON_*
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("device_go") %}
        orl     $IO_GOING, VIRTUAL_DEVICE_flags(%edx)
        cmpl    $IO_STATE_CONNECTED, VIRTUAL_DEVICE_state(%edx)
        je      device_shut
        jmp     device_settle
{% endcall %}

{% set L = labels("devices_release") %}
# devices_release(domain): all devices of a domain that has ended are to go.
#
# in:    %ebx = DOMAIN
# out:   %eax = 0 when it has none, or -ERESTART: something of one is in flight
# clob:  %ecx
# errs:  -ERESTART
{% call routine("devices_release") %}
        cmpl    $0, io_device_count
        je      {{ L("none") }}
        pushl   %edx
        pushl   %esi
        pushl   %edi
        pushl   $0                              # how many stay
        movl    $IO_DEVICES, %ecx
{{ L("next_device") }}:
        movl    io_devices(,%ecx,4), %edx
        testl   %edx, %edx
        jz      {{ L("another") }}
        cmpl    %ebx, VIRTUAL_DEVICE_domain(%edx)
        jne     {{ L("another") }}
        pushl   %ebx
        pushl   %ecx
        movl    $IO_REASON_DOMAIN_ENDED, %eax
        call    device_go
        popl    %ecx
        popl    %ebx
        cmpl    $0, io_devices(,%ecx,4)
        je      {{ L("another") }}
        incl    (%esp)
{{ L("another") }}:
        decl    %ecx
        jnz     {{ L("next_device") }}
        popl    %eax
        popl    %edi
        popl    %esi
        popl    %edx
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    $-ERESTART, %eax
        ret
{{ L("none") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

        .section .rodata
{% call object("io_kinds") %}
        .long   0, 0
{% for kind in ["vbd", "vif"] %}
        .long   {{ kind }}_settle, {{ kind }}_free
{% endfor %}
{% endcall %}
