# The turns of VBDs: what a disk has done is answered, a batch is taken from the ring, and goes to the disk.
#
# Invariants
#   - VBDs take turns; in each, one takes VBD_BATCH requests at the most from its ring. A run of turns is bounded
#     by vbd_units, of some 150 instructions each.
#   - A VBD has nothing to do (then the domain has to kick it: req_event), or it is in the queue, or it has requests
#     that wait for room on a disk: then it is in one of the two vbd_blocked, which join the queue when a disk has done
#     something: first those that have had nothing of the room there was.
#   - VIRTUAL_DEVICE_in_flight is the number of its VBD_REQUESTs that are in use.

        .text

{% set L = labels("vbds_run") %}
# vbds_run(): a run of work for VBDs.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("vbds_run") %}
        movl    $VBD_RUN_UNITS, vbd_units
{{ L("next_turn") }}:
        movl    $IO_VBD, %eax
        call    device_take
        testl   %edx, %edx
        jz      {{ L("none") }}
        movl    %edx, %ebp
        call    vbd_turn
        decl    vbd_units
        jg      {{ L("next_turn") }}
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("vbd_turn") %}
# vbd_turn(vbd): one turn of a VBD. Afterwards it may be gone.
#
# in:    %ebp = VBD, which is in no queue
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vbd_turn") %}
        movl    $0, vbd_submitted
        call    vbd_finish_done
        cmpl    $IO_STATE_CONNECTED, VIRTUAL_DEVICE_state(%ebp)
        jne     vbd_turn_shut
        movl    VIRTUAL_DEVICE_domain(%ebp), %eax
        testl   $(DOMAIN_DYING | DOMAIN_SHUTDOWN), DOMAIN_flags(%eax)
        movl    $IO_REASON_DOMAIN_ENDED, %eax
        jnz     {{ L("shut") }}
        call    vbd_barrier_begin
        call    vbd_submit                      # what has waited for room goes first
        call    vbd_take
        jc      {{ L("hostile") }}
        pushl   %eax                            # 1: there is more in the ring
        call    vbd_submit
        call    vbd_push
        popl    %eax
        movl    %ebp, %edx
        cmpl    $0, VBD_done(%ebp)
        jne     device_wake
        cmpl    $0, VBD_waiting(%ebp)
        jne     vbd_block
        testl   %eax, %eax
        jnz     device_wake
        ret
{{ L("hostile") }}:
        call    vbd_push
        movl    $IO_REASON_PRODUCER, %eax
{{ L("shut") }}:
        movl    %ebp, %edx
        jmp     device_shut
{% endcall %}

{% set L = labels("vbd_turn_shut") %}
# vbd_turn_shut(vbd): the turn of one that is shut: what has not gone to a disk is dropped.
#
# in:    %ebp = VBD
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vbd_turn_shut") %}
        movl    VBD_barrier(%ebp), %esi
        testl   %esi, %esi
        jz      {{ L("next_waiting") }}
        cmpl    $VBD_REQUEST_HELD, VBD_REQUEST_used(%esi)
        jne     {{ L("next_waiting") }}
        call    vbd_request_end                 # a barrier that has not begun
{{ L("next_waiting") }}:
        movl    VBD_waiting(%ebp), %esi
        testl   %esi, %esi
        jz      {{ L("none_waits") }}
        movl    VBD_REQUEST_next(%esi), %eax
        movl    %eax, VBD_waiting(%ebp)
        call    vbd_request_end
        cmpl    $0, vbd_units
        jg      {{ L("next_waiting") }}
{{ L("none_waits") }}:
        movl    %ebp, %edx
        movl    VBD_waiting(%ebp), %eax
        orl     VBD_done(%ebp), %eax
        jnz     device_wake
        jmp     device_settle
{% endcall %}

{% set L = labels("vbd_block") %}
# vbd_block(vbd): it waits for room on a disk.
#
# in:    %edx = VBD, which is in no queue; vbd_submitted
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("vbd_block") %}
        movl    $1, VIRTUAL_DEVICE_queued(%edx)
        movl    $0, VIRTUAL_DEVICE_next(%edx)
        movl    vbd_submitted, %eax             # 0: nothing of it has found room
        movl    vbd_blocked + IO_QUEUE_last(,%eax,8), %ecx
        movl    %edx, vbd_blocked + IO_QUEUE_last(,%eax,8)
        testl   %ecx, %ecx
        jz      {{ L("alone") }}
        movl    %edx, VIRTUAL_DEVICE_next(%ecx)
        ret
{{ L("alone") }}:
        movl    %edx, vbd_blocked + IO_QUEUE_first(,%eax,8)
        ret
{% endcall %}

{% set L = labels("vbds_unblock") %}
# vbds_unblock(): there may be room on a disk: whoever waits for some has a turn.
#
# in:    -
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("vbds_unblock") %}
        xorl    %ecx, %ecx
{{ L("next_queue") }}:
        movl    vbd_blocked + IO_QUEUE_first(,%ecx,8), %eax
        testl   %eax, %eax
        jz      {{ L("empty") }}
        movl    io_queues + IO_VBD * IO_QUEUE_size + IO_QUEUE_last, %edx
        testl   %edx, %edx
        jz      {{ L("alone") }}
        movl    %eax, VIRTUAL_DEVICE_next(%edx)
        jmp     {{ L("linked") }}
{{ L("alone") }}:
        movl    %eax, io_queues + IO_VBD * IO_QUEUE_size + IO_QUEUE_first
{{ L("linked") }}:
        movl    vbd_blocked + IO_QUEUE_last(,%ecx,8), %edx
        movl    %edx, io_queues + IO_VBD * IO_QUEUE_size + IO_QUEUE_last
        xorl    %edx, %edx
        movl    %edx, vbd_blocked + IO_QUEUE_first(,%ecx,8)
        movl    %edx, vbd_blocked + IO_QUEUE_last(,%ecx,8)
{{ L("empty") }}:
        incl    %ecx
        cmpl    $1, %ecx
        jbe     {{ L("next_queue") }}
        ret
{% endcall %}

# vbd_settle(device): nothing of it is in flight, and it is not connected: its ring goes.
#
# in:    %edx = VBD
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("vbd_settle") %}
        leal    VBD_ring(%edx), %esi
        jmp     ring_detach
{% endcall %}

{% set L = labels("vbd_free") %}
# vbd_free(device): nobody knows it any more: its blocks go.
#
# in:    %edx = VBD with nothing in flight
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("vbd_free") %}
        movl    VBD_request_count(%edx), %ebx
        movl    $VBD_REQUEST_size, %ecx
{{ L("next_request") }}:
        decl    %ebx
        js      {{ L("requests_free") }}
        movl    VBD_requests(%edx,%ebx,4), %eax
        call    heap_free
        jmp     {{ L("next_request") }}
{{ L("requests_free") }}:
        movl    %edx, %eax
        movl    $VBD_size, %ecx
        jmp     heap_free
{% endcall %}

{{ space("vbd_units", 4) }}
{{ space("vbd_submitted", 4) }}
{{ space("vbd_blocked", "2 * IO_QUEUE_size") }}
