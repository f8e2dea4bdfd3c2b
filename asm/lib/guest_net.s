# The network front end: a virtual interface over two rings (ABI 11.6), with buffers of its own that are granted once.
#
# Packets come by copy (request-rx-copy). net_receive, look at the packet, net_done; net_take, fill the buffer,
# net_send; and net_push when there is nothing more to do for now.
#
# Invariants
#   - A transmit buffer is free, or in the ring; a receive buffer is in the ring, or between net_receive and net_done.
#   - A request's id is its buffer: an answer with another id is from no request of ours, and is dropped.
#   - What does not fit into one buffer, or was not received well, is counted in net_bad and never seen.

        .text

        .set    NET_BUFFERS, 64                 # to send from
        .set    NET_RX_BUFFERS, NETIF_RX_RING_ENTRIES

{{ space("net_device", "XENBUS_size") }}
{{ space("net_tx_ring", "FRONT_size") }}
{{ space("net_rx_ring", "FRONT_size") }}
{{ space("net_tx_page", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("net_rx_page", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("net_tx_buffers", "NET_BUFFERS << PAGE_SHIFT", "PAGE_SIZE") }}
{{ space("net_rx_buffers", "NET_RX_BUFFERS << PAGE_SHIFT", "PAGE_SIZE") }}
{{ space("net_tx_grants", "4 * NET_BUFFERS") }}
{{ space("net_rx_grants", "4 * NET_RX_BUFFERS") }}
{{ space("net_tx_page_grant", 4) }}
{{ space("net_rx_page_grant", 4) }}
{{ space("net_free", "4 * NET_BUFFERS") }}
{{ space("net_free_count", 4) }}
{{ space("net_sent", 4) }}
{{ space("net_received", 4) }}
{{ space("net_bad", 4) }}

{% set L = labels("net_grant") %}
# net_grant(): empty rings, all transmit buffers free and all receive buffers asked for; all are granted.
#
# in:    %ebp = start_info; net_device
# out:   carry set when the grant table is full
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  carry
{% call routine("net_grant") %}
        movl    net_device + XENBUS_domain, %edx
{% for way, count in [("tx", "NET_BUFFERS"), ("rx", "NET_RX_BUFFERS")] %}
        movl    $net_{{ way }}_ring, %esi
        movl    $net_{{ way }}_page, %ebx
        call    front_begin
        movl    $GTF_permit_access, %ecx
        movl    $1, %eax
        movl    $net_{{ way }}_page_grant, %edi
        call    grant_pages
        jc      {{ L("done") }}
{% if way == "tx" %}
        movl    $(GTF_permit_access | GTF_readonly), %ecx
{% endif %}
        movl    $net_{{ way }}_buffers, %ebx
        movl    ${{ count }}, %eax
        movl    $net_{{ way }}_grants, %edi
        call    grant_pages
        jc      {{ L("done") }}
{% endfor %}
        movl    $NET_RX_BUFFERS - 1, %eax
{{ L("next_receive") }}:
        call    net_done
        decl    %eax
        jns     {{ L("next_receive") }}
        movl    $NET_BUFFERS - 1, %eax
{{ L("next_free") }}:
        movl    %eax, net_free(,%eax,4)
        decl    %eax
        jns     {{ L("next_free") }}
        movl    $NET_BUFFERS, net_free_count
        clc
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("net_take") %}
# net_take(): a free buffer for a packet to send.
#
# in:    -
# out:   %eax = its number, %edi = its address, a page; carry set when none is free
# clob:  none
# errs:  carry
{% call routine("net_take") %}
        cmpl    $0, net_free_count
        jne     {{ L("there") }}
        call    net_reap
        cmpl    $0, net_free_count
        jne     {{ L("there") }}
        stc
        ret
{{ L("there") }}:
        movl    net_free_count, %eax
        decl    %eax
        movl    %eax, net_free_count
        movl    net_free(,%eax,4), %eax
        movl    %eax, %edi
        shll    $PAGE_SHIFT, %edi
        addl    $net_tx_buffers, %edi
        clc
        ret
{% endcall %}

{% set L = labels("net_reap") %}
# net_reap(): buffers of packets that are sent are free again.
#
# in:    -
# out:   net_free
# clob:  none
# errs:  an answer that is none of ours is dropped; one that says error is counted in net_bad
{% call routine("net_reap") %}
        pushal
        movl    $net_tx_ring, %esi
{{ L("next_response") }}:
        call    front_take
        jc      {{ L("done") }}
        andl    $(NETIF_TX_RING_ENTRIES - 1), %eax
        imull   $NETIF_TX_SRING_ENTRY_size, %eax, %eax
        movswl  net_tx_page + NETIF_TX_SRING_ring + NETIF_TX_RESPONSE_status(%eax), %edx
        movzwl  net_tx_page + NETIF_TX_SRING_ring + NETIF_TX_RESPONSE_id(%eax), %eax
        cmpl    $NET_BUFFERS, %eax
        jae     {{ L("next_response") }}
        testl   %edx, %edx
        jns     {{ L("sent_well") }}
        incl    net_bad
{{ L("sent_well") }}:
        movl    net_free_count, %ecx
        cmpl    $NET_BUFFERS, %ecx
        jae     {{ L("next_response") }}        # more answers than packets: nothing of ours
        movl    %eax, net_free(,%ecx,4)
        incl    net_free_count
        jmp     {{ L("next_response") }}
{{ L("done") }}:
        popal
        ret
{% endcall %}

# net_send(buffer, bytes): writes a packet into the ring; net_push shows it.
#
# in:    %eax = buffer that was taken, %ecx = bytes of the Ethernet frame
# out:   net_sent
# clob:  none
# errs:  none: there are fewer buffers than entries
{% call routine("net_send") %}
        pushl   %edx
        pushl   %edi
        incl    net_sent
        movl    net_tx_ring + FRONT_produced, %edi
        incl    net_tx_ring + FRONT_produced
        andl    $(NETIF_TX_RING_ENTRIES - 1), %edi
        imull   $NETIF_TX_SRING_ENTRY_size, %edi, %edi
        addl    $net_tx_page + NETIF_TX_SRING_ring, %edi
        movl    net_tx_grants(,%eax,4), %edx
        movl    %edx, NETIF_TX_REQUEST_gref(%edi)
        movw    $0, NETIF_TX_REQUEST_offset(%edi)
        movw    $0, NETIF_TX_REQUEST_flags(%edi)
        movw    %ax, NETIF_TX_REQUEST_id(%edi)
        movw    %cx, NETIF_TX_REQUEST_size_field(%edi)
        popl    %edi
        popl    %edx
        ret
{% endcall %}

{% set L = labels("net_receive") %}
# net_receive(): a packet that has come.
#
# in:    -
# out:   %esi = its first byte, %ecx = bytes, %eax = its buffer, for net_done; carry set when there is none
# clob:  none
# errs:  carry
{% call routine("net_receive") %}
        pushl   %edx
{{ L("next_response") }}:
        movl    $net_rx_ring, %esi
        call    front_take
        jc      {{ L("done") }}
        andl    $(NETIF_RX_RING_ENTRIES - 1), %eax
        movl    %eax, %edx
        shll    $3, %edx                        # NETIF_RX_SRING_ENTRY_size
        addl    $net_rx_page + NETIF_RX_SRING_ring, %edx
        movzwl  NETIF_RX_RESPONSE_id(%edx), %eax
        cmpl    $NET_RX_BUFFERS, %eax
        jae     {{ L("bad") }}
        movswl  NETIF_RX_RESPONSE_status(%edx), %ecx
        movzwl  NETIF_RX_RESPONSE_offset(%edx), %esi
        testl   %ecx, %ecx
        jle     {{ L("again") }}
        testw   $(NETRXF_more_data | NETRXF_extra_info), NETIF_RX_RESPONSE_flags(%edx)
        jnz     {{ L("again") }}
        leal    (%esi,%ecx), %edx
        cmpl    $PAGE_SIZE, %edx
        ja      {{ L("again") }}
        movl    %eax, %edx
        shll    $PAGE_SHIFT, %edx
        leal    net_rx_buffers(%esi,%edx), %esi
        incl    net_received
        clc
{{ L("done") }}:
        popl    %edx
        ret
{{ L("again") }}:
        call    net_done
{{ L("bad") }}:
        incl    net_bad
        jmp     {{ L("next_response") }}
{% endcall %}

# net_done(buffer): a receive buffer may be filled again; net_push shows it.
#
# in:    %eax = buffer
# out:   -
# clob:  none
# errs:  none
{% call routine("net_done") %}
        pushl   %edx
        pushl   %edi
        movl    net_rx_ring + FRONT_produced, %edi
        incl    net_rx_ring + FRONT_produced
        andl    $(NETIF_RX_RING_ENTRIES - 1), %edi
        movl    net_rx_grants(,%eax,4), %edx
        movw    %ax, net_rx_page + NETIF_RX_SRING_ring + NETIF_RX_REQUEST_id(,%edi,8)
        movl    %edx, net_rx_page + NETIF_RX_SRING_ring + NETIF_RX_REQUEST_gref(,%edi,8)
        popl    %edi
        popl    %edx
        ret
{% endcall %}

# net_push(): shows the back end packets to send and buffers to fill.
#
# in:    -
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("net_push") %}
        pushl   %esi
        pushl   %edi
        movl    $net_device, %edi
        movl    $net_rx_ring, %esi
        call    front_push
        movl    $net_tx_ring, %esi
        call    front_push
        popl    %edi
        popl    %esi
        ret
{% endcall %}

{% set L = labels("net_wait") %}
# net_wait(until): shows what there is to show, and sleeps until a packet comes, or until that time. Without a free
# buffer to send from it sleeps until there are some: who cannot answer need not look at questions.
#
# in:    %edx:%eax = system time, 0 for ever
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none; other ports wake, too: the caller looks, and waits again
{% call routine("net_wait") %}
        pushl   %ebx
        pushl   %esi
        pushl   %eax
        pushl   %edx
        call    net_push
        cmpl    $0, net_free_count
        jne     {{ L("for_packets") }}
        movl    $NET_BUFFERS / 2, %ecx          # about half of them, so that one event does for many packets
        movl    $net_tx_ring, %esi
        call    front_await
        jc      {{ L("there") }}
        jmp     {{ L("wait") }}
{{ L("for_packets") }}:
        movl    $1, %ecx
        movl    $net_rx_ring, %esi
        call    front_await
        jc      {{ L("there") }}
{{ L("wait") }}:
        popl    %edx
        popl    %eax
        call    wait_events
        jmp     {{ L("done") }}
{{ L("there") }}:
        addl    $8, %esp
{{ L("done") }}:
        popl    %esi
        popl    %ebx
        ret
{% endcall %}
