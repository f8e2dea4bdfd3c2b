# The frames of a new domain: taking them, and saying whose they are (ABI 1.6, 1.7).
#
# Invariants
#   - Everything that can fail comes before anything is taken: an image that is refused leaves no trace.
#   - The initial area, and an initrd that is not mapped, are one run of frames; the rest comes frame by frame. The P2M
#     list is the only record of which are whose.
#   - Each frame gets its owner and one reference, the allocation. Types come with the tables (tables.s).

        .section .init, "ax"

{% set L = labels("memory_take") %}
# memory_take(): the frames of the initial area.
#
# in:    guest, after layout_compute
# out:   GUEST_IMAGE_first_mfn, GUEST_IMAGE_area_pages, GUEST_IMAGE_first_byte; GUEST_IMAGE_error
# clob:  %eax, %ebx, %ecx, %edx
# errs:  each sentence below
{% call routine("memory_take") %}
        movl    guest + GUEST_IMAGE_virt_end, %ecx
        subl    guest + GUEST_IMAGE_virt_base, %ecx
        shrl    $PAGE_SHIFT, %ecx
        movl    %ecx, guest + GUEST_IMAGE_initrd_pfn
        cmpl    $0, guest + GUEST_IMAGE_mod_start_pfn
        je      {{ L("initrd_mapped") }}
        movl    guest + GUEST_IMAGE_initrd_size, %eax
        addl    $PAGE_OFFSET_MASK, %eax
        shrl    $PAGE_SHIFT, %eax
        addl    %eax, %ecx
{{ L("initrd_mapped") }}:
        movl    %ecx, guest + GUEST_IMAGE_area_pages
        cmpl    guest + GUEST_IMAGE_nr_pages, %ecx
        ja      {{ L("too_little") }}
        movl    free_frames, %edx
        subl    $SPARE_FRAMES / 2, %edx         # its structures, and heap for later
        jae     {{ L("some_free") }}
        xorl    %edx, %edx
{{ L("some_free") }}:
        cmpl    %edx, guest + GUEST_IMAGE_nr_pages
        ja      {{ L("not_free") }}
        call    frames_alloc
        testl   %eax, %eax
        jz      {{ L("no_run") }}
        movl    %eax, guest + GUEST_IMAGE_first_mfn
        shll    $PAGE_SHIFT, %eax
        movl    %eax, guest + GUEST_IMAGE_first_byte
        pushl   %edi
        movl    %eax, %edi
        shll    $PAGE_SHIFT, %ecx
        call    memory_zero
        popl    %edi
        ret
{{ L("too_little") }}:
        movl    guest + GUEST_IMAGE_nr_pages, %edx
{{ refuse("it needs %u pages to begin with and gets %u") }}
        jmp     {{ L("show") }}
{{ L("no_run") }}:
{{ refuse("it needs %u pages in a row, and no such run is free") }}
        jmp     {{ L("show") }}
{{ L("not_free") }}:
        movl    guest + GUEST_IMAGE_nr_pages, %ecx
{{ refuse("it needs %u pages, %u are free") }}
{{ L("show") }}:
        movl    %ecx, guest + GUEST_IMAGE_error_pages
        movl    %edx, guest + GUEST_IMAGE_error_pages + 4
        ret
{% endcall %}

# guest_address(va): where a page of the initial area can be written now.
#
# in:    %edi = the guest's virtual address
# out:   %edi = physical address
# clob:  none
# errs:  none
{% call routine("guest_address") %}
        subl    guest + GUEST_IMAGE_virt_base, %edi
        addl    guest + GUEST_IMAGE_first_byte, %edi
        ret
{% endcall %}

{% set L = labels("memory_assign") %}
# memory_assign(): all frames of the domain: owner, M2P, P2M.
#
# in:    guest, %ebx = DOMAIN
# out:   -
# clob:  %eax, %ecx, %edx, %edi
# errs:  a frame too few is a panic: memory_take has counted them
{% call routine("memory_assign") %}
        movl    guest + GUEST_IMAGE_p2m, %edi
        call    guest_address
        xorl    %ecx, %ecx                      # pfn
{{ L("next_frame") }}:
        movl    guest + GUEST_IMAGE_first_mfn, %edx
        addl    %ecx, %edx
        cmpl    guest + GUEST_IMAGE_area_pages, %ecx
        jb      {{ L("have_frame") }}
        call    frame_alloc
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, %edx
{{ L("have_frame") }}:
        movl    %edx, (%edi,%ecx,4)
        movl    %ecx, M2P(,%edx,4)
        movl    %edx, %eax
        call    frame_record
        movl    %ebx, FRAME_owner(%eax)
        incl    %ecx
        cmpl    guest + GUEST_IMAGE_nr_pages, %ecx
        jb      {{ L("next_frame") }}
        ret
{{ L("none") }}:
{{ panic("a domain's frames are not there") }}
{% endcall %}
