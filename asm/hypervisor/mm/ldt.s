# The guest's LDT: where it is, and its pages in the domain's window, taken when they are first used (ABI 6.12).
#
# Invariants
#   - A present page of the LDT window holds one reference and one type reference (segment descriptors) to its frame.
#   - The reserved GDT page has one LDT descriptor: that of the vcpu that runs (ldt_load).

        .text

# ldt_set(vcpu, va, entries): gives the current vcpu another LDT.
#
# in:    %ebp = current vcpu, %ebx = va, %ecx = entries
# out:   -
# clob:  %eax, %edx
# errs:  none
{% call routine("ldt_set") %}
        call    ldt_release
        movl    %ebx, VCPU_ldt_base(%ebp)
        movl    %ecx, VCPU_ldt_entries(%ebp)
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        jmp     ldt_load
{% endcall %}

{% set L = labels("ldt_load") %}
# ldt_load(vcpu): loads the LDT register for the vcpu that runs.
#
# in:    %ebp = current vcpu
# out:   -
# clob:  %eax, %edx
# errs:  none
{% call routine("ldt_load") %}
        movl    VCPU_ldt_entries(%ebp), %edx
        xorl    %eax, %eax
        testl   %edx, %edx
        jz      {{ L("load") }}
        leal    -1(,%edx,8), %eax
        orl     $(LDT_WINDOW << 16) & 0xffffffff, %eax
        movl    %eax, gdt_reserved - GDT_RESERVED_OFFSET + HV_LDT
        movl    $((LDT_WINDOW & 0xff000000) | 0x8200 | (LDT_WINDOW >> 16 & 0xff)), %eax
        movl    %eax, gdt_reserved - GDT_RESERVED_OFFSET + HV_LDT + 4
        movl    $HV_LDT, %eax
{{ L("load") }}:
        lldt    %ax
        ret
{% endcall %}

{% set L = labels("ldt_release") %}
# ldt_release(vcpu): gives back the LDT pages that were used.
#
# in:    %ebp = VCPU
# out:   -
# clob:  none
# errs:  none
{% call routine("ldt_release") %}
        cmpl    $0, VCPU_ldt_entries(%ebp)
        je      {{ L("no_ldt") }}
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        movl    VCPU_domain(%ebp), %edx
        movl    DOMAIN_window_l1(%edx), %edx
        addl    $LDT_PAGES * PTE_size, %edx     # the LDT's pages are behind the GDT's 16
        xorl    %ecx, %ecx
{{ L("next_page") }}:
        movl    (%edx,%ecx,8), %eax
        testb   $PTE_P, %al
        jz      {{ L("not_used") }}
        movl    $0, (%edx,%ecx,8)
        shrl    $PAGE_SHIFT, %eax
        call    frame_record
        call    type_put
        call    frame_put
{{ L("not_used") }}:
        incl    %ecx
        cmpl    $LDT_PAGES, %ecx
        jb      {{ L("next_page") }}
        call    tlb_flush
        popl    %edx
        popl    %ecx
        popl    %eax
{{ L("no_ldt") }}:
        ret
{% endcall %}

{% set L = labels("ldt_fault") %}
# ldt_fault(address): a page fault at an address of the LDT window: takes the page, if it can be one.
#
# in:    %eax = address; %ebp = current vcpu
# out:   carry clear: the access can be made again; carry set: %eax = the guest's own address of that place
# clob:  none
# errs:  carry: beyond the LDT, not mapped by the guest, or not a descriptor page
{% call routine("ldt_fault") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        subl    $LDT_WINDOW, %eax
        movl    %eax, %ebx                      # offset
        addl    VCPU_ldt_base(%ebp), %eax
        pushl   %eax                            # the guest's address
        movl    VCPU_ldt_entries(%ebp), %ecx
        shll    $3, %ecx
        cmpl    %ecx, %ebx
        jae     {{ L("not_mapped") }}
        shrl    $PAGE_SHIFT, %eax
        {{ user("movl LINEAR_TABLES(,%eax,8), %ecx", fail=L("not_mapped")) }}
        testb   $PTE_P, %cl
        jz      {{ L("not_mapped") }}
        {{ user("movl LINEAR_TABLES + 4(,%eax,8), %edx", fail=L("not_mapped")) }}
        testl   $PTE_HIGH_FRAME, %edx
        jnz     {{ L("not_mapped") }}
        movl    %ecx, %eax
        shrl    $PAGE_SHIFT, %eax
        call    segments_frame_get
        testl   %eax, %eax
        jz      {{ L("not_mapped") }}
        movl    VCPU_domain(%ebp), %edx
        movl    DOMAIN_window_l1(%edx), %edx
        shrl    $PAGE_SHIFT, %ebx
        andl    $~PAGE_OFFSET_MASK, %ecx
        orl     $(PTE_P | PTE_RW | PTE_A | PTE_D), %ecx
        movl    %ecx, LDT_PAGES * PTE_size(%edx,%ebx,8)
        movl    $0, LDT_PAGES * PTE_size + 4(%edx,%ebx,8)
        popl    %eax
        clc
        jmp     {{ L("done") }}
{{ L("not_mapped") }}:
        popl    %eax
        stc
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}
