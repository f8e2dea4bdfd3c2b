# The page that a guest and the hypervisor share: events, time, and where the last page fault was (ABI 4.1).
#
# Invariants
#   - shared_info is its address, or 0 before it is mapped. It takes the place of a page of the guest's own
#     (guest_pages.s).

        .text

{% set L = labels("shared_info_map") %}
# shared_info_map(): maps the page that a guest and the hypervisor share.
#
# in:    %ebp = start_info
# out:   shared_info = its address, or 0 when the hypervisor does not map it
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  none
# why:   it is nowhere in the initial mapping: a guest puts it in place of a page of its own
{% call routine("shared_info_map") %}
        movl    $shared_info_page, %ebx
        movl    START_INFO_shared_info(%ebp), %eax
        shrl    $PAGE_SHIFT, %eax
        movl    $(PTE_P | PTE_RW | PTE_A), %ecx
        call    page_map
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $shared_info_page, shared_info
{{ L("done") }}:
        ret
{% endcall %}

{{ space("shared_info_page", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("shared_info", 4) }}
