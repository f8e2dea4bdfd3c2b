# A guest's output: the print_character of guests, line by line through the hypercall console_io.
#
# Invariants
#   - guest_line holds guest_line_length characters that are not written yet; it never overflows.
#   - A refusal is tolerated: Xen gives -EPERM to all domains but the first, unless it was built for debugging.

        .text

        .set    GUEST_LINE_size, 128

{% set L = labels("print_character") %}
# print_character(character): puts a character into the line, and writes the line when it is complete or full.
#
# in:    %al = character
# out:   -
# clob:  none
# errs:  none
{% call routine("print_character") %}
        pushl   %ecx
        movl    guest_line_length, %ecx
        movb    %al, guest_line(%ecx)
        incl    %ecx
        movl    %ecx, guest_line_length
        cmpb    $'\n', %al
        je      {{ L("write") }}
        cmpl    $GUEST_LINE_size, %ecx
        jb      {{ L("done") }}
{{ L("write") }}:
        call    guest_line_write
{{ L("done") }}:
        popl    %ecx
        ret
{% endcall %}

# guest_line_write(): writes what there is of the line.
#
# in:    -
# out:   -
# clob:  none
# errs:  ignored
# why:   a hypercall may destroy the registers that its arguments are in
{% call routine("guest_line_write") %}
        pushal
        movl    $CONSOLEIO_write, %ebx
        movl    guest_line_length, %ecx
        movl    $guest_line, %edx
        {{ hypercall("console_io") }}
        movl    $0, guest_line_length
        popal
        ret
{% endcall %}

{{ space("guest_line", "GUEST_LINE_size") }}
{{ space("guest_line_length", 4) }}
