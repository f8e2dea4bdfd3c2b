# An ordinary domain's output: the print_character of guests whose console is a ring (ABI 11.1).
#
# Invariants
#   - A line ends with CR LF, as a terminal wants it, and only then the other end is told.
#   - console_ring is complete before the first character: rings_find comes before everything else.

        .text

{% set L = labels("print_character") %}
# print_character(character): puts a character into the console's ring; after a line the other end is told.
#
# in:    %al = character
# out:   -
# clob:  none
# errs:  none
{% call routine("print_character") %}
        pushl   %eax
        pushl   %esi
        movl    $console_ring, %esi
        cmpb    $'\n', %al
        jne     {{ L("last") }}
        pushl   %eax
        movb    $'\r', %al
        call    ring_put
        popl    %eax
        call    ring_put
        call    ring_notify
        jmp     {{ L("done") }}
{{ L("last") }}:
        call    ring_put
{{ L("done") }}:
        popl    %esi
        popl    %eax
        ret
{% endcall %}

# rings_find(): fills in the records of the domain's three rings from start_info.
#
# in:    %ebp = start_info; the shared page is mapped
# out:   console_ring, request_ring, answer_ring
# clob:  %eax, %ecx
# errs:  none: a domain 0 has none of them, and must not ask
{% call routine("rings_find") %}
        movl    START_INFO_console_domU_mfn(%ebp), %eax
        call    shared_page
        leal    XENCONS_INTERFACE_out(%eax), %ecx
        movl    %ecx, console_ring + RING_data
        leal    XENCONS_INTERFACE_out_prod(%eax), %ecx
        movl    %ecx, console_ring + RING_producer
        leal    XENCONS_INTERFACE_out_cons(%eax), %ecx
        movl    %ecx, console_ring + RING_consumer
        leal    START_INFO_console_domU_evtchn(%ebp), %ecx
        movl    %ecx, console_ring + RING_port
        movl    START_INFO_store_mfn(%ebp), %eax
        call    shared_page
{% for ring, direction in [("request_ring", "req"), ("answer_ring", "rsp")] %}
        leal    XENSTORE_DOMAIN_INTERFACE_{{ direction }}(%eax), %ecx
        movl    %ecx, {{ ring }} + RING_data
        leal    XENSTORE_DOMAIN_INTERFACE_{{ direction }}_prod(%eax), %ecx
        movl    %ecx, {{ ring }} + RING_producer
        leal    XENSTORE_DOMAIN_INTERFACE_{{ direction }}_cons(%eax), %ecx
        movl    %ecx, {{ ring }} + RING_consumer
        leal    START_INFO_store_evtchn(%ebp), %ecx
        movl    %ecx, {{ ring }} + RING_port
{% endfor %}
        ret
{% endcall %}

        .data
{% for ring, size in [("console_ring", 2048), ("request_ring", 1024), ("answer_ring", 1024)] %}
{% call object(ring) %}
        .long   0, {{ size }} - 1, 0, 0, 0      # RING: data, mask, producer, consumer, port
{% endcall %}
{% endfor %}
