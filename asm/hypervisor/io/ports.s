# Ports that lead to virtual devices: a domain's kicks come in, its events go out.
#
# Invariants
#   - Such a port is EVTCHNSTAT_hypervisor; PORT_remote is the index of its device, whose VIRTUAL_DEVICE_port it is. To
#     whoever asks (status.s) it is a channel to domain 0.
#   - It was made by its domain, unbound for domain 0, and becomes that again when the device lets go of it. When the
#     domain closes it the device is shut.

        .text

{% set L = labels("device_port_bind") %}
# device_port_bind(device, port): makes a port of its domain lead to a device.
#
# in:    %edx = VIRTUAL_DEVICE without a port, %eax = port, any number
# out:   %eax = 0 or -EINVAL
# clob:  none
# errs:  -EINVAL: the port does not wait for domain 0
{% call routine("device_port_bind") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        movl    %edx, %ecx
        movl    VIRTUAL_DEVICE_domain(%ecx), %ebx
        call    port_find
        testl   %edx, %edx
        jz      {{ L("bad_port") }}
        cmpb    $EVTCHNSTAT_unbound, PORT_state(%edx)
        jne     {{ L("bad_port") }}
        cmpl    $0, PORT_remote(%edx)
        jne     {{ L("bad_port") }}
        movl    %eax, VIRTUAL_DEVICE_port(%ecx)
        movb    $EVTCHNSTAT_hypervisor, PORT_state(%edx)
        movl    VIRTUAL_DEVICE_index(%ecx), %eax
        movl    %eax, PORT_remote(%edx)
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{{ L("bad_port") }}:
        movl    $-EINVAL, %eax
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("device_port_unbind") %}
# device_port_unbind(device): its port leads to nobody, and waits for domain 0 again.
#
# in:    %edx = VIRTUAL_DEVICE
# out:   VIRTUAL_DEVICE_port = 0
# clob:  none
# errs:  none
{% call routine("device_port_unbind") %}
        cmpl    $0, VIRTUAL_DEVICE_port(%edx)
        je      {{ L("has_none") }}
        pushl   %eax
        pushl   %ebx
        pushl   %edx
        movl    VIRTUAL_DEVICE_port(%edx), %eax
        movl    $0, VIRTUAL_DEVICE_port(%edx)
        movl    VIRTUAL_DEVICE_domain(%edx), %ebx
        call    port_find
        movb    $EVTCHNSTAT_unbound, PORT_state(%edx)
        movl    $0, PORT_remote(%edx)
        popl    %edx
        popl    %ebx
        popl    %eax
{{ L("has_none") }}:
        ret
{% endcall %}

# device_port_closed(index): the domain closes the port of a device.
#
# in:    %ecx = index
# out:   -
# clob:  none
# errs:  none
{% call routine("device_port_closed") %}
        pushal
        movl    io_devices(,%ecx,4), %edx
        movl    $0, VIRTUAL_DEVICE_port(%edx)
        movl    $IO_REASON_PORT_CLOSED, %eax
        call    device_shut
        popal
        ret
{% endcall %}

# device_kick(index): the domain has sent an event by the port of a device.
#
# in:    %eax = index
# out:   -
# clob:  %edx
# errs:  none
{% call routine("device_kick") %}
        movl    io_devices(,%eax,4), %edx
        incl    VIRTUAL_DEVICE_kicks(%edx)
        jmp     device_wake
{% endcall %}

{% set L = labels("device_notify") %}
# device_notify(device): an event for its domain.
#
# in:    %edx = VIRTUAL_DEVICE
# out:   -
# clob:  none
# errs:  none; one without a port has nobody to tell
{% call routine("device_notify") %}
        cmpl    $0, VIRTUAL_DEVICE_port(%edx)
        je      {{ L("nobody") }}
        pushl   %eax
        pushl   %ebx
        movl    VIRTUAL_DEVICE_port(%edx), %eax
        movl    VIRTUAL_DEVICE_domain(%edx), %ebx
        incl    VIRTUAL_DEVICE_events(%edx)
        call    event_pending
        popl    %ebx
        popl    %eax
{{ L("nobody") }}:
        ret
{% endcall %}
