# Work for virtual devices: rings that a domain has kicked, requests that a device has done.
#
# Invariants
#   - It is done on the way out to a guest (exit.s) and while nobody runs (idle.s), never deeper: whoever finds some
#     calls io_wake. One run of it is bounded: what is left waits for a timer, which leaves the guests IO_PAUSE_NS.
#   - What devices find during a run goes to the end of their queue: it never makes the run longer.

        .text

# io_wake(): there is work for virtual devices.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("io_wake") %}
        orl     $WORK_IO, reschedule
        ret
{% endcall %}

{% set L = labels("io_run") %}
# io_run(): does it, as far as one run may go.
#
# in:    reschedule with WORK_IO
# out:   reschedule without it
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("io_run") %}
        call    nics_run
        call    vbds_run
        call    vifs_run
        andl    $~WORK_IO, reschedule
        call    nics_due
        orl     io_queues + IO_VBD * IO_QUEUE_size + IO_QUEUE_first, %eax
        orl     io_queues + IO_VIF * IO_QUEUE_size + IO_QUEUE_first, %eax
        orl     vif_more, %eax
        jz      {{ L("nothing_left") }}
        cmpl    $0, io_timer + TIMER_position
        jne     {{ L("nothing_left") }}         # the pause has begun: it does not begin again
        call    clock_now
        addl    $IO_PAUSE_NS, %eax
        adcl    $0, %edx
        movl    $io_timer, %edi
        jmp     timer_set
{{ L("nothing_left") }}:
        ret
{% endcall %}

# io_due(timer): the pause is over.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("io_due") %}
        jmp     io_wake
{% endcall %}

        .data
{% call object("io_timer") %}
        .long   0, 0, io_due, 0                 # TIMER
{% endcall %}
