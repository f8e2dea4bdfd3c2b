# The frames of a new domain: taking them, and saying whose they are (ABI 1.6, 1.7).
#
# Invariants
#   - What can be refused for want of memory is refused by memory_check, before anything is taken. Only where others
#     take memory meanwhile, or it is in small pieces, does a later step find too little.
#   - The initial area, and an initrd that is not mapped, are one run of frames; the rest comes frame by frame. The P2M
#     list is the only record of which are whose.
#   - Each frame gets its owner and one reference, the allocation, when it is taken. Types come with the tables
#     (tables.s).
#   - Frames outside of the initial area are zeroed: they may have been anybody's. Those of domain 0 are not: nothing of
#     a module, of another domain or of ours is free yet when it is built, and what was in memory before the machine
#     started it may see, as it may all of memory by way of its devices.

        .text

{% set L = labels("memory_check") %}
# memory_check(): whether there is enough memory.
#
# in:    guest, after layout_compute
# out:   GUEST_IMAGE_area_pages, GUEST_IMAGE_initrd_pfn; GUEST_IMAGE_error
# clob:  %eax, %ecx, %edx
# errs:  each sentence below
{% call routine("memory_check") %}
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
        ja      memory_refuse
        ret
{{ L("too_little") }}:
        movl    guest + GUEST_IMAGE_nr_pages, %edx
{{ refuse("it needs %u pages to begin with and gets %u") }}
        movl    %ecx, guest + GUEST_IMAGE_error_pages
        movl    %edx, guest + GUEST_IMAGE_error_pages + 4
        ret
{% endcall %}

# memory_refuse(free): there is too little memory for the domain.
#
# in:    %edx = pages that are free
# out:   GUEST_IMAGE_error
# clob:  %ecx
# errs:  GUEST_IMAGE_errno = -ENOMEM
{% call routine("memory_refuse") %}
        movl    guest + GUEST_IMAGE_nr_pages, %ecx
{{ refuse("it needs %u pages, %u are free") }}
        movl    %ecx, guest + GUEST_IMAGE_error_pages
        movl    %edx, guest + GUEST_IMAGE_error_pages + 4
        movl    $-ENOMEM, guest + GUEST_IMAGE_errno
        ret
{% endcall %}

{% set L = labels("memory_take") %}
# memory_take(): all frames of the domain: the initial area, zeroed; then owner, M2P and P2M of each.
#
# in:    guest, after memory_check
# out:   GUEST_IMAGE_first_mfn, GUEST_IMAGE_first_byte; GUEST_IMAGE_error
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no such run is free; or as memory_refuse: others were faster
{% call routine("memory_take") %}
        movl    guest + GUEST_IMAGE_domain, %ebx
        movl    guest + GUEST_IMAGE_area_pages, %ecx
        call    run_take
        testl   %eax, %eax
        jz      {{ L("no_run") }}
        movl    %eax, guest + GUEST_IMAGE_first_mfn
        shll    $PAGE_SHIFT, %eax
        movl    %eax, guest + GUEST_IMAGE_first_byte
        movl    %eax, %edi
        shll    $PAGE_SHIFT, %ecx
        call    job_zero
        movl    guest + GUEST_IMAGE_p2m, %edi
        call    guest_address
        xorl    %ecx, %ecx                      # pfn
{{ L("next_frame") }}:
        movl    guest + GUEST_IMAGE_first_mfn, %edx
        addl    %ecx, %edx
        cmpl    guest + GUEST_IMAGE_area_pages, %ecx
        jb      {{ L("have_frame") }}
        call    memory_take_frame
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, %edx
{{ L("have_frame") }}:
        movl    %edx, (%edi,%ecx,4)
        movl    %ecx, M2P(,%edx,4)
        incl    %ecx
        testb   $31, %cl
        jnz     {{ L("enough") }}
        call    job_breathe
{{ L("enough") }}:
        cmpl    guest + GUEST_IMAGE_nr_pages, %ecx
        jb      {{ L("next_frame") }}
        ret
{{ L("no_run") }}:
{{ refuse("it needs %u pages in a row, and no such run is free") }}
        movl    %ecx, guest + GUEST_IMAGE_error_pages
        movl    $-ENOMEM, guest + GUEST_IMAGE_errno
        ret
{{ L("none") }}:
        xorl    %edx, %edx
        jmp     memory_refuse
{% endcall %}

{% set L = labels("memory_take_frame") %}
# memory_take_frame(domain): one more frame for the domain.
#
# in:    %ebx = DOMAIN
# out:   %eax = mfn, or 0 when there is none
# clob:  none
# errs:  0
{% call routine("memory_take_frame") %}
        call    frame_alloc
        testl   %eax, %eax
        jz      {{ L("done") }}
        pushl   %eax
        call    frame_record
        movl    %ebx, FRAME_owner(%eax)
        incl    DOMAIN_nr_pages(%ebx)
        popl    %eax
        cmpl    $0, DOMAIN_id(%ebx)
        je      {{ L("done") }}
        pushl   %ecx
        pushl   %edi
        movl    %eax, %edi
        shll    $PAGE_SHIFT, %edi
        movl    $PAGE_SIZE, %ecx
        call    job_zero
        popl    %edi
        popl    %ecx
{{ L("done") }}:
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
