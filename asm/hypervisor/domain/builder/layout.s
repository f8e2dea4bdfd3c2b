# Where everything of a new domain is: addresses, frames, and how many pages it needs (ABI 1.6, 1.7).
#
# Invariants
#   - The order is the ABI's: kernel, initrd, P2M list, start_info, (xenstore, console), page tables, boot stack, at
#     least 512 KB of room, up to a multiple of 4 MB. Guests compute addresses from it.
#   - Every sum is checked: an address that passes the hypervisor's start, or wraps, refuses the image.
#   - The number of page-table frames and the end of the area depend on each other: it grows until both agree.

        .text

{# The next item of the area: its address, then past it; to `fail` when the sum wraps. #}
{% macro item(field, bytes, fail) %}
        movl    %edi, guest + GUEST_IMAGE_{{ field }}
        addl    {{ bytes }}, %edi
        jc      {{ fail }}
{% endmacro %}

{% set L = labels("layout_compute") %}
# layout_compute(): all addresses of the new domain.
#
# in:    guest, after notes_accept; GUEST_IMAGE_nr_pages
# out:   guest; GUEST_IMAGE_error
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  each sentence below
{% call routine("layout_compute") %}
        btl     $XEN_ELFNOTE_ENTRY, guest + GUEST_IMAGE_notes
        jc      {{ L("have_entry") }}
        movl    guest + GUEST_IMAGE_file_start, %eax
        movl    ELF_HEADER_e_entry(%eax), %eax
        movl    %eax, guest + GUEST_IMAGE_entry
{{ L("have_entry") }}:
        movl    guest + GUEST_IMAGE_virt_base, %ebx
        testl   $PAGE_OFFSET_MASK, %ebx
        jnz     {{ L("bad_base") }}
        movl    %ebx, %edx
        subl    guest + GUEST_IMAGE_paddr_offset, %edx
        movl    %edx, guest + GUEST_IMAGE_virt_offset
        movl    guest + GUEST_IMAGE_pstart, %eax
        addl    %edx, %eax                      # may wrap: only the result counts
        addl    guest + GUEST_IMAGE_pend, %edx
        cmpl    %edx, %eax
        ja      {{ L("bad_range") }}
        cmpl    %ebx, %eax
        jb      {{ L("below_base") }}
        movl    guest + GUEST_IMAGE_entry, %ecx
        cmpl    %eax, %ecx
        jb      {{ L("bad_entry") }}
        cmpl    %edx, %ecx
        ja      {{ L("bad_entry") }}
        movl    %edx, guest + GUEST_IMAGE_virt_kend
        call    symbols_measure
        call    virt_start_choose
        cmpl    $0, guest + GUEST_IMAGE_error
        jne     {{ L("done") }}
        movl    $MIN_PAGE_TABLE_FRAMES, guest + GUEST_IMAGE_nr_pt_frames
{{ L("next_try") }}:
        call    layout_try
        jc      {{ L("too_large") }}
        cmpl    guest + GUEST_IMAGE_nr_pt_frames, %eax
        jbe     {{ L("fits") }}
        movl    %eax, guest + GUEST_IMAGE_nr_pt_frames
        jmp     {{ L("next_try") }}
{{ L("fits") }}:
        btl     $XEN_ELFNOTE_HYPERCALL_PAGE, guest + GUEST_IMAGE_notes
        jnc     {{ L("done") }}
        movl    guest + GUEST_IMAGE_hypercall_page, %eax
        testl   $PAGE_OFFSET_MASK, %eax
        jnz     {{ L("bad_hypercall_page") }}
        cmpl    %ebx, %eax
        jb      {{ L("bad_hypercall_page") }}
        cmpl    guest + GUEST_IMAGE_virt_end, %eax
        jae     {{ L("bad_hypercall_page") }}
        subl    guest + GUEST_IMAGE_page_tables, %eax
        shrl    $PAGE_SHIFT, %eax               # huge when it lies below them
        cmpl    guest + GUEST_IMAGE_nr_pt_frames, %eax
        jb      {{ L("hypercall_page_is_a_table") }}
{{ L("done") }}:
        ret
{% for name, reason in [
      ("bad_range", "its segments wrap around the end of the address space"),
      ("below_base", "a segment is outside of memory: it lies below VIRT_BASE"),
      ("bad_entry", "its entry is outside of its segments"),
      ("too_large", "it is outside of memory: the initial area reaches into the hypervisor's part"),
      ("bad_base", "its VIRT_BASE is not at the start of a page"),
      ("bad_hypercall_page", "its hypercall page is no page of the initial area"),
      ("hypercall_page_is_a_table", "its hypercall page would be one of its page tables")] %}
{{ L(name) }}:
{{ refuse(reason) }}
        ret
{% endfor %}
{% endcall %}

{% set L = labels("virt_start_choose") %}
# virt_start_choose(): where the hypervisor's part begins for this guest.
#
# in:    guest
# out:   GUEST_IMAGE_virt_start; GUEST_IMAGE_error
# clob:  %eax
# errs:  a guest that wants it higher than it can be
{% call routine("virt_start_choose") %}
        movl    $M2P_ALIAS, guest + GUEST_IMAGE_virt_start
        btl     $XEN_ELFNOTE_HV_START_LOW, guest + GUEST_IMAGE_notes
        jnc     {{ L("done") }}
        movl    $HV_START, guest + GUEST_IMAGE_virt_start
        movl    guest + GUEST_IMAGE_hv_start_low, %eax
        addl    $(SUPERPAGE_SIZE - 1), %eax
        jc      {{ L("too_high") }}
        andl    $~(SUPERPAGE_SIZE - 1), %eax
        cmpl    $M2P_ALIAS, %eax
        jbe     {{ L("done") }}
{{ L("too_high") }}:
{{ refuse("its HV_START_LOW is too high") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("layout_try") %}
# layout_try(): the layout for a number of page-table frames.
#
# in:    guest
# out:   %eax = number of page-table frames that this layout needs; carry: it does not fit below virt_start
# clob:  %ecx, %edi
# errs:  carry
{% call routine("layout_try") %}
        movl    guest + GUEST_IMAGE_virt_kend, %edi
        addl    $PAGE_OFFSET_MASK, %edi
        jc      {{ L("too_large") }}
        andl    $~PAGE_OFFSET_MASK, %edi
        movl    guest + GUEST_IMAGE_initrd_size, %eax
        addl    $PAGE_OFFSET_MASK, %eax
        jc      {{ L("too_large") }}
        andl    $~PAGE_OFFSET_MASK, %eax
        cmpl    $0, guest + GUEST_IMAGE_mod_start_pfn
        je      {{ L("initrd_mapped") }}
        xorl    %eax, %eax
{{ L("initrd_mapped") }}:
{{ item("initrd_virt", "%eax", L("too_large")) }}
        movl    guest + GUEST_IMAGE_nr_pages, %eax
        leal    PAGE_OFFSET_MASK(,%eax,4), %eax
        andl    $~PAGE_OFFSET_MASK, %eax
{{ item("p2m", "%eax", L("too_large")) }}
{{ item("start_info", "$PAGE_SIZE", L("too_large")) }}
        cmpl    $0, guest + GUEST_IMAGE_domain_id
        je      {{ L("no_ring_pages") }}
{{ item("store_page", "$PAGE_SIZE", L("too_large")) }}
{{ item("console_page", "$PAGE_SIZE", L("too_large")) }}
{{ L("no_ring_pages") }}:
        movl    guest + GUEST_IMAGE_nr_pt_frames, %eax
        shll    $PAGE_SHIFT, %eax
{{ item("page_tables", "%eax", L("too_large")) }}
{{ item("stack", "$PAGE_SIZE", L("too_large")) }}
        addl    $PADDING_BYTES, %edi
        jc      {{ L("too_large") }}
        addl    $(2 * SUPERPAGE_SIZE - 1), %edi
        jc      {{ L("too_large") }}
        andl    $~(2 * SUPERPAGE_SIZE - 1), %edi
        movl    %edi, guest + GUEST_IMAGE_virt_end
        cmpl    %edi, guest + GUEST_IMAGE_virt_start
        jb      {{ L("too_large") }}
        movl    guest + GUEST_IMAGE_virt_base, %ecx
        andl    $~(SUPERPAGE_SIZE - 1), %ecx
        movl    %edi, %eax
        subl    %ecx, %eax
        shrl    $L2_SHIFT, %eax
        addl    $MIN_PAGE_TABLE_FRAMES, %eax    # the L3 and four L2s, and an L1 for each 2 MB
        clc
        ret
{{ L("too_large") }}:
        stc
        ret
{% endcall %}
