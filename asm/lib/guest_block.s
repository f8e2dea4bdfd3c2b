# The block front end: a virtual disk over a ring (ABI 11.5), with buffers of its own that are granted once.
#
# A request has a slot, and the slot's buffer: BLOCK_SLOT_PAGES pages. block_take, fill the buffer, block_submit, any
# number of times; then block_push; then wait, and block_complete for each that is done, in any order.
#
# Invariants
#   - A slot is free, or its request is in the ring. There are as many slots as ring entries, so a slot means room.
#   - The id of a request is its slot: an answer with another id is from no request of ours, and is dropped.

        .text

        .set    BLOCK_SLOTS, BLKIF_RING_ENTRIES
        .set    BLOCK_SLOT_PAGES, BLKIF_MAX_SEGMENTS_PER_REQUEST
        .set    BLOCK_SLOT_bytes, BLOCK_SLOT_PAGES * PAGE_SIZE
        .set    BLOCK_SLOT_sectors, BLOCK_SLOT_PAGES * PAGE_SIZE / SECTOR_BYTES
        .set    SECTORS_PER_PAGE, PAGE_SIZE / SECTOR_BYTES

{{ space("block_device", "XENBUS_size") }}
{{ space("block_ring", "FRONT_size") }}
{{ space("block_ring_page", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("block_buffers", "BLOCK_SLOTS * BLOCK_SLOT_bytes", "PAGE_SIZE") }}
{{ space("block_grants", "4 * BLOCK_SLOTS * BLOCK_SLOT_PAGES") }}
{{ space("block_ring_grant", 4) }}
{{ space("block_free", "4 * BLOCK_SLOTS") }}
{{ space("block_free_count", 4) }}
{{ space("block_busy", "BLOCK_SLOTS") }}

{% set L = labels("block_grant") %}
# block_grant(): an empty ring, and all slots free; ring and buffers are granted to the back end.
#
# in:    %ebp = start_info; block_device
# out:   carry set when the grant table is full
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  carry
{% call routine("block_grant") %}
        movl    $block_ring, %esi
        movl    $block_ring_page, %ebx
        call    front_begin
        movl    $BLOCK_SLOTS - 1, %eax
        movl    $block_free, %edi
{{ L("next_slot") }}:
        stosl                                   # the last slot at the bottom
        decl    %eax
        jns     {{ L("next_slot") }}
        movl    $BLOCK_SLOTS, block_free_count
        movl    block_device + XENBUS_domain, %edx
        movl    $GTF_permit_access, %ecx
        movl    $1, %eax
        movl    $block_ring_grant, %edi
        call    grant_pages
        jc      {{ L("done") }}
        movl    $block_buffers, %ebx
        movl    $BLOCK_SLOTS * BLOCK_SLOT_PAGES, %eax
        movl    $block_grants, %edi
        call    grant_pages
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("block_take") %}
# block_take(): a free slot and its buffer.
#
# in:    -
# out:   %eax = slot, %edi = its buffer, BLOCK_SLOT_bytes long; carry set when none is free
# clob:  none
# errs:  carry
{% call routine("block_take") %}
        movl    block_free_count, %eax
        testl   %eax, %eax
        jz      {{ L("none") }}
        decl    %eax
        movl    %eax, block_free_count
        movl    block_free(,%eax,4), %eax
        imull   $BLOCK_SLOT_bytes, %eax, %edi
        addl    $block_buffers, %edi
        clc
        ret
{{ L("none") }}:
        stc
        ret
{% endcall %}

{% set L = labels("block_submit") %}
# block_submit(slot, operation, sector, sectors): writes a request into the ring; block_push shows it.
#
# in:    %eax = slot that was taken; %edx = BLKIF_OP_*; %ebx = sector; %ecx = sectors, at most BLOCK_SLOT_sectors, 0
#        for a flush
# out:   -
# clob:  %ecx
# errs:  none
{% call routine("block_submit") %}
        pushl   %edx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        movb    $1, block_busy(%eax)
        movl    block_ring + FRONT_produced, %edi
        incl    block_ring + FRONT_produced
        andl    $(BLKIF_RING_ENTRIES - 1), %edi
        imull   $BLKIF_SRING_ENTRY_size, %edi, %edi
        addl    $block_ring_page + BLKIF_SRING_ring, %edi
        movb    %dl, BLKIF_REQUEST_operation(%edi)
        movl    block_device + XENBUS_handle, %edx
        movw    %dx, BLKIF_REQUEST_handle(%edi)
        movl    %eax, BLKIF_REQUEST_id(%edi)
        movl    $0, BLKIF_REQUEST_id_high(%edi)
        movl    %ebx, BLKIF_REQUEST_sector_number(%edi)
        movl    $0, BLKIF_REQUEST_sector_number_high(%edi)
        imull   $4 * BLOCK_SLOT_PAGES, %eax, %esi
        addl    $block_grants, %esi
        xorl    %edx, %edx                      # segments
        leal    BLKIF_REQUEST_seg(%edi), %ebp
{{ L("next_segment") }}:
        testl   %ecx, %ecx
        jz      {{ L("done") }}
        pushl   (%esi,%edx,4)
        popl    BLKIF_REQUEST_SEGMENT_gref(%ebp)
        movb    $0, BLKIF_REQUEST_SEGMENT_first_sect(%ebp)
        movb    $SECTORS_PER_PAGE - 1, BLKIF_REQUEST_SEGMENT_last_sect(%ebp)
        incl    %edx
        subl    $SECTORS_PER_PAGE, %ecx
        jns     {{ L("whole_page") }}
        addb    %cl, BLKIF_REQUEST_SEGMENT_last_sect(%ebp)
        xorl    %ecx, %ecx
{{ L("whole_page") }}:
        addl    $BLKIF_REQUEST_SEGMENT_size, %ebp
        jmp     {{ L("next_segment") }}
{{ L("done") }}:
        movb    %dl, BLKIF_REQUEST_nr_segments(%edi)
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %edx
        ret
{% endcall %}

# block_push(): shows the back end all requests that were submitted.
#
# in:    -
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("block_push") %}
        pushl   %esi
        pushl   %edi
        movl    $block_ring, %esi
        movl    $block_device, %edi
        call    front_push
        popl    %edi
        popl    %esi
        ret
{% endcall %}

{% set L = labels("block_complete") %}
# block_complete(): a request that is done.
#
# in:    -
# out:   %eax = its slot, which is free again: the buffer holds until the next block_take; %edx = BLKIF_RSP_*, sign
#        extended; carry set when there is none
# clob:  none
# errs:  carry
{% call routine("block_complete") %}
        pushl   %esi
        pushl   %ecx
{{ L("next_response") }}:
        movl    $block_ring, %esi
        call    front_take
        jc      {{ L("done") }}
        andl    $(BLKIF_RING_ENTRIES - 1), %eax
        imull   $BLKIF_SRING_ENTRY_size, %eax, %eax
        movswl  block_ring_page + BLKIF_SRING_ring + BLKIF_RESPONSE_status(%eax), %edx
        movl    block_ring_page + BLKIF_SRING_ring + BLKIF_RESPONSE_id(%eax), %eax
        cmpl    $BLOCK_SLOTS, %eax
        jae     {{ L("next_response") }}
        cmpb    $0, block_busy(%eax)
        je      {{ L("next_response") }}
        movb    $0, block_busy(%eax)
        movl    block_free_count, %ecx
        movl    %eax, block_free(,%ecx,4)
        incl    block_free_count
        clc
{{ L("done") }}:
        popl    %ecx
        popl    %esi
        ret
{% endcall %}

{% set L = labels("block_wait") %}
# block_wait(responses): shows what was submitted, and sleeps until about so many more requests are done.
#
# in:    %ecx = responses, from 1 to what is in flight
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  a disk that is gone is said, and the domain sleeps for ever; other ports wake, too: the caller looks, and waits
#        again
{% call routine("block_wait") %}
        pushl   %esi
        pushl   %ecx
        call    block_push
        pushl   %edi
        movl    $block_device, %edi
        call    xenbus_gone
        popl    %edi
        jc      block_lost
        popl    %ecx
        movl    $block_ring, %esi
        call    front_await
        jc      {{ L("done") }}
        xorl    %eax, %eax
        xorl    %edx, %edx
        call    wait_events
{{ L("done") }}:
        popl    %esi
        ret
{% endcall %}

# block_lost: the disk is gone, and what is in flight never comes back.
#
# in:    -
# out:   does not return
{% call routine("block_lost") %}
{{ print("disk: it is gone\\n") }}
1:
        xorl    %eax, %eax
        xorl    %edx, %edx
        call    wait_events
        jmp     1b
{% endcall %}
