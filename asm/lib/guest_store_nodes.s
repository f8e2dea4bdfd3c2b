# Nodes of the store: reading, writing and watching them by the path of their folder and their name (ABI 11.3).
#
# Invariants
#   - One question is asked at a time, and its answer awaited. Events of watches that come meanwhile are counted in
#     store_events, and that is all that is known of them: whoever waits looks again at what it waits for.
#   - A path is composed in text_buffer, and with it the payload of each request.

        .text

{{ space("store_events", 4) }}

{% set L = labels("store_call") %}
# store_call(kind): sends text_buffer as the payload of a request, and waits for its answer.
#
# in:    %eax = XS_*
# out:   store_payload; carry set when the answer is an error
# clob:  %eax
# errs:  carry
{% call routine("store_call") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edi
        movl    $text_buffer, %ebx
        movl    text_length, %ecx
        call    store_request
{{ L("next_message") }}:
        call    store_receive
        cmpl    $XS_WATCH_EVENT, %eax
        jne     {{ L("answer") }}
        incl    store_events
        jmp     {{ L("next_message") }}
{{ L("answer") }}:
        popl    %edi
        popl    %ecx
        popl    %ebx
        cmpl    $XS_ERROR, %eax
        je      {{ L("error") }}
        clc
        ret
{{ L("error") }}:
        stc
        ret
{% endcall %}

# store_path(folder, name): a path with its NUL.
#
# in:    %ebx = folder, %esi = name
# out:   text_buffer
# clob:  none
# errs:  none
{% call routine("store_path") %}
        pushl   %eax
        pushl   %esi
        call    text_begin
        movl    %ebx, %esi
        call    text_string
        movb    $'/', %al
        call    text_byte
        popl    %esi
        call    text_string
        movb    $0, %al
        call    text_byte
        popl    %eax
        ret
{% endcall %}

# store_read(folder, name): the value of a node.
#
# in:    %ebx = folder, %esi = name
# out:   store_payload = the value with a NUL behind it; carry set when there is no such node
# clob:  %eax
# errs:  carry
{% call routine("store_read") %}
        call    store_path
        movl    $XS_READ, %eax
        jmp     store_call
{% endcall %}

{% set L = labels("store_read_number") %}
# store_read_number(folder, name): the value of a node as a number.
#
# in:    %ebx = folder, %esi = name
# out:   %eax = number; carry set when there is no such node, or no number in it
# clob:  none
# errs:  carry
{% call routine("store_read_number") %}
        pushl   %ecx
        pushl   %esi
        call    store_read
        jc      {{ L("done") }}
        call    store_number
{{ L("done") }}:
        popl    %esi
        popl    %ecx
        ret
{% endcall %}

# store_write(folder, name, value): writes a node.
#
# in:    %ebx = folder, %esi = name, %edx = value, NUL-terminated
# out:   carry set when it is refused
# clob:  %eax
# errs:  carry
{% call routine("store_write") %}
        call    store_path
        pushl   %esi
        movl    %edx, %esi
        call    text_string
        popl    %esi
        movl    $XS_WRITE, %eax
        jmp     store_call
{% endcall %}

# store_write_number(folder, name, number): writes a number into a node.
#
# in:    %ebx = folder, %esi = name, %eax = number
# out:   carry set when it is refused
# clob:  %eax
# errs:  carry
{% call routine("store_write_number") %}
        call    store_path
        call    text_number
        movl    $XS_WRITE, %eax
        jmp     store_call
{% endcall %}

# store_watch(folder, name): from now on each change of a node is an event; the first comes at once.
#
# in:    %ebx = folder, %esi = name
# out:   carry set when it is refused
# clob:  %eax
# errs:  carry
{% call routine("store_watch") %}
        call    store_path
        movb    $'w', %al                       # the token says nothing
        call    text_byte
        movb    $0, %al
        call    text_byte
        movl    $XS_WATCH, %eax
        jmp     store_call
{% endcall %}

{% set L = labels("store_await") %}
# store_await(): waits until something that is watched has changed since the last wait.
#
# in:    -
# out:   -
# clob:  %eax, %ecx, %edi
# errs:  none
{% call routine("store_await") %}
{{ L("look") }}:
        cmpl    $0, store_events
        jne     {{ L("done") }}
        call    store_receive
        cmpl    $XS_WATCH_EVENT, %eax
        jne     {{ L("look") }}                   # an answer that nobody waits for any more
{{ L("done") }}:
        movl    $0, store_events
        ret
{% endcall %}

{% set L = labels("store_look") %}
# store_look(): takes what the store has sent meanwhile, without waiting for anything.
#
# in:    -
# out:   store_events
# clob:  %eax, %ecx, %edi
# errs:  none
{% call routine("store_look") %}
{{ L("look") }}:
        movl    answer_ring + RING_producer, %eax
        movl    (%eax), %eax
        movl    answer_ring + RING_consumer, %ecx
        cmpl    (%ecx), %eax
        je      {{ L("done") }}
        call    store_receive
        cmpl    $XS_WATCH_EVENT, %eax
        jne     {{ L("look") }}
        incl    store_events
        jmp     {{ L("look") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("store_begin") %}
# store_begin(): a transaction that the requests from now on belong to.
#
# in:    -
# out:   store_transaction; carry set when it is refused
# clob:  %eax, %ecx, %esi
# errs:  carry
{% call routine("store_begin") %}
        call    text_begin
        movb    $0, %al
        call    text_byte
        movl    $XS_TRANSACTION_START, %eax
        call    store_call
        jc      {{ L("done") }}
        call    store_number
        jc      {{ L("done") }}
        movl    %eax, store_transaction
{{ L("done") }}:
        ret
{% endcall %}

# store_commit(): ends the transaction.
#
# in:    store_transaction
# out:   carry set when it has not come to pass, and must be done again
# clob:  %eax
# errs:  carry
{% call routine("store_commit") %}
        call    text_begin
        movb    $'T', %al
        call    text_byte
        movb    $0, %al
        call    text_byte
        movl    $XS_TRANSACTION_END, %eax
        call    store_call
        movl    $0, store_transaction           # leaves the carry
        ret
{% endcall %}
