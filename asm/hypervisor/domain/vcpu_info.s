# Where a vcpu's vcpu_info is: in shared_info, until the guest gives it a place of its own (ABI 10.3, 4.2).
#
# Invariants
#   - VCPU_info is an address of ours that is mapped in every address space, so that events and time can be written
#     whoever runs. For a place in the guest's memory a page of the heap is given another frame: the guest's. The
#     heap's own frame, VCPU_info_spare, is idle meanwhile and back in its place before the page is given back.
#   - The guest's frame holds a reference and one to the type writable, as a writable mapping of it would, from then on
#     until the vcpu is gone: it never becomes a table, or another domain's.

        .text

{% set L = labels("vcpuop_register_info") %}
# vcpuop_register_info(argument): moves the vcpu_info to a frame of the guest's.
#
# in:    %esi = address of a VCPU_REGISTER_VCPU_INFO; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -ENXIO (not within one page, or not aligned), -EINVAL (done before; not its frame, or it cannot be
#        writable), -ENOMEM
{% call routine("vcpuop_register_info") %}
        movl    $vcpu_argument, %edi
        movl    $VCPU_REGISTER_VCPU_INFO_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-ENXIO, %eax
        movl    vcpu_argument + VCPU_REGISTER_VCPU_INFO_offset, %ebx
        cmpl    $PAGE_SIZE - VCPU_INFO_size, %ebx
        ja      {{ L("done") }}
        testb   $3, %bl
        jnz     {{ L("done") }}
        movl    $-EINVAL, %eax
        cmpl    $0, VCPU_info_page(%ebp)
        jne     {{ L("done") }}
        cmpl    $0, vcpu_argument + VCPU_REGISTER_VCPU_INFO_mfn_high
        jne     {{ L("done") }}
        movl    vcpu_argument + VCPU_REGISTER_VCPU_INFO_mfn, %eax
        call    vcpu_writable_frame_get
        testl   %eax, %eax
        jz      {{ L("bad_frame") }}
        movl    %eax, %edx
        movl    $PAGE_SIZE, %ecx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    %eax, VCPU_info_page(%ebp)
        call    heap_mfn
        movl    %eax, VCPU_info_spare(%ebp)
        movl    vcpu_argument + VCPU_REGISTER_VCPU_INFO_mfn, %eax
        movl    %eax, VCPU_info_mfn(%ebp)
        call    vcpu_info_show
        movl    VCPU_info(%ebp), %esi
        leal    (%eax,%ebx), %edi
        movl    $VCPU_INFO_size, %ecx
        call    memory_copy
        movl    %edi, VCPU_info(%ebp)
        movl    $-1, VCPU_INFO_evtchn_pending_sel(%edi)     # whatever happened during the move is looked at
        movb    $1, VCPU_INFO_evtchn_upcall_pending(%edi)
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("bad_frame") }}:
        movl    $-EINVAL, %eax
        ret
{{ L("no_memory") }}:
        movl    %edx, %eax
        call    type_put
        call    frame_put
        movl    $-ENOMEM, %eax
        ret
{% endcall %}

# vcpu_info_show(vcpu, mfn): maps a frame at VCPU_info_page.
#
# in:    %ebp = VCPU, %eax = mfn
# out:   %eax = VCPU_info_page
# clob:  %edx
# errs:  none
{% call routine("vcpu_info_show") %}
        shll    $PAGE_SHIFT, %eax
        leal    (PTE_P | PTE_RW | PTE_A | PTE_D)(%eax), %edx
        movl    VCPU_info_page(%ebp), %eax
        jmp     hv_map_page_nx
{% endcall %}

# vcpu_writable_frame_get(mfn): a reference to a frame of the domain, and one to the type writable.
#
# in:    %eax = mfn; %ebp = current vcpu
# out:   %eax = FRAME, or 0
# clob:  %ecx, %edx
# errs:  0: not its frame, or of another type
{% call routine("vcpu_writable_frame_get") %}
        movl    VCPU_domain(%ebp), %ecx
        movl    $FRAME_TYPE_WRITABLE, %edx
        jmp     frame_use
{% endcall %}

{% set L = labels("vcpu_info_release") %}
# vcpu_info_release(vcpu): gives the guest's frame back, and the page of the heap.
#
# in:    %ebp = VCPU that never runs again
# out:   VCPU_info is in shared_info again
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("vcpu_info_release") %}
        movl    VCPU_info_page(%ebp), %eax
        testl   %eax, %eax
        jz      {{ L("not_moved") }}
        movl    VCPU_domain(%ebp), %eax
        movl    DOMAIN_shared_info(%eax), %eax
        movl    %eax, VCPU_info(%ebp)           # vcpu_info[0] is the first in it
        movl    VCPU_info_spare(%ebp), %eax
        call    vcpu_info_show
        movl    $PAGE_SIZE, %ecx
        call    heap_free
        movl    $0, VCPU_info_page(%ebp)
        movl    VCPU_info_mfn(%ebp), %eax
        call    frame_record
        call    type_put
        call    frame_put
{{ L("not_moved") }}:
        ret
{% endcall %}
