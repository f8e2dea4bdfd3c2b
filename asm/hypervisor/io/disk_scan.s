# Reading a disk for nobody (io_op): whether it can be read, and how fast its driver goes without rings.
#
# Invariants
#   - One scan at a time. `scan` says what is left of it and how it went; it is going while SCAN_in_flight is not 0.
#   - All its requests read into one page of the heap, which is there while it is going.
#   - Domains have their disks meanwhile: a scan never takes the last room, so that nobody waits for it. A disk that
#     takes one request at a time cannot be scanned.

        .text

{% set L = labels("io_op_disk_scan") %}
# io_op_disk_scan(argument): begins a scan, or tells how the last one goes.
#
# in:    %esi = DISK_SCAN
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %edi
# errs:  -ENOENT (disk), -EINVAL (depth, chunk, not within the disk), -EBUSY (one is going, or the disk has no room),
#        -ENOMEM
{% call routine("io_op_disk_scan") %}
        cmpl    $0, DISK_SCAN_begin(%esi)
        je      {{ L("tell") }}
        movl    $-EBUSY, %eax
        cmpl    $0, scan + DISK_SCAN_in_flight
        jne     {{ L("done") }}
        call    scan_check
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-EBUSY, %eax
        cmpl    $1, DISK_room(%ebx)
        jbe     {{ L("done") }}
        movl    $PAGE_SIZE, %ecx
        call    heap_alloc
        movl    %eax, scan_page
        testl   %eax, %eax
        movl    $-ENOMEM, %eax
        jz      {{ L("done") }}
        movl    $scan, %edi
        movl    $DISK_SCAN_size / 4, %ecx
        pushl   %esi
        rep movsl
        popl    %esi
        call    clock_now
        movl    %eax, scan + DISK_SCAN_ns
        movl    %edx, scan + DISK_SCAN_ns_high
        call    scan_begin
{{ L("tell") }}:
        pushl   %esi
        movl    %esi, %edi
        movl    $scan, %esi
        movl    $DISK_SCAN_size / 4, %ecx
        rep movsl
        popl    %esi
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("scan_check") %}
# scan_check(argument): whether a scan is possible, and what it begins with.
#
# in:    %esi = DISK_SCAN
# out:   %eax = 0 and %ebx = DISK, left, in_flight and errors of the argument; or %eax = an error
# clob:  %ebx, %ecx, %edx
# errs:  -ENOENT, -EINVAL
{% call routine("scan_check") %}
        movl    DISK_SCAN_disk(%esi), %eax
        call    disk_find
        movl    $-ENOENT, %eax
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        movl    DISK_SCAN_depth(%esi), %ecx
        decl    %ecx
        cmpl    $SCAN_DEPTH, %ecx
        jae     {{ L("bad") }}
        movl    DISK_SCAN_chunk(%esi), %ecx
        testl   $(PAGE_SIZE / SECTOR_BYTES - 1), %ecx
        jnz     {{ L("bad") }}
        decl    %ecx
        cmpl    $DISK_SEGMENTS * PAGE_SIZE / SECTOR_BYTES, %ecx
        jae     {{ L("bad") }}
        cmpl    $0, DISK_SCAN_start_high(%esi)  # the first 2 TB are enough
        jne     {{ L("bad") }}
        cmpl    $0, DISK_SCAN_sectors_high(%esi)
        jne     {{ L("bad") }}
        movl    DISK_SCAN_sectors(%esi), %eax
        movl    %eax, DISK_SCAN_left(%esi)
        xorl    %edx, %edx
        testl   %eax, %eax
        jz      {{ L("bad") }}
        divl    DISK_SCAN_chunk(%esi)
        testl   %edx, %edx
        jnz     {{ L("bad") }}
        movl    DISK_SCAN_start(%esi), %eax     # %edx is 0
        addl    DISK_SCAN_sectors(%esi), %eax
        adcl    $0, %edx
        movl    DISK_sectors(%ebx), %ecx
        subl    %eax, %ecx
        movl    DISK_sectors_high(%ebx), %ecx
        sbbl    %edx, %ecx
        jb      {{ L("bad") }}
        xorl    %eax, %eax
        movl    %eax, DISK_SCAN_left_high(%esi)
        movl    %eax, DISK_SCAN_in_flight(%esi)
        movl    %eax, DISK_SCAN_errors(%esi)
        ret
{{ L("bad") }}:
        movl    $-EINVAL, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("scan_begin") %}
# scan_begin(disk): puts its requests in flight.
#
# in:    scan, scan_page; %ebx = DISK
# out:   DISK_SCAN_in_flight
# clob:  %eax, %ecx, %edx, %edi
# errs:  none
{% call routine("scan_begin") %}
        pushl   %esi
        movl    scan_page, %eax
        call    heap_mfn
        shll    $PAGE_SHIFT, %eax
        movl    %eax, %edx
        movl    $scan_requests, %esi
        movl    scan + DISK_SCAN_depth, %edi
{{ L("next_request") }}:
        movl    %ebx, DISK_REQUEST_disk(%esi)
        movl    $DISK_READ, DISK_REQUEST_operation(%esi)
        movl    $scan_request_done, DISK_REQUEST_done(%esi)
        movl    scan + DISK_SCAN_chunk, %ecx
        shrl    $(PAGE_SHIFT - SECTOR_SHIFT), %ecx
        movl    %ecx, DISK_REQUEST_count(%esi)
{{ L("next_piece") }}:
        movl    %edx, DISK_REQUEST_pieces - PIECE_size + PIECE_address(%esi,%ecx,8)
        movl    $PAGE_SIZE, DISK_REQUEST_pieces - PIECE_size + PIECE_bytes(%esi,%ecx,8)
        decl    %ecx
        jnz     {{ L("next_piece") }}
        pushl   %edx
        call    scan_submit
        popl    %edx
        addl    $DISK_REQUEST_size, %esi
        decl    %edi
        jnz     {{ L("next_request") }}
        call    scan_end_if_idle
        popl    %esi
        ret
{% endcall %}

{% set L = labels("scan_submit") %}
# scan_submit(request): asks for the next sectors, if there are any left and the disk has room.
#
# in:    %esi = DISK_REQUEST of the scan, not in flight
# out:   DISK_SCAN_in_flight, DISK_SCAN_start, DISK_SCAN_left
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("scan_submit") %}
        movl    DISK_REQUEST_disk(%esi), %eax
        cmpl    $1, DISK_room(%eax)
        jbe     {{ L("not_now") }}
        cmpl    $0, scan + DISK_SCAN_left
        je      {{ L("not_now") }}
        movl    scan + DISK_SCAN_start, %eax
        movl    %eax, DISK_REQUEST_sector(%esi)
        movl    scan + DISK_SCAN_start_high, %edx
        movl    %edx, DISK_REQUEST_sector_high(%esi)
        movl    scan + DISK_SCAN_chunk, %ecx
        addl    %ecx, scan + DISK_SCAN_start
        adcl    $0, scan + DISK_SCAN_start_high
        subl    %ecx, scan + DISK_SCAN_left
        incl    scan + DISK_SCAN_in_flight
        jmp     disk_submit
{{ L("not_now") }}:
        ret
{% endcall %}

{% set L = labels("scan_request_done") %}
# scan_request_done(request): one is done: on with the next.
#
# in:    %esi = DISK_REQUEST of the scan
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none: an error is counted
{% call routine("scan_request_done") %}
        decl    scan + DISK_SCAN_in_flight
        cmpl    $0, DISK_REQUEST_status(%esi)
        je      {{ L("was_read") }}
        incl    scan + DISK_SCAN_errors
{{ L("was_read") }}:
        call    scan_submit
        jmp     scan_end_if_idle
{% endcall %}

{% set L = labels("scan_end_if_idle") %}
# scan_end_if_idle(): when nothing is in flight the scan is over.
#
# in:    scan
# out:   DISK_SCAN_ns: how long it took
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("scan_end_if_idle") %}
        cmpl    $0, scan + DISK_SCAN_in_flight
        jne     {{ L("is_going") }}
        call    clock_now
        subl    scan + DISK_SCAN_ns, %eax
        sbbl    scan + DISK_SCAN_ns_high, %edx
        movl    %eax, scan + DISK_SCAN_ns
        movl    %edx, scan + DISK_SCAN_ns_high
        movl    scan_page, %eax
        movl    $PAGE_SIZE, %ecx
        jmp     heap_free
{{ L("is_going") }}:
        ret
{% endcall %}

{{ space("scan", "DISK_SCAN_size") }}
{{ space("scan_page", 4) }}
{{ space("scan_requests", "SCAN_DEPTH * DISK_REQUEST_size") }}
