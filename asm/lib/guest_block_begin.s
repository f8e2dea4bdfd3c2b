# The block front end's handshake: it finds the first virtual disk and connects it (ABI 11.5, 11.7).
#
# Invariants
#   - block_sectors is how large the disk is, and block_info what it is (VDISK_*), as the back end says.

        .text

{{ space("block_sectors", 4) }}
{{ space("block_info", 4) }}
{{ text("block_kind", "device/vbd") }}
{{ text("ring_ref_name", "ring-ref") }}
{{ text("protocol_name", "protocol") }}
{{ text("protocol_value", "x86_32-abi") }}
{{ text("sectors_name", "sectors") }}
{{ text("info_name", "info") }}

{% set L = labels("block_begin") %}
# block_begin(): finds the first virtual disk and connects it.
#
# in:    %ebp = start_info; grants_begin and rings_find have been called
# out:   block_sectors, block_info; carry set when there is no disk, or it goes away meanwhile
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  carry
{% call routine("block_begin") %}
        movl    $block_device, %edi
        movl    $block_kind, %ebx
        call    xenbus_find
        jc      {{ L("none") }}
        movl    $XenbusStateInitWait, %edx
        call    xenbus_await
        jc      {{ L("none") }}
        call    block_grant
        jc      {{ L("none") }}
        movl    $block_device, %edi
        call    xenbus_offer_port
        jc      {{ L("none") }}
        call    block_publish
        movl    $XenbusStateInitialised, %eax
        call    xenbus_switch
        movl    $XenbusStateConnected, %edx
        call    xenbus_await
        jc      {{ L("none") }}
        leal    XENBUS_backend(%edi), %ebx
        movl    $sectors_name, %esi
        call    store_read_number
        jc      {{ L("none") }}
        movl    %eax, block_sectors
        movl    $info_name, %esi
        call    store_read_number
        jc      {{ L("none") }}
        movl    %eax, block_info
        movl    $XenbusStateConnected, %eax
        call    xenbus_switch
        clc
        ret
{{ L("none") }}:
        stc
        ret
{% endcall %}

{% set L = labels("block_publish") %}
# block_publish(): writes into the store where the ring is, in one transaction.
#
# in:    block_device, block_ring_grant
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  none: as long as others are in its way it is done again
{% call routine("block_publish") %}
{{ L("again") }}:
        call    store_begin
        movl    $block_device + XENBUS_path, %ebx
        movl    $ring_ref_name, %esi
        movl    block_ring_grant, %eax
        call    store_write_number
        movl    $event_channel_name, %esi
        movl    block_device + XENBUS_port, %eax
        call    store_write_number
        movl    $protocol_name, %esi
        movl    $protocol_value, %edx
        call    store_write
        call    store_commit
        jc      {{ L("again") }}
        ret
{% endcall %}
