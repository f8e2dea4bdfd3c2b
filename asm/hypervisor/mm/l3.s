# L3 page tables (ABI 6.3): entries, validation, change of an entry.
#
# Invariants
#   - A validated L3 has slot 3, and holds for each present slot one reference to its L2 and one to the type: L2 for
#     slots 0 to 2, L2_RESERVED for slot 3, which no other L3 shares.
#   - The copy that the hardware walks (base_pointer.s) is renewed before what a changed slot held is dropped.
#   - The linear-table entries in the L2 of slot 3 always show the L2s of its L3.

        .text

{% set L = labels("l3_entry_get") %}
# l3_entry_get(entry, slot, owner): takes the references that an L3 entry needs.
#
# in:    %eax, %edx = entry; %ecx = slot; %edi = DOMAIN
# out:   %eax = 0 or an error
# clob:  none
# errs:  -EINVAL (forbidden bits, not its frame, slot 3 shared), or what the L2's validation says
{% call routine("l3_entry_get") %}
        testb   $PTE_P, %al
        jz      {{ L("nothing") }}
        pushl   %ecx
        pushl   %edx
        testl   $(PTE_PWT | PTE_PCD | PTE_PSE | PTE_G), %eax
        jnz     {{ L("bad") }}
        testl   %edx, %edx
        jnz     {{ L("bad") }}
        movl    $FRAME_TYPE_L2, %edx
        cmpl    $3, %ecx
        jne     {{ L("type_ok") }}
        movl    $FRAME_TYPE_L2_RESERVED, %edx
{{ L("type_ok") }}:
        shrl    $PAGE_SHIFT, %eax
        movl    %edi, %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad") }}
        movl    %eax, %ecx
        call    type_get
        testl   %eax, %eax
        jnz     {{ L("drop") }}
        cmpl    $FRAME_TYPE_L2_RESERVED, %edx
        jne     {{ L("done") }}
        movl    FRAME_type(%ecx), %edx
        andl    $FRAME_COUNT_MASK, %edx
        cmpl    $1, %edx
        je      {{ L("done") }}
        movl    %ecx, %eax
        call    type_put
        movl    $-EINVAL, %eax
{{ L("drop") }}:                                # %eax = the error, %ecx = an L2 that holds a reference
        xchgl   %eax, %ecx
        call    frame_put
        movl    %ecx, %eax
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        ret
{{ L("bad") }}:
        movl    $-EINVAL, %eax
        jmp     {{ L("done") }}
{{ L("nothing") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("l3_entry_drop") %}
# l3_entry_drop(entry): drops the references that an L3 entry held.
#
# in:    %eax = low half of the entry
# out:   carry: the L2 is only partly dropped: the entry still holds it; %eax = its FRAME then
# clob:  none
# errs:  none
{% call routine("l3_entry_drop") %}
        testb   $PTE_P, %al
        jz      {{ L("nothing") }}
        shrl    $PAGE_SHIFT, %eax
        shll    $4, %eax
        addl    $FRAME_TABLE, %eax
        call    type_drop
        jc      {{ L("partly") }}
        call    frame_put
{{ L("nothing") }}:
        clc
{{ L("partly") }}:
        ret
{% endcall %}

{% set L = labels("l3_validate") %}
# l3_validate(frame): takes the references of the four entries, or none.
#
# in:    %eax = FRAME; partial_index, partial_undo
# out:   %eax = 0 or an error; partial_index, partial_undo for -ERESTART
# clob:  none
# errs:  -EINVAL (slot 3 is empty), -ERESTART (the work allowed is done), or what l3_entry_get says
{% call routine("l3_validate") %}
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        pushl   %edi
        movl    %eax, %esi
        movl    FRAME_owner(%esi), %edi
        movl    partial_index, %ecx
        call    partial_error
        testl   %eax, %eax
        jnz     {{ L("undo") }}
        movl    %esi, %eax
        call    frame_address
        testb   $PTE_P, 3 * PTE_size(%eax)
        movl    $-EINVAL, %eax
        jz      {{ L("undo") }}
{{ L("next_entry") }}:
        movl    %esi, %eax
        call    frame_address
        movl    4(%eax,%ecx,8), %edx
        movl    (%eax,%ecx,8), %eax
        call    l3_entry_get
        testl   %eax, %eax
        jnz     {{ L("stop") }}
        incl    %ecx
        cmpl    $4, %ecx
        jb      {{ L("next_entry") }}
        call    l3_linear_fill
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edi
        popl    %esi
        popl    %edx
        popl    %ecx
        ret
{{ L("stop") }}:
        cmpl    $-ERESTART, %eax
        jne     {{ L("undo") }}
        movl    %ecx, partial_index
        movl    $0, partial_undo
        jmp     {{ L("done") }}
{{ L("undo") }}:                                # slots below %ecx hold references; %eax = the error
        movl    %eax, %edx
        movl    %ecx, partial_index
        call    l3_entries_drop
        movl    %edx, %eax
        jnc     {{ L("done") }}
        call    partial_undo_later
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("l3_entries_drop") %}
# l3_entries_drop(table): drops the references of the slots below partial_index, from the last one down.
#
# in:    %esi = FRAME; partial_index
# out:   carry: the work allowed is done; partial_index says what is left
# clob:  %eax, %ecx
# errs:  none
{% call routine("l3_entries_drop") %}
        movl    partial_index, %ecx
{{ L("next_entry") }}:
        testl   %ecx, %ecx
        jz      {{ L("all_dropped") }}
        movl    %esi, %eax
        call    frame_address
        movl    -PTE_size(%eax,%ecx,8), %eax
        call    l3_entry_drop
        jc      {{ L("stop") }}
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

{% set L = labels("l3_devalidate") %}
# l3_devalidate(frame): drops the references of the slots below partial_index; begins by taking the linear-table
# entries away.
#
# in:    %eax = FRAME; partial_index
# out:   carry: the work allowed is done; partial_index says what is left
# clob:  none
# errs:  none
# why:   a linear entry of another L2 may keep the L2 of slot 3, and could show what the other slots' frames become
{% call routine("l3_devalidate") %}
        pushl   %eax
        pushl   %ecx
        pushl   %esi
        movl    %eax, %esi
        cmpl    $4, partial_index
        jbe     {{ L("begun") }}
        movl    $4, partial_index
        call    frame_address
        movl    3 * PTE_size(%eax), %eax
        shrl    $PAGE_SHIFT, %eax
        call    map_frame
{% for slot in range(4) %}
        movl    $0, (LINEAR_TABLES_L2 + {{ slot }}) * PTE_size(%eax)
{% endfor %}
{{ L("begun") }}:
        call    l3_entries_drop
        popl    %esi
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("l3_linear_fill") %}
# l3_linear_fill(table): makes the linear-table entries in the L2 of slot 3 show the L2s of this L3.
#
# in:    %esi = FRAME of the L3
# out:   -
# clob:  %eax
# errs:  none
{% call routine("l3_linear_fill") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        movl    %esi, %eax
        call    frame_address
        movl    %eax, %ebx
        movl    3 * PTE_size(%ebx), %eax
        shrl    $PAGE_SHIFT, %eax
        call    map_frame
        movl    %eax, %edx
        xorl    %ecx, %ecx
{{ L("next_entry") }}:
        movl    (%ebx,%ecx,8), %eax
        testb   $PTE_P, %al
        jz      {{ L("absent") }}
        andl    $~PAGE_OFFSET_MASK, %eax
        orl     $(PTE_P | PTE_RW | PTE_A | PTE_D), %eax
        jmp     {{ L("store") }}
{{ L("absent") }}:
        xorl    %eax, %eax
{{ L("store") }}:
        movl    %eax, LINEAR_TABLES_L2 * PTE_size(%edx,%ecx,8)
        movl    no_execute_high, %eax
        movl    %eax, LINEAR_TABLES_L2 * PTE_size + 4(%edx,%ecx,8)
        incl    %ecx
        cmpl    $4, %ecx
        jb      {{ L("next_entry") }}
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("l3_entry_update") %}
# l3_entry_update(table, slot, new, owner): changes slot 0, 1 or 2 of a validated L3.
#
# in:    %esi = FRAME of the table, %edx = index of the entry in its page; %ebx, %ecx = new entry; %edi = DOMAIN
# out:   %eax = 0 or an error; the entry is unchanged then
# clob:  %edx
# errs:  -EINVAL (another slot), or as l3_entry_get
{% call routine("l3_entry_update") %}
        cmpl    $3, %edx
        jae     {{ L("bad_slot") }}
        pushl   %ecx
        pushl   %edx
        movl    %ebx, %eax
        xchgl   %ecx, %edx
        call    l3_entry_get
        popl    %edx
        popl    %ecx
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    %esi, %eax
        call    frame_address
        leal    (%eax,%edx,8), %edx
        pushl   (%edx)
        movl    $0, (%edx)
        movl    %ecx, 4(%edx)
        movl    %ebx, (%edx)
        call    l3_linear_fill
        call    l3_in_use_renew
        popl    %eax
        call    l3_entry_drop
        jnc     {{ L("dropped") }}
        call    old_table_remember
        call    frame_put
{{ L("dropped") }}:
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{{ L("bad_slot") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}
