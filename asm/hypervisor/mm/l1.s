# L1 page tables: what an entry may map (ABI 6.2, 6.5), validation of a table, change of an entry.
#
# Invariants
#   - A present entry of a validated L1 holds one reference to its frame and, if it is writable, one to the type
#     FRAME_TYPE_WRITABLE; so a frame that is a table or a descriptor page is never mapped writable.
#   - Frames that are no RAM (count 0, not free) hold no references; only a privileged domain may map them, and never
#     the local APIC.
#   - An entry is written only after what it needs has been taken; what the former entry held is dropped last.

        .text

{% set L = labels("l1_entry_get") %}
# l1_entry_get(entry, owner): takes the references that an L1 entry needs.
#
# in:    %eax, %edx = entry, low and high; %edi = DOMAIN whose frames may be mapped
# out:   %eax = 0 or an error
# clob:  none
# errs:  -EINVAL (forbidden bits), -EBUSY (not its frame, or not to be written), -EPERM (no RAM)
{% call routine("l1_entry_get") %}
        testb   $PTE_P, %al
        jz      {{ L("nothing") }}
        pushl   %ecx
        testl   $(PTE_PWT | PTE_PCD | PTE_PSE), %eax
        jnz     {{ L("cache_bits") }}
{{ L("low_ok") }}:
        testl   $PTE_HIGH_FRAME, %edx
        jnz     {{ L("not_ram") }}
        testl   %edx, %edx
        js      {{ L("no_execute") }}
{{ L("high_ok") }}:
        movl    %eax, %ecx
        shrl    $PAGE_SHIFT, %ecx
        cmpl    max_frame, %ecx
        jae     {{ L("not_ram") }}
        shll    $4, %ecx
        addl    $FRAME_TABLE, %ecx
        cmpl    %edi, FRAME_owner(%ecx)
        jne     {{ L("not_own") }}
        testb   $PTE_RW, %al
        jz      {{ L("readable") }}
        movl    FRAME_type(%ecx), %eax
        subl    $(FRAME_TYPE_WRITABLE | FRAME_VALIDATED), %eax
        cmpl    $FRAME_COUNT_MASK, %eax
        jae     {{ L("make_writable") }}        # of another type, or counted as often as can be
        incl    FRAME_type(%ecx)
{{ L("readable") }}:
        incl    FRAME_count(%ecx)
        popl    %ecx
{{ L("nothing") }}:
        xorl    %eax, %eax
        ret
{{ L("make_writable") }}:
        pushl   %edx
        movl    %ecx, %eax
        movl    $FRAME_TYPE_WRITABLE, %edx
        call    type_get
        popl    %edx
        testl   %eax, %eax
        jz      {{ L("readable") }}
        jmp     {{ L("busy") }}
{{ L("cache_bits") }}:
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edi)
        jnz     {{ L("low_ok") }}
{{ L("bad_bits") }}:
        movl    $-EINVAL, %eax
        popl    %ecx
        ret
{{ L("no_execute") }}:
        cmpl    $0, no_execute_high
        jne     {{ L("high_ok") }}
        jmp     {{ L("bad_bits") }}
{{ L("not_own") }}:
        cmpl    $0, FRAME_count(%ecx)
        jne     {{ L("busy") }}
        movl    %eax, %ecx
        shrl    $PAGE_SHIFT, %ecx
        btl     %ecx, frame_bitmap
        jnc     {{ L("not_ram") }}
{{ L("busy") }}:
        movl    $-EBUSY, %eax
        popl    %ecx
        ret
{{ L("not_ram") }}:
        call    io_frame_check
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("l1_entry_put") %}
# l1_entry_put(entry): drops the references that an L1 entry held.
#
# in:    %eax, %edx = entry, low and high
# out:   -
# clob:  %eax
# errs:  none
{% call routine("l1_entry_put") %}
        testb   $PTE_P, %al
        jz      {{ L("nothing") }}
        testl   $PTE_HIGH_FRAME, %edx
        jnz     {{ L("nothing") }}
        pushl   %ecx
        movl    %eax, %ecx
        shrl    $PAGE_SHIFT, %ecx
        cmpl    max_frame, %ecx
        jae     {{ L("not_ram") }}
        shll    $4, %ecx
        addl    $FRAME_TABLE, %ecx
        cmpl    $0, FRAME_count(%ecx)
        je      {{ L("not_ram") }}
        testb   $PTE_RW, %al
        movl    %ecx, %eax
        jz      {{ L("read_only") }}
        call    type_put
{{ L("read_only") }}:
        call    frame_put
{{ L("not_ram") }}:
        popl    %ecx
{{ L("nothing") }}:
        ret
{% endcall %}

{% set L = labels("l1_validate") %}
# l1_validate(frame): takes the references of all 512 entries, or none.
#
# in:    %eax = FRAME; partial_index, partial_undo
# out:   %eax = 0 or an error; partial_index, partial_undo for -ERESTART
# clob:  none
# errs:  what l1_entry_get says of the first entry that is no good; -ERESTART: the work allowed is done
{% call routine("l1_validate") %}
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        pushl   %edi
        movl    FRAME_owner(%eax), %edi
        call    frame_address
        movl    %eax, %esi
        subl    $WORK_OF_A_TABLE, work_left
        movl    partial_index, %ecx
        call    partial_error
        testl   %eax, %eax
        jnz     {{ L("undo") }}
{{ L("next_entry") }}:
        movl    (%esi,%ecx,8), %eax
        movl    4(%esi,%ecx,8), %edx
        testb   $PTE_P, %al
        jz      {{ L("entry_ok") }}
        decl    work_left
        js      {{ L("stop") }}
        call    l1_entry_get
        testl   %eax, %eax
        jnz     {{ L("undo") }}
{{ L("entry_ok") }}:
        incl    %ecx
        cmpl    $PTES_PER_TABLE, %ecx
        jb      {{ L("next_entry") }}
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edi
        popl    %esi
        popl    %edx
        popl    %ecx
        ret
{{ L("undo") }}:                                # entries below %ecx hold references; %eax = the error
        movl    %ecx, partial_index
        pushl   %eax
        call    l1_entries_drop
        popl    %eax
        jnc     {{ L("done") }}
        call    partial_undo_later
        jmp     {{ L("done") }}
{{ L("stop") }}:
        movl    %ecx, partial_index
        movl    $0, partial_undo
        movl    $-ERESTART, %eax
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("l1_entries_drop") %}
# l1_entries_drop(table): drops the references of the entries below partial_index, from the last one down.
#
# in:    %esi = address of the table; partial_index
# out:   carry: the work allowed is done; partial_index says what is left
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("l1_entries_drop") %}
        movl    partial_index, %ecx
        jmp     {{ L("any_left") }}
{{ L("next_entry") }}:
        movl    -PTE_size(%esi,%ecx,8), %eax
        testb   $PTE_P, %al
        jz      {{ L("dropped") }}
        decl    work_left
        js      {{ L("stop") }}
        movl    4 - PTE_size(%esi,%ecx,8), %edx
        call    l1_entry_put
{{ L("dropped") }}:
        decl    %ecx
{{ L("any_left") }}:
        testl   %ecx, %ecx
        jnz     {{ L("next_entry") }}
        movl    %ecx, partial_index
        clc
        ret
{{ L("stop") }}:
        movl    %ecx, partial_index
        stc
        ret
{% endcall %}

# l1_devalidate(frame): drops the references of the entries below partial_index.
#
# in:    %eax = FRAME; partial_index
# out:   carry: the work allowed is done; partial_index says what is left
# clob:  none
# errs:  none
{% call routine("l1_devalidate") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        call    frame_address
        movl    %eax, %esi
        subl    $WORK_OF_A_TABLE, work_left
        call    l1_entries_drop
        popl    %esi
        popl    %edx
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

# frame_address(frame): maps the frame of a record.
#
# in:    %eax = FRAME
# out:   %eax = address, good as long as the map cache says
# clob:  none
# errs:  none
{% call routine("frame_address") %}
        subl    $FRAME_TABLE, %eax
        shrl    $4, %eax
        jmp     map_frame
{% endcall %}

{% set L = labels("l1_entry_update") %}
# l1_entry_update(entry, new, owner): changes an entry of a validated L1.
#
# in:    %esi = address of the entry, writable; %ebx, %ecx = new entry, low and high; %edi = DOMAIN whose frames
#        may be mapped
# out:   %eax = 0 or an error; the entry is unchanged then
# clob:  %edx
# errs:  as l1_entry_get
# why:   nearly all that guests ask for is done by l1_entry_fast: the rest is I/O memory, a frame's last reference, a
#        frame that is to become writable, and what is refused
{% call routine("l1_entry_update") %}
        call    l1_entry_fast
        jc      {{ L("another") }}
        xorl    %eax, %eax
        ret
{{ L("another") }}:
        movl    %ebx, %eax
        movl    %ecx, %edx
        call    l1_entry_get
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    (%esi), %eax
        movl    4(%esi), %edx
        movl    $0, (%esi)                      # never half of the old and half of the new entry
        movl    %ecx, 4(%esi)
        movl    %ebx, (%esi)
        call    l1_entry_put
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}
