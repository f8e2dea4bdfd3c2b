# The older form of the notes: one text in the section __xen_guest, NAME=VALUE items between commas (ABI 1.3).
#
# Invariants
#   - A copy of the text is cut into items by overwriting its commas with NULs.
#   - What an item says is kept as if the note of the same meaning had been there, so that the rest has one form to
#     deal with. HYPERCALL_PAGE is a page number counted from VIRT_BASE; PADDR_OFFSET is VIRT_BASE unless it is given.

        .text

{% set L = labels("legacy_read") %}
# legacy_read(): finds the section and reads its items.
#
# in:    guest, after elf_check
# out:   guest
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none: no section, or one that is not in the file, says nothing
{% call routine("legacy_read") %}
        call    elf_sections
        movl    %ecx, %edx
        movl    %ebx, %edi                      # first section header
        movl    guest + GUEST_IMAGE_file_start, %esi
        movzwl  ELF_HEADER_e_shstrndx(%esi), %esi
        cmpl    %edx, %esi
        jae     {{ L("none") }}
        imull   $SECTION_HEADER_size, %esi, %esi
        addl    %edi, %esi                      # header of the names
{{ L("next_section") }}:
        testl   %edx, %edx
        jz      {{ L("none") }}
        call    section_is_xen_guest
        testl   %eax, %eax
        jnz     {{ L("found") }}
        call    job_breathe
        addl    $SECTION_HEADER_size, %ebx
        decl    %edx
        jmp     {{ L("next_section") }}
{{ L("found") }}:
        movl    SECTION_HEADER_sh_offset(%ebx), %eax
        movl    SECTION_HEADER_sh_size(%ebx), %ecx
        testl   %ecx, %ecx
        jz      {{ L("none") }}
        call    file_range
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, %esi
        call    text_keep
        movl    %eax, %esi
        btsl    $XEN_NOTE_SEEN, guest + GUEST_IMAGE_notes
        call    legacy_items
        call    legacy_finish
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("section_is_xen_guest") %}
# section_is_xen_guest(header, names): whether a section has that name.
#
# in:    %ebx = SECTION_HEADER, %esi = SECTION_HEADER of the names
# out:   %eax = 1 or 0
# clob:  %ecx
# errs:  none
{% call routine("section_is_xen_guest") %}
        pushl   %esi
        pushl   %edi
        movl    SECTION_HEADER_sh_name(%ebx), %eax
        movl    SECTION_HEADER_sh_size(%esi), %ecx
        cmpl    %ecx, %eax
        jae     {{ L("no") }}
        subl    %eax, %ecx
        cmpl    $LEGACY_NAME_BYTES, %ecx
        jb      {{ L("no") }}
        movl    SECTION_HEADER_sh_offset(%esi), %ecx
        addl    %ecx, %eax
        jc      {{ L("no") }}
        movl    $LEGACY_NAME_BYTES, %ecx
        call    file_range
        testl   %eax, %eax
        jz      {{ L("no") }}
        movl    %eax, %esi
        movl    $legacy_name, %edi
        repe cmpsb
        jne     {{ L("no") }}
        movl    $1, %eax
        jmp     {{ L("done") }}
{{ L("no") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edi
        popl    %esi
        ret
{% endcall %}

{% set L = labels("legacy_items") %}
# legacy_items(text): cuts the text into items and keeps each.
#
# in:    %esi = text
# out:   guest
# clob:  %eax, %ebx, %esi
# errs:  none: an unknown item is ignored
{% call routine("legacy_items") %}
{{ L("next_item") }}:
        movl    %esi, %ebx
{{ L("next_character") }}:
        movb    (%ebx), %al
        testb   %al, %al
        jz      {{ L("last_item") }}
        cmpb    $',', %al
        je      {{ L("item_ends") }}
        incl    %ebx
        jmp     {{ L("next_character") }}
{{ L("item_ends") }}:
        movb    $0, (%ebx)
        call    legacy_item
        call    job_breathe
        leal    1(%ebx), %esi
        jmp     {{ L("next_item") }}
{{ L("last_item") }}:
        jmp     legacy_item
{% endcall %}

{% set L = labels("legacy_item") %}
# legacy_item(item): keeps what one item says.
#
# in:    %esi = item
# out:   guest
# clob:  %eax
# errs:  none: an unknown item is ignored, as is a number that is none
{% call routine("legacy_item") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        pushl   %edi
        movl    $legacy_keys, %ebx
{{ L("next_key") }}:
        movl    LEGACY_KEY_name(%ebx), %edi
        testl   %edi, %edi
        jz      {{ L("done") }}
        call    string_starts
        testl   %eax, %eax
        jnz     {{ L("known") }}
        addl    $LEGACY_KEY_size, %ebx
        jmp     {{ L("next_key") }}
{{ L("known") }}:
        xchgl   %esi, %edi
        call    string_length
        leal    (%edi,%eax), %esi               # the value
        movl    LEGACY_KEY_note(%ebx), %edi
        movl    note_places(,%edi,4), %ecx
        btl     %edi, note_is_number
        jnc     {{ L("is_text") }}
        call    string_to_number
        testl   %edx, %edx
        jz      {{ L("done") }}
        movl    %eax, guest(%ecx)
        jmp     {{ L("kept") }}
{{ L("is_text") }}:
        movl    %esi, guest(%ecx)
{{ L("kept") }}:
        btsl    %edi, guest + GUEST_IMAGE_notes
{{ L("done") }}:
        popl    %edi
        popl    %esi
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("legacy_finish") %}
# legacy_finish(): what the older form says differently.
#
# in:    guest
# out:   GUEST_IMAGE_legacy = 1, GUEST_IMAGE_hypercall_page as an address, GUEST_IMAGE_paddr_offset
# clob:  %eax
# errs:  a page number of more than 20 bits refuses the image
{% call routine("legacy_finish") %}
        movl    $1, guest + GUEST_IMAGE_legacy
        btl     $XEN_ELFNOTE_HYPERCALL_PAGE, guest + GUEST_IMAGE_notes
        jnc     {{ L("no_hypercall_page") }}
        movl    guest + GUEST_IMAGE_hypercall_page, %eax
        cmpl    $(1 << (32 - PAGE_SHIFT)), %eax
        jae     {{ L("too_large") }}
        shll    $PAGE_SHIFT, %eax
        addl    guest + GUEST_IMAGE_virt_base, %eax
        movl    %eax, guest + GUEST_IMAGE_hypercall_page
{{ L("no_hypercall_page") }}:
        btl     $XEN_ELFNOTE_PADDR_OFFSET, guest + GUEST_IMAGE_notes
        jc      {{ L("done") }}
        movl    guest + GUEST_IMAGE_virt_base, %eax
        movl    %eax, guest + GUEST_IMAGE_paddr_offset
{{ L("done") }}:
        ret
{{ L("too_large") }}:
{{ refuse("its HYPERCALL_PAGE is no page number") }}
        ret
{% endcall %}

{{ text("legacy_name", "__xen_guest") }}

{% set keys = [("LOADER=", "LOADER"), ("GUEST_OS=", "GUEST_OS"), ("XEN_VER=", "XEN_VERSION"),
               ("FEATURES=", "FEATURES"), ("PAE=", "PAE_MODE"), ("VIRT_BASE=", "VIRT_BASE"), ("VIRT_ENTRY=", "ENTRY"),
               ("ELF_PADDR_OFFSET=", "PADDR_OFFSET"), ("HYPERCALL_PAGE=", "HYPERCALL_PAGE"),
               ("BSD_SYMTAB", "BSD_SYMTAB")] %}
{% for word, note in keys %}
{{ text("legacy_key_" ~ loop.index0, word) }}
{% endfor %}
        .section .rodata
{% call object("legacy_keys") %}
{% for word, note in keys %}
        .long   legacy_key_{{ loop.index0 }}, XEN_ELFNOTE_{{ note }}
{% endfor %}
        .long   0, 0
{% endcall %}
