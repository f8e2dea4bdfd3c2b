# The short way of mmu_update (ABI 6.6): a short list of entries of the caller's own L1 tables, without a full frame.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: all memory is reached through %ss.
#   - Each request is copied before it is looked at. What is not for the short way is left to do_mmu_update, with all
#     that follows it in the list; as nobody wants to know how many were done, the rest of a list is a list.

        .text

        .set    MMU_FAST_REQUESTS, 128          # keeps interrupts off for as long as one piece of work does (work.s)

{% set L = labels("fast_mmu_update") %}
# fast_mmu_update(requests, count, done, foreigndom): carries out a list of stores into L1 tables of the caller.
#
# in:    %ebx = array of MMU_UPDATE, %ecx = count, %edx = where the number done goes, %esi = foreign domain;
#        %ebp = current vcpu
# out:   no carry: %eax = 0; carry: %ebx, %ecx, %edx, %esi are what do_mmu_update has to do
# clob:  %ebx, %ecx, %edx, %esi
# errs:  carry
{% call routine("fast_mmu_update") %}
        cmpl    $DOMID_SELF, %esi
        jne     {{ L("long_way") }}
        testl   %edx, %edx
        jnz     {{ L("long_way") }}
        cmpl    $0, VCPU_old_table(%ebp)        # to be finished first (work.s)
        jne     {{ L("long_way") }}
        leal    -1(%ecx), %eax
        cmpl    $MMU_FAST_REQUESTS, %eax
        jae     {{ L("long_way") }}
        pushl   %edi
        movl    VCPU_domain(%ebp), %edi
{{ L("next_request") }}:
        pushl   %ecx
        pushl   %ebx
        cmpl    $HV_PRIVATE_START - MMU_UPDATE_size, %ebx
        ja      {{ L("another") }}
        {{ user("movl %ss:MMU_UPDATE_ptr(%ebx), %eax", fail=L("another")) }}
        {{ user("cmpl $0, %ss:MMU_UPDATE_ptr_high(%ebx)", fail=L("another")) }}
        jne     {{ L("another") }}
        {{ user("movl %ss:MMU_UPDATE_val_high(%ebx), %ecx", fail=L("another")) }}
        {{ user("movl %ss:MMU_UPDATE_val(%ebx), %ebx", fail=L("another")) }}
        testb   $7, %al                         # MMU_NORMAL_PT_UPDATE
        jnz     {{ L("another") }}
        movl    %eax, %esi
        shrl    $PAGE_SHIFT, %eax
        cmpl    %ss:max_frame, %eax
        jae     {{ L("another") }}
        movl    %eax, %edx
        shll    $4, %edx
        cmpl    %edi, %ss:FRAME_TABLE + FRAME_owner(%edx)
        jne     {{ L("another") }}
        movl    %ss:FRAME_TABLE + FRAME_type(%edx), %edx
        andl    $(FRAME_TYPE_MASK | FRAME_VALIDATED), %edx
        cmpl    $(FRAME_TYPE_L1 | FRAME_VALIDATED), %edx
        jne     {{ L("another") }}
        call    map_frame
        andl    $PAGE_OFFSET_MASK, %esi
        addl    %eax, %esi
        call    l1_entry_fast
        popl    %ebx
        popl    %ecx
        jc      {{ L("rest") }}
        addl    $MMU_UPDATE_size, %ebx
        decl    %ecx
        jnz     {{ L("next_request") }}
        popl    %edi
        xorl    %eax, %eax
        ret
{{ L("another") }}:
        popl    %ebx
        popl    %ecx
{{ L("rest") }}:
        popl    %edi
        xorl    %edx, %edx
        movl    $DOMID_SELF, %esi
{{ L("long_way") }}:
        stc
        ret
{% endcall %}
