# What the guest says of itself: Xen's ELF notes, or the older section __xen_guest (ABI 1.1 to 1.3).
#
# Invariants
#   - The order of search is the ABI's: PT_NOTE segments, SHT_NOTE sections, __xen_guest; the first that has a Xen note
#     (or is there) wins.
#   - GUEST_IMAGE_notes has bit N set when note N was given, and bit XEN_NOTE_SEEN when there was any Xen note at all:
#     that ends the search, even if it is one that says nothing to us.
#   - Texts are copied, for not all of them end with NUL (Linux's FEATURES does not), and the file stays as it is: its
#     notes may be part of a segment.
#   - A note whose descriptor runs past its piece of the file ends the reading of that piece, but what is there of it
#     counts: GRUB's images end in such a note, and it is the one that says PAE.

        .text

{% set L = labels("notes_read") %}
# notes_read(): finds the notes and keeps what they say.
#
# in:    guest, after elf_check
# out:   guest; GUEST_IMAGE_error
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  there are none
{% call routine("notes_read") %}
        call    elf_segments
{{ L("next_segment") }}:
        testl   %ecx, %ecx
        jz      {{ L("no_segment") }}
        cmpl    $PT_NOTE, PROGRAM_HEADER_p_type(%ebx)
        jne     {{ L("not_notes") }}
        movl    PROGRAM_HEADER_p_offset(%ebx), %eax
        testl   %eax, %eax
        jz      {{ L("not_notes") }}
        movl    PROGRAM_HEADER_p_filesz(%ebx), %edx
        call    notes_parse
{{ L("not_notes") }}:
        call    job_breathe
        addl    $PROGRAM_HEADER_size, %ebx
        decl    %ecx
        jmp     {{ L("next_segment") }}
{{ L("no_segment") }}:
        cmpl    $0, guest + GUEST_IMAGE_notes
        jne     {{ L("found") }}
        call    elf_sections
{{ L("next_section") }}:
        testl   %ecx, %ecx
        jz      {{ L("no_section") }}
        cmpl    $SHT_NOTE, SECTION_HEADER_sh_type(%ebx)
        jne     {{ L("no_note_section") }}
        movl    SECTION_HEADER_sh_offset(%ebx), %eax
        movl    SECTION_HEADER_sh_size(%ebx), %edx
        call    notes_parse
{{ L("no_note_section") }}:
        call    job_breathe
        addl    $SECTION_HEADER_size, %ebx
        decl    %ecx
        jmp     {{ L("next_section") }}
{{ L("no_section") }}:
        cmpl    $0, guest + GUEST_IMAGE_notes
        jne     {{ L("found") }}
        call    legacy_read
        cmpl    $0, guest + GUEST_IMAGE_notes
        jne     {{ L("found") }}
{{ refuse("it has no Xen notes") }}
{{ L("found") }}:
        ret
{% endcall %}

{% set L = labels("elf_sections") %}
# elf_sections(): where the section headers are.
#
# in:    guest, after elf_check
# out:   %ebx = first SECTION_HEADER, %ecx = their number, 0 when they are not all in the file
# clob:  none
# errs:  none
{% call routine("elf_sections") %}
        pushl   %eax
        pushl   %edx
        movl    guest + GUEST_IMAGE_file_start, %ebx
        xorl    %edx, %edx
        cmpw    $SECTION_HEADER_size, ELF_HEADER_e_shentsize(%ebx)
        jne     {{ L("none") }}
        movzwl  ELF_HEADER_e_shnum(%ebx), %edx
        imull   $SECTION_HEADER_size, %edx, %ecx
        movl    ELF_HEADER_e_shoff(%ebx), %eax
        call    file_range
        movl    %eax, %ebx
        testl   %eax, %eax
        jnz     {{ L("found") }}
{{ L("none") }}:
        xorl    %edx, %edx
{{ L("found") }}:
        movl    %edx, %ecx
        popl    %edx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("notes_parse") %}
# notes_parse(offset, size): reads the notes in a piece of the file.
#
# in:    %eax = offset, %edx = size
# out:   guest
# clob:  %eax, %edx, %esi, %edi
# errs:  none: a piece that is not in the file, or a damaged note, is the end
{% call routine("notes_parse") %}
        pushl   %ebx
        pushl   %ecx
        movl    %edx, %ecx
        call    file_range
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    %eax, %esi
{{ L("next_note") }}:
        cmpl    $NOTE_HEADER_name, %edx         # bytes that are left
        jb      {{ L("done") }}
        subl    $NOTE_HEADER_name, %edx
        movl    NOTE_HEADER_namesz(%esi), %eax
        movl    NOTE_HEADER_descsz(%esi), %ecx
        movl    NOTE_HEADER_type(%esi), %edi
        cmpl    %edx, %eax
        ja      {{ L("done") }}
        leal    3(%eax), %ebx                   # the name, padded
        andl    $~3, %ebx
        cmpl    %edx, %ebx
        ja      {{ L("done") }}
        subl    %ebx, %edx
        pushl   %esi
        leal    NOTE_HEADER_name(%esi,%ebx), %esi       # the descriptor
        popl    %ebx
        call    descriptor_clamp
        cmpl    $4, %eax
        jne     {{ L("not_xen") }}
        cmpl    $XEN_NOTE_NAME, NOTE_HEADER_name(%ebx)
        jne     {{ L("not_xen") }}
        btsl    $XEN_NOTE_SEEN, guest + GUEST_IMAGE_notes
        call    note_keep
{{ L("not_xen") }}:
        call    job_breathe
        addl    $3, %ecx
        andl    $~3, %ecx
        cmpl    %edx, %ecx
        jae     {{ L("done") }}
        subl    %ecx, %edx
        addl    %ecx, %esi
        jmp     {{ L("next_note") }}
{{ L("done") }}:
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("descriptor_clamp") %}
# descriptor_clamp(descriptor, size, left): what there is of a descriptor.
#
# in:    %esi = descriptor, %ecx = its size, %edx = bytes that are left of the piece
# out:   %ecx = bytes of it that are in the file
# clob:  none
# errs:  none
{% call routine("descriptor_clamp") %}
        cmpl    %edx, %ecx
        jbe     {{ L("all_there") }}
        pushl   %eax
        movl    guest + GUEST_IMAGE_file_start, %eax
        addl    guest + GUEST_IMAGE_file_size, %eax
        subl    %esi, %eax
        cmpl    %eax, %ecx
        jbe     {{ L("in_the_file") }}
        movl    %eax, %ecx
{{ L("in_the_file") }}:
        popl    %eax
{{ L("all_there") }}:
        ret
{% endcall %}

{% set L = labels("note_keep") %}
# note_keep(type, descriptor): keeps what one Xen note says, if we know its type.
#
# in:    %edi = type, %esi = descriptor, %ecx = its size
# out:   guest
# clob:  none
# errs:  a number that is not 4 or 8 bytes is as if it were not there; an address above 4 GB refuses the image
{% call routine("note_keep") %}
        pushl   %eax
        pushl   %ecx
        cmpl    $XEN_ELFNOTE_SUPPORTED_FEATURES, %edi
        ja      {{ L("unknown") }}
        movl    note_places(,%edi,4), %eax
        testl   %eax, %eax
        jz      {{ L("unknown") }}
        btl     %edi, note_is_number
        jnc     {{ L("is_text") }}
        cmpl    $4, %ecx
        je      {{ L("number_ok") }}
        cmpl    $8, %ecx
        jne     {{ L("unknown") }}
        cmpl    $0, 4(%esi)
        je      {{ L("number_ok") }}
        btl     %edi, note_is_address
        jc      {{ L("too_large") }}
{{ L("number_ok") }}:
        movl    (%esi), %ecx
        movl    %ecx, guest(%eax)
        jmp     {{ L("kept") }}
{{ L("is_text") }}:
        pushl   %eax
        call    text_keep
        popl    %ecx                            # the place in GUEST_IMAGE
        movl    %eax, guest(%ecx)
{{ L("kept") }}:
        btsl    %edi, guest + GUEST_IMAGE_notes
{{ L("unknown") }}:
        popl    %ecx
        popl    %eax
        ret
{{ L("too_large") }}:
{{ refuse("an address in its notes is above 4 GB") }}
        jmp     {{ L("unknown") }}
{% endcall %}

        .section .rodata
{% set numbers = {"ENTRY": "entry", "HYPERCALL_PAGE": "hypercall_page", "VIRT_BASE": "virt_base",
                  "PADDR_OFFSET": "paddr_offset", "HV_START_LOW": "hv_start_low", "MOD_START_PFN": "mod_start_pfn",
                  "SUPPORTED_FEATURES": "supported_features"} %}
{% set addresses = ["ENTRY", "HYPERCALL_PAGE", "VIRT_BASE", "PADDR_OFFSET", "HV_START_LOW"] %}
{% set texts = {"XEN_VERSION": "xen_version", "GUEST_OS": "guest_os", "LOADER": "loader", "PAE_MODE": "pae_mode",
                "FEATURES": "features", "BSD_SYMTAB": "bsd_symtab"} %}
# For each note where what it says is kept in GUEST_IMAGE, 0: it does not matter.
{% call object("note_places") %}
{% for type in range(abi.XEN_ELFNOTE_SUPPORTED_FEATURES + 1) %}
{% set place = namespace(field=none) %}
{% for name, field in numbers.items() if abi["XEN_ELFNOTE_" ~ name] == type %}
{% set place.field = field %}
{% endfor %}
{% for name, field in texts.items() if abi["XEN_ELFNOTE_" ~ name] == type %}
{% set place.field = field %}
{% endfor %}
        .long   {{ "0" if place.field is none else "GUEST_IMAGE_" ~ place.field }}
{% endfor %}
{% endcall %}
{% call object("note_is_address") %}
        .long   0{% for name in addresses %} | 1 << XEN_ELFNOTE_{{ name }}{% endfor %}

{% endcall %}
{% call object("note_is_number") %}
        .long   0{% for name in numbers %} | 1 << XEN_ELFNOTE_{{ name }}{% endfor %}

{% endcall %}
