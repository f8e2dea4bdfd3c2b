# The 16550 serial port at COM1, by polling, and the debug port of emulators.
#
# Invariants
#   - A character is written only when the transmitter is empty, so none is ever lost.
#   - Input is read only on demand: the 16-byte queue of the device, and the other end's flow control, hold the rest.
#   - A machine without the device swallows what is written, and nothing is ever typed.

        .section .init, "ax"

        .set    UART_LSR_NOBODY, 0xff           # what a port reads as that is not there; no device sets all bits

# uart_init(): 115200 baud, 8N1, queues on, no interrupts.
#
# in:    -
# out:   -
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
        popl    %edx
        popl    %eax
        ret
{% endcall %}

        .text

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
        movb    %al, %ah
        movl    $COM1 + UART_LSR, %edx
{{ L("busy") }}:
        inb     %dx, %al
        testb   $UART_LSR_THRE, %al
        jz      {{ L("busy") }}
        movl    $COM1 + UART_DATA, %edx
        movb    %ah, %al
        outb    %al, %dx
{{ L("done") }}:
        popl    %edx
        popl    %eax
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
        movl    $COM1 + UART_LSR, %edx
        inb     %dx, %al
        cmpb    $UART_LSR_NOBODY, %al
        je      {{ L("nothing") }}
        testb   $UART_LSR_DR, %al
        jz      {{ L("nothing") }}
        movl    $COM1 + UART_DATA, %edx
        inb     %dx, %al
        movzbl  %al, %eax
        popl    %edx
        ret
{{ L("nothing") }}:
        movl    $-1, %eax
        popl    %edx
        ret
{% endcall %}
