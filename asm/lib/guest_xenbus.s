# Xenbus: how a front end finds its device in the store and shakes hands with the back end (ABI 11.7).
#
# A device is told by a XENBUS record: the paths of both ends, and whose domain the back end is.
#
# Invariants
#   - Both ends write their own state, and watch the other's. A back end that is closing is a device that is gone.

        .text

        .set    XENBUS_path, 0                  # NUL-terminated: device/vbd/51712
        .set    XENBUS_path_size, 64
        .set    XENBUS_backend, 64              # NUL-terminated: /local/domain/0/backend/vbd/1/51712
        .set    XENBUS_backend_size, 128
        .set    XENBUS_domain, 192              # the back end's domain
        .set    XENBUS_handle, 196              # the number at the end of the path
        .set    XENBUS_port, 200                # ours, for the back end to bind to
        .set    XENBUS_size, 204

{% set L = labels("xenbus_find") %}
# xenbus_find(kind, device): the first device of a kind.
#
# in:    %ebx = path: device/vbd or device/vif; %edi = XENBUS record, zeroed
# out:   the record's paths, domain and handle; its back end's state is watched; carry set when there is no such device
# clob:  %eax, %ecx, %edx, %esi
# errs:  carry
{% call routine("xenbus_find") %}
        pushl   %ebx
        movl    request_ring + RING_port, %eax
        movl    (%eax), %eax
        call    wait_add                        # the store's events wake, too
        movl    %ebx, %esi
        call    text_begin
        call    text_string
        movb    $0, %al
        call    text_byte
        movl    $XS_DIRECTORY, %eax
        call    store_call
        jc      {{ L("done") }}
        call    store_number                    # devices are numbers
        jc      {{ L("done") }}
        movl    %eax, XENBUS_handle(%edi)
        movl    $store_payload, %esi
        call    store_path                      # its name, to the NUL behind it
        leal    XENBUS_path(%edi), %edx
        movl    $XENBUS_path_size, %ecx
        movl    $text_buffer, %esi
        call    xenbus_keep
        leal    XENBUS_path(%edi), %ebx
        movl    $backend_name, %esi
        call    store_read
        jc      {{ L("done") }}
        leal    XENBUS_backend(%edi), %edx
        movl    $XENBUS_backend_size, %ecx
        movl    $store_payload, %esi
        call    xenbus_keep
        movl    $backend_id_name, %esi
        call    store_read_number
        jc      {{ L("done") }}
        movl    %eax, XENBUS_domain(%edi)
        leal    XENBUS_backend(%edi), %ebx
        movl    $state_name, %esi
        call    store_watch
{{ L("done") }}:
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("xenbus_keep") %}
# xenbus_keep(to, from, size): copies a text, as much of it as there is room for.
#
# in:    %edx = to, zeroed; %esi = from, NUL-terminated; %ecx = room, above 0
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  what does not fit is left out
{% call routine("xenbus_keep") %}
{{ L("next_byte") }}:
        decl    %ecx
        jz      {{ L("done") }}
        lodsb
        movb    %al, (%edx)
        incl    %edx
        testb   %al, %al
        jnz     {{ L("next_byte") }}
{{ L("done") }}:
        ret
{% endcall %}

# xenbus_switch(device, state): says what our state is.
#
# in:    %edi = XENBUS, %eax = XenbusState*
# out:   -
# clob:  %eax
# errs:  none: who cannot write its own state has no device
{% call routine("xenbus_switch") %}
        pushl   %ebx
        pushl   %esi
        leal    XENBUS_path(%edi), %ebx
        movl    $state_name, %esi
        call    store_write_number
        popl    %esi
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("xenbus_await") %}
# xenbus_await(device, state): waits until the back end is in that state, or further.
#
# in:    %edi = XENBUS, %edx = XenbusState*, not above Connected
# out:   carry set when the back end is closing, or closed
# clob:  %eax, %ecx
# errs:  carry
{% call routine("xenbus_await") %}
        pushl   %ebx
        pushl   %esi
        leal    XENBUS_backend(%edi), %ebx
        movl    $state_name, %esi
{{ L("look") }}:
        call    store_read_number
        jc      {{ L("wait") }}                 # it is not there yet
        cmpl    $XenbusStateConnected, %eax
        ja      {{ L("gone") }}
        cmpl    %edx, %eax
        jae     {{ L("reached") }}
{{ L("wait") }}:
        pushl   %edi
        call    store_await
        popl    %edi
        jmp     {{ L("look") }}
{{ L("reached") }}:
        clc
        jmp     {{ L("done") }}
{{ L("gone") }}:
        stc
{{ L("done") }}:
        popl    %esi
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("xenbus_gone") %}
# xenbus_gone(device): whether the back end is closing; then we are closed, too.
#
# in:    %edi = XENBUS that is connected
# out:   carry set when the device is gone: it is not to be used any more
# clob:  %eax, %ecx
# errs:  carry
# why:   it comes right before a sleep: what the store says after the look wakes
{% call routine("xenbus_gone") %}
{{ L("look") }}:
        pushl   %edi
        call    store_look
        popl    %edi
        cmpl    $0, store_events
        je      {{ L("there") }}
        movl    $0, store_events
        pushl   %ebx
        pushl   %esi
        leal    XENBUS_backend(%edi), %ebx
        movl    $state_name, %esi
        call    store_read_number
        popl    %esi
        popl    %ebx
        jc      {{ L("gone") }}                 # not even its node is there
        cmpl    $XenbusStateConnected, %eax
        jbe     {{ L("look") }}
        jmp     {{ L("gone") }}
{{ L("there") }}:
        clc
        ret
{{ L("gone") }}:
        movl    $XenbusStateClosed, %eax
        call    xenbus_switch
        stc
        ret
{% endcall %}

{% set L = labels("xenbus_offer_port") %}
# xenbus_offer_port(device): a port that the back end may bind to, which wakes what waits (guest_wait.s).
#
# in:    %edi = XENBUS
# out:   XENBUS_port; carry set when there is none
# clob:  %eax, %ebx, %ecx
# errs:  carry
{% call routine("xenbus_offer_port") %}
        movw    $DOMID_SELF, port_offer + EVTCHN_ALLOC_UNBOUND_dom
        movl    XENBUS_domain(%edi), %eax
        movw    %ax, port_offer + EVTCHN_ALLOC_UNBOUND_remote_dom
        movl    $EVTCHNOP_alloc_unbound, %ebx
        movl    $port_offer, %ecx
        {{ hypercall("event_channel_op") }}
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    port_offer + EVTCHN_ALLOC_UNBOUND_port, %eax
        movl    %eax, XENBUS_port(%edi)
        call    wait_add
        clc
        ret
{{ L("refused") }}:
        stc
        ret
{% endcall %}

{% set L = labels("xenbus_notify") %}
# xenbus_notify(device): an event to the back end.
#
# in:    %edi = XENBUS
# out:   -
# clob:  %eax
# errs:  none: a back end that is gone hears nothing
{% call routine("xenbus_notify") %}
        pushl   %ebx
        pushl   %ecx
        movl    XENBUS_port(%edi), %eax
        movl    %eax, send_argument + EVTCHN_SEND_port
        movl    $EVTCHNOP_send, %ebx
        movl    $send_argument, %ecx
        {{ hypercall("event_channel_op") }}
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}

{{ space("port_offer", "EVTCHN_ALLOC_UNBOUND_size") }}
{{ text("state_name", "state") }}
{{ text("backend_name", "backend") }}
{{ text("backend_id_name", "backend-id") }}
{{ text("event_channel_name", "event-channel") }}
