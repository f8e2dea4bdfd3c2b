# L2 page tables: the references that entries held, dropped.
#
# Invariants
#   - What l2_entry_get has taken (l2.s) is given back here, the balances of linear entries too.
#   - A large target may be dropped in part: the entry still holds it then, or old_table_finish goes on with it.

        .text

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
