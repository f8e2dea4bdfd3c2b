# The initial page tables of a new domain (ABI 1.8).
#
# Invariants
#   - References and types are not computed here: the tables are filled, and then the L3 is validated like any other
#     (frame_types.s). What the validator would refuse cannot be built, and what it counts is right.
#   - The pages of the tables themselves are mapped read-only; all others of the initial area are writable.

        .text

{% set L = labels("tables_fill") %}
# tables_fill(): the initial page tables: the L3, four L2s, then L1s for the initial area.
#
# in:    guest
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("tables_fill") %}
        movl    guest + GUEST_IMAGE_page_tables, %edi
        call    guest_address
        leal    PAGE_SIZE + PTE_P(%edi), %eax
        xorl    %ecx, %ecx
{{ L("next_l3_entry") }}:
        movl    %eax, (%edi,%ecx,8)
        addl    $PAGE_SIZE, %eax
        incl    %ecx
        cmpl    $4, %ecx
        jb      {{ L("next_l3_entry") }}
        leal    PAGE_SIZE(%edi), %esi           # the L2s, one behind the other
        leal    5 * PAGE_SIZE(%edi), %edi       # the L1s
        movl    guest + GUEST_IMAGE_virt_base, %ecx
{{ L("next_table") }}:
        movl    %ecx, %edx
        shrl    $L2_SHIFT, %edx
        leal    (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)(%edi), %eax
        movl    %eax, (%esi,%edx,8)
{{ L("next_page") }}:
        movl    %ecx, %eax
        subl    guest + GUEST_IMAGE_virt_base, %eax
        addl    guest + GUEST_IMAGE_first_byte, %eax
        orl     $(PTE_P | PTE_A), %eax
        movl    %ecx, %edx
        subl    guest + GUEST_IMAGE_page_tables, %edx
        shrl    $PAGE_SHIFT, %edx
        cmpl    guest + GUEST_IMAGE_nr_pt_frames, %edx
        jb      {{ L("read_only") }}
        orl     $PTE_RW, %eax
{{ L("read_only") }}:
        movl    %ecx, %edx
        shrl    $PAGE_SHIFT, %edx
        andl    $(PTES_PER_TABLE - 1), %edx
        movl    %eax, (%edi,%edx,8)
        addl    $PAGE_SIZE, %ecx
        cmpl    guest + GUEST_IMAGE_virt_end, %ecx
        jae     {{ L("done") }}
        testl   $(SUPERPAGE_SIZE - 1), %ecx
        jnz     {{ L("next_page") }}
        addl    $PAGE_SIZE, %edi
        subl    $JOB_UNITS_OF_A_TABLE, job_left
        call    job_breathe
        jmp     {{ L("next_table") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("tables_activate") %}
# tables_activate(): validates the L3, pins it, and makes it the vcpu's base pointer.
#
# in:    guest
# out:   VCPU_guest_table, VCPU_l3, VCPU_cr3; GUEST_IMAGE_error
# clob:  %eax, %ebx, %ecx, %edx, %ebp
# errs:  tables that are not valid: domain 0 has used one of their frames meanwhile; at boot a panic
# why:   the reference is given back before each pause: nothing is lost when the job is abandoned
{% call routine("tables_activate") %}
        movl    guest + GUEST_IMAGE_domain, %ebx
        movl    DOMAIN_vcpu(%ebx), %ebp
        movl    guest + GUEST_IMAGE_page_tables, %ecx
        subl    guest + GUEST_IMAGE_virt_base, %ecx
        shrl    $PAGE_SHIFT, %ecx
        addl    guest + GUEST_IMAGE_first_mfn, %ecx
        movl    %ecx, %eax
        call    frame_record
        movl    %eax, %ecx
{{ L("next_piece") }}:
        movl    $0, job_left
        call    job_breathe
        incl    FRAME_count(%ecx)               # the base pointer
        cmpl    $0, job_key
        je      {{ L("boot") }}
        movl    $WORK_PIECE, work_left
{{ L("boot") }}:
        movl    %ecx, %eax
        movl    $FRAME_TYPE_L3, %edx
        call    type_get
        movl    $WORK_UNBOUNDED, work_left
        testl   %eax, %eax
        jz      {{ L("valid") }}
        xchgl   %eax, %ecx
        call    frame_put
        xchgl   %eax, %ecx
        cmpl    $-ERESTART, %eax
        je      {{ L("next_piece") }}
        jmp     {{ L("not_valid") }}
{{ L("valid") }}:
        incl    FRAME_count(%ecx)               # the pin
        movl    %ecx, %eax
        call    type_get
        orl     $FRAME_PINNED, FRAME_type(%ecx)
        subl    $FRAME_TABLE, %ecx
        shrl    $4, %ecx
        movl    %ecx, VCPU_guest_table(%ebp)
        call    base_pointer_copy
        movl    %ebp, %eax
        call    heap_mfn
        shll    $PAGE_SHIFT, %eax
        movl    %ebp, %ecx
        andl    $PAGE_OFFSET_MASK, %ecx
        leal    VCPU_l3(%eax,%ecx), %eax
        movl    %eax, VCPU_cr3(%ebp)
        ret
{{ L("not_valid") }}:
        cmpl    $0, job_key
        je      {{ L("our_fault") }}
        movl    $-EBUSY, guest + GUEST_IMAGE_errno
{{ refuse("one of its page tables is in use by another domain") }}
        ret
{{ L("our_fault") }}:
{{ panic("a new domain's page tables are not valid") }}
{% endcall %}
