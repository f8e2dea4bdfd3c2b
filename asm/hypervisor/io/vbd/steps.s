# How a request is carried out: its steps (flush, data, flush again), and what follows when a disk has done one.
#
# Invariants
#   - A read or a write has one step, its data; a flush with data has its data behind the flush; a barrier begins when
#     all requests before it are answered, and flushes before and behind its data. Nothing behind a barrier is taken
#     from the ring until it is answered.
#   - Data that lie in several extents are asked for part by part, each when the one before is done. The part that fails
#     fails the request, and nothing else.
#   - Disks that cannot flush have no cache of their own: then there is nothing to do.

        .text

{% set L = labels("vbd_go_on") %}
# vbd_go_on(request): the next thing that is to be done for a request: it waits for its disk, or it is answered.
#
# in:    %ebp = VBD, connected; %esi = VBD_REQUEST that is pinned, and in no list
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("vbd_go_on") %}
        movl    VBD_REQUEST_step(%esi), %eax
        cmpl    $VBD_STEP_DATA, %eax
        je      {{ L("data") }}
        cmpl    $VBD_STEP_END, %eax
        je      {{ L("okay") }}
        call    vbd_prepare_flush
        jnc     vbd_wait
        incl    VBD_REQUEST_step(%esi)
        jmp     vbd_go_on
{{ L("data") }}:
        cmpl    $0, VBD_REQUEST_left(%esi)
        jne     {{ L("more_data") }}
        movl    $VBD_STEP_END, VBD_REQUEST_step(%esi)
        cmpl    $BLKIF_OP_WRITE_BARRIER, VBD_REQUEST_operation(%esi)
        jne     {{ L("okay") }}
        movl    $VBD_STEP_FLUSH_AFTER, VBD_REQUEST_step(%esi)
        movl    $0, VBD_REQUEST_flushed(%esi)
        jmp     vbd_go_on
{{ L("more_data") }}:
        call    vbd_prepare_data
        jmp     vbd_wait
{{ L("okay") }}:
        movl    $BLKIF_RSP_OKAY, %eax
        jmp     vbd_request_answer
{% endcall %}

{% set L = labels("vbd_prepare_flush") %}
# vbd_prepare_flush(request): the next disk of the VBD's that is to be flushed.
#
# in:    %ebp = VBD, %esi = VBD_REQUEST
# out:   no carry: the DISK_REQUEST; carry: all are flushed
# clob:  %eax, %ebx, %ecx
# errs:  carry
{% call routine("vbd_prepare_flush") %}
{{ L("next_extent") }}:
        movl    VBD_REQUEST_flushed(%esi), %ecx
        cmpl    VBD_extent_count(%ebp), %ecx
        jae     {{ L("all") }}
        incl    VBD_REQUEST_flushed(%esi)
        imull   $VBD_PART_size, %ecx, %ecx
        movl    VBD_extents + VBD_PART_disk(%ebp,%ecx), %ebx
        testl   $DISK_CAN_FLUSH, DISK_flags(%ebx)
        jz      {{ L("next_extent") }}
        leal    VBD_extents(%ebp), %eax
        leal    VBD_extents(%ebp,%ecx), %ecx
{{ L("next_earlier") }}:
        cmpl    %ecx, %eax
        je      {{ L("first_of_it") }}
        cmpl    %ebx, VBD_PART_disk(%eax)
        je      {{ L("next_extent") }}          # flushed with that one
        addl    $VBD_PART_size, %eax
        jmp     {{ L("next_earlier") }}
{{ L("first_of_it") }}:
        movl    %ebx, VBD_REQUEST_disk_disk(%esi)
        movl    $DISK_FLUSH, VBD_REQUEST_disk_operation(%esi)
        xorl    %eax, %eax
        movl    %eax, VBD_REQUEST_disk_sector(%esi)
        movl    %eax, VBD_REQUEST_disk_sector_high(%esi)
        movl    %eax, VBD_REQUEST_disk_count(%esi)
        movl    %eax, VBD_REQUEST_asked(%esi)
        clc
        ret
{{ L("all") }}:
        stc
        ret
{% endcall %}

{% set L = labels("vbd_prepare_data") %}
# vbd_prepare_data(request): the next part of its data, as much as is in one extent.
#
# in:    %ebp = VBD, %esi = VBD_REQUEST with data left
# out:   the DISK_REQUEST; sector, left and piece of the next part
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("vbd_prepare_data") %}
        movl    VBD_REQUEST_sector(%esi), %eax
        movl    VBD_REQUEST_sector_high(%esi), %edx
        call    vbd_translate
        movl    VBD_PART_disk(%edi), %ebx
        movl    %ebx, VBD_REQUEST_disk_disk(%esi)
        movl    %eax, VBD_REQUEST_disk_sector(%esi)
        movl    %edx, VBD_REQUEST_disk_sector_high(%esi)
        movl    $DISK_READ, VBD_REQUEST_disk_operation(%esi)
        cmpl    $BLKIF_OP_READ, VBD_REQUEST_operation(%esi)
        je      {{ L("have_operation") }}
        movl    $DISK_WRITE, VBD_REQUEST_disk_operation(%esi)
{{ L("have_operation") }}:
        movl    VBD_REQUEST_left(%esi), %eax
        cmpl    %eax, %ecx
        jb      vbd_prepare_part
        cmpl    $0, VBD_REQUEST_asked(%esi)
        jne     {{ L("last_part") }}
        movl    VBD_REQUEST_segments(%esi), %ecx        # all of it at once: its pieces are in place (vbd_pin)
        movl    %ecx, VBD_REQUEST_disk_count(%esi)
        movl    %eax, VBD_REQUEST_asked(%esi)
        movl    $0, VBD_REQUEST_left(%esi)
        ret
{{ L("last_part") }}:
        movl    %eax, %ecx
        jmp     vbd_prepare_part
{% endcall %}

{% set L = labels("vbd_prepare_part") %}
# vbd_prepare_part(request, sectors): the pieces of a part of its data.
#
# in:    %esi = VBD_REQUEST, %ecx = sectors, 1 to as many as are left
# out:   pieces of the DISK_REQUEST; sector, left and piece of the next part
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("vbd_prepare_part") %}
        movl    %ecx, VBD_REQUEST_asked(%esi)
        addl    %ecx, VBD_REQUEST_sector(%esi)
        adcl    $0, VBD_REQUEST_sector_high(%esi)
        subl    %ecx, VBD_REQUEST_left(%esi)
        shll    $SECTOR_SHIFT, %ecx             # bytes from here on
        xorl    %edi, %edi                      # pieces of the part
{{ L("next_piece") }}:
        movl    VBD_REQUEST_piece(%esi), %ebx
        movl    VBD_REQUEST_pieces + PIECE_address(%esi,%ebx,8), %eax
        movl    VBD_REQUEST_pieces + PIECE_bytes(%esi,%ebx,8), %edx
        addl    VBD_REQUEST_piece_done(%esi), %eax
        subl    VBD_REQUEST_piece_done(%esi), %edx
        movl    %eax, VBD_REQUEST_disk_pieces + PIECE_address(%esi,%edi,8)
        cmpl    %ecx, %edx
        ja      {{ L("only_some") }}
        movl    %edx, VBD_REQUEST_disk_pieces + PIECE_bytes(%esi,%edi,8)
        incl    %edi
        incl    VBD_REQUEST_piece(%esi)
        movl    $0, VBD_REQUEST_piece_done(%esi)
        subl    %edx, %ecx
        jnz     {{ L("next_piece") }}
        jmp     {{ L("done") }}
{{ L("only_some") }}:
        movl    %ecx, VBD_REQUEST_disk_pieces + PIECE_bytes(%esi,%edi,8)
        incl    %edi
        addl    %ecx, VBD_REQUEST_piece_done(%esi)
{{ L("done") }}:
        movl    %edi, VBD_REQUEST_disk_count(%esi)
        ret
{% endcall %}

{% set L = labels("vbd_finish_done") %}
# vbd_finish_done(vbd): what follows for the requests that their disks have done.
#
# in:    %ebp = VBD
# out:   VBD_done: those that are left for another turn
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vbd_finish_done") %}
{{ L("next_request") }}:
        movl    VBD_done(%ebp), %esi
        testl   %esi, %esi
        jz      {{ L("none") }}
        cmpl    $0, vbd_units
        jle     {{ L("none") }}
        movl    VBD_REQUEST_next(%esi), %eax
        movl    %eax, VBD_done(%ebp)
        subl    $VBD_UNITS_OF_A_REQUEST, vbd_units
        call    vbd_finish
        jmp     {{ L("next_request") }}
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("vbd_finish") %}
# vbd_finish(request): what follows for one that a disk has done.
#
# in:    %ebp = VBD, %esi = VBD_REQUEST in no list
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("vbd_finish") %}
        cmpl    $IO_STATE_CONNECTED, VIRTUAL_DEVICE_state(%ebp)
        jne     vbd_request_end                 # nobody waits for it any more
        cmpl    $0, VBD_REQUEST_disk_status(%esi)
        jne     {{ L("failed") }}
        movl    VBD_REQUEST_asked(%esi), %eax
        cmpl    $DISK_READ, VBD_REQUEST_disk_operation(%esi)
        jne     {{ L("not_read") }}
        addl    %eax, VBD_sectors_read(%ebp)
        adcl    $0, VBD_sectors_read_high(%ebp)
        jmp     vbd_go_on
{{ L("not_read") }}:                            # of a flush there are none
        addl    %eax, VBD_sectors_written(%ebp)
        adcl    $0, VBD_sectors_written_high(%ebp)
        jmp     vbd_go_on
{{ L("failed") }}:
        incl    VBD_errors(%ebp)
        movl    $BLKIF_RSP_ERROR, %eax
        jmp     vbd_request_answer
{% endcall %}

{% set L = labels("vbd_request_done") %}
# vbd_request_done(request): a disk has done what it was asked for.
#
# in:    %esi = DISK_REQUEST of a VBD_REQUEST
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
# why:   it is the driver that calls: what is long comes in the VBD's turn
{% call routine("vbd_request_done") %}
        movl    VBD_REQUEST_vbd(%esi), %edx
        movl    $VBD_REQUEST_DONE, VBD_REQUEST_used(%esi)
        movl    $0, VBD_REQUEST_next(%esi)
        cmpl    $0, VBD_done(%edx)
        je      {{ L("first") }}
        movl    VBD_done_last(%edx), %eax
        movl    %esi, VBD_REQUEST_next(%eax)
        jmp     {{ L("linked") }}
{{ L("first") }}:
        movl    %esi, VBD_done(%edx)
{{ L("linked") }}:
        movl    %esi, VBD_done_last(%edx)
        call    device_wake
        jmp     vbds_unblock
{% endcall %}
