# The clocks of TCP connections: what nobody has acknowledged in time goes out again, later each time.
#
# Invariants
#   - One look at all clocks comes before each sleep, and while one runs no sleep is longer than a look may be late.

        .text

# connection_clock(connection): sets the clock: the oftener it ran out, the later.
#
# in:    %ebx = CONNECTION
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("connection_clock") %}
        call    tick
        movl    CONNECTION_tries(%ebx), %ecx
        movl    $TICKS_TO_TRY_AGAIN, %edx
        shll    %cl, %edx
        addl    %edx, %eax
        movl    %eax, CONNECTION_due(%ebx)
        movl    $1, CONNECTION_running(%ebx)
        ret
{% endcall %}

# tick(): the time in ticks.
#
# in:    -
# out:   %eax = ticks, modulo 2^32
# clob:  %edx
# errs:  none
{% call routine("tick") %}
        call    system_time
        shrdl   $TICK_SHIFT, %edx, %eax
        ret
{% endcall %}

{% set L = labels("tcp_time") %}
# tcp_time(): sends again what nobody has acknowledged in time, and gives up peers that never answer.
#
# in:    -
# out:   %edx:%eax = when to look again, 0 when no clock runs
# clob:  %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("tcp_time") %}
        movl    $connections, %ebx
        pushl   $0                              # clocks that run
{{ L("next_connection") }}:
        cmpl    $CONNECTION_free, CONNECTION_state(%ebx)
        je      {{ L("skip") }}
        cmpl    $0, CONNECTION_running(%ebx)
        je      {{ L("skip") }}
        incl    (%esp)
        call    tick
        subl    CONNECTION_due(%ebx), %eax
        js      {{ L("skip") }}
        call    connection_again
{{ L("skip") }}:
        addl    $CONNECTION_size, %ebx
        cmpl    $connections + CONNECTIONS * CONNECTION_size, %ebx
        jb      {{ L("next_connection") }}
        popl    %ecx
        xorl    %eax, %eax
        xorl    %edx, %edx
        testl   %ecx, %ecx
        jz      {{ L("done") }}
        movl    $50000000, %eax                 # 50 ms: fine enough
        call    wait_nanoseconds
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("connection_again") %}
# connection_again(connection): its clock has run out: everything from una on goes out again.
#
# in:    %ebx = CONNECTION
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none; a peer that has not answered TRIES_MOST times is forgotten
{% call routine("connection_again") %}
        incl    tcp_again
        incl    CONNECTION_tries(%ebx)
        cmpl    $TRIES_MOST, CONNECTION_tries(%ebx)
        ja      {{ L("forget") }}
        cmpl    $CONNECTION_syn_received, CONNECTION_state(%ebx)
        je      connection_syn
        movl    CONNECTION_una(%ebx), %eax
        movl    %eax, CONNECTION_next(%ebx)
        cmpl    $0, CONNECTION_window(%ebx)
        jne     {{ L("window_open") }}
        movl    $1, CONNECTION_window(%ebx)     # one byte asks whether there is room by now
{{ L("window_open") }}:
        movl    $0, CONNECTION_running(%ebx)    # it is set anew
        xorl    %eax, %eax
        jmp     connection_output
{{ L("forget") }}:
        movl    $CONNECTION_free, CONNECTION_state(%ebx)
        ret
{% endcall %}
