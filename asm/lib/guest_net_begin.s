# The network front end's handshake: it finds the first virtual interface, its MAC, and connects it (ABI 11.6, 11.7).
#
# Invariants
#   - net_mac is what the toolstack has given the interface; packets from another address may be dropped.

        .text

{{ space("net_mac", 8) }}
{{ text("net_kind", "device/vif") }}
{{ text("mac_name", "mac") }}
{{ text("tx_ring_ref_name", "tx-ring-ref") }}
{{ text("rx_ring_ref_name", "rx-ring-ref") }}
{{ text("rx_copy_name", "request-rx-copy") }}
{{ text("rx_notify_name", "feature-rx-notify") }}
{{ text("no_offload_name", "feature-no-csum-offload") }}

{% set L = labels("net_begin") %}
# net_begin(): finds the first virtual interface and connects it.
#
# in:    %ebp = start_info; grants_begin and rings_find have been called
# out:   net_mac; carry set when there is no interface, or it goes away meanwhile
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  carry
{% call routine("net_begin") %}
        movl    $net_device, %edi
        movl    $net_kind, %ebx
        call    xenbus_find
        jc      {{ L("none") }}
        movl    $net_device + XENBUS_path, %ebx
        movl    $mac_name, %esi
        call    store_read
        jc      {{ L("none") }}
        call    net_read_mac
        jc      {{ L("none") }}
        movl    $net_device, %edi
        movl    $XenbusStateInitWait, %edx
        call    xenbus_await
        jc      {{ L("none") }}
        call    net_grant
        jc      {{ L("none") }}
        movl    $net_device, %edi
        call    xenbus_offer_port
        jc      {{ L("none") }}
        call    net_publish
        movl    $XenbusStateConnected, %eax
        call    xenbus_switch
        movl    $XenbusStateConnected, %edx
        call    xenbus_await
        jc      {{ L("none") }}
        call    net_push
        clc
        ret
{{ L("none") }}:
        stc
        ret
{% endcall %}

{% set L = labels("net_publish") %}
# net_publish(): writes into the store where the rings are, in one transaction.
#
# in:    net_device, net_tx_page_grant, net_rx_page_grant
# out:   -
# clob:  %eax, %ebx, %ecx, %esi
# errs:  none: as long as others are in its way it is done again
{% call routine("net_publish") %}
{{ L("again") }}:
        call    store_begin
        movl    $net_device + XENBUS_path, %ebx
{% for name, value in [("tx_ring_ref", "net_tx_page_grant"), ("rx_ring_ref", "net_rx_page_grant"),
                       ("event_channel", "net_device + XENBUS_port"), ("rx_copy", "$1"), ("rx_notify", "$1"),
                       ("no_offload", "$1")] %}
        movl    ${{ name }}_name, %esi
        movl    {{ value }}, %eax
        call    store_write_number
{% endfor %}
        call    store_commit
        jc      {{ L("again") }}
        ret
{% endcall %}

{% set L = labels("net_read_mac") %}
# net_read_mac(): reads the MAC that stands in the store.
#
# in:    store_payload: six bytes in hexadecimal with colons between them
# out:   net_mac; carry set when it is none
# clob:  %eax, %ecx, %edx, %esi
# errs:  carry
{% call routine("net_read_mac") %}
        movl    $store_payload, %esi
        xorl    %ecx, %ecx
{{ L("next_byte") }}:
        movzbl  (%esi), %eax
        call    digit_value
        cmpl    $16, %eax
        jae     {{ L("bad") }}
        movl    %eax, %edx
        movzbl  1(%esi), %eax
        call    digit_value
        cmpl    $16, %eax
        jae     {{ L("bad") }}
        shll    $4, %edx
        addl    %edx, %eax
        movb    %al, net_mac(%ecx)
        addl    $3, %esi                        # the colon, too
        incl    %ecx
        cmpl    $6, %ecx
        jb      {{ L("next_byte") }}
        clc
        ret
{{ L("bad") }}:
        stc
        ret
{% endcall %}
