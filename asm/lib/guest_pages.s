# Mapping: how a guest changes what one of its pages shows, and to whom.
#
# A guest's page tables hold machine frames. The list at START_INFO_mfn_list says which frame each of its pages is; the
# hypervisor checks every entry that a guest wants to write, and writes it.
#
# Invariants
#   - Each mapping is made in place of an existing one, so no page table has to be added.

        .text

# page_frame(va): the machine frame of a page.
#
# in:    %ebx = address in the page, in the initial mapping; %ebp = start_info
# out:   %eax = mfn
# clob:  none
# errs:  none
{% call routine("page_frame") %}
        pushl   %ecx
        movl    %ebx, %ecx
        subl    $VIRT_BASE, %ecx
        shrl    $PAGE_SHIFT, %ecx
        movl    START_INFO_mfn_list(%ebp), %eax
        movl    (%eax,%ecx,4), %eax
        popl    %ecx
        ret
{% endcall %}

# page_map(va, mfn, flags): maps a frame at an address.
#
# in:    %ebx = address, %eax = mfn, %ecx = PTE_* flags
# out:   %eax = 0, or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  those of update_va_mapping
{% call routine("page_map") %}
        movl    %eax, %edx
        shll    $PAGE_SHIFT, %eax
        orl     %eax, %ecx                      # the entry: its low word in %ecx,
        shrl    $(32 - PAGE_SHIFT), %edx        # its high word in %edx
        movl    $UVMF_INVLPG, %esi
        {{ hypercall("update_va_mapping") }}
        ret
{% endcall %}

# page_remap(va, flags): maps the frame that a page of the initial mapping has anew.
#
# in:    %ebx = address, %ecx = PTE_* flags; %ebp = start_info
# out:   %eax = 0, or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  those of update_va_mapping
{% call routine("page_remap") %}
        call    page_frame
        jmp     page_map
{% endcall %}
