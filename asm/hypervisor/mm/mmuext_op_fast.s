# The short way of mmuext_op (ABI 6.8): one flush, or another base pointer that is pinned.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: all memory is reached through %ss.
#   - The operation is copied before it is looked at. What is not for the short way is left to do_mmuext_op, unchanged.
#   - Only references are counted here: no table is validated or dropped.

        .text

{% set L = labels("fast_mmuext_op") %}
# fast_mmuext_op(ops, count, done, foreigndom): one operation on the current vcpu.
#
# in:    %ebx = array of MMUEXT_OP, %ecx = count, %edx = where the number done goes, %esi = foreign domain;
#        %ebp = current vcpu
# out:   no carry: %eax = 0; carry: all arguments are unchanged
# clob:  %ebx, %ecx, %edx, %esi
# errs:  carry
{% call routine("fast_mmuext_op") %}
        cmpl    $DOMID_SELF, %esi
        jne     {{ L("long_way") }}
        cmpl    $1, %ecx
        jne     {{ L("long_way") }}
        testl   %edx, %edx
        jnz     {{ L("long_way") }}
        cmpl    $0, VCPU_old_table(%ebp)        # to be finished first (work.s)
        jne     {{ L("long_way") }}
        cmpl    $HV_PRIVATE_START - MMUEXT_OP_size, %ebx
        ja      {{ L("long_way") }}
        {{ user("testl %eax, %ss:MMUEXT_OP_arg2(%ebx)", fail=L("another")) }}
        {{ user("movl %ss:MMUEXT_OP_arg1(%ebx), %ecx", fail=L("another")) }}
        {{ user("movl %ss:MMUEXT_OP_cmd(%ebx), %edx", fail=L("another")) }}
        cmpl    $MMUEXT_NEW_BASEPTR, %edx
        je      base_pointer_fast
        cmpl    $MMUEXT_TLB_FLUSH_LOCAL, %edx
        je      {{ L("flush") }}
        cmpl    $MMUEXT_INVLPG_LOCAL, %edx
        jne     {{ L("another") }}
        xorl    %eax, %eax
        cmpl    $HV_START, %ecx
        jae     {{ L("not_the_guests") }}
        invlpg  %ss:(%ecx)
{{ L("not_the_guests") }}:
        clc
        ret
{{ L("flush") }}:
        xorl    %eax, %eax
        jmp     tlb_flush                       # which leaves carry as it is: clear
{{ L("another") }}:
        movl    $1, %ecx
        xorl    %edx, %edx
{{ L("long_way") }}:
        stc
        ret
{% endcall %}

{% set L = labels("base_pointer_fast") %}
# base_pointer_fast(vcpu, mfn): another L3 for the current vcpu when both are pinned; else base_pointer_set.
#
# in:    %ecx = mfn; %ebp = current vcpu
# out:   no carry: %eax = 0; carry: nothing has changed, and the arguments are as fast_mmuext_op had them
# clob:  %ecx, %edx
# errs:  carry
# why:   what is pinned is validated, and stays so without a base pointer
{% call routine("base_pointer_fast") %}
        cmpl    $0, VCPU_ldt_entries(%ebp)      # its pages would have to be given back
        jne     {{ L("long_way") }}
        cmpl    %ss:max_frame, %ecx
        jae     {{ L("long_way") }}
        shll    $4, %ecx
        movl    VCPU_domain(%ebp), %eax
        cmpl    %eax, %ss:FRAME_TABLE + FRAME_owner(%ecx)
        jne     {{ L("long_way") }}
        movl    %ss:FRAME_TABLE + FRAME_type(%ecx), %eax
        subl    $(FRAME_TYPE_L3 | FRAME_VALIDATED | FRAME_PINNED), %eax
        cmpl    $FRAME_COUNT_MASK, %eax         # another type, not pinned, or counted as often as can be
        jae     {{ L("long_way") }}
        movl    VCPU_guest_table(%ebp), %edx
        shll    $4, %edx
        testl   $FRAME_PINNED, %ss:FRAME_TABLE + FRAME_type(%edx)
        jz      {{ L("long_way") }}
        incl    %ss:FRAME_TABLE + FRAME_count(%ecx)
        incl    %ss:FRAME_TABLE + FRAME_type(%ecx)
        decl    %ss:FRAME_TABLE + FRAME_type(%edx)
        decl    %ss:FRAME_TABLE + FRAME_count(%edx)
        shrl    $4, %ecx
        movl    %ecx, VCPU_guest_table(%ebp)
        call    base_pointer_copy
        movl    VCPU_cr3(%ebp), %eax
        movl    %eax, %cr3
        incl    %ss:tlb_epoch
        xorl    %eax, %eax                      # and carry is clear
        ret
{{ L("long_way") }}:
        movl    $1, %ecx
        xorl    %edx, %edx
        stc
        ret
{% endcall %}
