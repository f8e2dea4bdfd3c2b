# Work for virtual devices: rings that a domain has kicked, requests that a device has done.
#
# Invariants
#   - It is done on the way out to a guest (exit.s) and while nobody runs (idle.s), never deeper: whoever finds some
#     calls io_wake. One run of it is bounded: what is left waits for a timer that is due at once, so that guests go on.

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

# io_run(): does it, as far as one run may go.
#
# in:    reschedule with WORK_IO
# out:   reschedule without it
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("io_run") %}
        andl    $~WORK_IO, reschedule
        ret
{% endcall %}
