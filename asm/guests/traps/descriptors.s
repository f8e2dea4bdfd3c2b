# Exceptions that need descriptors of one's own: a segment that is not present (11), and the same for a stack (12).
#
# Invariants
#   - guest_gdt is mapped read-only before the hypervisor gets it: it would refuse a table that the guest can write.
#   - The descriptors that the hypervisor provides (0xe008 and up) stay where they are.

        .text

        .set    GDT_entries, 2
        .set    ABSENT_SEGMENT, 1 << 3 | 1      # entry 1, RPL 1

{% set L = labels("cases_of_descriptors") %}
# cases_of_descriptors(): takes a descriptor table, and loads what is not present in it.
#
# in:    %ebp = start_info
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %fs, %ss
# errs:  a refusal by the hypervisor is said, and counts as wrong
{% call routine("cases_of_descriptors") %}
        movl    $guest_gdt, %ebx
        call    page_frame
        movl    %eax, gdt_frames
        movl    $(PTE_P | PTE_A), %ecx
        call    page_map
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    $gdt_frames, %ebx
        movl    $GDT_entries, %ecx
        {{ hypercall("set_gdt") }}
        testl   %eax, %eax
        jnz     {{ L("refused") }}
{% call(at) case("VECTOR_NP", "segment that is not present", error="ABSENT_SEGMENT & ~SELECTOR_RPL") %}
        movl    $ABSENT_SEGMENT, %eax
{{ at }}:
        movl    %eax, %fs
{% endcall %}
{% call(at) case("VECTOR_SS", "stack that is not present", error="ABSENT_SEGMENT & ~SELECTOR_RPL") %}
        movl    $ABSENT_SEGMENT, %eax
{{ at }}:
        movl    %eax, %ss
{% endcall %}
        ret
{{ L("refused") }}:
{{ print("no descriptors of our own: error %d: WRONG\\n", "%eax") }}
        incl    cases_wrong
        ret
{% endcall %}

        .data
{% call object("guest_gdt", "PAGE_SIZE") %}
        .quad   0
        .quad   0x00cf32000000ffff              # data, writable, ring 1, but not present
        .skip   PAGE_SIZE - 2 * 8
{% endcall %}
{{ space("gdt_frames", 4) }}
