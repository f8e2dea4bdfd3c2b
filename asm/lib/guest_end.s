# The end of a guest, by its own wish.
#
# Invariants
#   - Nothing comes back from it: a domain that has been shut down does not run again.

        .text

# shut_down(reason): the end of this domain.
#
# in:    %eax = SHUTDOWN_*
# out:   does not return
# errs:  none
{% call routine("shut_down") %}
        movl    %eax, shutdown_argument
        movl    $SCHEDOP_shutdown, %ebx
        movl    $shutdown_argument, %ecx
        {{ hypercall("sched_op") }}
1:
        jmp     1b
{% endcall %}

{{ space("shutdown_argument", "SCHED_SHUTDOWN_size") }}
