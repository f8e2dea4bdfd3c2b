# The hypervisor's 64 MB region: entries of hv_l1, and the way from an address in it to a machine frame.
#
# Invariants
#   - hv_l1 has one entry for each page from HV_START up. Every address space's L2 for the top gigabyte points at the
#     same tables, but for the per-domain window and the linear tables.
#   - An entry that changes while it is in use is invalidated here.

        .text

# hv_map_page_nx(va, entry): maps one page of the region, never executable.
#
# in:    %eax = address in the region; %edx = physical address | PTE_* flags of the low word
# out:   -
# clob:  none
# errs:  none
{% call routine("hv_map_page_nx") %}
        pushl   %eax
        pushl   %ecx
        movl    %eax, %ecx
        subl    $HV_START, %ecx
        shrl    $PAGE_SHIFT, %ecx
        movl    $0, hv_l1(,%ecx,8)              # never a half-written entry that is present
        pushl   no_execute_high
        popl    hv_l1 + 4(,%ecx,8)
        movl    %edx, hv_l1(,%ecx,8)
        andl    $~PAGE_OFFSET_MASK, %eax
        invlpg  (%eax)
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

# hv_unmap_page(va): takes one page out of the region.
#
# in:    %eax = address in the region
# out:   -
# clob:  none
# errs:  none
{% call routine("hv_unmap_page") %}
        pushl   %ecx
        movl    %eax, %ecx
        subl    $HV_START, %ecx
        shrl    $PAGE_SHIFT, %ecx
        movl    $0, hv_l1(,%ecx,8)
        movl    $0, hv_l1 + 4(,%ecx,8)
        invlpg  (%eax)
        popl    %ecx
        ret
{% endcall %}

# hv_mfn(va): the machine frame behind a page of the region.
#
# in:    %eax = address in the region that is mapped by hv_l1
# out:   %eax = mfn
# clob:  none
# errs:  none
{% call routine("hv_mfn") %}
        subl    $HV_START, %eax
        shrl    $PAGE_SHIFT, %eax
        movl    hv_l1(,%eax,8), %eax
        shrl    $PAGE_SHIFT, %eax
        ret
{% endcall %}
