# Disks: what all their drivers have in common.
#
# Invariants
#   - disk_list chains the DISKs in order of their numbers, 0, 1, ...; they are added at boot and stay.
#   - DISK_in_flight counts the requests from disk_submit to disk_done. The driver keeps DISK_room.
#   - A disk that has requests, and has done none for disk_timeout looks in a row, one each DISK_LOOK_NS, is given up:
#     its driver stops the device, so that memory is the owners' again, and fails what it has. From then on every
#     request fails: dead_requests chains those that wait to be told so, as soon as dead_timer is due.
#   - disk_timer is set while any disk has a request.

        .section .init, "ax"

{% set L = labels("disk_add") %}
# disk_add(disk): a driver has found a disk.
#
# in:    %ebx = DISK, all but its number and the counters
# out:   disk_list
# clob:  none
# errs:  none
{% call routine("disk_add") %}
        pushal
        movl    $disk_list - DISK_next, %edi
        xorl    %ecx, %ecx
{{ L("next_disk") }}:
        cmpl    $0, DISK_next(%edi)
        je      {{ L("last") }}
        movl    DISK_next(%edi), %edi
        incl    %ecx
        jmp     {{ L("next_disk") }}
{{ L("last") }}:
        movl    %ebx, DISK_next(%edi)
        movl    %ecx, DISK_number(%ebx)
        cmpb    $0, DISK_name(%ebx)
        jne     {{ L("has_name") }}
        movb    $'-', DISK_name(%ebx)
{{ L("has_name") }}:
        movl    DISK_sectors(%ebx), %eax
        movl    DISK_sectors_high(%ebx), %edx
        shrdl   $11, %edx, %eax                 # MB
        leal    DISK_name(%ebx), %edx
{{ log("LOG_INFO", "disk %u: %s, %u MB\\n", "%ecx", "%edx", "%eax") }}
        popal
        ret
{% endcall %}

        .text

{% set L = labels("disk_find") %}
# disk_find(number): a disk by its number.
#
# in:    %eax = number
# out:   %ebx = DISK, or 0 when there is none
# clob:  none
# errs:  0
{% call routine("disk_find") %}
        movl    disk_list, %ebx
{{ L("next_disk") }}:
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        cmpl    DISK_number(%ebx), %eax
        je      {{ L("done") }}
        movl    DISK_next(%ebx), %ebx
        jmp     {{ L("next_disk") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("disk_submit") %}
# disk_submit(request): asks a disk; the request's routine `done` will be called, never before this returns.
#
# in:    %esi = DISK_REQUEST, whose DISK has room; every piece lies in frames that stay until then
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none: every error is in DISK_REQUEST_status when it is done
# calls: *_disk_submit
{% call routine("disk_submit") %}
        pushl   %ebx
        movl    DISK_REQUEST_disk(%esi), %ebx
{{ assert("cmpl $0, DISK_room(%ebx)", "jne", "a disk has room for what it is asked") }}
        incl    DISK_in_flight(%ebx)
        cmpl    $0, disk_timer + TIMER_position
        je      {{ L("nobody_looks") }}
{{ L("looked_after") }}:
        call    *DISK_submit(%ebx)
        popl    %ebx
        ret
{{ L("nobody_looks") }}:
        call    disk_look_later
        jmp     {{ L("looked_after") }}
{% endcall %}

{% set L = labels("disk_done") %}
# disk_done(disk, request, status): a driver is through with a request.
#
# in:    %ebx = DISK, %esi = DISK_REQUEST, %eax = 0 or DISK_FAILED
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
# calls: *_request_done
# why:   the routine may submit another one: the driver is ready for that when it calls us
{% call routine("disk_done") %}
        pushl   %ebx
        decl    DISK_in_flight(%ebx)
        movl    %eax, DISK_REQUEST_status(%esi)
        testl   %eax, %eax
        jnz     {{ L("failed") }}
        movl    DISK_REQUEST_bytes(%esi), %eax
        shrl    $9, %eax
        addl    %eax, DISK_sectors_moved(%ebx)
        adcl    $0, DISK_sectors_moved_high(%ebx)
        movl    DISK_REQUEST_operation(%esi), %eax
        cmpl    $DISK_WRITE, %eax
        ja      {{ L("flushed") }}
        je      {{ L("written") }}
        incl    DISK_reads(%ebx)
{{ L("counted") }}:
        call    *DISK_REQUEST_done(%esi)
        popl    %ebx
        ret
{{ L("written") }}:
        incl    DISK_writes(%ebx)
        jmp     {{ L("counted") }}
{{ L("flushed") }}:
        incl    DISK_flushes(%ebx)
        jmp     {{ L("counted") }}
{{ L("failed") }}:
        incl    DISK_errors(%ebx)
        jmp     {{ L("counted") }}
{% endcall %}

# disk_look_later(): disk_look_due will be called after DISK_LOOK_NS.
#
# in:    -
# out:   disk_timer
# clob:  %eax, %edx
# errs:  none
{% call routine("disk_look_later") %}
        pushl   %edi
        movl    $disk_timer, %edi
        movl    $disk_look_due, TIMER_routine(%edi)
        call    clock_now
        addl    $DISK_LOOK_NS, %eax
        adcl    $0, %edx
        call    timer_set
        popl    %edi
        ret
{% endcall %}

{% set L = labels("disk_look_due") %}
# disk_look_due(timer): whether disks do what they were asked.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("disk_look_due") %}
        pushl   $0                              # requests that are on their way
        movl    disk_list, %ebx
{{ L("next_disk") }}:
        testl   %ebx, %ebx
        jz      {{ L("all_seen") }}
        movl    DISK_reads(%ebx), %eax
        addl    DISK_writes(%ebx), %eax
        addl    DISK_flushes(%ebx), %eax
        addl    DISK_errors(%ebx), %eax
        xchgl   %eax, DISK_seen(%ebx)
        subl    DISK_seen(%ebx), %eax
        jnz     {{ L("alive") }}
        cmpl    $0, DISK_in_flight(%ebx)
        je      {{ L("alive") }}
        incl    DISK_silent(%ebx)
        movl    disk_timeout, %eax
        decl    %eax                            # 0: for ever
        cmpl    %eax, DISK_silent(%ebx)
        jbe     {{ L("looked_at") }}
        testl   $DISK_DEAD, DISK_flags(%ebx)
        jnz     {{ L("looked_at") }}
        call    disk_give_up
{{ L("alive") }}:
        movl    $0, DISK_silent(%ebx)
{{ L("looked_at") }}:
        movl    DISK_in_flight(%ebx), %eax
        orl     %eax, (%esp)
        movl    DISK_next(%ebx), %ebx
        jmp     {{ L("next_disk") }}
{{ L("all_seen") }}:
        popl    %eax
        testl   %eax, %eax
        jnz     disk_look_later
        ret
{% endcall %}

# disk_give_up(disk): a disk does not answer any more: all its requests fail, now and for ever.
#
# in:    %ebx = DISK
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
# calls: *_disk_give_up
{% call routine("disk_give_up") %}
{{ log("LOG_ERROR", "disk %u does not answer: it is given up\\n", "DISK_number(%ebx)") }}
        orl     $DISK_DEAD, DISK_flags(%ebx)
        movl    $dead_disk_submit, DISK_submit(%ebx)
        movl    $DISK_DEAD_ROOM, DISK_room(%ebx)
        call    io_wake
        jmp     *DISK_give_up(%ebx)
{% endcall %}

# dead_disk_submit(disk, request): a request to a disk that was given up: it fails as soon as possible, but not yet.
#
# in:    %ebx = DISK with room, %esi = DISK_REQUEST
# out:   dead_requests
# clob:  %eax, %edx
# errs:  none
{% call routine("dead_disk_submit") %}
        decl    DISK_room(%ebx)
        movl    dead_requests, %eax
        movl    %eax, DISK_REQUEST_next(%esi)
        movl    %esi, dead_requests
        pushl   %edi
        call    clock_now
        movl    $dead_timer, %edi
        movl    $dead_requests_due, TIMER_routine(%edi)
        call    timer_set
        popl    %edi
        ret
{% endcall %}

{% set L = labels("dead_requests_due") %}
# dead_requests_due(timer): tells the owners of dead_requests that these have failed.
#
# in:    -
# out:   dead_requests = 0
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("dead_requests_due") %}
        xorl    %esi, %esi
        xchgl   dead_requests, %esi
{{ L("next_request") }}:
        testl   %esi, %esi
        jz      {{ L("done") }}
        pushl   DISK_REQUEST_next(%esi)
        movl    DISK_REQUEST_disk(%esi), %ebx
        incl    DISK_room(%ebx)
        movl    $DISK_FAILED, %eax
        call    disk_done
        call    io_wake
        popl    %esi
        jmp     {{ L("next_request") }}
{{ L("done") }}:
        ret
{% endcall %}

        .data
{% call object("disk_timeout") %}
        .long   30
{% endcall %}
{{ space("disk_list", 4) }}
{{ space("dead_requests", 4) }}
{{ space("disk_timer", "TIMER_size") }}
{{ space("dead_timer", "TIMER_size") }}
