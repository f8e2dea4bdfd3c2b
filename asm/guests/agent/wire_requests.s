# What is asked for over the serial line: looks into the agent's memory, changes of it, and the commands in its mailbox.
#
# Invariants
#   - A request with the sequence number of the last one is answered as that was, and not done again.
#   - Addresses are from agent_mailbox to agent_memory_end, which is always mapped: no request makes a fault here.
#     Other memory is reached by commands, whose faults are recorded.
#   - While the commands of a WIRE_RUN are under way agent_wire_run is 1, and nothing is read from the line.

        .text

{% set L = labels("wire_request") %}
# wire_request(body): does what a sound frame asks for, and answers.
#
# in:    wire_in, %ecx = its bytes without the CRC
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what cannot be is answered with WIRE_REFUSED
{% call routine("wire_request") %}
        subl    $WIRE_HEAD_size, %ecx           # the payload's bytes
        movzbl  wire_in + WIRE_HEAD_kind, %eax
        movzwl  wire_in + WIRE_HEAD_sequence, %edx
        cmpb    $WIRE_HELLO, %al
        je      wire_hello
        cmpl    wire_sequence, %edx
        je      {{ L("again") }}
        movl    %edx, wire_sequence
        cmpb    $WIRE_READ, %al
        je      wire_read
        cmpb    $WIRE_WRITE, %al
        je      wire_write
        cmpb    $WIRE_RUN, %al
        je      wire_run
        jmp     wire_refuse
{{ L("again") }}:
        cmpl    $0, wire_out_length
        jne     wire_send
        ret
{% endcall %}

{% set L = labels("wire_hello") %}
# wire_hello(payload): begins a conversation.
#
# in:    wire_in; %ecx = bytes of its payload, %edx = sequence number
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  a payload that is no number is refused
{% call routine("wire_hello") %}
        movl    %edx, wire_sequence
        cmpl    $4, %ecx
        jne     wire_refuse
        movl    wire_in + WIRE_HEAD_size, %eax
        movl    %eax, wire_out + WIRE_HEAD_size + WIRE_WELCOME_number
        movl    agent_mailbox + AGENT_MAILBOX_start_info, %eax
        movl    %eax, wire_out + WIRE_HEAD_size + WIRE_WELCOME_start_info
        movl    $WIRE_WELCOME_size, %ecx
        jmp     wire_answer
{% endcall %}

# wire_read(payload): memory of the agent's.
#
# in:    wire_in; %ecx = bytes of its payload
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  refused: not the agent's, or too much
{% call routine("wire_read") %}
        cmpl    $WIRE_RANGE_size, %ecx
        jne     wire_refuse
        call    wire_range
        jc      wire_refuse
        movl    $wire_out + WIRE_HEAD_size, %edi
        call    memory_copy
        jmp     wire_answer
{% endcall %}

# wire_write(payload): changes memory of the agent's.
#
# in:    wire_in; %ecx = bytes of its payload
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  refused: not the agent's, or not as many bytes as it says
{% call routine("wire_write") %}
        subl    $WIRE_RANGE_size, %ecx
        jb      wire_refuse
        cmpl    wire_in + WIRE_HEAD_size + WIRE_RANGE_bytes, %ecx
        jne     wire_refuse
        call    wire_range
        jc      wire_refuse
        movl    %esi, %edi
        movl    $wire_in + WIRE_HEAD_size + WIRE_RANGE_size, %esi
        call    memory_copy
        xorl    %ecx, %ecx
        jmp     wire_answer
{% endcall %}

{% set L = labels("wire_range") %}
# wire_range(payload): the range that a request names.
#
# in:    wire_in
# out:   no carry: %esi = address, %ecx = bytes
# clob:  %eax, %ecx, %esi
# errs:  carry: it is not within the agent's memory, or too large
{% call routine("wire_range") %}
        movl    wire_in + WIRE_HEAD_size + WIRE_RANGE_address, %esi
        movl    wire_in + WIRE_HEAD_size + WIRE_RANGE_bytes, %ecx
        cmpl    $WIRE_DATA_BYTES, %ecx
        ja      {{ L("bad") }}
        cmpl    $agent_mailbox, %esi
        jb      {{ L("bad") }}
        movl    $agent_memory_end, %eax
        subl    %ecx, %eax
        cmpl    %esi, %eax
        jb      {{ L("bad") }}
        clc
        ret
{{ L("bad") }}:
        stc
        ret
{% endcall %}

{% set L = labels("wire_run") %}
# wire_run: carries the mailbox's commands out; the answer comes when they are through (wire_ran).
#
# in:    wire_in; %ecx = bytes of its payload
# out:   does not return but to refuse
# clob:  %eax, %ecx, %edx, %esi
# errs:  refused: more commands than there is room for
{% call routine("wire_run") %}
        cmpl    $4, %ecx
        jne     wire_refuse
        movl    wire_in + WIRE_HEAD_size, %eax
        cmpl    $AGENT_COMMANDS, %eax
        ja      wire_refuse
        movl    %eax, agent_mailbox + AGENT_MAILBOX_count
        incl    agent_mailbox + AGENT_MAILBOX_request
        movl    $0, wire_out_length             # until there is an answer, the same request gets none
        movl    $1, agent_wire_run
        jmp     request_run
{% endcall %}

# wire_ran(): answers a WIRE_RUN: with the number of traps.
#
# in:    wire_in, as it was
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("wire_ran") %}
        movl    $0, agent_wire_run
        movl    agent_mailbox + AGENT_MAILBOX_traps, %eax
        movl    %eax, wire_out + WIRE_HEAD_size
        movl    $4, %ecx
        jmp     wire_answer
{% endcall %}

# wire_refuse(): says no to the request in wire_in.
#
# in:    wire_in
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("wire_refuse") %}
        movb    $WIRE_REFUSED, wire_in + WIRE_HEAD_kind
        xorl    %ecx, %ecx
        jmp     wire_answer
{% endcall %}

# wire_answer(bytes): answers the request in wire_in with the payload in wire_out.
#
# in:    %ecx = bytes of the payload
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("wire_answer") %}
        movl    wire_in, %eax
        orl     $(WIRE_ANSWER << 16), %eax      # in WIRE_HEAD_kind
        movl    %eax, wire_out
        addl    $WIRE_HEAD_size, %ecx
        movl    %ecx, wire_out_length
        jmp     wire_send
{% endcall %}

{{ space("agent_wire_run", 4) }}
        .data
{% call object("wire_sequence") %}
        .long   -1                              # none so far
{% endcall %}
