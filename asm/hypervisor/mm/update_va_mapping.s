# The hypercalls update_va_mapping and update_va_mapping_otherdomain (ABI 6.7): one L1 entry, by virtual address.
#
# Invariants
#   - The entry is found through the linear tables of the current address space, which read as not present where the
#     guest has no L2. The target of the L2 entry must be a validated L1: a linear entry (an L2 as an L1) is refused.
#   - The entry is written through the map cache, so a read-only L2 entry of the guest does not matter.
#   - The flush that was asked for is done on success only; type changes flush on their own account (tlb.s).

        .text

{% set L = labels("do_update_va_mapping") %}
# do_update_va_mapping(va, low, high, flags): stores the L1 entry that maps va.
#
# in:    %ebx = va, %ecx, %edx = new entry, %esi = UVMF_* flags; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EINVAL (nothing to store into), -EFAULT (vcpu bitmap), and as l1_entry_update
{% call routine("do_update_va_mapping") %}
        movl    VCPU_domain(%ebp), %edi
        jmp     va_mapping_update
{% endcall %}

{% set L = labels("do_update_va_mapping_otherdomain") %}
# do_update_va_mapping_otherdomain(va, low, high, flags, domid): the same with another domain's frame.
#
# in:    %ebx = va, %ecx, %edx = new entry, %esi = UVMF_* flags, %edi = domid; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ESRCH, -EPERM, and as do_update_va_mapping
{% call routine("do_update_va_mapping_otherdomain") %}
        movzwl  %di, %eax                       # a domain's number has 16 bits
        pushl   %edx
        call    domain_foreign
        movl    %edx, %edi
        popl    %edx
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        jmp     va_mapping_update
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("va_mapping_update") %}
# va_mapping_update(va, low, high, flags, owner): the work of both.
#
# in:    %ebx = va, %ecx, %edx = new entry, %esi = UVMF_* flags, %edi = DOMAIN whose frame may be mapped;
#        %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  as do_update_va_mapping
{% call routine("va_mapping_update") %}
        movl    VCPU_domain(%ebp), %eax
        cmpl    DOMAIN_virt_start(%eax), %ebx
        jae     {{ L("nothing_there") }}
        pushl   %esi                            # flags
        pushl   %ebx                            # va
        movl    %ebx, %eax
        shrl    $L2_SHIFT, %eax
        {{ user("movl LINEAR_L2(,%eax,8), %eax", fail=L("no_table")) }}
        testb   $PTE_P, %al
        jz      {{ L("no_table") }}
        shrl    $PAGE_SHIFT, %eax
        movl    %eax, %esi
        shll    $4, %esi
        movl    FRAME_TABLE + FRAME_type(%esi), %esi
        andl    $(FRAME_TYPE_MASK | FRAME_VALIDATED), %esi
        cmpl    $(FRAME_TYPE_L1 | FRAME_VALIDATED), %esi
        jne     {{ L("no_table") }}
        call    map_frame
        shrl    $PAGE_SHIFT, %ebx
        andl    $(PTES_PER_TABLE - 1), %ebx
        leal    (%eax,%ebx,8), %esi
        movl    %ecx, %ebx
        movl    %edx, %ecx
        call    l1_entry_update
        popl    %ebx
        popl    %esi
        testl   %eax, %eax
        jnz     {{ L("done") }}
        testl   $UVMF_FLUSHTYPE_MASK, %esi
        jnz     va_mapping_flush
{{ L("done") }}:
        ret
{{ L("no_table") }}:
        addl    $8, %esp
{{ L("nothing_there") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("va_mapping_flush") %}
# va_mapping_flush(va, flags): the flush that came with an update.
#
# in:    %ebx = va, %esi = UVMF_* flags, of which the type is not 0
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT: the bitmap of vcpus cannot be read
# why:   a domain has one vcpu: local and all are the same, and a bitmap counts if bit 0 is set
{% call routine("va_mapping_flush") %}
        movl    %esi, %edx
        andl    $~UVMF_FLUSHTYPE_MASK, %esi
        cmpl    $UVMF_ALL, %esi
        jbe     {{ L("flush") }}
        movl    $vcpu_bitmap, %edi
        movl    $4, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        testb   $1, vcpu_bitmap
        jz      {{ L("done") }}
{{ L("flush") }}:
        andl    $UVMF_FLUSHTYPE_MASK, %edx
        cmpl    $UVMF_INVLPG, %edx
        je      {{ L("one_page") }}
        call    tlb_flush
        xorl    %eax, %eax
        ret
{{ L("one_page") }}:
        invlpg  (%ebx)
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{{ space("vcpu_bitmap", "4") }}
