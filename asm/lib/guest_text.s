# Putting texts together: paths and values for the store, in one buffer.
#
# Invariants
#   - text_buffer holds text_length bytes, at most TEXT_BUFFER_size; what does not fit is dropped.

        .text

        .set    TEXT_BUFFER_size, 512

{{ space("text_buffer", "TEXT_BUFFER_size") }}
{{ space("text_length", 4) }}

# text_begin(): an empty text.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("text_begin") %}
        movl    $0, text_length
        ret
{% endcall %}

{% set L = labels("text_byte") %}
# text_byte(byte): adds a byte.
#
# in:    %al = byte
# out:   -
# clob:  none
# errs:  what does not fit is dropped
{% call routine("text_byte") %}
        pushl   %ecx
        movl    text_length, %ecx
        cmpl    $TEXT_BUFFER_size, %ecx
        jae     {{ L("full") }}
        movb    %al, text_buffer(%ecx)
        incl    text_length
{{ L("full") }}:
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("text_string") %}
# text_string(string): adds a text, without its NUL.
#
# in:    %esi = NUL-terminated text
# out:   -
# clob:  none
# errs:  what does not fit is dropped
{% call routine("text_string") %}
        pushl   %eax
        pushl   %esi
{{ L("next_byte") }}:
        lodsb
        testb   %al, %al
        jz      {{ L("done") }}
        call    text_byte
        jmp     {{ L("next_byte") }}
{{ L("done") }}:
        popl    %esi
        popl    %eax
        ret
{% endcall %}

{% set L = labels("text_number") %}
# text_number(number): adds a number in decimal.
#
# in:    %eax = number
# out:   -
# clob:  none
# errs:  what does not fit is dropped
{% call routine("text_number") %}
        pushal
        movl    $10, %ebx
        subl    $DIGITS_size, %esp
        leal    DIGITS_size(%esp), %edi         # digits are made from the last one on
        leal    DIGITS_size(%esp), %esi
{{ L("next_digit") }}:
        xorl    %edx, %edx
        divl    %ebx
        addb    $'0', %dl
        decl    %edi
        movb    %dl, (%edi)
        testl   %eax, %eax
        jnz     {{ L("next_digit") }}
{{ L("next_byte") }}:
        movb    (%edi), %al
        call    text_byte
        incl    %edi
        cmpl    %esi, %edi
        jb      {{ L("next_byte") }}
        addl    $DIGITS_size, %esp
        popal
        ret
{% endcall %}

{% set L = labels("option_find") %}
# option_find(line, name): the value of an option like ip=10.0.2.15 on a command line of words.
#
# in:    %esi = line, %edi = name with its equals sign
# out:   %esi = the value; carry set when there is no such word
# clob:  %eax
# errs:  carry
{% call routine("option_find") %}
        pushl   %ecx
{{ L("next_word") }}:
        call    string_starts
        testl   %eax, %eax
        jnz     {{ L("found") }}
{{ L("skip") }}:
        movb    (%esi), %al
        testb   %al, %al
        jz      {{ L("none") }}
        incl    %esi
        cmpb    $' ', %al
        jne     {{ L("skip") }}
        jmp     {{ L("next_word") }}
{{ L("found") }}:
        xchgl   %esi, %edi
        call    string_length
        xchgl   %esi, %edi
        addl    %eax, %esi
        popl    %ecx
        clc
        ret
{{ L("none") }}:
        popl    %ecx
        stc
        ret
{% endcall %}

{% set L = labels("option_number") %}
# option_number(line, name, default): the number that an option gives.
#
# in:    %esi = line, %edi = name with its equals sign, %eax = default
# out:   %eax = number
# clob:  %edx, %esi
# errs:  no such option, or no number: the default
{% call routine("option_number") %}
        pushl   %eax
        call    option_find
        jc      {{ L("default") }}
        call    string_to_number
        testl   %edx, %edx
        jz      {{ L("default") }}
        addl    $4, %esp
        ret
{{ L("default") }}:
        popl    %eax
        ret
{% endcall %}
