# The serial line of the control agent: bytes to frames and back (xengen/abi/wire.py says what they are).
#
# Invariants
#   - Only an agent whose command line begins with "wire=com2" touches the ports; domain 0 alone is allowed to.
#   - wire_in has the body of the frame that is coming, wire_in_length its bytes so far; one that is too long for it is
#     counted on, and dropped when it ends.
#   - Whatever comes, nothing is written beyond wire_in, and the next WIRE_FLAG begins anew.

        .text

{% set L = labels("wire_begin") %}
# wire_begin(): sets up the line, if the command line asks for it.
#
# in:    %ebp = start_info
# out:   agent_wire = 1: there is one
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  the domain ends: it may not touch the ports
{% call routine("wire_begin") %}
        leal    START_INFO_cmd_line(%ebp), %esi
        movl    $wire_word, %edi
        call    string_starts
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    $PHYSDEVOP_set_iopl, %ebx
        movl    $wire_iopl, %ecx
        {{ hypercall("physdev_op") }}
        call    must_work
{% for register, value in [("UART_IER", "0"), ("UART_LCR", "UART_LCR_DLAB"), ("UART_DATA", "1"), ("UART_IER", "0"),
                           ("UART_LCR", "UART_LCR_8N1"), ("UART_FCR", "UART_FCR_ENABLE"),
                           ("UART_MCR", "UART_MCR_DTR_RTS")] %}
        movl    $COM2 + {{ register }}, %edx
        movb    ${{ value }}, %al
        outb    %al, %dx
{% endfor %}
        call    crc_begin
        movl    $1, agent_mailbox + AGENT_MAILBOX_spins
        movl    $1, agent_wire
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("wire_look") %}
# wire_look(): takes the bytes that have come, and does what complete frames ask for.
#
# in:    -
# out:   %eax = 1: there were some, or a frame is incomplete; 0: there is nothing to wait for
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  none
# why:   an emulator fills the port's queue of 16 bytes only while we sleep, or do not look
{% call routine("wire_look") %}
        pushl   wire_in_length
{{ L("next_byte") }}:
        movl    $COM2 + UART_LSR, %edx
        inb     %dx, %al
        testb   $UART_LSR_DR, %al
        jz      {{ L("no_more") }}
        movl    $COM2 + UART_DATA, %edx
        inb     %dx, %al
        call    wire_byte
        orl     $1, (%esp)
        jmp     {{ L("next_byte") }}
{{ L("no_more") }}:
        popl    %eax
        testl   %eax, %eax
        setne   %al
        movzbl  %al, %eax
        ret
{% endcall %}

{% set L = labels("wire_byte") %}
# wire_byte(byte): one byte from the line.
#
# in:    %al = byte
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what is no sound frame is dropped
{% call routine("wire_byte") %}
        movl    wire_in_length, %ecx
        cmpb    $WIRE_FLAG, %al
        je      {{ L("end") }}
        cmpb    $WIRE_ESCAPE, %al
        je      {{ L("escape") }}
        xorb    wire_turn, %al
        movb    $0, wire_turn
        cmpl    $WIRE_BODY_BYTES, %ecx
        jae     {{ L("too_long") }}
        movb    %al, wire_in(%ecx)
{{ L("too_long") }}:
        incl    wire_in_length
        ret
{{ L("escape") }}:
        movb    $WIRE_TURN, wire_turn
        ret
{{ L("end") }}:
        movl    $0, wire_in_length
        movb    $0, wire_turn
        subl    $4, %ecx                        # without the CRC
        cmpl    $WIRE_HEAD_size, %ecx
        jl      {{ L("dropped") }}
        cmpl    $WIRE_BODY_BYTES - 4, %ecx
        jg      {{ L("dropped") }}
        movl    $wire_in, %esi
        call    crc_of
        cmpl    %eax, wire_in(%ecx)
        je      wire_request
{{ L("dropped") }}:
        ret
{% endcall %}

{% set L = labels("wire_send") %}
# wire_send(): sends the frame whose body, without the CRC, is in wire_out.
#
# in:    wire_out, wire_out_length
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("wire_send") %}
        movl    $wire_out, %esi
        movl    wire_out_length, %ecx
        call    crc_of
        movl    %eax, wire_out(%ecx)
        addl    $4, %ecx
        movb    $WIRE_FLAG, %al
        call    wire_put
{{ L("next_byte") }}:
        movb    (%esi), %al
        cmpb    $WIRE_FLAG, %al
        je      {{ L("escape") }}
        cmpb    $WIRE_ESCAPE, %al
        jne     {{ L("plain") }}
{{ L("escape") }}:
        movb    $WIRE_ESCAPE, %al
        call    wire_put
        movb    (%esi), %al
        xorb    $WIRE_TURN, %al
{{ L("plain") }}:
        call    wire_put
        incl    %esi
        decl    %ecx
        jnz     {{ L("next_byte") }}
        movb    $WIRE_FLAG, %al
        call    wire_put
        ret
{% endcall %}

{% set L = labels("wire_put") %}
# wire_put(byte): sends a byte when the line can take it.
#
# in:    %al = byte
# out:   -
# clob:  %edx
# errs:  none
{% call routine("wire_put") %}
        pushl   %eax
        movl    $COM2 + UART_LSR, %edx
{{ L("busy") }}:
        inb     %dx, %al
        testb   $UART_LSR_THRE, %al
        jz      {{ L("busy") }}
        popl    %eax
        movl    $COM2 + UART_DATA, %edx
        outb    %al, %dx
        ret
{% endcall %}

{% set L = labels("crc_begin") %}
# crc_begin(): the table of the CRC of each byte.
#
# in:    -
# out:   crc_table
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("crc_begin") %}
        xorl    %ecx, %ecx
{{ L("next_entry") }}:
        movl    %ecx, %eax
        movl    $8, %edx
{{ L("next_bit") }}:
        shrl    $1, %eax
        jnc     {{ L("was_0") }}
        xorl    $WIRE_CRC_POLYNOMIAL, %eax
{{ L("was_0") }}:
        decl    %edx
        jnz     {{ L("next_bit") }}
        movl    %eax, crc_table(,%ecx,4)
        incl    %ecx
        cmpl    $256, %ecx
        jb      {{ L("next_entry") }}
        ret
{% endcall %}

{% set L = labels("crc_of") %}
# crc_of(data, bytes): the CRC-32 of bytes.
#
# in:    %esi = data, %ecx = bytes, at least 1
# out:   %eax = CRC
# clob:  %edx
# errs:  none
{% call routine("crc_of") %}
        pushl   %ecx
        pushl   %esi
        movl    $-1, %eax
{{ L("next_byte") }}:
        movzbl  (%esi), %edx
        xorb    %al, %dl
        shrl    $8, %eax
        xorl    crc_table(,%edx,4), %eax
        incl    %esi
        decl    %ecx
        jnz     {{ L("next_byte") }}
        notl    %eax
        popl    %esi
        popl    %ecx
        ret
{% endcall %}

        .section .rodata
{{ text("wire_word", "wire=com2") }}
{% call object("wire_iopl") %}
        .long   1                               # PHYSDEV_SET_IOPL: ring 1 may
{% endcall %}

{{ space("agent_wire", 4) }}
{{ space("wire_turn", 4) }}
{{ space("wire_in_length", 4) }}
{{ space("wire_in", "WIRE_BODY_BYTES + 4") }}
{{ space("wire_out_length", 4) }}
{{ space("wire_out", "WIRE_BODY_BYTES + 4") }}
{{ space("crc_table", 1024) }}
