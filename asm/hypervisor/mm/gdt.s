# The guest's global descriptor table: set_gdt, and its pages in the domain's window (ABI 6.12).
#
# Invariants
#   - VCPU_gdt_frames holds one reference and one type reference (segments.s) for each of its frames; pages of the
#     window beyond them show the empty page, whose descriptors are never loadable.
#   - Page 14 of the window, the reserved descriptors, is never touched.
#   - gdt_new is scratch: between hypercalls it means nothing.

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
        call    work_bound
        xorl    %ebx, %ebx
{{ L("next_frame") }}:
        cmpl    %ecx, %ebx
        jae     {{ L("all_taken") }}
        cmpl    $WORK_PIECE, work_left
        jne     {{ L("continue_later") }}
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

{{ space("gdt_new", "4 * GDT_GUEST_PAGES") }}
