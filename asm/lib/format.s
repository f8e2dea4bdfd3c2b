# Printing by format: what the macros print and log expand to calls of.
#
# Each image brings its own print_character (%al = character; preserves all registers). A format is text with
# conversions in it, each of which takes one word from the stack but for the last:
#
#       %u  unsigned decimal    %d  signed decimal      %x  hexadecimal         %p  0x and eight hexadecimal digits
#       %s  NUL-terminated text at this address         %c  character           %%  a percent sign
#
# Between % and u, d, x or s may stand a width in decimal digits: what is shorter is padded with blanks at its left, or
# with zeros when the width begins with 0 (%u and %x only).
#
# Invariants
#   - All state is on the stack, so that a report can be printed while a line was being printed.
#   - A conversion that is not known is printed as it stands, and takes nothing from the stack.

        .text

        .set    PRINT_FRAME_format, 36          # behind pushal and the return address
        .set    PRINT_FRAME_operands, 40
        .set    DIGITS_size, 12                 # ten digits and a sign, in words

{% set L = labels("print_format") %}
# print_format(format, operands...): prints a format; its operands are not taken off the stack.
#
# in:    stack: return address, format, operands in order
# out:   -
# clob:  none
# errs:  none
{% call routine("print_format") %}
        pushal
        movl    PRINT_FRAME_format(%esp), %esi
        leal    PRINT_FRAME_operands(%esp), %edi
{{ L("next_character") }}:
        lodsb
        testb   %al, %al
        jz      {{ L("done") }}
        cmpb    $'%', %al
        je      {{ L("conversion") }}
{{ L("character") }}:
        call    print_character
        jmp     {{ L("next_character") }}
{{ L("conversion") }}:
        movl    %esi, %ebp                      # what to print when it is no conversion
        call    format_width                    # %ecx = width, %dl = padding
        lodsb
{% for letter in "sudxpc" %}
        cmpb    $'{{ letter }}', %al
        je      {{ L("conversion_" ~ letter) }}
{% endfor %}
        cmpb    $'%', %al
        je      {{ L("character") }}
        movl    %ebp, %esi
        movb    $'%', %al
        jmp     {{ L("character") }}
{{ L("conversion_s") }}:
        pushl   %esi
        movl    (%edi), %esi
        call    string_length
        subl    %eax, %ecx
        movb    $' ', %al
        call    print_padding
        call    print_string
        popl    %esi
        jmp     {{ L("next_operand") }}
{{ L("conversion_c") }}:
        movb    (%edi), %al
        call    print_character
        jmp     {{ L("next_operand") }}
{{ L("conversion_p") }}:
        movb    $'0', %al
        call    print_character
        movb    $'x', %al
        call    print_character
        movl    $8, %ecx
        movb    $'0', %dl
{{ L("conversion_x") }}:
        movl    $16, %ebx
        jmp     {{ L("unsigned") }}
{{ L("conversion_u") }}:
        movl    $10, %ebx
{{ L("unsigned") }}:
        movl    (%edi), %eax
        movb    $0, %dh
        call    print_number
        jmp     {{ L("next_operand") }}
{{ L("conversion_d") }}:
        movl    $10, %ebx
        movl    (%edi), %eax
        movl    $' ', %edx                      # no sign; padding by blanks only
        testl   %eax, %eax
        jns     {{ L("sign_ok") }}
        negl    %eax
        movb    $'-', %dh
{{ L("sign_ok") }}:
        call    print_number
{{ L("next_operand") }}:
        addl    $4, %edi
        jmp     {{ L("next_character") }}
{{ L("done") }}:
        popal
        ret
{% endcall %}

{% set L = labels("format_width") %}
# format_width(format): reads the width of a conversion.
#
# in:    %esi = format, behind the percent sign
# out:   %ecx = width, 0 when there is none; %dl = what to pad with; %esi = behind the width
# clob:  %eax
# errs:  none
{% call routine("format_width") %}
        xorl    %ecx, %ecx
        movb    $' ', %dl
        cmpb    $'0', (%esi)
        jne     {{ L("next_digit") }}
        movb    $'0', %dl
{{ L("next_digit") }}:
        movzbl  (%esi), %eax
        subl    $'0', %eax
        cmpl    $9, %eax
        ja      {{ L("done") }}
        imull   $10, %ecx, %ecx
        addl    %eax, %ecx
        incl    %esi
        jmp     {{ L("next_digit") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("print_number") %}
# print_number(value, base, width, padding, sign): prints a number.
#
# in:    %eax = value, %ebx = base (10 or 16), %ecx = least width (may be 0), %dl = padding, %dh = sign or 0
# out:   -
# clob:  none
# errs:  none
{% call routine("print_number") %}
        pushal
        movl    %edx, %ebp
        subl    $DIGITS_size, %esp
        leal    DIGITS_size(%esp), %edi         # digits are made from the last one on, down to here
{{ L("next_digit") }}:
        xorl    %edx, %edx
        divl    %ebx
        movb    digits(%edx), %dl
        decl    %edi
        movb    %dl, (%edi)
        decl    %ecx
        testl   %eax, %eax
        jnz     {{ L("next_digit") }}
        movl    %ebp, %edx
        testb   %dh, %dh
        jz      {{ L("pad") }}
        decl    %edi
        movb    %dh, (%edi)
        decl    %ecx
{{ L("pad") }}:
        movb    %dl, %al
        call    print_padding
        leal    DIGITS_size(%esp), %edx
{{ L("next_character") }}:
        movb    (%edi), %al
        call    print_character
        incl    %edi
        cmpl    %edx, %edi
        jb      {{ L("next_character") }}
        addl    $DIGITS_size, %esp
        popal
        ret
{% endcall %}

{% set L = labels("print_padding") %}
# print_padding(count, character): prints a character so many times.
#
# in:    %ecx = count, nothing is printed when it is 0 or negative; %al = character
# out:   -
# clob:  none
# errs:  none
{% call routine("print_padding") %}
        pushl   %ecx
{{ L("next_character") }}:
        decl    %ecx
        js      {{ L("done") }}
        call    print_character
        jmp     {{ L("next_character") }}
{{ L("done") }}:
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("print_string") %}
# print_string(string): prints a text as it is.
#
# in:    %esi = NUL-terminated text
# out:   -
# clob:  none
# errs:  none
{% call routine("print_string") %}
        pushl   %eax
        pushl   %esi
{{ L("next_character") }}:
        lodsb
        testb   %al, %al
        jz      {{ L("done") }}
        call    print_character
        jmp     {{ L("next_character") }}
{{ L("done") }}:
        popl    %esi
        popl    %eax
        ret
{% endcall %}

{{ text("digits", "0123456789abcdef") }}
