# A guest's conversation with the store (ABI 11.3): one request at a time, its answer, and events that come between.
#
# Invariants
#   - store_message is the head of the last message that came, store_payload its payload with a NUL behind it.
#   - Requests have number 0 and belong to the transaction store_transaction, 0 for none.
#   - Whatever the store sends, no more than STORE_PAYLOAD_size bytes are kept.

        .text

        .set    STORE_PAYLOAD_size, XENSTORE_PAYLOAD_MAX

{{ space("store_message", "XSD_SOCKMSG_size") }}
{{ space("store_payload", "STORE_PAYLOAD_size + 4") }}
{{ space("store_transaction", 4) }}

{% set L = labels("store_request") %}
# store_request(kind, payload): sends a request.
#
# in:    %eax = XS_*, %ebx = payload, %ecx = its bytes
# out:   -
# clob:  none
# errs:  none: the answer says it
{% call routine("store_request") %}
        pushal
        movl    $request_ring, %esi
        call    store_word
        xorl    %eax, %eax
        call    store_word                      # request number
        movl    store_transaction, %eax
        call    store_word
        movl    %ecx, %eax
        call    store_word                      # length
        jecxz   {{ L("sent") }}
{{ L("next_byte") }}:
        movb    (%ebx), %al
        call    ring_put
        incl    %ebx
        decl    %ecx
        jnz     {{ L("next_byte") }}
{{ L("sent") }}:
        call    ring_notify
        popal
        ret
{% endcall %}

{% set L = labels("store_word") %}
# store_word(ring, word): puts a word into a ring, lowest byte first.
#
# in:    %esi = RING, %eax = word
# out:   -
# clob:  none
# errs:  none
{% call routine("store_word") %}
        pushl   %eax
        pushl   %ecx
        movl    $4, %ecx
{{ L("next_byte") }}:
        call    ring_put
        shrl    $8, %eax
        decl    %ecx
        jnz     {{ L("next_byte") }}
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("store_receive") %}
# store_receive(): waits for the next message.
#
# in:    -
# out:   store_message, store_payload; %eax = its XS_*
# clob:  %ecx, %edi
# errs:  none; what is beyond STORE_PAYLOAD_size is dropped
{% call routine("store_receive") %}
        pushl   %esi
        movl    $answer_ring, %esi
        movl    $store_message, %edi
        movl    $XSD_SOCKMSG_size, %ecx
{{ L("next_of_head") }}:
        call    ring_take
        stosb
        decl    %ecx
        jnz     {{ L("next_of_head") }}
        movl    $store_payload, %edi
        movl    store_message + XSD_SOCKMSG_len, %ecx
{{ L("next_byte") }}:
        testl   %ecx, %ecx
        jz      {{ L("done") }}
        call    ring_take
        decl    %ecx
        cmpl    $store_payload + STORE_PAYLOAD_size, %edi
        jae     {{ L("next_byte") }}
        stosb
        jmp     {{ L("next_byte") }}
{{ L("done") }}:
        movb    $0, (%edi)
        call    ring_notify                     # there is room in the ring
        movl    store_message + XSD_SOCKMSG_type, %eax
        popl    %esi
        ret
{% endcall %}

{% set L = labels("store_number") %}
# store_number(): the payload as a decimal number.
#
# in:    store_payload
# out:   %eax = number; carry set when there is no digit at its beginning
# clob:  %ecx, %esi
# errs:  carry
{% call routine("store_number") %}
        movl    $store_payload, %esi
        xorl    %eax, %eax
        movzbl  (%esi), %ecx
        subl    $'0', %ecx
        cmpl    $10, %ecx
        jae     {{ L("none") }}
{{ L("next_digit") }}:
        imull   $10, %eax, %eax
        addl    %ecx, %eax
        incl    %esi
        movzbl  (%esi), %ecx
        subl    $'0', %ecx
        cmpl    $10, %ecx
        jb      {{ L("next_digit") }}
        clc
        ret
{{ L("none") }}:
        stc
        ret
{% endcall %}
