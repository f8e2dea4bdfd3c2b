# What is the hypervisor's in an L2 for slot 3 of an L3 (FRAME_TYPE_L2_RESERVED).
#
# Invariants
#   - The entries from the domain's virt_start up are ours: not validated, never dropped, and written here alone.

        .text

{% set L = labels("l2_guest_entries") %}
# l2_guest_entries(table): how many entries of an L2 are the guest's.
#
# in:    %esi = FRAME of the table
# out:   %ecx = 512, or the first index that is the hypervisor's
# clob:  none
# errs:  none
{% call routine("l2_guest_entries") %}
        movl    FRAME_type(%esi), %ecx
        andl    $FRAME_TYPE_MASK, %ecx
        cmpl    $FRAME_TYPE_L2_RESERVED, %ecx
        movl    $PTES_PER_TABLE, %ecx
        jne     {{ L("all") }}
        movl    FRAME_owner(%esi), %ecx
        movl    DOMAIN_virt_start(%ecx), %ecx
        shrl    $L2_SHIFT, %ecx
        andl    $(PTES_PER_TABLE - 1), %ecx
{{ L("all") }}:
        ret
{% endcall %}

{% set L = labels("l2_reserved_fill") %}
# l2_reserved_fill(table): writes the hypervisor's entries of an L2 for slot 3, but for the linear tables.
#
# in:    %esi = FRAME
# out:   -
# clob:  %eax
# errs:  none
# why:   the linear entries need the other L2s: l3.s writes them when the L3 is complete
{% call routine("l2_reserved_fill") %}
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        pushl   %edi
        movl    FRAME_owner(%esi), %edx
        movl    %esi, %eax
        call    frame_address
        leal    HV_L2_FIRST * PTE_size(%eax), %edi
        movl    $idle_l2 + (3 * PTES_PER_TABLE + HV_L2_FIRST) * PTE_size, %esi
        movl    $((PTES_PER_TABLE - HV_L2_FIRST) * PTE_size / 4), %ecx
        rep movsl
        movl    %eax, %edi
        movl    DOMAIN_window_l1(%edx), %eax
        call    heap_mfn
        shll    $PAGE_SHIFT, %eax
        orl     $(PTE_P | PTE_RW | PTE_A | PTE_D), %eax
        movl    %eax, DOMAIN_WINDOW_L2 * PTE_size(%edi)
        cmpl    $M2P_ALIAS, DOMAIN_virt_start(%edx)
        jne     {{ L("no_alias") }}
        movl    $hv_l1 - IMAGE_LOAD_OFFSET + (PTE_P | PTE_A), %eax
        xorl    %ecx, %ecx
{{ L("next_alias") }}:
        movl    %eax, ALIAS_L2_FIRST * PTE_size(%edi,%ecx,8)
        movl    $0, ALIAS_L2_FIRST * PTE_size + 4(%edi,%ecx,8)
        addl    $PAGE_SIZE, %eax
        incl    %ecx
        cmpl    $(M2P_BYTES / SUPERPAGE_SIZE), %ecx
        jb      {{ L("alias_next_table") }}
        movl    $invalid_m2p_l1 - IMAGE_LOAD_OFFSET + (PTE_P | PTE_A), %eax
{{ L("alias_next_table") }}:
        cmpl    $(M2P_ALIAS_BYTES / SUPERPAGE_SIZE), %ecx
        jb      {{ L("next_alias") }}
        leal    (ALIAS_L2_FIRST + M2P_ALIAS_BYTES / SUPERPAGE_SIZE) * PTE_size(%edi), %edi
        xorl    %eax, %eax
        movl    $((HV_L2_FIRST - ALIAS_L2_FIRST - M2P_ALIAS_BYTES / SUPERPAGE_SIZE) * PTE_size / 4), %ecx
        rep stosl
{{ L("no_alias") }}:
        popl    %edi
        popl    %esi
        popl    %edx
        popl    %ecx
        ret
{% endcall %}
