# The guest's descriptor tables: set_gdt, update_descriptor, the LDT (ABI 6.12).
#
# Invariants
#   - A frame that is part of a GDT or LDT in use has type FRAME_TYPE_SEGMENTS, so the guest has it mapped read-only at
#     most, and every descriptor in it has passed descriptor_check.
#   - VCPU_gdt_frames holds one reference and one type reference for each of its frames; pages of the window beyond them
#     show the empty page, whose descriptors are never loadable.
#   - LDT pages are taken when they are first used (ldt_fault) and given back by ldt_release; the window says which.
#   - Page 14 of the window, the reserved descriptors, is never touched.

        .text

{% set L = labels("do_set_gdt") %}
# do_set_gdt(frame list, entries): makes frames of the guest its GDT.
#
# in:    %ebx = array of mfns, %ecx = entries; %ebp = current vcpu
# out:   %eax = 0 or an error; the old GDT stays then
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EINVAL (too many entries; a frame that cannot be a descriptor page), -EFAULT
# why:   at most one page is validated in a stretch (work.s); then the call is made again, and finds it validated
{% call routine("do_set_gdt") %}
        cmpl    $GDT_GUEST_ENTRIES, %ecx
        ja      {{ L("bad") }}
        movl    %ecx, %edx                      # entries
        addl    $(PTES_PER_TABLE - 1), %ecx
        shrl    $9, %ecx                        # frames
        pushl   %ecx
        movl    %ebx, %esi
        movl    $gdt_new, %edi
        shll    $2, %ecx
        call    copy_from_guest
        popl    %ecx
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $WORK_PIECE, work_left
        xorl    %ebx, %ebx
{{ L("next_frame") }}:
        cmpl    %ecx, %ebx
        jae     {{ L("all_taken") }}
        cmpl    $0, work_left
        jle     {{ L("continue_later") }}
        movl    gdt_new(,%ebx,4), %eax
        call    segments_frame_get
        testl   %eax, %eax
        jz      {{ L("undo") }}
        incl    %ebx
        jmp     {{ L("next_frame") }}
{{ L("all_taken") }}:
        call    gdt_release
        movl    %edx, VCPU_gdt_entries(%ebp)
        leal    VCPU_gdt_frames(%ebp), %edi
        movl    $gdt_new, %esi
        rep movsl
        call    gdt_window_fill
        xorl    %eax, %eax
        jmp     work_end
{{ L("undo") }}:
        call    gdt_new_drop
        call    work_end
{{ L("bad") }}:
        movl    $-EINVAL, %eax
{{ L("done") }}:
        ret
{{ L("continue_later") }}:
        call    gdt_new_drop
        call    work_end
        movl    %esi, %ebx
        movl    %edx, %ecx
        movl    $HYPERCALL_set_gdt, %eax
        jmp     hypercall_continue
{% endcall %}

{% set L = labels("gdt_new_drop") %}
# gdt_new_drop(count): gives back the frames of a GDT that is not to be.
#
# in:    %ebx = how many of gdt_new hold references
# out:   -
# clob:  %eax, %ebx
# errs:  none
{% call routine("gdt_new_drop") %}
{{ L("next_frame") }}:
        decl    %ebx
        js      {{ L("done") }}
        movl    gdt_new(,%ebx,4), %eax
        call    frame_record
        call    type_put
        call    frame_put
        jmp     {{ L("next_frame") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("segments_frame_get") %}
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
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    %eax, %ecx
        movl    $FRAME_TYPE_SEGMENTS, %edx
        call    type_get
        testl   %eax, %eax
        movl    %ecx, %eax
        jz      {{ L("done") }}
        call    frame_put
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("gdt_release") %}
# gdt_release(vcpu): gives the frames of the GDT back.
#
# in:    %ebp = VCPU
# out:   VCPU_gdt_entries = 0
# clob:  %eax
# errs:  none
{% call routine("gdt_release") %}
        pushl   %ecx
        movl    VCPU_gdt_entries(%ebp), %ecx
        addl    $(PTES_PER_TABLE - 1), %ecx
        shrl    $9, %ecx
{{ L("next_frame") }}:
        decl    %ecx
        js      {{ L("done") }}
        movl    VCPU_gdt_frames(%ebp,%ecx,4), %eax
        call    frame_record
        call    type_put
        call    frame_put
        jmp     {{ L("next_frame") }}
{{ L("done") }}:
        movl    $0, VCPU_gdt_entries(%ebp)
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("gdt_window_fill") %}
# gdt_window_fill(vcpu): shows the GDT's frames in the domain's window, the empty page behind them.
#
# in:    %ebp = current vcpu
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("gdt_window_fill") %}
        movl    VCPU_domain(%ebp), %edx
        movl    DOMAIN_window_l1(%edx), %edx
        movl    VCPU_gdt_entries(%ebp), %esi
        addl    $(PTES_PER_TABLE - 1), %esi
        shrl    $9, %esi
        xorl    %ecx, %ecx
{{ L("next_page") }}:
        movl    $empty_page - IMAGE_LOAD_OFFSET + (PTE_P | PTE_A), %eax
        cmpl    %esi, %ecx
        jae     {{ L("have_page") }}
        movl    VCPU_gdt_frames(%ebp,%ecx,4), %eax
        shll    $PAGE_SHIFT, %eax
        orl     $(PTE_P | PTE_RW | PTE_A | PTE_D), %eax
{{ L("have_page") }}:
        movl    %eax, (%edx,%ecx,8)
        incl    %ecx
        cmpl    $GDT_GUEST_PAGES, %ecx
        jb      {{ L("next_page") }}
        call    tlb_flush
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

{% set L = labels("descriptor_check") %}
# descriptor_check(descriptor): whether a guest may have it; corrects DPL and limit (ABI 6.12).
#
# in:    %eax, %edx = descriptor, low and high
# out:   %eax, %edx = what may be stored; carry: it is no good
# clob:  none
# errs:  carry
{% call routine("descriptor_check") %}
        btl     $15, %edx
        jnc     {{ L("good") }}                 # not present
        testl   $DESCRIPTOR_DPL, %edx
        jnz     {{ L("ring_ok") }}
        orl     $DESCRIPTOR_DPL_1, %edx
{{ L("ring_ok") }}:
        testl   $DESCRIPTOR_S, %edx
        jz      gate_check
        jmp     segment_check
{{ L("good") }}:
        clc
        ret
{% endcall %}

{% set L = labels("gate_check") %}
# gate_check(descriptor): a system descriptor: only the 32-bit call gate, into the guest's own code.
#
# in:    %eax, %edx = present descriptor, low and high
# out:   %eax = low half of what may be stored (the high half is good as it is); carry: it is no good
# clob:  none
# errs:  carry
{% call routine("gate_check") %}
        pushl   %ecx
        movl    %edx, %ecx
        andl    $DESCRIPTOR_GATE_BITS, %ecx
        cmpl    $DESCRIPTOR_CALL_GATE, %ecx
        jne     {{ L("bad") }}
        movl    %eax, %ecx
        shrl    $16, %ecx                       # target selector
        testb   $SELECTOR_RPL, %cl
        jnz     {{ L("ring_ok") }}
        orl     $1 << 16, %eax
        orl     $1, %ecx
{{ L("ring_ok") }}:
        testb   $SELECTOR_LDT, %cl
        jnz     {{ L("good") }}
        cmpl    $GDT_RESERVED_OFFSET, %ecx
        jb      {{ L("good") }}
        cmpl    $FLAT_RING1_CS, %ecx
        jne     {{ L("bad") }}
{{ L("good") }}:
        popl    %ecx
        clc
        ret
{{ L("bad") }}:
        popl    %ecx
        stc
        ret
{% endcall %}

{% set L = labels("segment_check") %}
# segment_check(descriptor): code or data: nothing at or beyond HV_PRIVATE_START may be within its limit.
#
# in:    %eax, %edx = present descriptor, low and high
# out:   %eax, %edx = what may be stored, the limit cut where that is possible; carry: it is no good
# clob:  none
# errs:  carry
{% call routine("segment_check") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %esi
        movl    %eax, %ebx
        shrl    $16, %ebx
        movl    %edx, %ecx
        shll    $16, %ecx
        andl    $0xff0000, %ecx
        orl     %ecx, %ebx
        movl    %edx, %ecx
        andl    $0xff000000, %ecx
        orl     %ecx, %ebx                      # base
        movzwl  %ax, %ecx
        movl    %edx, %esi
        andl    $0xf0000, %esi
        orl     %esi, %ecx                      # limit field
        testl   $DESCRIPTOR_G, %edx
        jz      {{ L("have_limit") }}
        shll    $PAGE_SHIFT, %ecx
        orl     $PAGE_OFFSET_MASK, %ecx         # limit in bytes
{{ L("have_limit") }}:
        movl    %edx, %esi
        andl    $(DESCRIPTOR_CODE | DESCRIPTOR_EXPAND_DOWN), %esi
        cmpl    $DESCRIPTOR_EXPAND_DOWN, %esi
        je      {{ L("expand_down") }}
        cmpl    $HV_PRIVATE_START - PAGE_SIZE, %ebx
        jae     {{ L("bad") }}
        addl    %ebx, %ecx                      # last byte
        jc      {{ L("cut_up") }}
        cmpl    $HV_PRIVATE_START, %ecx
        jb      {{ L("good") }}
{{ L("cut_up") }}:
        movl    $HV_PRIVATE_START, %ecx
        subl    %ebx, %ecx
        jmp     {{ L("cut") }}
{{ L("expand_down") }}:                         # offsets above the limit: they must wrap below the base
        cmpl    $HV_PRIVATE_START - PAGE_SIZE, %ebx
        jae     {{ L("bad") }}
        addl    %ebx, %ecx
        jc      {{ L("good") }}
        incl    %ecx
        jz      {{ L("good") }}                 # it begins at 4 GB: what is beyond it wraps as well
        movl    %ebx, %ecx
        andl    $~PAGE_OFFSET_MASK, %ecx
        negl    %ecx
        jz      {{ L("bad") }}
{{ L("cut") }}:
        testl   $DESCRIPTOR_G, %edx
        jz      {{ L("bad") }}
        shrl    $PAGE_SHIFT, %ecx
        decl    %ecx
        movw    %cx, %ax
        andl    $0xf0000, %ecx
        andl    $~0xf0000, %edx
        orl     %ecx, %edx
{{ L("good") }}:
        clc
        jmp     {{ L("done") }}
{{ L("bad") }}:
        stc
{{ L("done") }}:
        popl    %esi
        popl    %ecx
        popl    %ebx
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

{{ space("gdt_new", "4 * GDT_GUEST_PAGES") }}
