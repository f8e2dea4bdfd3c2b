# Descriptor pages: frames of type FRAME_TYPE_SEGMENTS, and the one way to change a descriptor in them (ABI 6.12).
#
# Invariants
#   - A frame that is part of a GDT or LDT in use has this type, so the guest has it mapped read-only at most, and every
#     descriptor in it has passed descriptor_check.
#   - The type's last use leaves the descriptors as they are: they stay good until the frame is something else.

        .text

# segments_frame_get(mfn): a reference, and one to the type segment descriptors.
#
# in:    %eax = mfn; %ebp = current vcpu
# out:   %eax = FRAME, or 0
# clob:  none
# errs:  0: not the domain's frame, writable somewhere, or with a descriptor that is no good
{% call routine("segments_frame_get") %}
        pushl   %ecx
        pushl   %edx
        movl    VCPU_domain(%ebp), %ecx
        movl    $FRAME_TYPE_SEGMENTS, %edx
        call    frame_use
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("segments_validate") %}
# segments_validate(frame): checks and corrects all descriptors of a page.
#
# in:    %eax = FRAME
# out:   %eax = 0 or -EINVAL
# clob:  none
# errs:  -EINVAL: a descriptor that is no good
{% call routine("segments_validate") %}
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        call    frame_address
        movl    %eax, %esi
        subl    $PTES_PER_TABLE, work_left
        movl    $PTES_PER_TABLE, %ecx
{{ L("next_descriptor") }}:
        movl    (%esi), %eax
        movl    4(%esi), %edx
        call    descriptor_check
        jc      {{ L("bad") }}
        movl    %eax, (%esi)
        movl    %edx, 4(%esi)
        addl    $DESCRIPTOR_size, %esi
        decl    %ecx
        jnz     {{ L("next_descriptor") }}
        xorl    %eax, %eax
        jmp     {{ L("done") }}
{{ L("bad") }}:
        movl    $-EINVAL, %eax
{{ L("done") }}:
        popl    %esi
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

# segments_devalidate(frame): a descriptor page holds nothing.
#
# in:    %eax = FRAME
# out:   no carry: complete
# clob:  none
# errs:  none
{% call routine("segments_devalidate") %}
        clc
        ret
{% endcall %}

{% set L = labels("do_update_descriptor") %}
# do_update_descriptor(address, descriptor): stores one descriptor at a machine address.
#
# in:    %ebx, %ecx = machine address, %edx, %esi = descriptor, low and high; %ebp = current vcpu
# out:   %eax = 0 or -EINVAL
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EINVAL: a bad descriptor or address, not the domain's frame, or a table
{% call routine("do_update_descriptor") %}
        movl    %edx, %eax
        movl    %esi, %edx
        call    descriptor_check
        jc      {{ L("bad") }}
        testl   %ecx, %ecx
        jnz     {{ L("bad") }}
        testb   $7, %bl
        jnz     {{ L("bad") }}
        movl    %eax, %esi
        movl    %edx, %edi                      # %edi:%esi = what will be stored
        movl    %ebx, %eax
        shrl    $PAGE_SHIFT, %eax
        movl    VCPU_domain(%ebp), %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad") }}
        movl    %eax, %ecx
        movl    FRAME_type(%ecx), %edx
        testl   $FRAME_COUNT_MASK, %edx
        jz      {{ L("as_writable") }}
        andl    $FRAME_TYPE_MASK, %edx
        cmpl    $FRAME_TYPE_SEGMENTS, %edx
        je      {{ L("type_known") }}
{{ L("as_writable") }}:
        movl    $FRAME_TYPE_WRITABLE, %edx
{{ L("type_known") }}:
        call    type_get
        testl   %eax, %eax
        jnz     {{ L("drop") }}
        movl    %ebx, %eax
        call    mmu_entry_address
        movl    $0, 4(%eax)                     # not present while it is half written
        movl    %esi, (%eax)
        movl    %edi, 4(%eax)
        movl    %ecx, %eax
        call    type_put
        call    frame_put
        xorl    %eax, %eax
        ret
{{ L("drop") }}:
        movl    %ecx, %eax
        call    frame_put
{{ L("bad") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}
