# The requests of VBDs: records got and given back, the domain's pages pinned and let go.
#
# Invariants
#   - A request in use has a use of a grant for each of its first `pinned` segments, and no other. So the page stays the
#     domain's, where it is, until the disk has done with it, whatever the domain does meanwhile (grant/acquire.s).
#   - Pages are let go before the response is there: whoever sees the response finds its grants free.

        .text

{% set L = labels("vbd_request_get") %}
# vbd_request_get(vbd): a request, which counts as in flight.
#
# in:    %ebp = VBD with less than VBD_REQUESTS in use
# out:   %esi = VBD_REQUEST, or 0: no memory
# clob:  %eax, %ecx
# errs:  0
{% call routine("vbd_request_get") %}
        movl    VBD_free(%ebp), %esi
        testl   %esi, %esi
        jz      {{ L("new_block") }}
        movl    VBD_REQUEST_next(%esi), %eax
        movl    %eax, VBD_free(%ebp)
{{ L("have_block") }}:
        incl    VIRTUAL_DEVICE_in_flight(%ebp)
        xorl    %eax, %eax
{% for field in ["next", "flushed", "segments", "pinned", "piece", "piece_done", "left", "asked", "disk_count"] %}
        movl    %eax, VBD_REQUEST_{{ field }}(%esi)
{% endfor %}
        movl    $VBD_REQUEST_HELD, VBD_REQUEST_used(%esi)
        ret
{{ L("new_block") }}:
        movl    $VBD_REQUEST_size, %ecx
        call    heap_alloc
        movl    %eax, %esi
        testl   %esi, %esi
        jz      {{ L("none") }}
        movl    VBD_request_count(%ebp), %ecx
        incl    VBD_request_count(%ebp)
        movl    %esi, VBD_requests(%ebp,%ecx,4)
        movl    %ebp, VBD_REQUEST_vbd(%esi)
        movl    $vbd_request_done, VBD_REQUEST_disk_done(%esi)
        jmp     {{ L("have_block") }}
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("vbd_pin") %}
# vbd_pin(request): begins a use of the grant of each segment.
#
# in:    %ebp = VBD, %esi = VBD_REQUEST that is read and checked
# out:   no carry: pieces of physical memory; carry: %eax = BLKIF_RSP_ERROR, pinned: the segments before the bad one
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  carry: a grant that is not there, or not for domain 0, or not of this right
{% call routine("vbd_pin") %}
        xorl    %edx, %edx
        cmpl    $BLKIF_OP_READ, VBD_REQUEST_operation(%esi)
        sete    %dl                             # what reads from the disk writes to memory
        movl    %edx, VBD_REQUEST_writable(%esi)
        movl    VIRTUAL_DEVICE_domain(%ebp), %ebx
        xorl    %edi, %edi
        jmp     {{ L("any_left") }}
{{ L("next_segment") }}:
        movl    VBD_REQUEST_refs(%esi,%edi,4), %ecx
        xorl    %eax, %eax                      # domain 0
        call    grant_acquire
        jc      {{ L("refused") }}
        shll    $PAGE_SHIFT, %eax
        orl     VBD_REQUEST_pieces + PIECE_address(%esi,%edi,8), %eax
        movl    %eax, VBD_REQUEST_pieces + PIECE_address(%esi,%edi,8)
        movl    %eax, VBD_REQUEST_disk_pieces + PIECE_address(%esi,%edi,8)
        movl    VBD_REQUEST_pieces + PIECE_bytes(%esi,%edi,8), %eax
        movl    %eax, VBD_REQUEST_disk_pieces + PIECE_bytes(%esi,%edi,8)
        incl    %edi
        movl    %edi, VBD_REQUEST_pinned(%esi)
{{ L("any_left") }}:
        cmpl    VBD_REQUEST_segments(%esi), %edi
        jb      {{ L("next_segment") }}
        subl    %edi, vbd_units
        addl    %edi, VBD_segments(%ebp)
        clc
        ret
{{ L("refused") }}:
        subl    %edi, vbd_units
        movl    $BLKIF_RSP_ERROR, %eax
        stc
        ret
{% endcall %}

{% set L = labels("vbd_unpin") %}
# vbd_unpin(request): ends all uses of grants that it has.
#
# in:    %ebp = VBD, %esi = VBD_REQUEST that no disk has
# out:   VBD_REQUEST_pinned = 0
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("vbd_unpin") %}
        movl    VBD_REQUEST_pinned(%esi), %edi
        subl    %edi, vbd_units
        movl    VBD_REQUEST_writable(%esi), %edx
        movl    VIRTUAL_DEVICE_domain(%ebp), %ebx
{{ L("next_segment") }}:
        decl    %edi
        js      {{ L("none_left") }}
        movl    %edi, VBD_REQUEST_pinned(%esi)
        movl    VBD_REQUEST_refs(%esi,%edi,4), %ecx
        movl    VBD_REQUEST_pieces + PIECE_address(%esi,%edi,8), %eax
        shrl    $PAGE_SHIFT, %eax
        call    grant_release
        jmp     {{ L("next_segment") }}
{{ L("none_left") }}:
        ret
{% endcall %}

{% set L = labels("vbd_request_end") %}
# vbd_request_end(request): it is through, without an answer.
#
# in:    %ebp = VBD, %esi = VBD_REQUEST that no disk has, and that is in no list
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("vbd_request_end") %}
        call    vbd_unpin
        decl    VIRTUAL_DEVICE_in_flight(%ebp)
        movl    $VBD_REQUEST_FREE, VBD_REQUEST_used(%esi)
        movl    VBD_free(%ebp), %eax
        movl    %eax, VBD_REQUEST_next(%esi)
        movl    %esi, VBD_free(%ebp)
        cmpl    %esi, VBD_barrier(%ebp)
        jne     {{ L("no_barrier") }}
        movl    $0, VBD_barrier(%ebp)
{{ L("no_barrier") }}:
        ret
{% endcall %}

# vbd_request_answer(request, status): it is through; the domain gets the answer.
#
# in:    %ebp = VBD, connected, %esi = VBD_REQUEST that no disk has, and that is in no list; %eax = BLKIF_RSP_*
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("vbd_request_answer") %}
        pushl   %eax
        call    vbd_request_end
        popl    %eax
        movl    VBD_REQUEST_id(%esi), %ecx
        movl    VBD_REQUEST_id_high(%esi), %edx
        movl    VBD_REQUEST_operation(%esi), %ebx
        jmp     vbd_respond
{% endcall %}
