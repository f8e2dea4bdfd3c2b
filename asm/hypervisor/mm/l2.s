# L2 page tables (ABI 6.3): entries, validation, change of an entry, and the slots that are the hypervisor's.
#
# Invariants
#   - A present entry of a validated L2 holds one reference to its target and one to the target's type L1.
#   - A linear entry (ABI 6.3) is read-only and has an L2 for its target: itself, then it holds nothing; or another
#     validated L2 of the domain, then it holds a reference to that type.
#   - An L2 that is the target of another's linear entry has none to others itself, so there are no chains and no
#     circles. FRAME_link of an L2 is the balance: how often it is a target, or minus how many such entries it has.
#   - In an L2 of type FRAME_TYPE_L2_RESERVED (slot 3 of an L3) the entries from the domain's virt_start up are ours:
#     not validated, never dropped, written by l2_reserved_fill alone.
#   - Validating one L2 may map 512 L1s, so the table itself is mapped again for each entry (map_cache.s).

        .text

{% set L = labels("l2_entry_get") %}
# l2_entry_get(entry, owner, table): takes the references that an L2 entry needs.
#
# in:    %eax, %edx = entry; %edi = DOMAIN; %esi = FRAME of the table that holds the entry
# out:   %eax = 0 or an error
# clob:  none
# errs:  -EINVAL (forbidden bits, not its frame, cannot be an L1), or what the L1's validation says, -ERESTART too
{% call routine("l2_entry_get") %}
        testb   $PTE_P, %al
        jz      {{ L("nothing") }}
        pushl   %ecx
        pushl   %edx
        testl   $(PTE_PWT | PTE_PCD | PTE_PSE | PTE_G), %eax
        jnz     {{ L("bad") }}
        testl   $PTE_HIGH_FRAME, %edx
        jnz     {{ L("bad") }}
        testl   %edx, %edx
        jns     {{ L("bits_ok") }}
        cmpl    $0, no_execute_high
        je      {{ L("bad") }}
{{ L("bits_ok") }}:
        movl    %eax, %edx
        shrl    $PAGE_SHIFT, %eax
        movl    %edi, %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad") }}
        movl    %eax, %ecx                      # the target
        testb   $PTE_RW, %dl
        jnz     {{ L("must_be_l1") }}
        cmpl    %esi, %ecx
        je      {{ L("linear_self") }}
        movl    FRAME_type(%ecx), %edx
        testl   $FRAME_COUNT_MASK, %edx
        jz      {{ L("must_be_l1") }}
        andl    $(FRAME_TYPE_MASK | FRAME_VALIDATED), %edx
        cmpl    $(FRAME_TYPE_L2 | FRAME_VALIDATED), %edx
        je      {{ L("linear") }}
        cmpl    $(FRAME_TYPE_L2_RESERVED | FRAME_VALIDATED), %edx
        je      {{ L("linear") }}
{{ L("must_be_l1") }}:
        movl    $FRAME_TYPE_L1, %edx
        call    type_get
        testl   %eax, %eax
        jnz     {{ L("drop") }}
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        ret
{{ L("linear") }}:
        cmpl    $0, FRAME_link(%esi)
        jg      {{ L("chain") }}
        cmpl    $0, FRAME_link(%ecx)
        jl      {{ L("chain") }}
        movl    %ecx, %eax
        movl    FRAME_type(%ecx), %edx
        andl    $FRAME_TYPE_MASK, %edx
        call    type_get
        testl   %eax, %eax
        jnz     {{ L("drop") }}
        decl    FRAME_link(%esi)
        incl    FRAME_link(%ecx)
        jmp     {{ L("done") }}
{{ L("linear_self") }}:
        call    frame_put                       # the table's own entry holds nothing
        xorl    %eax, %eax
        jmp     {{ L("done") }}
{{ L("chain") }}:
        movl    $-EINVAL, %eax
{{ L("drop") }}:                                # %eax = the error, %ecx = a target that holds a reference
        xchgl   %eax, %ecx
        call    frame_put
        movl    %ecx, %eax
        jmp     {{ L("done") }}
{{ L("bad") }}:
        movl    $-EINVAL, %eax
        jmp     {{ L("done") }}
{{ L("nothing") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("l2_entry_drop") %}
# l2_entry_drop(entry, table): drops the references that an L2 entry held.
#
# in:    %eax = low half of the entry; %esi = FRAME of the table
# out:   carry: the target is only partly dropped: the entry still holds it, and %eax = its FRAME
# clob:  none
# errs:  none
{% call routine("l2_entry_drop") %}
        testb   $PTE_P, %al
        jz      {{ L("nothing") }}
        shrl    $PAGE_SHIFT, %eax
        shll    $4, %eax
        addl    $FRAME_TABLE, %eax
        cmpl    %esi, %eax
        je      {{ L("nothing") }}
        pushl   %ecx
        movl    FRAME_type(%eax), %ecx
        andl    $(FRAME_TYPE_MASK | FRAME_PARTIAL), %ecx
        cmpl    $FRAME_TYPE_L1, %ecx
        je      {{ L("balance_ok") }}
        testl   $FRAME_PARTIAL, %ecx
        jnz     {{ L("balance_ok") }}           # a linear entry that was begun with
        decl    FRAME_link(%eax)                # a linear entry
        incl    FRAME_link(%esi)
{{ L("balance_ok") }}:
        popl    %ecx
        call    type_drop
        jc      {{ L("partly") }}
        call    frame_put
{{ L("nothing") }}:
        clc
{{ L("partly") }}:
        ret
{% endcall %}

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

{% set L = labels("l2_validate") %}
# l2_validate(frame): takes the references of the guest's entries, or none; then fills in the hypervisor's.
#
# in:    %eax = FRAME of type L2 or L2_RESERVED; partial_index, partial_undo
# out:   %eax = 0 or an error; partial_index, partial_undo for -ERESTART
# clob:  none
# errs:  what l2_entry_get says of the first entry that is no good; -ERESTART: the work allowed is done
{% call routine("l2_validate") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        pushl   %edi
        movl    %eax, %esi
        movl    FRAME_owner(%esi), %edi
        call    l2_guest_entries
        movl    partial_index, %ebx
        call    partial_error
        testl   %eax, %eax
        jnz     {{ L("undo") }}
{{ L("next_entry") }}:
        cmpl    $0, work_left
        jle     {{ L("stop") }}
        movl    %esi, %eax
        call    frame_address
        movl    4(%eax,%ebx,8), %edx
        movl    (%eax,%ebx,8), %eax
        call    l2_entry_get
        testl   %eax, %eax
        jnz     {{ L("not_valid") }}
        decl    work_left
        incl    %ebx
        cmpl    %ecx, %ebx
        jb      {{ L("next_entry") }}
        cmpl    $PTES_PER_TABLE, %ecx
        je      {{ L("done") }}
        call    l2_reserved_fill
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edi
        popl    %esi
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{{ L("not_valid") }}:
        cmpl    $-ERESTART, %eax
        je      {{ L("stop") }}
{{ L("undo") }}:                                # entries below %ebx hold references; %eax = the error
        movl    %eax, %edx
        movl    %ebx, partial_index
        call    l2_entries_drop
        movl    %edx, %eax
        jnc     {{ L("done") }}
        call    partial_undo_later
        jmp     {{ L("done") }}
{{ L("stop") }}:
        movl    %ebx, partial_index
        movl    $0, partial_undo
        movl    $-ERESTART, %eax
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("l2_entry_put") %}
# l2_entry_put(entry, table): as l2_entry_drop, for an entry that is gone from the table already.
#
# in:    %eax = low half of the former entry; %esi = FRAME of the table
# out:   -
# clob:  %eax
# errs:  none: a target that is only partly dropped is remembered (old_table_finish)
{% call routine("l2_entry_put") %}
        call    l2_entry_drop
        jnc     {{ L("done") }}
        call    old_table_remember
        call    frame_put
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("l2_entries_drop") %}
# l2_entries_drop(table): drops the references of the entries below partial_index, from the last one down.
#
# in:    %esi = FRAME; partial_index
# out:   carry: the work allowed is done; partial_index says what is left
# clob:  %eax, %ecx
# errs:  none
{% call routine("l2_entries_drop") %}
        movl    partial_index, %ecx
{{ L("next_entry") }}:
        testl   %ecx, %ecx
        jz      {{ L("all_dropped") }}
        cmpl    $0, work_left
        jle     {{ L("stop") }}
        movl    %esi, %eax
        call    frame_address
        movl    -PTE_size(%eax,%ecx,8), %eax
        call    l2_entry_drop
        jc      {{ L("stop") }}
        decl    work_left
        decl    %ecx
        jmp     {{ L("next_entry") }}
{{ L("all_dropped") }}:
        movl    %ecx, partial_index
        clc
        ret
{{ L("stop") }}:
        movl    %ecx, partial_index
        stc
        ret
{% endcall %}

{% set L = labels("l2_devalidate") %}
# l2_devalidate(frame): drops the references of the guest's entries below partial_index.
#
# in:    %eax = FRAME whose type word is 0 by now, %edx = its type before; partial_index
# out:   carry: the work allowed is done; partial_index says what is left
# clob:  none
# errs:  none
{% call routine("l2_devalidate") %}
        pushl   %eax
        pushl   %ecx
        pushl   %esi
        movl    %eax, %esi
        movl    %edx, FRAME_type(%esi)          # for l2_guest_entries
        call    l2_guest_entries
        cmpl    partial_index, %ecx
        jae     {{ L("index_ok") }}
        movl    %ecx, partial_index
{{ L("index_ok") }}:
        call    l2_entries_drop
        movl    $0, FRAME_type(%esi)
        popl    %esi
        popl    %ecx
        popl    %eax
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

{% set L = labels("l2_entry_update") %}
# l2_entry_update(table, index, new, owner): changes an entry of a validated L2.
#
# in:    %esi = FRAME of the table, %edx = index; %ebx, %ecx = new entry; %edi = DOMAIN
# out:   %eax = 0 or an error; the entry is unchanged then
# clob:  %edx
# errs:  -EPERM (a slot of the hypervisor's), or as l2_entry_get
# why:   there is no short cut for "flags only": an entry that becomes writable must not stay a linear one
{% call routine("l2_entry_update") %}
        pushl   %ecx
        call    l2_guest_entries
        cmpl    %ecx, %edx
        popl    %ecx
        jae     {{ L("not_allowed") }}
        pushl   %edx
        movl    %ebx, %eax
        movl    %ecx, %edx
        call    l2_entry_get
        popl    %edx
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    %esi, %eax
        call    frame_address
        leal    (%eax,%edx,8), %edx
        pushl   (%edx)
        movl    $0, (%edx)
        movl    %ecx, 4(%edx)
        movl    %ebx, (%edx)
        popl    %eax
        call    l2_entry_put
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{{ L("not_allowed") }}:
        movl    $-EPERM, %eax
        ret
{% endcall %}
