# The guest's ELF file: is it one, is it all there, and what will be loaded where (ABI 1.6).
#
# Invariants
#   - Nothing is read outside of [file_start, file_start + file_size): every offset and size is checked by file_range
#     before it is used, and no sum of them can wrap.
#   - After elf_segments_find every loadable segment's file part lies in the file, and no two of them share a byte of
#     memory. Sharing a page is common and allowed.

        .text

{% set L = labels("file_range") %}
# file_range(offset, size): where a piece of the file is.
#
# in:    %eax = offset, %ecx = size
# out:   %eax = address, or 0 when it is not all in the file
# clob:  none
# errs:  0
{% call routine("file_range") %}
        pushl   %edx
        movl    guest + GUEST_IMAGE_file_size, %edx
        cmpl    %edx, %eax
        ja      {{ L("outside") }}
        subl    %eax, %edx
        cmpl    %edx, %ecx
        ja      {{ L("outside") }}
        addl    guest + GUEST_IMAGE_file_start, %eax
        popl    %edx
        ret
{{ L("outside") }}:
        xorl    %eax, %eax
        popl    %edx
        ret
{% endcall %}

{% set L = labels("elf_check") %}
# elf_check(): the ELF header and the program header table.
#
# in:    guest
# out:   GUEST_IMAGE_error
# clob:  %eax, %ecx, %edx
# errs:  each sentence below
{% call routine("elf_check") %}
        xorl    %eax, %eax
        movl    $ELF_HEADER_size, %ecx
        call    file_range
        testl   %eax, %eax
        jz      {{ L("truncated") }}
        movl    %eax, %edx
{% for name, size, field, value in [
      ("not_elf", "l", "magic", "ELF_MAGIC"), ("not_32", "b", "class", "ELFCLASS32"),
      ("not_little", "b", "data", "ELFDATA2LSB"), ("not_exec", "w", "e_type", "ET_EXEC"),
      ("not_386", "w", "e_machine", "EM_386"), ("bad_size", "w", "e_phentsize", "PROGRAM_HEADER_size")] %}
        cmp{{ size }}    ${{ value }}, ELF_HEADER_{{ field }}(%edx)
        jne     {{ L(name) }}
{% endfor %}
        movzwl  ELF_HEADER_e_phnum(%edx), %ecx
        cmpl    $MAX_PROGRAM_HEADERS, %ecx
        ja      {{ L("many_headers") }}
        shll    $5, %ecx                        # PROGRAM_HEADER_size
        jz      {{ L("no_headers") }}
        movl    ELF_HEADER_e_phoff(%edx), %eax
        call    file_range
        testl   %eax, %eax
        jz      {{ L("headers_outside") }}
        ret
{% for name, reason in [
      ("truncated", "it is shorter than an ELF header"), ("not_elf", "it is no ELF file"),
      ("not_32", "it is not a 32-bit ELF file"), ("not_little", "it is not a little-endian ELF file"),
      ("not_exec", "it is no executable ELF file"), ("not_386", "it is for another machine than the 80386"),
      ("bad_size", "its program headers have a strange size"), ("no_headers", "it has no program headers"),
      ("many_headers", "it has more program headers than any kernel"),
      ("headers_outside", "its program headers are not all in the file")] %}
{{ L(name) }}:
{{ refuse(reason) }}
        ret
{% endfor %}
{% endcall %}

{% set L = labels("elf_segments_find") %}
# elf_segments_find(): all loadable segments: inside of the file, sensible, apart from each other.
#
# in:    guest
# out:   GUEST_IMAGE_pstart, GUEST_IMAGE_pend: lowest and highest physical address; GUEST_IMAGE_error
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  each sentence below
{% call routine("elf_segments_find") %}
        movl    $-1, guest + GUEST_IMAGE_pstart
        call    elf_segments
{{ L("next_segment") }}:
        testl   %ecx, %ecx
        jz      {{ L("done") }}
        call    segment_is_loadable
        jz      {{ L("skip") }}
        movl    PROGRAM_HEADER_p_filesz(%ebx), %edx
        cmpl    PROGRAM_HEADER_p_memsz(%ebx), %edx
        ja      {{ L("bad_sizes") }}
        pushl   %ecx
        movl    PROGRAM_HEADER_p_offset(%ebx), %eax
        movl    %edx, %ecx
        call    file_range
        popl    %ecx
        testl   %eax, %eax
        jz      {{ L("truncated") }}
        movl    PROGRAM_HEADER_p_paddr(%ebx), %eax
        movl    %eax, %edx
        addl    PROGRAM_HEADER_p_memsz(%ebx), %edx
        jc      {{ L("wraps") }}
        cmpl    guest + GUEST_IMAGE_pstart, %eax
        jae     {{ L("not_lowest") }}
        movl    %eax, guest + GUEST_IMAGE_pstart
{{ L("not_lowest") }}:
        cmpl    guest + GUEST_IMAGE_pend, %edx
        jbe     {{ L("not_highest") }}
        movl    %edx, guest + GUEST_IMAGE_pend
{{ L("not_highest") }}:
        call    segment_overlaps
        jc      {{ L("overlap") }}
        movl    %ecx, %eax                      # it has looked at so many: some 12 instructions for each
        shrl    $6, %eax
        subl    %eax, job_left
        call    job_breathe
{{ L("skip") }}:
        addl    $PROGRAM_HEADER_size, %ebx
        decl    %ecx
        jmp     {{ L("next_segment") }}
{{ L("done") }}:
        cmpl    $0, guest + GUEST_IMAGE_pend
        je      {{ L("none") }}
        ret
{% for name, reason in [
      ("bad_sizes", "a segment is larger in the file than in memory"),
      ("truncated", "it is truncated: a segment is not all in the file"),
      ("wraps", "a segment reaches past the end of the address space"),
      ("overlap", "two segments overlap"), ("none", "it has no loadable segment")] %}
{{ L(name) }}:
{{ refuse(reason) }}
        ret
{% endfor %}
{% endcall %}

# elf_segments(): where the program headers are.
#
# in:    guest, after elf_check
# out:   %ebx = first PROGRAM_HEADER, %ecx = their number
# clob:  none
# errs:  none
{% call routine("elf_segments") %}
        movl    guest + GUEST_IMAGE_file_start, %ebx
        movzwl  ELF_HEADER_e_phnum(%ebx), %ecx
        addl    ELF_HEADER_e_phoff(%ebx), %ebx
        ret
{% endcall %}

{% set L = labels("segment_is_loadable") %}
# segment_is_loadable(header): PT_LOAD with at least one right, and not empty.
#
# in:    %ebx = PROGRAM_HEADER
# out:   zero flag: it is not
# clob:  none
# errs:  none
{% call routine("segment_is_loadable") %}
        cmpl    $PT_LOAD, PROGRAM_HEADER_p_type(%ebx)
        jne     {{ L("no") }}
        testl   $(PF_R | PF_W | PF_X), PROGRAM_HEADER_p_flags(%ebx)
        jz      {{ L("no") }}
        cmpl    $0, PROGRAM_HEADER_p_memsz(%ebx)
        ret
{{ L("no") }}:
        cmpl    %ebx, %ebx
        ret
{% endcall %}

{% set L = labels("segment_overlaps") %}
# segment_overlaps(header, left): whether a segment shares a byte of memory with one of those behind it.
#
# in:    %ebx = PROGRAM_HEADER, %ecx = headers from it on
# out:   carry: it does
# clob:  none
# errs:  none
{% call routine("segment_overlaps") %}
        pushl   %eax
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        movl    PROGRAM_HEADER_p_paddr(%ebx), %eax
        movl    %eax, %edx
        addl    PROGRAM_HEADER_p_memsz(%ebx), %edx
{{ L("next_segment") }}:
        decl    %ecx
        jz      {{ L("apart") }}
        addl    $PROGRAM_HEADER_size, %ebx
        call    segment_is_loadable
        jz      {{ L("next_segment") }}
        movl    PROGRAM_HEADER_p_paddr(%ebx), %esi
        cmpl    %edx, %esi
        jae     {{ L("next_segment") }}
        addl    PROGRAM_HEADER_p_memsz(%ebx), %esi
        cmpl    %esi, %eax
        jae     {{ L("next_segment") }}
        stc
        jmp     {{ L("done") }}
{{ L("apart") }}:
        clc
{{ L("done") }}:
        popl    %esi
        popl    %edx
        popl    %ecx
        popl    %ebx
        popl    %eax
        ret
{% endcall %}
