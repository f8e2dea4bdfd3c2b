# The short way of update_va_mapping (ABI 6.7): an ordinary entry, and an ordinary flush, without a full frame.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: all memory is reached through %ss.
#   - The L1 table is found and written as on the long way (update_va_mapping.s).

        .text

{% set L = labels("fast_update_va_mapping") %}
# fast_update_va_mapping(va, low, high, flags): stores the L1 entry that maps va.
#
# in:    %ebx = va, %ecx, %edx = new entry, %esi = UVMF_* flags; %ebp = current vcpu
# out:   no carry: %eax = 0; carry: all arguments are unchanged
# clob:  %ebx, %ecx, %edx, %esi
# errs:  carry
{% call routine("fast_update_va_mapping") %}
        cmpl    $(UVMF_FLUSHTYPE_MASK | UVMF_ALL), %esi
        ja      {{ L("long_way") }}             # a bitmap of vcpus
        movl    VCPU_domain(%ebp), %eax
        cmpl    %ss:DOMAIN_virt_start(%eax), %ebx
        jae     {{ L("long_way") }}
        pushl   %edi
        pushl   %esi
        pushl   %ebx
        movl    %eax, %edi
        movl    %ebx, %eax
        shrl    $L2_SHIFT, %eax
        {{ user("movl %ss:LINEAR_L2(,%eax,8), %eax", fail=L("another")) }}
        testb   $PTE_P, %al
        jz      {{ L("another") }}
        shrl    $PAGE_SHIFT, %eax
        movl    %eax, %esi
        shll    $4, %esi
        movl    %ss:FRAME_TABLE + FRAME_type(%esi), %esi
        andl    $(FRAME_TYPE_MASK | FRAME_VALIDATED), %esi
        cmpl    $(FRAME_TYPE_L1 | FRAME_VALIDATED), %esi
        jne     {{ L("another") }}
        call    map_frame
        shrl    $PAGE_SHIFT, %ebx
        andl    $(PTES_PER_TABLE - 1), %ebx
        leal    (%eax,%ebx,8), %esi
        movl    %ecx, %ebx
        movl    %edx, %ecx
        call    l1_entry_fast
        jc      {{ L("not_ordinary") }}
        popl    %ebx
        popl    %esi
        popl    %edi
        xorl    %eax, %eax
        testl   $UVMF_FLUSHTYPE_MASK, %esi
        jz      {{ L("done") }}
        testl   $UVMF_TLB_FLUSH, %esi
        jnz     tlb_flush
        invlpg  %ss:(%ebx)
{{ L("done") }}:
        ret
{{ L("not_ordinary") }}:
        movl    %ecx, %edx
        movl    %ebx, %ecx
{{ L("another") }}:
        popl    %ebx
        popl    %esi
        popl    %edi
{{ L("long_way") }}:
        stc
        ret
{% endcall %}
