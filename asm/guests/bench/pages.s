# Pages and page tables: which frame a page has, where the entry that maps it is, and changing it.
#
# Invariants
#   - All frames are below 4 GB, so the high words of entries are 0.
#   - Scratch pages come in pairs: page i and page i ^ 1, so their addresses differ in one bit.
#   - Nothing but start_info and the tables that it names is needed: they stay as the domain builder made them.

        .text

        .set    SCRATCH_PAGES, 128
        .set    SCRATCH_FLAGS, PTE_P | PTE_RW | PTE_A | PTE_D

# page_protect(va): makes a page read-only, as a page table must be.
#
# in:    %ebx = address; %ebp = start_info
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  those of update_va_mapping
{% call routine("page_protect") %}
        call    page_frame
        movl    $(PTE_P | PTE_A), %ecx
        jmp     page_map
{% endcall %}

{% set L = labels("frame_page") %}
# frame_page(mfn): where a frame of this domain is mapped.
#
# in:    %eax = mfn; %ebp = start_info
# out:   %eax = address in the initial mapping
# clob:  none
# errs:  none: the tables that the builder made are all there
# why:   the list of the builder is searched, because not every hypervisor has its M2P table at the same place
{% call routine("frame_page") %}
        pushl   %ecx
        pushl   %edx
        movl    START_INFO_mfn_list(%ebp), %edx
        xorl    %ecx, %ecx
{{ L("next_page") }}:
        cmpl    %eax, (%edx,%ecx,4)
        je      {{ L("found") }}
        incl    %ecx
        jmp     {{ L("next_page") }}
{{ L("found") }}:
        movl    %ecx, %eax
        shll    $PAGE_SHIFT, %eax
        addl    $VIRT_BASE, %eax
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

# table_l2(): the L2 of the top gigabyte, where this guest is.
#
# in:    %ebp = start_info
# out:   %eax = its address
# clob:  none
# errs:  none
{% call routine("table_l2") %}
        movl    START_INFO_pt_base(%ebp), %eax
        movl    3 * PTE_size(%eax), %eax
        shrl    $PAGE_SHIFT, %eax
        jmp     frame_page
{% endcall %}

# entry_address(va): where the L1 entry that maps a page is, for mmu_update.
#
# in:    %ebx = address; %ebp = start_info
# out:   %eax = machine address of the entry
# clob:  %ecx
# errs:  none
{% call routine("entry_address") %}
        call    table_l2
        movl    %ebx, %ecx
        shrl    $L2_SHIFT, %ecx
        andl    $(PTES_PER_TABLE - 1), %ecx
        movl    (%eax,%ecx,8), %eax
        andl    $~PAGE_OFFSET_MASK, %eax
        movl    %ebx, %ecx
        shrl    $PAGE_SHIFT, %ecx
        andl    $(PTES_PER_TABLE - 1), %ecx
        leal    (%eax,%ecx,8), %eax
        ret
{% endcall %}

{{ space("scratch", "SCRATCH_PAGES * PAGE_SIZE", "2 * PAGE_SIZE") }}
