# Packets that interfaces of the machine have received, and those of domains that are for many: a queue of frames.
#
# Invariants
#   - A VIF_INPUT has a frame of the hypervisor's own with the whole packet in it. What a NIC hands over is queued and
#     another frame given for it: until its turn comes nothing is looked at or copied.
#   - Frames without a packet are in vif_spares, chained by FRAME_link; beyond VIF_SPARES they go back.
#   - vif_input_record describes the packet at the head of the queue while vif_input_ready is set; if it is for many,
#     vif_input_next is the next interface that may get it. Both outlast the end of a run.

        .text

{% set L = labels("net_receive") %}
# net_receive(nic, mfn, offset, bytes): takes a packet that a NIC has received.
#
# in:    %ebx = NIC, %eax = mfn of a frame of its own, %edx = offset in it, %ecx = bytes
# out:   %eax = mfn that is the NIC's from now on
# clob:  none
# errs:  none: without a place in the queue, or another frame, the packet is dropped, and counted by the NIC
{% call routine("net_receive") %}
        pushl   %esi
        pushl   %edi
        movl    %eax, %edi
        cmpl    $0, vif_list
        je      {{ L("dropped") }}
        cmpl    $ETHERNET_size, %ecx
        jb      {{ L("dropped") }}
        cmpl    $ETHERNET_MOST, %ecx
        ja      {{ L("dropped") }}
        call    vif_input_place
        jc      {{ L("dropped") }}
        call    vif_spare_get
        testl   %eax, %eax
        jz      {{ L("dropped") }}
        movl    %edi, VIF_INPUT_mfn(%esi)
        movw    %dx, VIF_INPUT_offset(%esi)
        movw    %cx, VIF_INPUT_bytes(%esi)
        movl    %ebx, VIF_INPUT_nic(%esi)
        movl    $0, VIF_INPUT_vif(%esi)
        movl    $0, VIF_INPUT_flags(%esi)
        incl    vif_input_prod
        call    io_wake
{{ L("done") }}:
        popl    %edi
        popl    %esi
        ret
{{ L("dropped") }}:
        incl    NIC_dropped(%ebx)
        movl    %edi, %eax
        jmp     {{ L("done") }}
{% endcall %}

# vif_input_place(): the next free place of the queue.
#
# in:    -
# out:   %esi = VIF_INPUT; carry: there is none
# clob:  none
# errs:  carry
{% call routine("vif_input_place") %}
        pushl   %eax
        movl    vif_input_prod, %esi
        movl    %esi, %eax
        subl    vif_input_cons, %eax
        andl    $(VIF_INPUTS - 1), %esi
        imull   $VIF_INPUT_size, %esi, %esi
        addl    $vif_inputs, %esi
        cmpl    $VIF_INPUTS, %eax
        cmc
        popl    %eax
        ret
{% endcall %}

{% set L = labels("vif_spare_get") %}
# vif_spare_get(): a frame to put a packet into. Its contents are what they were.
#
# in:    -
# out:   %eax = mfn, or 0
# clob:  none
# errs:  0
{% call routine("vif_spare_get") %}
        movl    vif_spares, %eax
        testl   %eax, %eax
        jz      frame_alloc
        pushl   %ecx
        movl    %eax, %ecx
        shll    $4, %ecx
        pushl   FRAME_TABLE + FRAME_link(%ecx)
        popl    vif_spares
        movl    $0, FRAME_TABLE + FRAME_link(%ecx)
        decl    vif_spare_count
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("vif_spare_put") %}
# vif_spare_put(mfn): gives such a frame back.
#
# in:    %eax = mfn
# out:   -
# clob:  none
# errs:  none
{% call routine("vif_spare_put") %}
        cmpl    $VIF_SPARES, vif_spare_count
        jae     frame_free
        pushl   %ecx
        movl    %eax, %ecx
        shll    $4, %ecx
        pushl   vif_spares
        popl    FRAME_TABLE + FRAME_link(%ecx)
        movl    %eax, vif_spares
        incl    vif_spare_count
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("vif_inputs_run") %}
# vif_inputs_run(): delivers packets of the queue, as long as there is work left for them.
#
# in:    vif_work: interfaces that may still be served in this run
# out:   vif_work
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("vif_inputs_run") %}
{{ L("next_packet") }}:
        cmpl    $0, vif_work
        jle     {{ L("done") }}
        movl    vif_input_cons, %esi
        cmpl    vif_input_prod, %esi
        je      {{ L("done") }}
        movl    $vif_input_record, %ebp
        call    vif_input_prepare
        testb   $1, VIF_PACKET_head(%ebp)
        jnz     {{ L("for_many") }}
        decl    vif_work
        movl    VIF_PACKET_packet_nic(%ebp), %ecx
        call    vif_find_mac
        testl   %ebx, %ebx
        jz      {{ L("for_nobody") }}
        call    vif_admit
        jmp     {{ L("through") }}
{{ L("for_nobody") }}:
        incl    NIC_dropped(%ecx)
        jmp     {{ L("through") }}
{{ L("for_many") }}:
        call    vif_flood
        jc      {{ L("done") }}
{{ L("through") }}:
        call    vif_input_end
        jmp     {{ L("next_packet") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vif_input_prepare") %}
# vif_input_prepare(queue, packet): describes the packet at the head of the queue, if it is not done yet.
#
# in:    %esi = its counter, %ebp = vif_input_record
# out:   vif_input_record, vif_input_frame and vif_input_offset, vif_input_next
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vif_input_prepare") %}
        cmpl    $0, vif_input_ready
        jne     {{ L("ready") }}
        movl    $1, vif_input_ready
        andl    $(VIF_INPUTS - 1), %esi
        imull   $VIF_INPUT_size, %esi, %esi
        addl    $vif_inputs, %esi
        movl    VIF_INPUT_nic(%esi), %eax
        movl    %eax, VIF_PACKET_packet_nic(%ebp)
        movl    VIF_INPUT_vif(%esi), %eax
        movl    %eax, VIF_PACKET_vif(%ebp)
        movl    VIF_INPUT_flags(%esi), %eax
        movl    %eax, VIF_PACKET_flags(%ebp)
        movl    VIF_INPUT_mfn(%esi), %eax
        movl    %eax, vif_input_frame
        movzwl  VIF_INPUT_bytes(%esi), %ecx
        movl    %ecx, VIF_PACKET_packet_bytes(%ebp)
        movzwl  VIF_INPUT_offset(%esi), %edx
        movl    %edx, vif_input_offset
        call    vif_input_pieces
        call    vif_facts
        testb   $1, VIF_PACKET_head(%ebp)
        jz      {{ L("ready") }}
        movl    vif_list, %eax
        movl    %eax, vif_input_next
{{ L("ready") }}:
        ret
{% endcall %}

{% set L = labels("vif_input_pieces") %}
# vif_input_pieces(packet, mfn, offset, bytes): copies the head, and lists the pieces.
#
# in:    %ebp = VIF_PACKET, %eax = mfn, %edx = offset in the frame, %ecx = bytes of the packet
# out:   its head and pieces
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vif_input_pieces") %}
        movl    $1, VIF_PACKET_packet_count(%ebp)
        subl    $VIF_HEAD_BYTES, %ecx
        jbe     {{ L("all_in_head") }}
        incl    VIF_PACKET_packet_count(%ebp)
        movl    %ecx, VIF_PACKET_packet_pieces + PIECE_size + PIECE_bytes(%ebp)
        movl    %eax, %esi
        shll    $PAGE_SHIFT, %esi
        leal    VIF_HEAD_BYTES(%esi,%edx), %esi
        movl    %esi, VIF_PACKET_packet_pieces + PIECE_size + PIECE_address(%ebp)
        xorl    %ecx, %ecx
{{ L("all_in_head") }}:
        addl    $VIF_HEAD_BYTES, %ecx
        movl    %ecx, VIF_PACKET_head_bytes(%ebp)
        movl    %ecx, VIF_PACKET_packet_pieces + PIECE_bytes(%ebp)
        call    map_frame
        leal    (%eax,%edx), %esi
        leal    VIF_PACKET_head(%ebp), %edi
        jmp     memory_copy
{% endcall %}

{% set L = labels("vif_input_end") %}
# vif_input_end(): the packet at the head of the queue is done with.
#
# in:    vif_input_frame: its frame, if nobody was given that
# out:   -
# clob:  %eax
# errs:  none
{% call routine("vif_input_end") %}
        movl    $0, vif_input_ready
        incl    vif_input_cons
        movl    vif_input_frame, %eax
        testl   %eax, %eax
        jz      {{ L("given") }}
        movl    $0, vif_input_frame
        jmp     vif_spare_put
{{ L("given") }}:
        ret
{% endcall %}

{% set L = labels("vif_flood") %}
# vif_flood(packet): goes on giving a packet to all interfaces of its wire but the one that it comes from.
#
# in:    %ebp = vif_input_record; vif_input_next, vif_work
# out:   carry: some have not got it yet
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
# why:   nobody gets the frame itself: the others need it
{% call routine("vif_flood") %}
{{ L("next_vif") }}:
        movl    vif_input_next, %ebx
        testl   %ebx, %ebx
        jz      {{ L("through") }}
        subl    $1, vif_work
        js      {{ L("later") }}
        movl    VIF_next(%ebx), %eax
        movl    %eax, vif_input_next
        cmpl    %ebx, VIF_PACKET_vif(%ebp)
        je      {{ L("next_vif") }}
        movl    VIF_nic(%ebx), %eax
        cmpl    VIF_PACKET_packet_nic(%ebp), %eax
        jne     {{ L("next_vif") }}
        pushl   vif_input_frame
        movl    $0, vif_input_frame
        call    vif_admit
        popl    vif_input_frame
        jmp     {{ L("next_vif") }}
{{ L("through") }}:
        clc
        ret
{{ L("later") }}:
        movl    $0, vif_work
        stc
        ret
{% endcall %}

        .data
{% for name in ["vif_input_prod", "vif_input_cons", "vif_input_ready", "vif_input_next", "vif_input_frame",
                "vif_input_offset", "vif_spares", "vif_spare_count", "vif_work"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("vif_inputs", "VIF_INPUTS * VIF_INPUT_size") }}
{{ space("vif_input_record", "VIF_PACKET_size", 512) }}
