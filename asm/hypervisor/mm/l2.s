# L2 page tables (ABI 6.3): entries, validation, change of an entry; l2_drop.s gives back, l2_reserved.s has our slots.
#
# Invariants
#   - A present entry of a validated L2 holds one reference to its target and one to the target's type L1.
#   - A linear entry (ABI 6.3) is read-only and has an L2 for its target: itself, then it holds nothing; or another
#     validated L2 of the domain, then it holds a reference to that type.
#   - An L2 that is the target of another's linear entry has none to others itself, so there are no chains and no
#     circles. FRAME_link of an L2 is the balance: how often it is a target, or minus how many such entries it has.
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
