# The ring pages of an ordinary domain: where they are, and moving bytes through them (ABI 11.1, 11.2).
#
# A ring is told by a RING record: the page's data, its size, its two counters, and the port of the other end.
#
# Invariants
#   - Counters run freely; a place is the counter modulo the ring's size, a power of two.
#   - Data is written before the producer's counter and read after it; after either counter of ours has moved the other
#     end is notified, for it may wait for data or for room.
#   - Waiting is a poll of the port (ABI 10.1): nobody else's time is used.

        .text

        .set    RING_data, 0                    # address of the first byte
        .set    RING_mask, 4                    # size - 1
        .set    RING_producer, 8                # addresses of the counters
        .set    RING_consumer, 12
        .set    RING_port, 16                   # address of the other end's port
        .set    RING_size, 20

{{ space("poll_argument", "SCHED_POLL_size") }}
{{ space("send_argument", "EVTCHN_SEND_size") }}

# shared_page(mfn): where a frame of the domain's own is in its initial mapping.
#
# in:    %eax = mfn
# out:   %eax = address
# clob:  none
# errs:  none
# why:   this kernel has no HV_START_LOW note, so the table of pseudo-physical frames is at its old place (ABI 2.3)
{% call routine("shared_page") %}
        movl    MACH2PHYS_VIRT_START_PAE(,%eax,4), %eax
        shll    $PAGE_SHIFT, %eax
        addl    $VIRT_BASE, %eax
        ret
{% endcall %}

{% set L = labels("ring_put") %}
# ring_put(ring, byte): waits for room and puts one byte into a ring, without telling anybody.
#
# in:    %esi = RING, %al = byte
# out:   -
# clob:  none
# errs:  none
{% call routine("ring_put") %}
        pushl   %ecx
        pushl   %edx
        pushl   %edi
{{ L("look") }}:
        movl    RING_producer(%esi), %edi
        movl    (%edi), %ecx
        movl    RING_consumer(%esi), %edx
        movl    %ecx, %edi
        subl    (%edx), %edi
        cmpl    %edi, RING_mask(%esi)
        jae     {{ L("room") }}
        call    ring_notify
        call    ring_wait
        jmp     {{ L("look") }}
{{ L("room") }}:
        movl    %ecx, %edx
        andl    RING_mask(%esi), %edx
        addl    RING_data(%esi), %edx
        movb    %al, (%edx)
        incl    %ecx
        movl    RING_producer(%esi), %edi
        movl    %ecx, (%edi)
        popl    %edi
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("ring_take") %}
# ring_take(ring): waits for a byte and takes it.
#
# in:    %esi = RING
# out:   %eax = the byte
# clob:  none
# errs:  none
{% call routine("ring_take") %}
        pushl   %ecx
        pushl   %edi
{{ L("look") }}:
        movl    RING_consumer(%esi), %edi
        movl    (%edi), %ecx
        movl    RING_producer(%esi), %eax
        cmpl    (%eax), %ecx
        jne     {{ L("there") }}
        call    ring_notify                     # there is room for whoever waits for it
        call    ring_wait
        jmp     {{ L("look") }}
{{ L("there") }}:
        movl    %ecx, %eax
        andl    RING_mask(%esi), %eax
        addl    RING_data(%esi), %eax
        movzbl  (%eax), %eax
        incl    %ecx
        movl    %ecx, (%edi)
        popl    %edi
        popl    %ecx
        ret
{% endcall %}

# ring_notify(ring): tells the other end.
#
# in:    %esi = RING
# out:   -
# clob:  none
# errs:  none: a port that is not bound yet takes events and forgets them
{% call routine("ring_notify") %}
        pushal
        movl    RING_port(%esi), %eax
        movl    (%eax), %eax
        movl    %eax, send_argument + EVTCHN_SEND_port
        movl    $EVTCHNOP_send, %ebx
        movl    $send_argument, %ecx
        {{ hypercall("event_channel_op") }}
        popal
        ret
{% endcall %}

# ring_wait(ring): sleeps until the other end has sent an event.
#
# in:    %esi = RING
# out:   -
# clob:  none
# errs:  none
# why:   the pending bit is taken back first; what comes after that ends the sleep, and the caller has looked before
{% call routine("ring_wait") %}
        pushal
        movl    RING_port(%esi), %eax
        movl    %eax, poll_argument + SCHED_POLL_ports
        movl    $1, poll_argument + SCHED_POLL_nr_ports
        movl    $SCHEDOP_poll, %ebx
        movl    $poll_argument, %ecx
        {{ hypercall("sched_op") }}
        movl    RING_port(%esi), %eax
        movl    (%eax), %eax
        movl    shared_info, %edx
        lock btrl %eax, SHARED_INFO_evtchn_pending(%edx)
        popal
        ret
{% endcall %}
