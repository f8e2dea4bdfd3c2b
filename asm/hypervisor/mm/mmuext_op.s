# The hypercall mmuext_op (ABI 6.8): pins, base pointer, flushes, LDT, clearing and copying frames.
#
# Invariants
#   - Each operation is copied before it is looked at; the list stops at the first error, and *done counts those that
#     were completed.
#   - Operations on frames (mmuext_frames.s) work on mmu_page_owner's; all others are the caller's own business.

        .text

{% set L = labels("do_mmuext_op") %}
# do_mmuext_op(ops, count, done, foreigndom): carries out a list of operations.
#
# in:    %ebx = array of MMUEXT_OP, %ecx = count (bit 31: continued), %edx = where the number done goes, or 0,
#        %esi = foreign domain; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -ESRCH, -EPERM, -ENOSYS, and what an operation says
# calls: mmuext_*
{% call routine("do_mmuext_op") %}
        movzwl  %si, %eax
        call    mmu_owners_set
        testl   %eax, %eax
        jnz     {{ L("bad_domain") }}
        call    mmu_list_begin
        testl   %eax, %eax
        jnz     {{ L("stop") }}
{{ L("any_left") }}:
        xorl    %eax, %eax
        cmpl    $0, mmu_left
        je      {{ L("stop") }}
        cmpl    $0, work_left
        jle     {{ L("pause") }}
        movl    mmu_list, %edi
        cmpl    $HV_PRIVATE_START - MMUEXT_OP_size, %edi
        ja      {{ L("bad_list") }}
        {{ user("movl MMUEXT_OP_cmd(%edi), %eax", fail=L("bad_list")) }}
        {{ user("movl MMUEXT_OP_arg1(%edi), %ebx", fail=L("bad_list")) }}
        {{ user("movl MMUEXT_OP_arg2(%edi), %ecx", fail=L("bad_list")) }}
        cmpl    $MMUEXT_UNMARK_SUPER, %eax
        ja      {{ L("unknown") }}
        call    *mmuext_operations(,%eax,4)
        testl   %eax, %eax
        jnz     {{ L("stop") }}
        addl    $MMUEXT_OP_size, mmu_list
        incl    mmu_done
        decl    mmu_left
        subl    $WORK_OF_A_REQUEST, work_left
        jmp     {{ L("any_left") }}
{{ L("pause") }}:
        movl    $-ERESTART, %eax
        jmp     {{ L("stop") }}
{{ L("bad_list") }}:
        movl    $-EFAULT, %eax
        jmp     {{ L("stop") }}
{{ L("unknown") }}:
        movl    $-ENOSYS, %eax
{{ L("stop") }}:
        movl    $HYPERCALL_mmuext_op, %ecx
        jmp     mmu_list_end
{{ L("bad_domain") }}:
        ret
{% endcall %}

# mmuext_unknown(): an operation that does not exist here.
#
# in:    -
# out:   %eax = -ENOSYS
# clob:  none
# errs:  -ENOSYS
{% call routine("mmuext_unknown") %}
        movl    $-ENOSYS, %eax
        ret
{% endcall %}

# mmuext_nothing(): an operation that is complete when nothing has been done.
#
# in:    -
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("mmuext_nothing") %}
        xorl    %eax, %eax
        ret
{% endcall %}

# mmuext_new_baseptr(mfn): another L3 for the current vcpu.
#
# in:    %ebx = mfn; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  none
# errs:  -EINVAL, -ERESTART
{% call routine("mmuext_new_baseptr") %}
        movl    %ebx, %eax
        jmp     base_pointer_set
{% endcall %}

# mmuext_flush(): forgets all translations of the current vcpu, the only one of its domain.
#
# in:    -
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("mmuext_flush") %}
        call    tlb_flush
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("mmuext_invlpg") %}
# mmuext_invlpg(va): forgets one translation; an address beyond the guest's part is ignored.
#
# in:    %ebx = va
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("mmuext_invlpg") %}
        xorl    %eax, %eax
        cmpl    $HV_START, %ebx
        jae     {{ L("not_the_guests") }}
        invlpg  (%ebx)
{{ L("not_the_guests") }}:
        ret
{% endcall %}

{% for operation, work in [("flush_multi", "mmuext_flush"), ("invlpg_multi", "mmuext_invlpg")] %}
{% set L = labels("mmuext_" ~ operation) %}
# mmuext_{{ operation }}(va, mask): as {{ work }}, if bit 0 of the mask is set: there is one vcpu.
#
# in:    %ebx = va, %ecx = address of the mask
# out:   %eax = 0 or -EINVAL
# clob:  %ecx, %esi, %edi
# errs:  -EINVAL: the mask cannot be read
{% call routine("mmuext_" ~ operation) %}
        movl    %ecx, %esi
        movl    $vcpu_bitmap, %edi
        movl    $4, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("bad_mask") }}
        testb   $1, vcpu_bitmap
        jnz     {{ work }}
        ret
{{ L("bad_mask") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% endfor %}
{% set L = labels("mmuext_flush_cache") %}
# mmuext_flush_cache(): writes the caches back, for a domain with devices.
#
# in:    %ebp = current vcpu
# out:   %eax = 0 or -EINVAL
# clob:  %edx
# errs:  -EINVAL: not privileged
{% call routine("mmuext_flush_cache") %}
        movl    $-EINVAL, %eax
        movl    VCPU_domain(%ebp), %edx
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        jz      {{ L("not_allowed") }}
        wbinvd
        xorl    %eax, %eax
{{ L("not_allowed") }}:
        ret
{% endcall %}

{% set L = labels("mmuext_set_ldt") %}
# mmuext_set_ldt(va, entries): where the guest's LDT is; 0 entries: none.
#
# in:    %ebx = va, %ecx = entries; %ebp = current vcpu
# out:   %eax = 0 or -EINVAL
# clob:  %ecx, %edx
# errs:  -EINVAL: not page-aligned, too many entries, or not all below the hypervisor's part
{% call routine("mmuext_set_ldt") %}
        testl   $PAGE_OFFSET_MASK, %ebx
        jnz     {{ L("bad") }}
        cmpl    $8192, %ecx
        ja      {{ L("bad") }}
        testl   %ecx, %ecx
        jz      {{ L("range_ok") }}
        leal    -1(%ebx,%ecx,8), %edx
        cmpl    %ebx, %edx
        jb      {{ L("bad") }}
        movl    VCPU_domain(%ebp), %eax
        cmpl    DOMAIN_virt_start(%eax), %edx
        jae     {{ L("bad") }}
{{ L("range_ok") }}:
        call    ldt_set
        xorl    %eax, %eax
        ret
{{ L("bad") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

        .section .rodata
{% set operations = ["pin_l1", "pin_l2", "pin_l3", "nothing", "unpin", "new_baseptr", "flush", "invlpg", "flush_multi",
                     "invlpg_multi", "flush", "invlpg", "flush_cache", "set_ldt", "unknown", "unknown", "clear_page",
                     "copy_page", "flush_cache", "unknown", "unknown"] %}
{% call object("mmuext_operations") %}
{% for operation in operations %}
        .long   mmuext_{{ operation }}
{% endfor %}
{% endcall %}
