# The machine-to-pseudo-physical table (M2P): one u32 for each machine frame.
#
# Invariants
#   - Readable, and read-only, at M2P_READ_ONLY for every guest; written by the hypervisor at M2P.
#   - Whatever is beyond max_frame reads as INVALID_M2P_ENTRY, from one shared page. The same page fills the alias at
#     M2P_ALIAS behind its first 4 MB (table invalid_m2p_l1).
#   - A frame without an owner has INVALID_M2P_ENTRY.
#   - The table's own frames belong to domain_xen, and their type, none, is in use for ever: a privileged domain
#     that names DOMID_XEN may map them, but nobody for writing or as something else (ABI 6.5).

        .section .init, "ax"

{% set L = labels("m2p_init") %}
# m2p_init(): takes frames for the table, maps it twice, and fills it.
#
# in:    max_frame; the frame allocator works
# out:   M2P, M2P_READ_ONLY, invalid_m2p_l1
# clob:  none
# errs:  no memory is a panic
{% call routine("m2p_init") %}
        pushal
        movl    max_frame, %ebx
        shll    $2, %ebx
        addl    $PAGE_OFFSET_MASK, %ebx
        shrl    $PAGE_SHIFT, %ebx               # pages with real entries
        call    frame_alloc
        testl   %eax, %eax
        jz      {{ L("no_room") }}
        shll    $PAGE_SHIFT, %eax
        movl    %eax, %ebp                      # the page of invalid entries
        movl    %eax, %edi
        call    invalid_page_fill
        movl    %ebx, %ecx
        xorl    %ebx, %ebx
        call    run_take
        movl    %ecx, %ebx
        testl   %eax, %eax
        jz      {{ L("no_room") }}
        movl    %eax, m2p_first_mfn
        xorl    %esi, %esi
{{ L("next_page") }}:
        movl    %ebp, %edx
        cmpl    %ebx, %esi
        jae     {{ L("have_page") }}
        movl    m2p_first_mfn, %eax
        addl    %esi, %eax
        call    m2p_frame_own
        shll    $PAGE_SHIFT, %eax
        movl    %eax, %edi
        call    invalid_page_fill
        movl    %eax, %edx
        movl    %esi, %eax
        shll    $PAGE_SHIFT, %eax
        addl    $M2P, %eax
        orl     $(PTE_P | PTE_RW | PTE_A | PTE_D), %edx
        call    hv_map_page_nx
        andl    $~PAGE_OFFSET_MASK, %edx
{{ L("have_page") }}:
        movl    %esi, %eax
        shll    $PAGE_SHIFT, %eax
        addl    $M2P_READ_ONLY, %eax
        orl     $(PTE_P | PTE_A), %edx
        call    hv_map_page_nx
        incl    %esi
        cmpl    $(M2P_BYTES / PAGE_SIZE), %esi
        jb      {{ L("next_page") }}
        orl     $(PTE_P | PTE_A), %ebp
        movl    no_execute_high, %edx
        xorl    %esi, %esi
{{ L("next_alias") }}:
        movl    %ebp, invalid_m2p_l1(,%esi,8)
        movl    %edx, invalid_m2p_l1 + 4(,%esi,8)
        incl    %esi
        cmpl    $PTES_PER_TABLE, %esi
        jb      {{ L("next_alias") }}
        popal
        ret
{{ L("no_room") }}:
{{ panic("no memory for the machine-to-physical table") }}
{% endcall %}

# m2p_frame_own(mfn): a frame of the table is domain_xen's.
#
# in:    %eax = mfn
# out:   -
# clob:  none
# errs:  none
{% call routine("m2p_frame_own") %}
        pushl   %eax
        shll    $4, %eax
        movl    $domain_xen, FRAME_TABLE + FRAME_owner(%eax)
        movl    $(FRAME_TYPE_NONE | FRAME_VALIDATED | 1), FRAME_TABLE + FRAME_type(%eax)
        popl    %eax
        ret
{% endcall %}

# invalid_page_fill(page): a page of INVALID_M2P_ENTRY.
#
# in:    %edi = address of the page
# out:   -
# clob:  none
# errs:  none
{% call routine("invalid_page_fill") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edi
        movl    $INVALID_M2P_ENTRY, %eax
        movl    $(PAGE_SIZE / 4), %ecx
        rep stosl
        popl    %edi
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

{{ space("invalid_m2p_l1", "PAGE_SIZE", 4096) }}
