# Making the domain, from what layout.s has computed: structures, contents, and its place in the list (ABI 1.6, 1.9).
#
# Invariants
#   - Nothing here can fail but by our own fault: memory_take has counted and taken what is needed.
#   - shared_info is the hypervisor's frame with the domain as its owner: it has no allocation to give back, and one
#     writable reference of ours, so it can never be freed, or become a table, by its guest.

        .section .init, "ax"

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
