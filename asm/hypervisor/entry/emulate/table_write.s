# Writable page tables (ABI 6.10): a guest kernel's store into one of its own L1 tables, which it has mapped read-only,
# is a page fault, and becomes a validated update of that entry.
#
# Invariants
#   - The frame is a validated L1 of the guest's own at the moment of the store: its entry changes by l1_entry_update
#     and in no other way. What is stored there is computed on a copy of the entry.
#   - The instruction's operand must be exactly where the fault was, aligned to its size. Everything else (another kind
#     of instruction, a bad entry, an operand across entries) is the guest's own page fault, and nothing has changed.
#   - A store of the upper half of an entry that is present, and would be bad now, makes the entry absent: the guest is
#     about to store the lower half.

        .text

{% set L = labels("table_write") %}
# table_write(frame): carries the faulting instruction out.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu; table_address = where the fault was
# out:   %eax = EMULATE_DONE, and %edi = address of the next instruction, or EMULATE_NOT
# clob:  %ebx, %ecx, %edx, %edi
# errs:  EMULATE_NOT
{% call routine("table_write") %}
        call    table_find
        jc      {{ L("not_ours") }}
        call    table_decode
        jc      {{ L("not_ours") }}
        cmpl    table_address, %eax
        jne     {{ L("not_ours") }}
        movl    table_size, %ecx
        decl    %ecx
        testl   %eax, %ecx
        jnz     {{ L("not_ours") }}             # not aligned
        movl    %edi, table_next
        movl    table_mfn, %eax
        call    map_frame
        movl    table_address, %ecx
        andl    $(PAGE_OFFSET_MASK & ~7), %ecx
        addl    %eax, %ecx
        movl    (%ecx), %eax
        movl    %eax, table_value
        movl    4(%ecx), %eax
        movl    %eax, table_value + 4
        call    table_apply
        call    table_store
        testl   %eax, %eax
        jnz     {{ L("not_ours") }}
        call    table_results
        movl    table_next, %edi
        xorl    %eax, %eax
        ret
{{ L("not_ours") }}:
        movl    $EMULATE_NOT, %eax
        ret
{% endcall %}

{% set L = labels("table_find") %}
# table_find(address): whether a guest kernel has stored into one of its L1 tables, and wants that to work.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu; table_address
# out:   table_mfn; carry: it has not
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("table_find") %}
        testb   $2, ENTRY_FRAME_cs(%esi)
        jnz     {{ L("no") }}
        movl    VCPU_domain(%ebp), %ecx
        btl     $VMASST_TYPE_writable_pagetables, DOMAIN_vm_assist(%ecx)
        jnc     {{ L("no") }}
        movl    table_address, %eax
        cmpl    DOMAIN_virt_start(%ecx), %eax
        jae     {{ L("no") }}
        shrl    $PAGE_SHIFT, %eax
        {{ user("movl LINEAR_TABLES(,%eax,8), %edx", fail=L("no")) }}
        testb   $PTE_P, %dl
        jz      {{ L("no") }}
        {{ user("movl LINEAR_TABLES + 4(,%eax,8), %eax", fail=L("no")) }}
        testl   $PTE_HIGH_FRAME, %eax
        jnz     {{ L("no") }}
        shrl    $PAGE_SHIFT, %edx
        cmpl    max_frame, %edx
        jae     {{ L("no") }}
        movl    %edx, table_mfn
        shll    $4, %edx
        cmpl    %ecx, FRAME_TABLE + FRAME_owner(%edx)
        jne     {{ L("no") }}
        movl    FRAME_TABLE + FRAME_type(%edx), %eax
        testl   $FRAME_COUNT_MASK, %eax
        jz      {{ L("no") }}
        andl    $(FRAME_TYPE_MASK | FRAME_VALIDATED), %eax
        cmpl    $(FRAME_TYPE_L1 | FRAME_VALIDATED), %eax
        jne     {{ L("no") }}
        clc
        ret
{{ L("no") }}:
        stc
        ret
{% endcall %}

{% set L = labels("table_store") %}
# table_store(): the update, in the guest's name.
#
# in:    %ecx = address of the entry, writable; table_value; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %edi
# errs:  as l1_entry_update
{% call routine("table_store") %}
        pushl   %esi
        movl    %ecx, %esi
        movl    VCPU_domain(%ebp), %edi
        movl    table_value, %ebx
        movl    table_value + 4, %ecx
        call    l1_entry_update
        testl   %eax, %eax
        jz      {{ L("done") }}
        cmpl    $4, table_size
        jne     {{ L("done") }}
        testb   $4, table_address
        jz      {{ L("done") }}
        btrl    $0, %ebx                        # PTE_P
        jnc     {{ L("done") }}
        call    l1_entry_update
{{ L("done") }}:
        popl    %esi
        ret
{% endcall %}

{% set L = labels("table_apply") %}
# table_apply(frame): executes the operation on the copy of the entry, with the guest's registers and flags.
#
# in:    %esi = ENTRY_FRAME; table_value, table_address, table_operation, table_size, table_source
# out:   table_value, table_source, table_flags, table_eax, table_edx
# clob:  %eax, %ebx, %edx, %edi
# errs:  none
# calls: table_op_*
# why:   interrupts stay off: of the flags only those of arithmetic are the guest's
{% call routine("table_apply") %}
        pushl   %ecx
        movl    table_address, %edi
        andl    $7, %edi
        addl    $table_value, %edi
        movl    table_operation, %ebx
        movl    table_size, %ecx
        movl    (%ebx,%ecx,4), %eax
{{ assert("testl %eax, %eax", "jnz", "a store of a size that its operation does not have") }}
        movl    %eax, table_operation
        movl    ENTRY_FRAME_eflags(%esi), %eax
        andl    $EFLAGS_ARITHMETIC, %eax
        orl     $EFLAGS_ONE, %eax
        pushl   %eax
        movl    ENTRY_FRAME_eax(%esi), %eax
        movl    ENTRY_FRAME_ebx(%esi), %ebx
        movl    ENTRY_FRAME_edx(%esi), %edx
        movl    table_source, %ecx
        popfl
        call    *table_operation
        pushfl
        movl    %ecx, table_source
        movl    %eax, table_eax
        movl    %edx, table_edx
        popl    table_flags
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("table_results") %}
# table_results(frame): what the operation leaves in registers and flags.
#
# in:    %esi = ENTRY_FRAME; table_flags, table_eax, table_edx, table_source, table_back
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("table_results") %}
        movl    table_flags, %eax
        xorl    ENTRY_FRAME_eflags(%esi), %eax
        andl    $EFLAGS_ARITHMETIC, %eax
        xorl    %eax, ENTRY_FRAME_eflags(%esi)
        movl    table_eax, %eax
        movl    %eax, ENTRY_FRAME_eax(%esi)
        movl    table_edx, %eax
        movl    %eax, ENTRY_FRAME_edx(%esi)
        movl    table_back, %edx
        testl   %edx, %edx
        jz      {{ L("done") }}
        movl    table_source, %eax
        movl    table_size, %ecx
        cmpl    $2, %ecx
        ja      {{ L("four") }}
        je      {{ L("two") }}
        movb    %al, (%edx)
        ret
{{ L("two") }}:
        movw    %ax, (%edx)
        ret
{{ L("four") }}:
        movl    %eax, (%edx)
{{ L("done") }}:
        ret
{% endcall %}

{% for name in ["table_address", "table_mfn", "table_size", "table_source", "table_back", "table_operation",
                "table_next", "table_flags", "table_eax", "table_edx"] %}
{{ space(name, 4) }}
{% endfor %}
{{ space("table_value", 8, 8) }}
