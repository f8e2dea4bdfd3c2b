# The console: one stream of lines, each of which says who wrote it.
#
# Invariants
#   - A line begins with `(xengen) ` or `(dN) `. Only console_character writes, so the rule cannot be circumvented:
#     a domain's other control characters than tab and newline are dropped.
#   - When somebody else writes while a line is unfinished, the line ends there; its owner's next character begins a
#     line with `(dN+) `: whoever reads the stream can join the two again, to the character.
#   - console_owner is who wrote the last character: the DOMAIN, or 0 for the hypervisor. console_column counts the
#     characters of its unfinished line.

        .text

# print_character(character): the hypervisor's own output (called by print_format).
#
# in:    %al = character
# out:   -
# clob:  none
# errs:  none
{% call routine("print_character") %}
        pushl   %edx
        xorl    %edx, %edx
        call    console_character
        popl    %edx
        ret
{% endcall %}

{% set L = labels("console_character") %}
# console_character(owner, character): writes one character of somebody's line.
#
# in:    %al = character; %edx = DOMAIN, or 0 for the hypervisor
# out:   -
# clob:  none
# errs:  none
{% call routine("console_character") %}
        pushl   %eax
        cmpb    $'\n', %al
        je      {{ L("newline") }}
        cmpb    $'\t', %al
        je      {{ L("printable") }}
        cmpb    $0x7f, %al
        je      {{ L("dropped") }}
        cmpb    $' ', %al
        jb      {{ L("dropped") }}
{{ L("printable") }}:
        call    console_line_begin
        call    uart_write
        incl    console_column
{{ L("dropped") }}:
        popl    %eax
        ret
{{ L("newline") }}:
        call    console_line_begin
        movb    $'\r', %al
        call    uart_write
        movb    $'\n', %al
        call    uart_write
        movl    $0, console_column
        popl    %eax
        ret
{% endcall %}

{% set L = labels("console_line_begin") %}
# console_line_begin(owner): what must stand before the owner's next character: nothing, or a new line's prefix.
#
# in:    %edx = DOMAIN, or 0 for the hypervisor
# out:   -
# clob:  none
# errs:  none
{% call routine("console_line_begin") %}
        pushl   %eax
        cmpl    %edx, console_owner
        je      {{ L("same_owner") }}
        cmpl    $0, console_column
        je      {{ L("no_open_line") }}
        movl    console_owner, %eax
        testl   %eax, %eax
        jz      {{ L("break_line") }}
        movl    $1, DOMAIN_console_interrupted(%eax)
{{ L("break_line") }}:
        movb    $'\r', %al
        call    uart_write
        movb    $'\n', %al
        call    uart_write
        movl    $0, console_column
{{ L("no_open_line") }}:
        movl    %edx, console_owner
{{ L("same_owner") }}:
        cmpl    $0, console_column
        jne     {{ L("done") }}
        call    console_prefix
{{ L("done") }}:
        popl    %eax
        ret
{% endcall %}

{% set L = labels("console_prefix") %}
# console_prefix(owner): writes who the line belongs to.
#
# in:    %edx = DOMAIN, or 0 for the hypervisor
# out:   -
# clob:  none
# errs:  none
# why:   not by print_format, which would come back to here
{% call routine("console_prefix") %}
        pushal
        testl   %edx, %edx
        jnz     {{ L("domain") }}
        movl    $console_own_prefix, %esi
        call    uart_write_string
        jmp     {{ L("done") }}
{{ L("domain") }}:
        movl    %edx, %ebx
        movl    $console_domain_prefix, %esi
        call    uart_write_string
        movl    DOMAIN_id(%ebx), %eax
        movl    $10, %ecx
        movl    $console_digits + CONSOLE_DIGITS, %esi
{{ L("next_digit") }}:
        xorl    %edx, %edx
        divl    %ecx
        addb    $'0', %dl
        decl    %esi
        movb    %dl, (%esi)
        testl   %eax, %eax
        jnz     {{ L("next_digit") }}
        call    uart_write_string
        cmpl    $0, DOMAIN_console_interrupted(%ebx)
        je      {{ L("whole_line") }}
        movl    $0, DOMAIN_console_interrupted(%ebx)
        movb    $'+', %al
        call    uart_write
{{ L("whole_line") }}:
        movl    $console_prefix_end, %esi
        call    uart_write_string
{{ L("done") }}:
        popal
        ret
{% endcall %}

{{ text("console_own_prefix", "(xengen) ") }}
{{ text("console_domain_prefix", "(d") }}
{{ text("console_prefix_end", ") ") }}

{% set L = labels("uart_write_string") %}
# uart_write_string(text): sends a text as it is.
#
# in:    %esi = NUL-terminated text
# out:   -
# clob:  none
# errs:  none
{% call routine("uart_write_string") %}
        pushl   %eax
        pushl   %esi
{{ L("next_character") }}:
        lodsb
        testb   %al, %al
        jz      {{ L("done") }}
        call    uart_write
        jmp     {{ L("next_character") }}
{{ L("done") }}:
        popl    %esi
        popl    %eax
        ret
{% endcall %}

{{ space("console_digits", "CONSOLE_DIGITS + 1") }}

        .data
{% for name in ["console_owner", "console_column"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
