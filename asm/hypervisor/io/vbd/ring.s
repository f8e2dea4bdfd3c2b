# The ring of a VBD (ABI 11.4, 11.5): requests out of it, each word read once; responses into it; notifications.
#
# Invariants
#   - The domain writes into the page whenever it likes. A request is what we have read of it, and is checked then.
#   - req_prod is believed only as far as it leaves no more requests than the ring has entries, those not answered yet
#     included. One that is further ahead, or has run backwards, is hostile: the device is shut.
#   - Any other nonsense fails one request: BLKIF_RSP_ERROR, or BLKIF_RSP_EOPNOTSUPP for an operation not known here.

        .text

{% set L = labels("vbd_take") %}
# vbd_take(vbd): takes a batch of requests, checks and pins them.
#
# in:    %ebp = VBD, connected
# out:   no carry: %eax = 1 when more could be taken, 0 when the domain has to kick, or something must be done first;
#        carry: its producer is hostile
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  carry
# why:   while earlier ones wait for room on a disk, or for a barrier, nothing more is taken
{% call routine("vbd_take") %}
        pushl   $VBD_BATCH
        cmpl    $0, VBD_waiting(%ebp)
        jne     {{ L("not_now") }}
{{ L("next_request") }}:
        cmpl    $0, VBD_barrier(%ebp)
        jne     {{ L("not_now") }}
        movl    VBD_ring + IO_RING_mfn(%ebp), %eax
        call    map_frame
        movl    %eax, %edi
        movl    BLKIF_SRING_req_prod(%edi), %eax
        movl    VBD_ring + IO_RING_req_cons(%ebp), %ecx
        movl    %eax, %edx
        subl    VBD_ring + IO_RING_rsp_prod(%ebp), %edx
        cmpl    $BLKIF_RING_ENTRIES, %edx
        ja      {{ L("hostile") }}
        subl    %ecx, %eax
        jz      {{ L("empty") }}
        cmpl    $BLKIF_RING_ENTRIES, %eax
        ja      {{ L("hostile") }}              # behind what we have taken
        decl    (%esp)
        js      {{ L("more") }}
        cmpl    $0, vbd_units
        jle     {{ L("more") }}
        incl    VBD_ring + IO_RING_req_cons(%ebp)
        andl    $(BLKIF_RING_ENTRIES - 1), %ecx
        imull   $BLKIF_SRING_ENTRY_size, %ecx, %ecx
        leal    BLKIF_SRING_ring(%edi,%ecx), %edi
        call    vbd_take_request
        jmp     {{ L("next_request") }}
{{ L("empty") }}:                               # before sleeping, one more look
        incl    %ecx
        movl    %ecx, BLKIF_SRING_req_event(%edi)
        decl    %ecx
        cmpl    %ecx, BLKIF_SRING_req_prod(%edi)
        jne     {{ L("next_request") }}
{{ L("not_now") }}:
        xorl    %eax, %eax
        jmp     {{ L("done") }}
{{ L("more") }}:
        movl    $1, %eax
{{ L("done") }}:
        addl    $4, %esp
        clc
        ret
{{ L("hostile") }}:
        addl    $4, %esp
        stc
        ret
{% endcall %}

{% set L = labels("vbd_take_request") %}
# vbd_take_request(vbd, entry): reads a request, and has it carried out or answered.
#
# in:    %ebp = VBD, %edi = BLKIF_REQUEST in the ring
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vbd_take_request") %}
        subl    $VBD_UNITS_OF_A_REQUEST, vbd_units
        call    vbd_request_get
        testl   %esi, %esi
        jz      {{ L("no_memory") }}
        call    vbd_read
        jc      {{ L("refused") }}
        call    vbd_check
        jc      {{ L("refused") }}
        call    vbd_pin
        jc      {{ L("refused") }}
        cmpl    $BLKIF_OP_WRITE_BARRIER, VBD_REQUEST_operation(%esi)
        je      {{ L("barrier") }}
        jmp     vbd_go_on
{{ L("barrier") }}:
        movl    %esi, VBD_barrier(%ebp)
        jmp     vbd_barrier_begin
{{ L("refused") }}:                             # %eax = the status
        incl    VBD_refused(%ebp)
        jmp     vbd_request_answer
{{ L("no_memory") }}:
        movl    BLKIF_REQUEST_id(%edi), %ecx
        movl    BLKIF_REQUEST_id_high(%edi), %edx
        movzbl  BLKIF_REQUEST_operation(%edi), %ebx
        incl    VBD_refused(%ebp)
        movl    $BLKIF_RSP_ERROR, %eax
        jmp     vbd_respond
{% endcall %}

{% set L = labels("vbd_read") %}
# vbd_read(request, entry): reads what an entry says.
#
# in:    %ebp = VBD, %esi = VBD_REQUEST, %edi = BLKIF_REQUEST in the ring
# out:   no carry: the request, with its segments as pieces of a frame at 0; carry: %eax = BLKIF_RSP_*
# clob:  %eax, %ebx, %ecx, %edx
# errs:  carry: another operation, too many segments or none, a segment that is no part of a page
# why:   the id is at the same place in requests of all operations, so that each gets its answer
{% call routine("vbd_read") %}
        movl    BLKIF_REQUEST_operation(%edi), %ebx     # and nr_segments behind it, at once
        movl    BLKIF_REQUEST_id(%edi), %eax
        movl    %eax, VBD_REQUEST_id(%esi)
        movl    BLKIF_REQUEST_id_high(%edi), %eax
        movl    %eax, VBD_REQUEST_id_high(%esi)
        movl    BLKIF_REQUEST_sector_number(%edi), %eax
        movl    %eax, VBD_REQUEST_sector(%esi)
        movl    BLKIF_REQUEST_sector_number_high(%edi), %eax
        movl    %eax, VBD_REQUEST_sector_high(%esi)
        movzbl  %bl, %eax
        movl    %eax, VBD_REQUEST_operation(%esi)
        cmpl    $BLKIF_OP_FLUSH_DISKCACHE, %eax
        ja      {{ L("not_supported") }}
        incl    VBD_reads(%ebp,%eax,4)          # reads, writes, barriers, flushes: in the order of the operations
        shrl    $8, %ebx
        movzbl  %bl, %ebx
        cmpl    $BLKIF_MAX_SEGMENTS_PER_REQUEST, %ebx
        ja      {{ L("bad_request") }}
        testl   %ebx, %ebx
        jz      {{ L("no_segments") }}
        movl    %ebx, VBD_REQUEST_segments(%esi)
        xorl    %ecx, %ecx
{{ L("next_segment") }}:
        movl    BLKIF_REQUEST_seg + BLKIF_REQUEST_SEGMENT_gref(%edi,%ecx,8), %eax
        movl    %eax, VBD_REQUEST_refs(%esi,%ecx,4)
        movl    BLKIF_REQUEST_seg + BLKIF_REQUEST_SEGMENT_first_sect(%edi,%ecx,8), %eax     # and last_sect behind it
        movzbl  %ah, %edx
        movzbl  %al, %eax
        cmpl    $PAGE_SIZE / SECTOR_BYTES - 1, %edx
        ja      {{ L("bad_request") }}
        subl    %eax, %edx
        jb      {{ L("bad_request") }}
        incl    %edx
        addl    %edx, VBD_REQUEST_left(%esi)
        shll    $SECTOR_SHIFT, %eax
        shll    $SECTOR_SHIFT, %edx
        movl    %eax, VBD_REQUEST_pieces + PIECE_address(%esi,%ecx,8)
        movl    %edx, VBD_REQUEST_pieces + PIECE_bytes(%esi,%ecx,8)
        incl    %ecx
        cmpl    %ebx, %ecx
        jb      {{ L("next_segment") }}
{{ L("okay") }}:
        clc
        ret
{{ L("no_segments") }}:
        cmpl    $BLKIF_OP_WRITE, VBD_REQUEST_operation(%esi)
        ja      {{ L("okay") }}                 # a flush needs none, nor does a barrier
{{ L("bad_request") }}:
        movl    $BLKIF_RSP_ERROR, %eax
        stc
        ret
{{ L("not_supported") }}:
        movl    $BLKIF_RSP_EOPNOTSUPP, %eax
        stc
        ret
{% endcall %}

# vbd_respond(vbd, id, operation, status): the answer to a request, which vbd_push shows to the domain.
#
# in:    %ebp = VBD with a ring, %edx:%ecx = id, %bl = BLKIF_OP_*, %eax = BLKIF_RSP_*
# out:   -
# clob:  %eax, %edi
# errs:  none
# why:   it takes the place of a request that was read: at most as many are answered
{% call routine("vbd_respond") %}
        pushl   %eax
        movl    VBD_ring + IO_RING_mfn(%ebp), %eax
        call    map_frame
        movl    VBD_ring + IO_RING_rsp_prod(%ebp), %edi
        incl    VBD_ring + IO_RING_rsp_prod(%ebp)
        andl    $(BLKIF_RING_ENTRIES - 1), %edi
        imull   $BLKIF_SRING_ENTRY_size, %edi, %edi
        leal    BLKIF_SRING_ring(%eax,%edi), %edi
        movl    %ecx, BLKIF_RESPONSE_id(%edi)
        movl    %edx, BLKIF_RESPONSE_id_high(%edi)
        popl    %eax
        movb    %bl, BLKIF_RESPONSE_operation(%edi)
        movw    %ax, BLKIF_RESPONSE_status(%edi)
        ret
{% endcall %}

{% set L = labels("vbd_push") %}
# vbd_push(vbd): shows the domain the answers that it has not seen, and notifies it if it asks for that.
#
# in:    %ebp = VBD, connected
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("vbd_push") %}
        movl    VBD_ring + IO_RING_rsp_prod(%ebp), %ecx
        movl    VBD_ring + IO_RING_pushed(%ebp), %edx
        cmpl    %edx, %ecx
        je      {{ L("nothing_new") }}
        movl    VBD_ring + IO_RING_mfn(%ebp), %eax
        call    map_frame
        movl    %ecx, VBD_ring + IO_RING_pushed(%ebp)
        movl    %ecx, BLKIF_SRING_rsp_prod(%eax)
        subl    %ecx, %edx
        negl    %edx                            # so many are new
        subl    BLKIF_SRING_rsp_event(%eax), %ecx
        cmpl    %edx, %ecx
        jae     {{ L("nothing_new") }}          # it wants to hear of a later one, or has been told
        movl    %ebp, %edx
        jmp     device_notify
{{ L("nothing_new") }}:
        ret
{% endcall %}
