# Making the domain: its memory, what is in it, its tables, its structures (ABI 1.7 to 1.10).
#
# Invariants
#   - Everything that can fail comes before anything is taken, or gives back what was taken: an image that is refused
#     leaves no trace.
#   - The initial area, and an initrd that is not mapped, are one run of frames; the rest comes frame by frame. The P2M
#     list is the only record of which are whose.
#   - References and types are not computed here: the frames get their owner and one reference, the allocation, and the
#     tables are filled; then the L3 is validated like any other (frame_types.s). What the validator would
#     refuse cannot be built, and what it counts is right.
#   - shared_info is the hypervisor's frame with the domain as its owner: it has no allocation to give back, and one
#     writable reference of ours, so it can never be freed, or become a table, by its guest.

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

# domain_make(): the domain, from its structures to its place in the list.
#
# in:    guest, after memory_take
# out:   domain_list
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  heap exhausted, or tables that do not validate: panic, for both would be our own fault
{% call routine("domain_make") %}
        call    domain_structures_make          # %ebx = DOMAIN, %ebp = VCPU from here on
        call    segments_load
        call    symbols_load
        call    initrd_load
        call    memory_assign
        call    hypercall_page_fill
        call    tables_fill
        call    start_info_fill
        call    tables_activate
        call    vcpu_state_init
        call    clock_publish
        call    clock_publish_wall
        jmp     domain_announce
{% endcall %}

{% set L = labels("domain_structures_make") %}
# domain_structures_make(): DOMAIN, VCPU, shared_info and the window's table.
#
# in:    guest
# out:   %ebx = DOMAIN, %ebp = VCPU
# clob:  %eax, %ecx, %esi, %edi
# errs:  no heap: panic
{% call routine("domain_structures_make") %}
{% for size, place in [("DOMAIN_size", "%ebx"), ("VCPU_size", "%ebp"), ("PAGE_SIZE", "DOMAIN_shared_info(%ebx)"),
                       ("PAGE_SIZE", "DOMAIN_window_l1(%ebx)")] %}
        movl    ${{ size }}, %ecx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("no_heap") }}
        movl    %eax, {{ place }}
{% endfor %}
        movl    %eax, %edi
        movl    $hv_l1 + (DOMAIN_WINDOW - HV_START) / PAGE_SIZE * PTE_size, %esi
        movl    $PAGE_SIZE, %ecx
        call    memory_copy
        movl    %ebp, DOMAIN_vcpu(%ebx)
        movl    %ebx, VCPU_domain(%ebp)
        movl    guest + GUEST_IMAGE_domain_id, %eax
        movl    %eax, DOMAIN_id(%ebx)
        testl   %eax, %eax
        jnz     {{ L("not_privileged") }}
        movl    $DOMAIN_PRIVILEGED, DOMAIN_flags(%ebx)
        movl    $MAX_PAGES_UNBOUNDED, DOMAIN_max_pages(%ebx)
        jmp     {{ L("max_ok") }}
{{ L("not_privileged") }}:
        movl    guest + GUEST_IMAGE_nr_pages, %eax
        movl    %eax, DOMAIN_max_pages(%ebx)
{{ L("max_ok") }}:
        movl    guest + GUEST_IMAGE_nr_pages, %eax
        movl    %eax, DOMAIN_nr_pages(%ebx)
        movl    guest + GUEST_IMAGE_virt_start, %eax
        movl    %eax, DOMAIN_virt_start(%ebx)
        cmpl    $0, guest + GUEST_IMAGE_extended_cr3
        je      {{ L("plain_cr3") }}
        btsl    $VMASST_TYPE_pae_extended_cr3, DOMAIN_vm_assist(%ebx)
{{ L("plain_cr3") }}:
        movl    DOMAIN_shared_info(%ebx), %eax
        movl    %eax, VCPU_info(%ebp)
        movl    $MAX_SHARED_VCPUS, %ecx
{{ L("next_vcpu_info") }}:
        movb    $1, VCPU_INFO_evtchn_upcall_mask(%eax)
        addl    $VCPU_INFO_size, %eax
        decl    %ecx
        jnz     {{ L("next_vcpu_info") }}
        movl    DOMAIN_shared_info(%ebx), %eax
        call    heap_mfn
        movl    %eax, DOMAIN_shared_info_mfn(%ebx)
        call    frame_record
        movl    $1, FRAME_count(%eax)
        movl    $(FRAME_TYPE_WRITABLE | FRAME_VALIDATED | 1), FRAME_type(%eax)
        movl    %ebx, FRAME_owner(%eax)
        ret
{{ L("no_heap") }}:
{{ panic("no heap for a domain") }}
{% endcall %}

{% set L = labels("segments_load") %}
# segments_load(): copies the loadable segments; what is beyond the file's part is zero already.
#
# in:    guest
# out:   -
# clob:  %eax, %ecx, %esi, %edi
# errs:  none
{% call routine("segments_load") %}
        pushl   %ebx
        call    elf_segments
        movl    %ecx, %eax
{{ L("next_segment") }}:
        testl   %eax, %eax
        jz      {{ L("done") }}
        call    segment_is_loadable
        jz      {{ L("skip") }}
        movl    PROGRAM_HEADER_p_offset(%ebx), %esi
        addl    guest + GUEST_IMAGE_file_start, %esi
        movl    PROGRAM_HEADER_p_paddr(%ebx), %edi
        addl    guest + GUEST_IMAGE_virt_offset, %edi
        call    guest_address
        movl    PROGRAM_HEADER_p_filesz(%ebx), %ecx
        call    memory_copy
{{ L("skip") }}:
        addl    $PROGRAM_HEADER_size, %ebx
        decl    %eax
        jmp     {{ L("next_segment") }}
{{ L("done") }}:
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("initrd_load") %}
# initrd_load(): copies the initrd to where it is mapped, or to the frames behind the initial area.
#
# in:    guest
# out:   -
# clob:  %ecx, %esi, %edi
# errs:  none
{% call routine("initrd_load") %}
        movl    guest + GUEST_IMAGE_initrd_size, %ecx
        testl   %ecx, %ecx
        jz      {{ L("none") }}
        movl    guest + GUEST_IMAGE_initrd_start, %esi
        movl    guest + GUEST_IMAGE_initrd_virt, %edi
        cmpl    $0, guest + GUEST_IMAGE_mod_start_pfn
        je      {{ L("mapped") }}
        movl    guest + GUEST_IMAGE_virt_end, %edi
{{ L("mapped") }}:
        call    guest_address
        call    memory_copy
{{ L("none") }}:
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

{% set L = labels("hypercall_page_fill") %}
# hypercall_page_fill(): the stubs of the hypercall page, if the guest wants one (ABI 3.2).
#
# in:    guest
# out:   -
# clob:  %eax, %ecx, %esi, %edi
# errs:  none
{% call routine("hypercall_page_fill") %}
        btl     $XEN_ELFNOTE_HYPERCALL_PAGE, guest + GUEST_IMAGE_notes
        jnc     {{ L("none") }}
        movl    guest + GUEST_IMAGE_hypercall_page, %edi
        call    guest_address
        jmp     hypercall_stubs_write
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("tables_fill") %}
# tables_fill(): the initial page tables: the L3, four L2s, then L1s for the initial area.
#
# in:    guest
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("tables_fill") %}
        movl    guest + GUEST_IMAGE_page_tables, %edi
        call    guest_address
        leal    PAGE_SIZE + PTE_P(%edi), %eax
        xorl    %ecx, %ecx
{{ L("next_l3_entry") }}:
        movl    %eax, (%edi,%ecx,8)
        addl    $PAGE_SIZE, %eax
        incl    %ecx
        cmpl    $4, %ecx
        jb      {{ L("next_l3_entry") }}
        leal    PAGE_SIZE(%edi), %esi           # the L2s, one behind the other
        leal    5 * PAGE_SIZE(%edi), %edi       # the L1s
        movl    guest + GUEST_IMAGE_virt_base, %ecx
{{ L("next_table") }}:
        movl    %ecx, %edx
        shrl    $L2_SHIFT, %edx
        leal    (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)(%edi), %eax
        movl    %eax, (%esi,%edx,8)
{{ L("next_page") }}:
        movl    %ecx, %eax
        subl    guest + GUEST_IMAGE_virt_base, %eax
        addl    guest + GUEST_IMAGE_first_byte, %eax
        orl     $(PTE_P | PTE_A), %eax
        movl    %ecx, %edx
        subl    guest + GUEST_IMAGE_page_tables, %edx
        shrl    $PAGE_SHIFT, %edx
        cmpl    guest + GUEST_IMAGE_nr_pt_frames, %edx
        jb      {{ L("read_only") }}
        orl     $PTE_RW, %eax
{{ L("read_only") }}:
        movl    %ecx, %edx
        shrl    $PAGE_SHIFT, %edx
        andl    $(PTES_PER_TABLE - 1), %edx
        movl    %eax, (%edi,%edx,8)
        addl    $PAGE_SIZE, %ecx
        cmpl    guest + GUEST_IMAGE_virt_end, %ecx
        jae     {{ L("done") }}
        testl   $(SUPERPAGE_SIZE - 1), %ecx
        jnz     {{ L("next_page") }}
        addl    $PAGE_SIZE, %edi
        jmp     {{ L("next_table") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("tables_activate") %}
# tables_activate(): validates the L3, pins it, and makes it the vcpu's base pointer.
#
# in:    guest, %ebx = DOMAIN, %ebp = VCPU
# out:   VCPU_guest_table, VCPU_l3, VCPU_cr3
# clob:  %eax, %ecx, %edx
# errs:  tables that are not valid: panic
{% call routine("tables_activate") %}
        movl    guest + GUEST_IMAGE_page_tables, %eax
        subl    guest + GUEST_IMAGE_virt_base, %eax
        shrl    $PAGE_SHIFT, %eax
        addl    guest + GUEST_IMAGE_first_mfn, %eax
        movl    %eax, VCPU_guest_table(%ebp)
        call    frame_record
        movl    %eax, %ecx
        incl    FRAME_count(%ecx)               # the base pointer
        movl    $FRAME_TYPE_L3, %edx
        call    type_get
        testl   %eax, %eax
        jnz     {{ L("not_valid") }}
        incl    FRAME_count(%ecx)               # the pin
        movl    %ecx, %eax
        call    type_get
        orl     $FRAME_PINNED, FRAME_type(%ecx)
        call    base_pointer_copy
        movl    %ebp, %eax
        call    heap_mfn
        shll    $PAGE_SHIFT, %eax
        movl    %ebp, %ecx
        andl    $PAGE_OFFSET_MASK, %ecx
        leal    VCPU_l3(%eax,%ecx), %eax
        movl    %eax, VCPU_cr3(%ebp)
        ret
{{ L("not_valid") }}:
{{ panic("a new domain's page tables are not valid") }}
{% endcall %}

{% set L = labels("vcpu_state_init") %}
# vcpu_state_init(): the state in which the vcpu starts (ABI 1.9).
#
# in:    guest, %ebx = DOMAIN, %ebp = VCPU
# out:   -
# clob:  %eax
# errs:  none
{% call routine("vcpu_state_init") %}
        movl    guest + GUEST_IMAGE_entry, %eax
        movl    %eax, VCPU_frame + ENTRY_FRAME_eip(%ebp)
        movl    guest + GUEST_IMAGE_start_info, %eax
        movl    %eax, VCPU_frame + ENTRY_FRAME_esi(%ebp)
        movl    guest + GUEST_IMAGE_stack, %eax
        addl    $PAGE_SIZE, %eax
        movl    %eax, VCPU_frame + ENTRY_FRAME_esp(%ebp)
        movl    %eax, VCPU_kernel_sp(%ebp)
        movl    $FLAT_RING1_CS, VCPU_frame + ENTRY_FRAME_cs(%ebp)
        movl    $(EFLAGS_IF | EFLAGS_ONE), VCPU_frame + ENTRY_FRAME_eflags(%ebp)
        movl    $FLAT_RING1_DS, %eax
{% for place in ["VCPU_frame + ENTRY_FRAME_ss", "VCPU_frame + ENTRY_FRAME_ds", "VCPU_frame + ENTRY_FRAME_es", "VCPU_fs",
                 "VCPU_gs", "VCPU_kernel_ss"] %}
        movl    %eax, {{ place }}(%ebp)
{% endfor %}
        movl    $DR6_RESET, VCPU_debugreg + 4 * 6(%ebp)
        movl    $DR7_RESET, VCPU_debugreg + 4 * 7(%ebp)
        movw    $FCW_RESET, VCPU_fpu + FXSAVE_fcw(%ebp)
        movl    $MXCSR_RESET, VCPU_fpu + FXSAVE_mxcsr(%ebp)
        cmpl    $0, DOMAIN_id(%ebx)
        jne     {{ L("done") }}
        movl    $FLAT_RING1_CS, VCPU_event_cs(%ebp)
        movl    $FLAT_RING1_CS, VCPU_failsafe_cs(%ebp)
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domain_announce") %}
# domain_announce(): puts the domain at the end of the list and says so.
#
# in:    guest, %ebx = DOMAIN
# out:   domain_list
# clob:  %eax, %ecx
# errs:  none
{% call routine("domain_announce") %}
        movl    $domain_list - DOMAIN_next, %ecx
{{ L("next_domain") }}:
        movl    DOMAIN_next(%ecx), %eax
        testl   %eax, %eax
        jz      {{ L("at_the_end") }}
        movl    %eax, %ecx
        jmp     {{ L("next_domain") }}
{{ L("at_the_end") }}:
        movl    %ebx, DOMAIN_next(%ecx)
{{ log("LOG_INFO", "domain %u: %s, %u pages, entry %p, initial area %p to %p\\n", "DOMAIN_id(%ebx)", "$guest_name",
       "guest + GUEST_IMAGE_nr_pages", "guest + GUEST_IMAGE_entry", "guest + GUEST_IMAGE_virt_base",
       "guest + GUEST_IMAGE_virt_end") }}
        ret
{% endcall %}
