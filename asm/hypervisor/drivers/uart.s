# The 16550 serial port at COM1, by polling, and the debug port of emulators.
#
# Invariants
#   - When the transmitter is empty it takes UART_QUEUE characters, or one if it has no queue: uart_room says how many
#     of them are left. More are written only when it is empty again, so none is ever lost.
#   - Input is read only on demand: the 16-byte queue of the device, and the other end's flow control, hold the rest.
#   - A machine without the device swallows what is written, and nothing is ever typed.

        .section .init, "ax"

        .set    UART_LSR_NOBODY, 0xff           # what a port reads as that is not there; no device sets all bits
        .set    UART_QUEUE, 16

{% set L = labels("uart_init") %}
# uart_init(): 115200 baud, 8N1, queues on, no interrupts.
#
# in:    -
# out:   uart_depth
# clob:  none
# errs:  none
{% call routine("uart_init") %}
        pushl   %eax
        pushl   %edx
{% for register, value in [("UART_IER", "0"), ("UART_LCR", "UART_LCR_DLAB"), ("UART_DATA", "1"), ("UART_IER", "0"),
                           ("UART_LCR", "UART_LCR_8N1"), ("UART_FCR", "UART_FCR_ENABLE"),
                           ("UART_MCR", "UART_MCR_DTR_RTS")] %}
        movl    $COM1 + {{ register }}, %edx
        movb    ${{ value }}, %al
        outb    %al, %dx
{% endfor %}
        movl    $COM1 + UART_FCR, %edx
        inb     %dx, %al
        cmpb    $UART_IIR_QUEUES, %al
        jb      {{ L("no_queue") }}
        movl    $UART_QUEUE, uart_depth
{{ L("no_queue") }}:
        popl    %edx
        popl    %eax
        ret
{% endcall %}

        .text

{% set L = labels("uart_ready") %}
# uart_ready(): whether CONSOLE_LONGEST characters can be written without waiting.
#
# in:    -
# out:   carry: not now
# clob:  none
# errs:  carry
# why:   without a queue every character may have to wait: then one is as good as many
{% call routine("uart_ready") %}
        testl   $CONSOLE_COM1, console_targets
        jz      {{ L("ready") }}
        cmpl    $CONSOLE_LONGEST, uart_room
        jae     {{ L("ready") }}
        pushl   %eax
        pushl   %edx
        movl    $COM1 + UART_LSR, %edx
        inb     %dx, %al
        testb   $UART_LSR_THRE, %al
        jz      {{ L("busy") }}
        movl    uart_depth, %eax
        movl    %eax, uart_room
        popl    %edx
        popl    %eax
{{ L("ready") }}:
        clc
        ret
{{ L("busy") }}:
        popl    %edx
        popl    %eax
        stc
        ret
{% endcall %}

{% set L = labels("uart_write") %}
# uart_write(character): sends one character to where the console's output goes.
#
# in:    %al = character
# out:   -
# clob:  none
# errs:  none; waits as long as the device is busy
{% call routine("uart_write") %}
        pushl   %eax
        pushl   %edx
        testl   $CONSOLE_DEBUG_PORT, console_targets
        jz      {{ L("no_debug_port") }}
        outb    %al, $DEBUG_PORT
{{ L("no_debug_port") }}:
        testl   $CONSOLE_COM1, console_targets
        jz      {{ L("done") }}
        cmpl    $0, uart_room
        jne     {{ L("has_room") }}
        movb    %al, %ah
        movl    $COM1 + UART_LSR, %edx
{{ L("busy") }}:
        inb     %dx, %al
        testb   $UART_LSR_THRE, %al
        jz      {{ L("busy") }}
        movl    uart_depth, %edx
        movl    %edx, uart_room
        movb    %ah, %al
{{ L("has_room") }}:
        decl    uart_room
        movl    $COM1 + UART_DATA, %edx
        outb    %al, %dx
{{ L("done") }}:
        popl    %edx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("uart_has_input") %}
# uart_has_input(): whether a character waits.
#
# in:    -
# out:   %eax = 1 or 0
# clob:  %edx
# errs:  none
{% call routine("uart_has_input") %}
        movl    $COM1 + UART_LSR, %edx
        xorl    %eax, %eax
        inb     %dx, %al
        cmpb    $UART_LSR_NOBODY, %al
        je      {{ L("nobody") }}
        andl    $UART_LSR_DR, %eax
        ret
{{ L("nobody") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("uart_read") %}
# uart_read(): takes one character from the input, if there is one.
#
# in:    -
# out:   %eax = character, or -1
# clob:  none
# errs:  none
{% call routine("uart_read") %}
        pushl   %edx
        call    uart_has_input
        testl   %eax, %eax
        jz      {{ L("nothing") }}
        movl    $COM1 + UART_DATA, %edx
        inb     %dx, %al
        movzbl  %al, %eax
        popl    %edx
        ret
{{ L("nothing") }}:
        decl    %eax
        popl    %edx
        ret
{% endcall %}

        .data
{% for name, first in [("uart_depth", 1), ("uart_room", 0)] %}
{% call object(name) %}
        .long   {{ first }}
{% endcall %}
{% endfor %}
