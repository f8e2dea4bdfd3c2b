# Memory and NUL-terminated strings, for the hypervisor and for guests.
#
# Invariants
#   - Everything is reached through %ds and %es, which are flat, and the direction flag is clear.
#   - Nothing here prints, fails, or keeps state. A length of 0 is allowed everywhere.

        .text

# memory_zero(to, bytes): fills memory with zero.
#
# in:    %edi = to, %ecx = bytes
# out:   -
# clob:  none
# errs:  none
{% call routine("memory_zero") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edi
        xorl    %eax, %eax
        shrl    $2, %ecx
        rep stosl
        movl    4(%esp), %ecx                   # the bytes again
        andl    $3, %ecx
        rep stosb
        popl    %edi
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

# memory_copy(to, from, bytes): copies memory; to may overlap from only when it lies below it.
#
# in:    %edi = to, %esi = from, %ecx = bytes
# out:   -
# clob:  none
# errs:  none
{% call routine("memory_copy") %}
        pushl   %ecx
        pushl   %esi
        pushl   %edi
        shrl    $2, %ecx
        rep movsl
        movl    8(%esp), %ecx                   # the bytes again
        andl    $3, %ecx
        rep movsb
        popl    %edi
        popl    %esi
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("string_length") %}
# string_length(string): how many characters stand before the NUL.
#
# in:    %esi = string
# out:   %eax = length
# clob:  none
# errs:  none
{% call routine("string_length") %}
        xorl    %eax, %eax
{{ L("next_character") }}:
        cmpb    $0, (%esi,%eax)
        je      {{ L("end") }}
        incl    %eax
        jmp     {{ L("next_character") }}
{{ L("end") }}:
        ret
{% endcall %}

{% set L = labels("string_equal") %}
# string_equal(string, other): whether two strings are the same.
#
# in:    %esi = string, %edi = other
# out:   %eax = 1 when they are equal, else 0
# clob:  none
# errs:  none
{% call routine("string_equal") %}
        pushl   %ecx
        xorl    %ecx, %ecx
{{ L("next_character") }}:
        movb    (%esi,%ecx), %al
        cmpb    (%edi,%ecx), %al
        jne     {{ L("different") }}
        incl    %ecx
        testb   %al, %al
        jnz     {{ L("next_character") }}
        movl    $1, %eax
        popl    %ecx
        ret
{{ L("different") }}:
        xorl    %eax, %eax
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("string_starts") %}
# string_starts(string, prefix): whether a string begins with another.
#
# in:    %esi = string, %edi = prefix
# out:   %eax = 1 when it does (an empty prefix always), else 0
# clob:  none
# errs:  none
{% call routine("string_starts") %}
        pushl   %ecx
        xorl    %ecx, %ecx
{{ L("next_character") }}:
        movb    (%edi,%ecx), %al
        testb   %al, %al
        jz      {{ L("whole_prefix") }}
        cmpb    (%esi,%ecx), %al
        jne     {{ L("different") }}
        incl    %ecx
        jmp     {{ L("next_character") }}
{{ L("whole_prefix") }}:
        movl    $1, %eax
        popl    %ecx
        ret
{{ L("different") }}:
        xorl    %eax, %eax
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("string_to_number") %}
# string_to_number(string): reads 1234 or 0x12ab, and K, M or G behind it (either case) as 1024, 1024^2, 1024^3.
#
# in:    %esi = string
# out:   %eax = number; %edx = 1 when there was one, 0 when not or when it exceeds 32 bits; %esi = what is behind it
# clob:  none
# errs:  none; when %edx = 0 the other two mean nothing
{% call routine("string_to_number") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edi
        movl    $10, %ebx                       # the base
        cmpb    $'0', (%esi)
        jne     {{ L("digits") }}
        movb    1(%esi), %al
        orb     $0x20, %al                      # lower case
        cmpb    $'x', %al
        jne     {{ L("digits") }}
        movl    $16, %ebx
        addl    $2, %esi
{{ L("digits") }}:
        movl    %esi, %edi                      # where the digits begin
        xorl    %ecx, %ecx
{{ L("next_digit") }}:
        movzbl  (%esi), %eax
        call    digit_value
        cmpl    %ebx, %eax
        jae     {{ L("suffix") }}
        xchgl   %eax, %ecx
        mull    %ebx
        jc      {{ L("bad") }}
        addl    %eax, %ecx
        jc      {{ L("bad") }}
        incl    %esi
        jmp     {{ L("next_digit") }}
{{ L("suffix") }}:
        cmpl    %edi, %esi
        je      {{ L("bad") }}                  # not one digit
        movzbl  (%esi), %eax
        orb     $0x20, %al
        movl    $1, %edx
{% for letter, shift in [("k", 10), ("m", 20), ("g", 30)] %}
        movl    ${{ shift }}, %ebx
        cmpb    $'{{ letter }}', %al
        je      {{ L("scale") }}
{% endfor %}
        movl    %ecx, %eax
        jmp     {{ L("done") }}
{{ L("scale") }}:
        incl    %esi
        movl    %ecx, %eax
        movl    %ebx, %ecx
        shll    %cl, %edx
        mull    %edx
        movl    $1, %edx
        jnc     {{ L("done") }}                 # the product fits
{{ L("bad") }}:
        xorl    %edx, %edx
{{ L("done") }}:
        popl    %edi
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("digit_value") %}
# digit_value(character): what a digit of any base up to 16 counts.
#
# in:    %eax = character, 0 to 255
# out:   %eax = 0 to 15, or more than 15 when it is no digit
# clob:  none
# errs:  none
{% call routine("digit_value") %}
        subl    $'0', %eax                      # characters below '0' become huge
        cmpl    $10, %eax
        jb      {{ L("done") }}
        orl     $0x20, %eax                     # lower case; the subtraction left this bit of letters as it was
        subl    $('a' - '0'), %eax              # what is below 'a' becomes huge
        cmpl    $6, %eax
        jae     {{ L("no_digit") }}
        addl    $10, %eax
{{ L("done") }}:
        ret
{{ L("no_digit") }}:
        movl    $16, %eax
        ret
{% endcall %}
