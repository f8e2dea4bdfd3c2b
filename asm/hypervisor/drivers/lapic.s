# The local APIC: whether there is one, and where.
#
# Invariants
#   - When lapic_present is 1, the registers are mapped uncached at FIXMAP_APIC in every address space, and the APIC is
#     enabled in its base register. Nobody has enabled it in its spurious-vector register yet: it delivers nothing.

        .section .init, "ax"

        .set    APIC_BASE_MASK, ~PAGE_OFFSET_MASK
        .set    APIC_VERSION_MASK, 0xff
        .set    APIC_ID_SHIFT, 24

{% set L = labels("lapic_find") %}
# lapic_find(): finds, enables and maps the local APIC.
#
# in:    -
# out:   lapic_present
# clob:  none
# errs:  none; a processor without one, or whose firmware put it above 4 GB, is logged and goes without
{% call routine("lapic_find") %}
        pushal
        movl    $1, %eax
        cpuid
        testl   $CPUID_EDX_APIC, %edx
        jz      {{ L("none") }}
        movl    $MSR_APIC_BASE, %ecx
        rdmsr
        testl   %edx, %edx
        jnz     {{ L("none") }}
        testl   $APIC_BASE_ENABLE, %eax
        jnz     {{ L("enabled") }}
        orl     $APIC_BASE_ENABLE, %eax
        wrmsr
{{ L("enabled") }}:
        andl    $APIC_BASE_MASK, %eax
        movl    %eax, %ebx
        movl    %eax, %edx
        orl     $(PTE_P | PTE_RW | PTE_PCD | PTE_PWT | PTE_A | PTE_D), %edx
        movl    $FIXMAP_APIC, %eax
        call    hv_map_page_nx
        movl    $1, lapic_present
        movl    FIXMAP_APIC + APIC_ID, %ecx
        shrl    $APIC_ID_SHIFT, %ecx
        movl    FIXMAP_APIC + APIC_VERSION, %edx
        andl    $APIC_VERSION_MASK, %edx
{{ log("LOG_INFO", "local APIC: at %p, id %u, version 0x%x\\n", "%ebx", "%ecx", "%edx") }}
        popal
        ret
{{ L("none") }}:
{{ log("LOG_WARNING", "local APIC: there is none in reach\\n") }}
        popal
        ret
{% endcall %}

        .data
{% call object("lapic_present") %}
        .long   0
{% endcall %}
