# The kernel's symbols, put behind the kernel as BSD systems want them (note BSD_SYMTAB; ABI 1.2, 1.7).
#
# What the guest finds at the end of its kernel, on 4 bytes: a word, the number of bytes behind it; the ELF header, with
# no program headers; all section headers; then the symbol and string tables, each on 4 bytes. The offsets of those are
# counted from that ELF header, so it is an ELF file again.
#
# Invariants
#   - A file without a symbol table, or a guest that does not ask, has none of this: GUEST_IMAGE_symbols is 0.
#   - Every byte that symbols_load copies was found in the file by symbols_size.

        .text

{% set L = labels("symbols_measure") %}
# symbols_measure(): makes room for the symbols at the end of the kernel, when the guest asks for them.
#
# in:    guest, with the end of its segments in GUEST_IMAGE_virt_kend
# out:   GUEST_IMAGE_symbols, GUEST_IMAGE_virt_kend; GUEST_IMAGE_error
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  as symbols_size
{% call routine("symbols_measure") %}
        btl     $XEN_ELFNOTE_BSD_SYMTAB, guest + GUEST_IMAGE_notes
        jnc     {{ L("done") }}
        cmpl    $0, guest + GUEST_IMAGE_legacy  # there its presence is enough
        jne     {{ L("wanted") }}
        movl    guest + GUEST_IMAGE_bsd_symtab, %esi
        movl    $word_yes, %edi
        call    string_equal
        testl   %eax, %eax
        jz      {{ L("done") }}
{{ L("wanted") }}:
        call    symbols_size
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    guest + GUEST_IMAGE_virt_kend, %edx
        addl    $3, %edx
        jc      {{ L("too_large") }}
        andl    $~3, %edx
        movl    %edx, guest + GUEST_IMAGE_symbols
        addl    %eax, %edx
        jc      {{ L("too_large") }}
        movl    %edx, guest + GUEST_IMAGE_virt_kend
{{ L("done") }}:
        ret
{{ L("too_large") }}:
{{ refuse("its symbols reach past the end of the address space") }}
        ret
{% endcall %}

{% set L = labels("symbols_size") %}
# symbols_size(): how many bytes the symbols take, the word in front of them included.
#
# in:    guest, after elf_check
# out:   %eax = bytes, 0 when there is no symbol table; GUEST_IMAGE_error
# clob:  %ecx, %edx
# errs:  each sentence below
{% call routine("symbols_size") %}
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        call    elf_sections
        xorl    %edi, %edi                      # symbol tables so far
        imull   $SECTION_HEADER_size, %ecx, %edx
        addl    $(4 + ELF_HEADER_size), %edx
        movl    %ecx, %esi
{{ L("next_section") }}:
        decl    %esi
        js      {{ L("sections_done") }}
        cmpl    $SHT_STRTAB, SECTION_HEADER_sh_type(%ebx)
        je      {{ L("is_taken") }}
        cmpl    $SHT_SYMTAB, SECTION_HEADER_sh_type(%ebx)
        jne     {{ L("skip") }}
        incl    %edi
{{ L("is_taken") }}:
        movl    SECTION_HEADER_sh_offset(%ebx), %eax
        movl    SECTION_HEADER_sh_size(%ebx), %ecx
        call    file_range
        testl   %eax, %eax
        jz      {{ L("outside") }}
        addl    $3, %ecx
        andl    $~3, %ecx
        addl    %ecx, %edx
        jc      {{ L("too_many") }}
{{ L("skip") }}:
        call    job_breathe
        addl    $SECTION_HEADER_size, %ebx
        jmp     {{ L("next_section") }}
{{ L("sections_done") }}:
        movl    %edx, %eax
        testl   %edi, %edi
        jnz     {{ L("done") }}
{{ L("none") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edi
        popl    %esi
        popl    %ebx
        ret
{{ L("outside") }}:
{{ refuse("it is truncated: a table of its symbols is not all in the file") }}
        jmp     {{ L("none") }}
{{ L("too_many") }}:
{{ refuse("the tables of its symbols are larger than memory") }}
        jmp     {{ L("none") }}
{% endcall %}

{% set L = labels("symbols_load") %}
# symbols_load(): writes the symbols into the guest's memory.
#
# in:    guest, after symbols_measure; the initial area is zero
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("symbols_load") %}
        movl    guest + GUEST_IMAGE_symbols, %edi
        testl   %edi, %edi
        jz      {{ L("none") }}
        pushl   %ebx
        pushl   %ebp
        call    guest_address
        addl    $4, %edi
        movl    guest + GUEST_IMAGE_file_start, %esi
        movl    $ELF_HEADER_size, %ecx
        call    memory_copy
        movl    $0, ELF_HEADER_e_phoff(%edi)
        movl    $ELF_HEADER_size, ELF_HEADER_e_shoff(%edi)
        movw    $0, ELF_HEADER_e_phentsize(%edi)
        movw    $0, ELF_HEADER_e_phnum(%edi)
        movl    %edi, %ebp                      # what offsets are counted from
        call    elf_sections
        movl    %ebx, %esi
        movl    %ecx, %eax                      # their number
        imull   $SECTION_HEADER_size, %ecx
        addl    $ELF_HEADER_size, %edi
        call    job_copy
        movl    %edi, %ebx                      # the copy of a header
        addl    %ecx, %edi                      # where the next table goes
{{ L("next_section") }}:
        decl    %eax
        js      {{ L("done") }}
        cmpl    $SHT_STRTAB, SECTION_HEADER_sh_type(%ebx)
        je      {{ L("is_taken") }}
        cmpl    $SHT_SYMTAB, SECTION_HEADER_sh_type(%ebx)
        jne     {{ L("skip") }}
{{ L("is_taken") }}:
        movl    SECTION_HEADER_sh_offset(%ebx), %esi
        addl    guest + GUEST_IMAGE_file_start, %esi
        movl    SECTION_HEADER_sh_size(%ebx), %ecx
        call    job_copy
        movl    %edi, %edx
        subl    %ebp, %edx
        movl    %edx, SECTION_HEADER_sh_offset(%ebx)
        leal    3(%edi,%ecx), %edi
        andl    $~3, %edi
{{ L("skip") }}:
        call    job_breathe
        addl    $SECTION_HEADER_size, %ebx
        jmp     {{ L("next_section") }}
{{ L("done") }}:
        subl    %ebp, %edi
        movl    %edi, -4(%ebp)
        popl    %ebp
        popl    %ebx
{{ L("none") }}:
        ret
{% endcall %}
