# Receiving by exchange: the domain has given up a page and says where it wants one (an entry that accepts a transfer);
# it gets the page that the packet is in.
#
# Invariants
#   - The frame was the hypervisor's own: nobody refers to it, and no translation but ours shows it. Once given it is
#     the domain's allocation and nothing more, as a frame that was transferred (grant/transfer.s).
#   - A domain never has more frames than it may: what it gets it has given up before.
#   - What is in the frame beside the packet is zero: nothing of earlier packets goes with it.

        .text

{% set L = labels("vif_exchange") %}
# vif_exchange(packet, vif, ref): gives a domain the page that a packet is in.
#
# in:    %ebp = VIF_PACKET, %ebx = VIF, %ecx = ref
# out:   no carry: %eax = offset of the packet in the page; carry: the domain does not take one, or there is none
# clob:  %ecx, %edx, %esi, %edi
# errs:  carry
{% call routine("vif_exchange") %}
        pushl   %ebx
        movl    VIF_device_domain(%ebx), %ebx
        movl    DOMAIN_nr_pages(%ebx), %eax
        cmpl    DOMAIN_max_pages(%ebx), %eax
        jae     {{ L("refused") }}
        call    vif_exchange_frame              # first, for it may map frames
        testl   %eax, %eax
        jz      {{ L("refused") }}
        pushl   %eax
        pushl   %edx
        call    grant_entry
        jc      {{ L("not_accepted") }}
        movl    $GTF_accept_transfer, %eax      # of domain 0
        movl    $(GTF_accept_transfer | GTF_transfer_committed), %ecx
        lock cmpxchgl %ecx, GRANT_ENTRY_V1_flags(%esi)
        jne     {{ L("not_accepted") }}
        movl    4(%esp), %eax
        incl    DOMAIN_nr_pages(%ebx)
        movl    $INVALID_M2P_ENTRY, M2P(,%eax,4)
        movl    %eax, GRANT_ENTRY_V1_frame(%esi)
        call    frame_record
        movl    %ebx, FRAME_owner(%eax)
        movl    $0, FRAME_type(%eax)
        movl    $0, FRAME_link(%eax)
        lock orl $GTF_transfer_completed, GRANT_ENTRY_V1_flags(%esi)
        popl    %eax
        popl    %ecx
        popl    %ebx
        incl    VIF_flipped(%ebx)
        clc
        ret
{{ L("not_accepted") }}:
        popl    %edx
        popl    %eax
        call    vif_spare_put
{{ L("refused") }}:
        popl    %ebx
        stc
        ret
{% endcall %}

{% set L = labels("vif_exchange_frame") %}
# vif_exchange_frame(packet): a frame with the packet in it, and nothing else.
#
# in:    %ebp = VIF_PACKET
# out:   %eax = mfn, 0 when there is none; %edx = offset of the packet in it
# clob:  %esi, %edi
# errs:  0
{% call routine("vif_exchange_frame") %}
        pushl   %ecx
        movl    vif_input_frame, %eax
        testl   %eax, %eax
        jz      {{ L("copied") }}
        cmpl    $vif_input_record, %ebp
        jne     {{ L("copied") }}
        movl    $0, vif_input_frame             # it goes as it is: nobody else gets this packet
        movl    vif_input_offset, %edx
        pushl   %eax
        call    map_frame
        movl    %eax, %edi
        movl    %edx, %ecx
        call    memory_zero
        addl    %ecx, %edi
        addl    VIF_PACKET_packet_bytes(%ebp), %edi
        jmp     {{ L("rest") }}
{{ L("copied") }}:
        call    vif_spare_get
        testl   %eax, %eax
        jz      {{ L("none") }}
        pushl   %eax
        call    vif_gather
        xorl    %edx, %edx
{{ L("rest") }}:
        movl    %edi, %ecx
        negl    %ecx
        andl    $PAGE_OFFSET_MASK, %ecx
        call    memory_zero
        popl    %eax
{{ L("none") }}:
        popl    %ecx
        ret
{% endcall %}
