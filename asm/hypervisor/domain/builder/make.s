# Filling the domain's memory from what layout.s has computed, and finishing it (ABI 1.6, 1.9).
#
# Invariants
#   - Nothing here can fail: memory_take has taken what is needed.

        .text

# memory_fill(): the contents of the initial area: kernel, initrd, hypercall page, page tables, start_info.
#
# in:    guest, after memory_take
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("memory_fill") %}
        call    segments_load
        call    symbols_load
        call    initrd_load
        call    hypercall_page_fill
        call    tables_fill
        movl    guest + GUEST_IMAGE_domain, %ebx
        jmp     start_info_fill
{% endcall %}

{% set L = labels("domain_finish") %}
# domain_finish(): what the hypervisor keeps of the domain, the state it starts in, and a line in the log.
#
# in:    guest, after tables_activate
# out:   the domain is built; at boot it runs
# clob:  %eax, %ebx, %ebp
# errs:  none
{% call routine("domain_finish") %}
        movl    guest + GUEST_IMAGE_domain, %ebx
        movl    DOMAIN_vcpu(%ebx), %ebp
        cmpl    $0, guest + GUEST_IMAGE_extended_cr3
        je      {{ L("plain_cr3") }}
        btsl    $VMASST_TYPE_pae_extended_cr3, DOMAIN_vm_assist(%ebx)
{{ L("plain_cr3") }}:
        call    max_pages_default
        call    vcpu_state_init
        call    clock_publish
        call    clock_publish_wall
        andl    $~DOMAIN_UNBUILT, DOMAIN_flags(%ebx)
        cmpl    $0, job_key
        jne     {{ L("added_already") }}
        call    domain_add
{{ L("added_already") }}:
{{ log("LOG_INFO", "domain %u: %s, %u pages, entry %p, initial area %p to %p\\n", "DOMAIN_id(%ebx)", "$guest_name",
       "guest + GUEST_IMAGE_nr_pages", "guest + GUEST_IMAGE_entry", "guest + GUEST_IMAGE_virt_base",
       "guest + GUEST_IMAGE_virt_end") }}
        ret
{% endcall %}

{% set L = labels("max_pages_default") %}
# max_pages_default(domain): the most pages that a domain may have, if nobody has said it: domain 0 all, others theirs.
#
# in:    guest, %ebx = DOMAIN
# out:   DOMAIN_max_pages
# clob:  %eax
# errs:  none
{% call routine("max_pages_default") %}
        cmpl    $0, DOMAIN_max_pages(%ebx)
        jne     {{ L("given") }}
        movl    guest + GUEST_IMAGE_nr_pages, %eax
        cmpl    $0, DOMAIN_id(%ebx)
        jne     {{ L("store") }}
        movl    $MAX_PAGES_UNBOUNDED, %eax
{{ L("store") }}:
        movl    %eax, DOMAIN_max_pages(%ebx)
{{ L("given") }}:
        ret
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
        call    job_copy
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
        call    job_copy
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
