# The short way to change an entry of an L1 table: what nearly every request of a guest is, in one piece of code.
#
# It serves bare handlers (entry/hypercall.s) and the long way alike, so all memory is reached through %ss.
#
# Invariants
#   - It does what l1_entry_update (l1.s) does, or nothing: whatever is rare, or would need more than counting, is left
#     to that. So every check of there is here, or leads there.
#   - The frame that is dropped keeps a reference: no frame is freed here, and no table gets or loses its type.

        .text

{% set L = labels("l1_entry_fast") %}
# l1_entry_fast(entry, new, owner): another frame of RAM, other flags, a mapping made or taken away.
#
# in:    %esi = address of the entry, writable; %ebx, %ecx = new entry, low and high; %edi = DOMAIN whose frames may be
#        mapped
# out:   no carry: done; carry: nothing has changed, and l1_entry_update knows what to do
# clob:  %eax, %edx
# errs:  carry
# why:   %ebp is the new frame's record: memory by way of it is reached through %ss without a prefix
{% call routine("l1_entry_fast") %}
        movl    %ss:(%esi), %eax
        movl    %eax, %edx
        xorl    %ebx, %edx
        testl   $(~PAGE_OFFSET_MASK | PTE_P | PTE_RW), %edx
        jz      {{ L("same_frame") }}
        testb   $PTE_P, %al
        jz      {{ L("old_absent") }}
        testl   $PTE_HIGH_FRAME, %ss:4(%esi)
        jnz     {{ L("left_alone") }}
        shrl    $PAGE_SHIFT, %eax
        cmpl    %ss:max_frame, %eax
        jae     {{ L("left_alone") }}
        shll    $4, %eax
        cmpl    $1, %ss:FRAME_TABLE + FRAME_count(%eax)
        jbe     {{ L("left_alone") }}           # no RAM, or the last reference
{% if debug %}
        testl   $~FRAME_ALLOCATED, %ss:FRAME_TABLE + FRAME_count(%eax)
        jz      {{ L("left_alone") }}           # never: frame_put says so
{% endif %}
{{ L("old_ok") }}:
        pushl   %ebp
        testb   $PTE_P, %bl
        jz      {{ L("store") }}                # absent entries are stored unchecked
        testl   $(PTE_PWT | PTE_PCD | PTE_PSE), %ebx
        jnz     {{ L("refused") }}
        testl   %ecx, %ecx
        jnz     {{ L("new_high") }}
{{ L("high_ok") }}:
        movl    %ebx, %ebp
        shrl    $PAGE_SHIFT, %ebp
        cmpl    %ss:max_frame, %ebp
        jae     {{ L("refused") }}
        shll    $4, %ebp
        cmpl    %edi, FRAME_TABLE + FRAME_owner(%ebp)
        jne     {{ L("refused") }}
        testb   $PTE_RW, %bl
        jz      {{ L("readable") }}
        movl    FRAME_TABLE + FRAME_type(%ebp), %edx
        subl    $(FRAME_TYPE_WRITABLE | FRAME_VALIDATED), %edx
        cmpl    $FRAME_COUNT_MASK, %edx         # of another type, marked, or counted as often as can be
        jae     {{ L("refused") }}
        incl    FRAME_TABLE + FRAME_type(%ebp)
{{ L("readable") }}:
        incl    FRAME_TABLE + FRAME_count(%ebp)
{{ L("store") }}:
        movl    %ss:(%esi), %edx
        movl    $0, %ss:(%esi)                  # never half of the old and half of the new entry
        movl    %ecx, %ss:4(%esi)
        movl    %ebx, %ss:(%esi)
        testb   $PTE_RW, %dl
        jz      {{ L("old_not_writable") }}
        decl    %ss:FRAME_TABLE + FRAME_type(%eax)
        testl   $FRAME_COUNT_MASK, %ss:FRAME_TABLE + FRAME_type(%eax)
        jnz     {{ L("old_not_writable") }}
        movl    %ss:tlb_epoch, %edx             # as type_put does
        movl    %edx, %ss:FRAME_TABLE + FRAME_link(%eax)
{{ L("old_not_writable") }}:
        decl    %ss:FRAME_TABLE + FRAME_count(%eax)
        popl    %ebp                            # carry is clear: `test` cleared it, and `dec` leaves it alone
        ret
{{ L("new_high") }}:
        testl   $PTE_HIGH_FRAME, %ecx
        jnz     {{ L("refused") }}
        testl   %ecx, %ecx
        jns     {{ L("high_ok") }}
        cmpl    $0, %ss:no_execute_high
        jne     {{ L("high_ok") }}
{{ L("refused") }}:
        popl    %ebp
{{ L("left_alone") }}:
        stc
        ret
{{ L("old_absent") }}:
        movl    $absent_frame - FRAME_TABLE, %eax
        jmp     {{ L("old_ok") }}
{{ L("same_frame") }}:
        movl    %ss:4(%esi), %edx
        xorl    %ecx, %edx
        testl   $PTE_HIGH_FRAME, %edx
        jnz     {{ L("left_alone") }}
        testb   $PTE_P, %bl
        jz      {{ L("store_flags") }}
        testl   $(PTE_PWT | PTE_PCD | PTE_PSE), %ebx
        jnz     {{ L("left_alone") }}
        testl   %edx, %edx
        js      {{ L("left_alone") }}           # no-execute changes
{{ L("store_flags") }}:
        movl    %ebx, %ss:(%esi)
        movl    %ecx, %ss:4(%esi)
        ret                                     # carry is clear: `test` cleared it
{% endcall %}

# Where the references of entries that are not present are dropped: a record of no frame, which nobody reads.
{{ space("absent_frame", "FRAME_size") }}
