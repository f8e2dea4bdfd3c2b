# grant_table_op map_grant_ref: a frame of another domain's in an entry of one's own L1 tables, and for one's devices.
#
# Invariants
#   - The entry is one of a validated L1 of the caller's, found by address in the current address space, or by its own
#     machine address. What it held before is dropped as by any update.
#   - A mapping for devices holds the frame and gives its address: there is no IOMMU to tell.

        .text

{% set L = labels("grant_map") %}
# grant_map(): maps the grant that the element names.
#
# in:    grant_element: GNTTAB_MAP_GRANT_REF; %ebp = current vcpu
# out:   %eax = status; handle and dev_bus_addr in the element
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  bad_gntref (nothing to map, beyond the table), bad_domain, no_device_space (handles), general_error
{% call routine("grant_map") %}
        movl    $GNTST_bad_gntref, %eax
        testl   $(GNTMAP_host_map | GNTMAP_device_map), grant_element + GNTTAB_MAP_GRANT_REF_flags
        jz      {{ L("done") }}
        movzwl  grant_element + GNTTAB_MAP_GRANT_REF_dom, %eax
        call    domain_living
        movl    $GNTST_bad_domain, %eax
        jc      {{ L("done") }}
        call    maptrack_get
        movl    %eax, %edi                      # handle
        movl    $GNTST_no_device_space, %eax
        cmpl    $NO_HANDLE, %edi
        je      {{ L("done") }}
        movl    grant_element + GNTTAB_MAP_GRANT_REF_ref, %ecx
        xorl    %edx, %edx
        testl   $GNTMAP_readonly, grant_element + GNTTAB_MAP_GRANT_REF_flags
        setz    %dl                             # whether to write
        movl    VCPU_domain(%ebp), %eax
        movl    DOMAIN_id(%eax), %eax
        call    grant_acquire
        jc      {{ L("not_granted") }}
        testl   $GNTMAP_host_map, grant_element + GNTTAB_MAP_GRANT_REF_flags
        jz      {{ L("mapped") }}
        call    grant_map_host
        jc      {{ L("not_mapped") }}
{{ L("mapped") }}:
        xchgl   %eax, %edi
        movl    %eax, grant_element + GNTTAB_MAP_GRANT_REF_handle
        movl    VCPU_domain(%ebp), %edx
        movl    DOMAIN_grants(%edx), %edx
        call    maptrack_at
        movl    %ebx, MAPTRACK_granter(%esi)
        movl    %ecx, MAPTRACK_ref(%esi)
        movl    %edi, MAPTRACK_frame(%esi)
        movl    grant_element + GNTTAB_MAP_GRANT_REF_flags, %eax
        andl    $(GNTMAP_host_map | GNTMAP_device_map | GNTMAP_readonly | GNTMAP_contains_pte), %eax
        movl    %eax, MAPTRACK_flags(%esi)
        shll    $PAGE_SHIFT, %edi
        movl    %edi, grant_element + GNTTAB_MAP_GRANT_REF_dev_bus_addr
        movl    $0, grant_element + GNTTAB_MAP_GRANT_REF_dev_bus_addr_high
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("not_mapped") }}:
        call    grant_release
        movl    $GNTST_general_error, %eax
{{ L("not_granted") }}:                         # %eax = status, %edi = handle
        xchgl   %eax, %edi
        call    maptrack_put
        movl    %edi, %eax
        ret
{% endcall %}

{% set L = labels("grant_map_host") %}
# grant_map_host(mfn, writable): stores the entry that the element wants.
#
# in:    %eax = mfn that is held for the use, %edx = 1 to write; grant_element; %ebp = current vcpu
# out:   carry: there is no entry to store into, or no reference left
# clob:  %esi
# errs:  carry
{% call routine("grant_map_host") %}
        pushl   %eax
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        shll    $PAGE_SHIFT, %eax
        leal    (PTE_P | PTE_A | PTE_D)(%eax), %ebx
        addl    %edx, %edx                      # PTE_RW
        orl     %edx, %ebx
        movl    grant_element + GNTTAB_MAP_GRANT_REF_flags, %ecx
        movl    %ecx, %eax
        andl    $MAP_AVAILABLE_LOW, %eax
        shrl    $7, %eax
        orl     %eax, %ebx
        testl   $GNTMAP_application_map, %ecx
        jz      {{ L("not_for_ring_3") }}
        orl     $PTE_US, %ebx
{{ L("not_for_ring_3") }}:
        movl    grant_element + GNTTAB_MAP_GRANT_REF_host_addr, %eax
        movl    grant_element + GNTTAB_MAP_GRANT_REF_host_addr_high, %edx
        call    grant_pte_find
        jc      {{ L("done") }}
        andl    $MAP_AVAILABLE_HIGH, %ecx
        addl    %ecx, %ecx
        orl     no_execute_high, %ecx
        call    grant_pte_store
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        popl    %ebx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("grant_pte_store") %}
# grant_pte_store(entry, new): stores an entry for a foreign frame, with the references that it holds.
#
# in:    %esi = address of an entry of a validated L1; %ebx, %ecx = new entry, its frame held
# out:   carry: no reference to the type is left
# clob:  %eax, %edx
# errs:  carry
{% call routine("grant_pte_store") %}
        movl    %ebx, %eax
        shrl    $PAGE_SHIFT, %eax
        call    frame_record
        incl    FRAME_count(%eax)
        testb   $PTE_RW, %bl
        jz      grant_pte_swap
        pushl   %eax
        movl    $FRAME_TYPE_WRITABLE, %edx
        call    type_get
        popl    %edx
        testl   %eax, %eax
        jz      grant_pte_swap
        movl    %edx, %eax
        call    frame_put
        stc
        ret
{% endcall %}

# grant_pte_swap(entry, new): stores an entry whose references are held, and drops what the old one held.
#
# in:    %esi = address of an entry of a validated L1; %ebx, %ecx = new entry
# out:   carry is clear
# clob:  %eax, %edx
# errs:  none
{% call routine("grant_pte_swap") %}
        movl    (%esi), %eax
        movl    4(%esi), %edx
        movl    $0, (%esi)                      # never half of the old and half of the new entry
        movl    %ecx, 4(%esi)
        movl    %ebx, (%esi)
        call    l1_entry_put
        clc
        ret
{% endcall %}

{% set L = labels("grant_pte_find") %}
# grant_pte_find(address, kind): the L1 entry that a mapping goes to, or is in.
#
# in:    %eax, %edx = host_addr, low and high; %ecx = GNTMAP_* flags, of which contains_pte says what the address is;
#        %ebp = current vcpu
# out:   no carry: %esi = address of the entry in the map cache
# clob:  %eax, %edx, %esi
# errs:  carry: no such entry of the caller's
{% call routine("grant_pte_find") %}
        testl   %edx, %edx
        jnz     {{ L("none") }}
        movl    VCPU_domain(%ebp), %esi
        testl   $GNTMAP_contains_pte, %ecx
        jnz     {{ L("machine_address") }}
        cmpl    DOMAIN_virt_start(%esi), %eax
        jae     {{ L("none") }}
        movl    %eax, %edx
        shrl    $L2_SHIFT, %edx
        {{ user("movl LINEAR_L2(,%edx,8), %edx", fail=L("none")) }}
        testb   $PTE_P, %dl
        jz      {{ L("none") }}
        shrl    $(PAGE_SHIFT - 3), %eax
        andl    $(PAGE_OFFSET_MASK & ~7), %eax  # offset of the entry in its table
        jmp     {{ L("have_table") }}
{{ L("machine_address") }}:
        testb   $7, %al
        jnz     {{ L("none") }}
        movl    %eax, %edx
        andl    $PAGE_OFFSET_MASK, %eax
{{ L("have_table") }}:
        shrl    $PAGE_SHIFT, %edx
        cmpl    max_frame, %edx
        jae     {{ L("none") }}
        pushl   %edx
        shll    $4, %edx
        cmpl    %esi, FRAME_TABLE + FRAME_owner(%edx)
        jne     {{ L("not_a_table") }}
        movl    FRAME_TABLE + FRAME_type(%edx), %edx
        andl    $(FRAME_TYPE_MASK | FRAME_VALIDATED), %edx
        cmpl    $(FRAME_TYPE_L1 | FRAME_VALIDATED), %edx
        jne     {{ L("not_a_table") }}
        movl    %eax, %esi
        popl    %eax
        call    map_frame
        addl    %eax, %esi
        clc
        ret
{{ L("not_a_table") }}:
        popl    %edx
{{ L("none") }}:
        stc
        ret
{% endcall %}
