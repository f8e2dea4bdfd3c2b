# A domain 0 that gives itself the first disk, without a store and a toolstack: the shortest way to a sector.
#
# It makes a VBD of its own that is the whole disk (io_op), connects a ring with one request at a time, says the sum of
# all words of the disk, fills its last page with MARK, and switches the machine off.
#
# Invariants
#   - It sleeps while the disk works: with nobody else there, the hypervisor idles until the disk interrupts.

{{ elf_note("GUEST_OS", ".asciz", '"owndisk"') }}

        .text

        .set    MARK, 0x600dd15c
        .set    HANDLE, 51712
        .set    PAGE_SECTORS, PAGE_SIZE / SECTOR_BYTES

{% set L = labels("start") %}
# start: all of it.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  what fails is said, and ends it
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    shared_info_map
        call    grants_begin
        testl   %eax, %eax
        jnz     {{ L("failed") }}
        call    disk_give
        testl   %eax, %eax
        jnz     {{ L("failed") }}
        call    disk_sum
        testl   %eax, %eax
        jnz     {{ L("failed") }}
        call    disk_mark
        testl   %eax, %eax
        jnz     {{ L("failed") }}
        jmp     {{ L("done") }}
{{ L("failed") }}:
{{ print("no disk, or it failed: %d\\n", "%eax") }}
{{ L("done") }}:
        movl    $SHUTDOWN_poweroff, %eax
        jmp     shut_down
{% endcall %}

{% set L = labels("disk_give") %}
# disk_give(): looks at the disk, and makes and connects a VBD of it.
#
# in:    %ebp = start_info
# out:   %eax = 0, or an error; disk, port
# clob:  %ebx, %ecx, %edx
# errs:  those of io_op, event_channel_op
{% call routine("disk_give") %}
        movl    $ring, %ebx
        xorl    %edx, %edx                      # to domain 0: ourselves
        movl    $GTF_permit_access, %ecx
        call    grant_page
        movl    %eax, connect + VBD_CONNECT_ring_ref
        movl    $buffer, %ebx
        call    grant_page
        movl    %eax, buffer_ref
        movl    $1, ring + SRING_HEADER_req_event
        movl    $1, ring + SRING_HEADER_rsp_event
        movw    $DOMID_SELF, offer + EVTCHN_ALLOC_UNBOUND_dom
        movl    $EVTCHNOP_alloc_unbound, %ebx
        movl    $offer, %ecx
        {{ hypercall("event_channel_op") }}
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    offer + EVTCHN_ALLOC_UNBOUND_port, %eax
        movl    %eax, connect + VBD_CONNECT_port
        movl    %eax, send + EVTCHN_SEND_port
        call    wait_add
{% for command, argument, size in [("disk_info", "disk", "DISK_INFO_size"), ("vbd_create", "create", "VBD_CREATE_size"),
                                   ("vbd_extent", "extent", "VBD_EXTENT_size"),
                                   ("vbd_connect", "connect", "VBD_CONNECT_size")] %}
        movl    $IO_OP_{{ command }}, io_argument + IO_OP_cmd
        movl    ${{ argument }}, io_argument + IO_OP_argument
        movl    ${{ size }}, io_argument + IO_OP_bytes
        movl    $io_argument, %ebx
        {{ hypercall("io_op") }}
        testl   %eax, %eax
        jnz     {{ L("done") }}
{% if command == "disk_info" %}
        movl    disk + DISK_INFO_sectors, %eax
        movl    %eax, extent + VBD_EXTENT_sectors
{{ print("disk %s: %u sectors\\n", "$disk + DISK_INFO_name", "%eax") }}
{% endif %}
{% endfor %}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("disk_sum") %}
# disk_sum(): reads the disk page by page and says the sum of its words.
#
# in:    disk
# out:   %eax = 0, or the status of a request that failed
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  %eax
{% call routine("disk_sum") %}
        xorl    %edi, %edi                      # sum
        xorl    %ebx, %ebx                      # sector
{{ L("next_page") }}:
        movl    $BLKIF_OP_READ, %eax
        call    disk_ask
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $(PAGE_SIZE / 4), %ecx
{{ L("next_word") }}:
        addl    buffer - 4(,%ecx,4), %edi
        decl    %ecx
        jnz     {{ L("next_word") }}
        addl    $PAGE_SECTORS, %ebx
        cmpl    disk + DISK_INFO_sectors, %ebx
        jb      {{ L("next_page") }}
{{ print("sum %p\\n", "%edi") }}
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("disk_mark") %}
# disk_mark(): fills the last page of the disk with MARK.
#
# in:    disk
# out:   %eax = 0, or the status of a request that failed
# clob:  %ebx, %ecx, %edx, %edi
# errs:  %eax
{% call routine("disk_mark") %}
        movl    $buffer, %edi
        movl    $(PAGE_SIZE / 4), %ecx
        movl    $MARK, %eax
        rep stosl
        movl    disk + DISK_INFO_sectors, %ebx
        subl    $PAGE_SECTORS, %ebx
        movl    $BLKIF_OP_WRITE, %eax
        call    disk_ask
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $BLKIF_OP_FLUSH_DISKCACHE, %eax
        call    disk_ask
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ print("marked\\n") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("disk_ask") %}
# disk_ask(operation, sector): makes one request, of the buffer or of nothing, and sleeps until it is done.
#
# in:    %eax = BLKIF_OP_*, %ebx = sector
# out:   %eax = BLKIF_RSP_*
# clob:  %ecx, %edx
# errs:  %eax
{% call routine("disk_ask") %}
        pushl   %ebx
        movl    ring + SRING_HEADER_req_prod, %edx
        andl    $(BLKIF_RING_ENTRIES - 1), %edx
        imull   $BLKIF_SRING_ENTRY_size, %edx, %edx
        addl    $ring + BLKIF_SRING_ring, %edx
        movb    %al, BLKIF_REQUEST_operation(%edx)
        movw    $HANDLE, BLKIF_REQUEST_handle(%edx)
        movl    %ebx, BLKIF_REQUEST_sector_number(%edx)
        movb    $0, BLKIF_REQUEST_nr_segments(%edx)
        cmpb    $BLKIF_OP_FLUSH_DISKCACHE, %al
        je      {{ L("no_data") }}
        movb    $1, BLKIF_REQUEST_nr_segments(%edx)
        movl    buffer_ref, %eax
        movl    %eax, BLKIF_REQUEST_seg + BLKIF_REQUEST_SEGMENT_gref(%edx)
        movb    $(PAGE_SECTORS - 1), BLKIF_REQUEST_seg + BLKIF_REQUEST_SEGMENT_last_sect(%edx)
{{ L("no_data") }}:
        pushl   %edx
        incl    ring + SRING_HEADER_req_prod
        movl    $EVTCHNOP_send, %ebx
        movl    $send, %ecx
        {{ hypercall("event_channel_op") }}
{{ L("sleep") }}:
        xorl    %eax, %eax                      # for ever
        xorl    %edx, %edx
        call    wait_events
        movl    ring + SRING_HEADER_rsp_prod, %eax
        cmpl    ring + SRING_HEADER_req_prod, %eax
        jne     {{ L("sleep") }}
        incl    %eax
        movl    %eax, ring + SRING_HEADER_rsp_event
        popl    %edx
        movswl  BLKIF_RESPONSE_status(%edx), %eax
        popl    %ebx
        ret
{% endcall %}

        .data
{% call object("io_argument") %}
        .long   0, IO_VERSION, 0, HANDLE, 0, 0
{% endcall %}
{{ space("disk", "DISK_INFO_size") }}
{{ space("create", "VBD_CREATE_size") }}
{{ space("extent", "VBD_EXTENT_size") }}
{{ space("connect", "VBD_CONNECT_size") }}
{{ space("offer", "EVTCHN_ALLOC_UNBOUND_size") }}
{{ space("send", "EVTCHN_SEND_size") }}
{{ space("buffer_ref", 4) }}
{{ space("ring", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("buffer", "PAGE_SIZE", "PAGE_SIZE") }}
