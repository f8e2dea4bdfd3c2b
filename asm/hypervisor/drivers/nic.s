# Network interfaces: which there are, what is sent by them, and what they have received.
#
# Invariants
#   - Interfaces are numbered from 0, in the order in which they were found; nic_list chains them, and none ever goes.
#   - An interrupt does little more than to say nic_wake. The work is done by nics_run, on the way out to a guest and
#     while nobody runs: at most NIC_WORK units in one run, whatever arrives.
#   - Each place of NIC_buffers has a frame of the hypervisor's own, into which the device may write one packet. What
#     net_receive gives back for a packet's frame takes its place. So a device never waits for a domain: a packet that
#     nobody wants leaves its frame where it was.
#   - What a device says about lengths and places is checked before it is used (the drivers).

        .text

{% set L = labels("nic_find") %}
# nic_find(number): an interface by its number.
#
# in:    %eax = number
# out:   %ebx = NIC, or 0
# clob:  none
# errs:  0
{% call routine("nic_find") %}
        movl    nic_list, %ebx
{{ L("next") }}:
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        cmpl    %eax, NIC_number(%ebx)
        je      {{ L("done") }}
        movl    NIC_next(%ebx), %ebx
        jmp     {{ L("next") }}
{{ L("done") }}:
        ret
{% endcall %}

# nic_send(packet): sends a packet by PACKET_nic; its routine `done` is called when the device needs it no more.
#
# in:    %esi = PACKET; NIC_room of its interface is not 0; it has 1 to PACKET_PIECES pieces, none of them empty
# out:   -
# clob:  none
# errs:  none
# calls: e1000_send, virtio_net_send
{% call routine("nic_send") %}
        pushl   %ebx
        movl    PACKET_nic(%esi), %ebx
        call    *NIC_send(%ebx)
        popl    %ebx
        ret
{% endcall %}

# nic_wake(nic): there is work for its driver.
#
# in:    %ebx = NIC
# out:   -
# clob:  none
# errs:  none
{% call routine("nic_wake") %}
        movl    $1, NIC_due(%ebx)
        jmp     io_wake
{% endcall %}

{% set L = labels("nics_run") %}
# nics_run(): what interfaces have sent and received since, as far as one run may go; they take turns at being first.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
# calls: e1000_run, virtio_net_run
{% call routine("nics_run") %}
        movl    $NIC_WORK, nic_work
        movl    nic_turn, %ebx
{{ L("next") }}:
        testl   %ebx, %ebx
        jnz     {{ L("have_one") }}
        movl    nic_list, %ebx                  # behind the last one comes the first
        testl   %ebx, %ebx
        jz      {{ L("done") }}
{{ L("have_one") }}:
        cmpl    $0, NIC_due(%ebx)
        je      {{ L("skip") }}
        movl    $0, NIC_due(%ebx)
        call    *NIC_run(%ebx)                  # sets it again when it could not do everything
{{ L("skip") }}:
        movl    NIC_next(%ebx), %ebx
        cmpl    $0, nic_work
        jle     {{ L("enough") }}
        cmpl    nic_turn, %ebx
        jne     {{ L("next") }}
{{ L("enough") }}:
        movl    %ebx, nic_turn
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("nics_due") %}
# nics_due(): whether there is work for a driver.
#
# in:    -
# out:   %eax = 1 when there is, else 0
# clob:  %ebx
# errs:  none
{% call routine("nics_due") %}
        movl    nic_list, %ebx
        xorl    %eax, %eax
{{ L("next") }}:
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        orl     NIC_due(%ebx), %eax
        movl    NIC_next(%ebx), %ebx
        jmp     {{ L("next") }}
{{ L("done") }}:
        ret
{% endcall %}

# nic_sent(nic, packet): a driver's device needs a packet no more.
#
# in:    %ebx = NIC, %esi = PACKET
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
# calls: packet_*
{% call routine("nic_sent") %}
        pushl   %ebx
        movl    PACKET_count(%esi), %eax        # who made it has something to do for each piece
        subl    %eax, nic_work
        incl    NIC_sent(%ebx)
        movl    PACKET_bytes(%esi), %eax
        addl    %eax, NIC_bytes_sent(%ebx)
        adcl    $0, NIC_bytes_sent + 4(%ebx)
        call    *PACKET_done(%esi)
        popl    %ebx
        ret
{% endcall %}

# nic_received(nic, mfn, offset, bytes): a driver's device has received a packet into a frame.
#
# in:    %ebx = NIC; %eax = mfn, %edx = offset in it, %ecx = bytes, not more than there is behind the offset
# out:   %eax = mfn of the frame that the driver has from now on
# clob:  none
# errs:  none
{% call routine("nic_received") %}
        subl    $NIC_WORK_OF_A_RECEIVED, nic_work
        incl    NIC_received(%ebx)
        addl    %ecx, NIC_bytes_received(%ebx)
        adcl    $0, NIC_bytes_received + 4(%ebx)
        jmp     net_receive
{% endcall %}

# nic_physical(block): where a device finds a heap block.
#
# in:    %eax = heap block
# out:   %eax = physical address
# clob:  none
# errs:  none
{% call routine("nic_physical") %}
        pushl   %eax
        call    heap_mfn
        shll    $PAGE_SHIFT, %eax
        xorl    (%esp), %eax                    # take the offset in the page from the block's address
        andl    $~PAGE_OFFSET_MASK, %eax
        xorl    (%esp), %eax
        addl    $4, %esp
        ret
{% endcall %}

        .section .init, "ax"

{% set L = labels("nic_make") %}
# nic_make(): a NIC with frames to receive into, which is not in the list yet.
#
# in:    -
# out:   %ebx = NIC, or 0 when there is no memory
# clob:  none
# errs:  0
{% call routine("nic_make") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        movl    $NIC_size, %ecx
        call    heap_alloc
        movl    %eax, %ebx
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    $4 * NIC_BUFFERS, %ecx
        call    heap_alloc
        movl    %eax, NIC_buffers(%ebx)
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    %eax, %edx
        xorl    %ecx, %ecx
{{ L("next_buffer") }}:
        call    frame_alloc
        movl    %eax, (%edx,%ecx,4)
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        incl    %ecx
        cmpl    $NIC_BUFFERS, %ecx
        jb      {{ L("next_buffer") }}
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        popl    %eax
        ret
{{ L("no_memory") }}:
        call    nic_discard
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("nic_discard") %}
# nic_discard(nic): takes back what nic_make gave, all or the part that there was memory for.
#
# in:    %ebx = NIC that is not in the list, and whose device does nothing
# out:   %ebx = 0
# clob:  none
# errs:  none
{% call routine("nic_discard") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        movl    NIC_buffers(%ebx), %edx
        testl   %edx, %edx
        jz      {{ L("no_buffers") }}
        movl    $NIC_BUFFERS, %ecx
{{ L("next_buffer") }}:
        movl    -4(%edx,%ecx,4), %eax
        testl   %eax, %eax
        jz      {{ L("not_taken") }}
        call    frame_free
{{ L("not_taken") }}:
        decl    %ecx
        jnz     {{ L("next_buffer") }}
        movl    %edx, %eax
        movl    $4 * NIC_BUFFERS, %ecx
        call    heap_free
{{ L("no_buffers") }}:
        movl    %ebx, %eax
        movl    $NIC_size, %ecx
        call    heap_free
        xorl    %ebx, %ebx
        popl    %edx
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("nic_add") %}
# nic_add(nic): an interface that works from now on.
#
# in:    %ebx = NIC, complete but for number and next
# out:   -
# clob:  none
# errs:  none
{% call routine("nic_add") %}
        pushal
        xorl    %eax, %eax
        movl    $nic_list, %edx                 # where the next one is chained
{{ L("next") }}:
        movl    (%edx), %ecx
        testl   %ecx, %ecx
        jz      {{ L("end") }}
        incl    %eax
        leal    NIC_next(%ecx), %edx
        jmp     {{ L("next") }}
{{ L("end") }}:
        movl    %ebx, (%edx)
        movl    %eax, NIC_number(%ebx)
        leal    NIC_name(%ebx), %esi
{{ log("LOG_INFO", "network interface %u: %s, ", "%eax", "%esi") }}
        xorl    %ecx, %ecx
{{ L("next_byte") }}:
        movzbl  NIC_mac(%ebx,%ecx), %eax
{{ log("LOG_INFO", "%02x:", "%eax") }}
        incl    %ecx
        cmpl    $(NIC_MAC_BYTES - 1), %ecx
        jb      {{ L("next_byte") }}
        movzbl  NIC_mac(%ebx,%ecx), %eax
        movl    $link_down_text, %edx
        testl   $NIC_LINK_UP, NIC_flags(%ebx)
        jz      {{ L("no_link") }}
        movl    $link_up_text, %edx
{{ L("no_link") }}:
{{ log("LOG_INFO", "%02x, link %s\\n", "%eax", "%edx") }}
        popal
        ret
{% endcall %}

{{ text("link_up_text", "up") }}
{{ text("link_down_text", "down") }}

        .data
{% for name in ["nic_list", "nic_turn", "nic_work"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
