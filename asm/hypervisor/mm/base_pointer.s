# Base pointers (ABI 6.4): which L3 a vcpu uses, and the copy of it that the hardware walks.
#
# Invariants
#   - The hardware never walks the guest's L3: CR3 points at VCPU_l3, a copy with the bits that PAE allows. The copy is
#     renewed, and CR3 loaded, before what a changed slot held is dropped.

        .text

{% set L = labels("l3_in_use_renew") %}
# l3_in_use_renew(table): if the L3 is its owner's base pointer, renews the copy that the hardware uses.
#
# in:    %esi = FRAME of the L3
# out:   -
# clob:  %eax
# errs:  none
{% call routine("l3_in_use_renew") %}
        pushl   %ecx
        movl    FRAME_owner(%esi), %ecx
        movl    DOMAIN_vcpu(%ecx), %ecx
        movl    %esi, %eax
        subl    $FRAME_TABLE, %eax
        shrl    $4, %eax
        cmpl    %eax, VCPU_guest_table(%ecx)
        jne     {{ L("not_in_use") }}
        xchgl   %ecx, %ebp
        call    base_pointer_copy
        xchgl   %ecx, %ebp
        call    tlb_flush
{{ L("not_in_use") }}:
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("base_pointer_copy") %}
# base_pointer_copy(vcpu): copies the vcpu's L3 to where CR3 points, with the bits that PAE allows.
#
# in:    %ebp = VCPU
# out:   VCPU_l3
# clob:  %eax
# errs:  none
# why:   bare handlers come here, too: memory is reached through %ss; the upper halves are 0 for good
{% call routine("base_pointer_copy") %}
        pushl   %edx
        movl    VCPU_guest_table(%ebp), %eax
        call    map_frame
{% for slot in range(4) %}
        movl    %ss:{{ slot }} * PTE_size(%eax), %edx
        testb   $PTE_P, %dl
        jz      {{ L("absent_" ~ slot) }}
        andl    $(~PAGE_OFFSET_MASK | PTE_P), %edx
{{ L("store_" ~ slot) }}:
        movl    %edx, VCPU_l3 + {{ slot }} * PTE_size(%ebp)
{% endfor %}
        popl    %edx
        ret
{% for slot in range(4) %}
{{ L("absent_" ~ slot) }}:
        xorl    %edx, %edx
        jmp     {{ L("store_" ~ slot) }}
{% endfor %}
{% endcall %}

{% set L = labels("base_pointer_set") %}
# base_pointer_set(vcpu, mfn): gives the current vcpu another L3.
#
# in:    %ebp = current vcpu, %eax = mfn
# out:   %eax = 0 or an error; the old base pointer stays then
# clob:  none
# errs:  -EINVAL; -ERESTART: to be asked for again (only where work_left has a bound)
{% call routine("base_pointer_set") %}
        pushl   %ecx
        pushl   %edx
        movl    VCPU_domain(%ebp), %ecx
        pushl   %eax
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad") }}
        movl    %eax, %ecx
        movl    $FRAME_TYPE_L3, %edx
        call    type_get
        testl   %eax, %eax
        jnz     {{ L("drop") }}
        call    ldt_release                     # its pages were found through the old tables
        movl    VCPU_guest_table(%ebp), %edx
        popl    VCPU_guest_table(%ebp)
        call    base_pointer_copy
        call    tlb_flush
        movl    %edx, %eax
        call    frame_record
        call    type_put
        call    frame_put
        xorl    %eax, %eax
        popl    %edx
        popl    %ecx
        ret
{{ L("drop") }}:
        xchgl   %eax, %ecx
        call    frame_put
        cmpl    $-ERESTART, %ecx
        jne     {{ L("bad") }}
        popl    %eax
        movl    %ecx, %eax
        popl    %edx
        popl    %ecx
        ret
{{ L("bad") }}:
        popl    %eax
        movl    $-EINVAL, %eax
        popl    %edx
        popl    %ecx
        ret
{% endcall %}
