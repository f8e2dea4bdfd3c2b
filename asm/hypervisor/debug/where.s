# Symbolising: from an address in the hypervisor to its routine, template file and line, by the linker's tables.
#
# Invariants
#   - where_lines and where_symbols are sorted by address; the linker made them from the same statements as the
#     image, so they cannot be out of step with it.
#   - Nothing is written but the console.

        .text

{% set L = labels("where_print") %}
# where_print(address): prints one line: the address, file:line, routine + offset.
#
# in:    %eax = address
# out:   -
# clob:  none
# errs:  an address outside of the image prints without a place
{% call routine("where_print") %}
        pushal
        movl    %eax, %ecx
        call    where_is_code
        jc      {{ L("nowhere") }}
        movl    $where_lines, %esi
        movl    $where_lines_end, %edi
        call    where_find
        testl   %ebx, %ebx
        jz      {{ L("nowhere") }}
        movzwl  WHERE_LINE_file(%ebx), %edx
        movl    where_files(,%edx,4), %edx
        movzwl  WHERE_LINE_line(%ebx), %ebp
        movl    $where_symbols, %esi
        movl    $where_symbols_end, %edi
        call    where_find
        testl   %ebx, %ebx
        jz      {{ L("nowhere") }}
        movl    %ecx, %eax
        subl    WHERE_SYMBOL_address(%ebx), %eax
{{ print("  %p %s:%u (%s + 0x%x)\\n", "%ecx", "%edx", "%ebp", "WHERE_SYMBOL_name(%ebx)", "%eax") }}
        popal
        ret
{{ L("nowhere") }}:
{{ print("  %p\\n", "%ecx") }}
        popal
        ret
{% endcall %}

{% set L = labels("where_is_code") %}
# where_is_code(address): whether an address is within the image's code.
#
# in:    %eax = address
# out:   carry clear: it is in .text or .init
# clob:  none
# errs:  carry
{% call routine("where_is_code") %}
        cmpl    $__text_start, %eax
        jb      {{ L("done") }}
        cmpl    $__init_end, %eax
        jae     {{ L("no") }}
        cmpl    $__text_end, %eax
        jb      {{ L("yes") }}
        cmpl    $__init_start, %eax
{{ L("done") }}:
        ret
{{ L("yes") }}:
        clc
        ret
{{ L("no") }}:
        stc
        ret
{% endcall %}

{% set L = labels("where_find") %}
# where_find(table, address): the last row whose address is not above the one given.
#
# in:    %esi = table, %edi = its end: rows of 8 bytes that begin with an address; %ecx = address
# out:   %ebx = row, or 0 when the address is below the first
# clob:  none
# errs:  none
{% call routine("where_find") %}
        pushl   %esi
        xorl    %ebx, %ebx
{{ L("next_row") }}:
        cmpl    %edi, %esi
        jae     {{ L("done") }}
        cmpl    %ecx, (%esi)
        ja      {{ L("done") }}
        movl    %esi, %ebx
        addl    $WHERE_LINE_size, %esi
        jmp     {{ L("next_row") }}
{{ L("done") }}:
        popl    %esi
        ret
{% endcall %}
