# Descriptor tables: the GDT's reserved page, the IDT, the task state segments.
#
# Invariants
#   - Guests see the reserved selectors of the public ABI (1.9): flat ring-1 and ring-3 segments, all with a limit just
#     below HV_PRIVATE_START. Ring 0's own segments are there too, but DPL 0 keeps guests from loading them.
#   - The GDT lies in the per-domain window: pages 0 to 13 are the guest's (none yet: an empty page), page 14 is ours.
#   - All gates are interrupt gates, so ring 0 always runs with interrupts off. Only int3, into (DPL 3) and the
#     hypercall (DPL 1) can be reached by an instruction of a guest; everything else it raises as a fault.
#   - A double fault has a task, a stack and the idle tables of its own: it is reported whatever state we are in.

{% macro descriptor(limit, access) %}
        .long   {{ limit }} & 0xffff, 0xc00000 | ({{ access }} << 8) | ({{ limit }} & 0xf0000)
{% endmacro %}

        .section .rodata
{% call object("idt_pointer") %}
        .word   IDT_ENTRIES * DESCRIPTOR_size - 1
        .long   idt
{% endcall %}
{% call object("gdt_pointer") %}
        .word   GDT_LIMIT
        .long   DOMAIN_WINDOW
{% endcall %}

        .data
{% call object("gdt_reserved", 4096) %}
        .long   0, 0                            # 0xe000: double-fault TSS, set at boot
{{ descriptor("0xfffff", "0x9a") }}             # 0xe008: ring 0 code
{{ descriptor("0xfffff", "0x92") }}             # 0xe010: ring 0 data
{{ descriptor("GUEST_LIMIT_FIELD", "0xba") }}   # 0xe019: ring 1 code
{{ descriptor("GUEST_LIMIT_FIELD", "0xb2") }}   # 0xe021: ring 1 data
{{ descriptor("GUEST_LIMIT_FIELD", "0xfa") }}   # 0xe02b: ring 3 code
{{ descriptor("GUEST_LIMIT_FIELD", "0xf2") }}   # 0xe033: ring 3 data
        .long   0, 0                            # 0xe038
        .long   0, 0                            # 0xe040: TSS, set at boot
        .long   0, 0                            # 0xe048: LDT
        .skip   PAGE_SIZE - 10 * DESCRIPTOR_size
{% endcall %}

{{ space("idt", "IDT_ENTRIES * DESCRIPTOR_size", 8) }}
{{ space("tss", "TSS_size", 128) }}
{{ space("double_fault_tss", "TSS_size", 128) }}
{{ space("double_fault_stack", "DOUBLE_FAULT_STACK_BYTES", 16) }}
{{ space("empty_page", "PAGE_SIZE", 4096) }}

        .section .init, "ax"

{% set L = labels("descriptors_init") %}
# descriptors_init(): loads GDT, segments, TSS and IDT.
#
# in:    -
# out:   -
# clob:  %eax, %ecx, %edx, %ds, %es, %fs, %gs, %ss
# errs:  none
{% call routine("descriptors_init") %}
        pushl   %esi
        movl    $DOMAIN_WINDOW, %eax
        movl    $empty_page - IMAGE_LOAD_OFFSET + (PTE_P | PTE_A), %edx
        movl    $14, %ecx
{{ L("next_page") }}:
        call    hv_map_page_nx                  # a descriptor that is all zero is never loadable
        addl    $PAGE_SIZE, %eax
        decl    %ecx
        jnz     {{ L("next_page") }}
        movl    $gdt_reserved - IMAGE_LOAD_OFFSET + (PTE_P | PTE_RW | PTE_A | PTE_D), %edx
        call    hv_map_page_nx
        movl    $tss, %eax
        movl    $HV_TSS, %ecx
        call    tss_descriptor_set
        movl    $double_fault_tss, %eax
        movl    $DOUBLE_FAULT_TSS, %ecx
        call    tss_descriptor_set
        movl    $hypervisor_stack_top, tss + TSS_esp0
        movl    $HV_DS, tss + TSS_ss0
        movw    $TSS_size, tss + TSS_io_map_base        # beyond the limit: no port is free to guests
        call    double_fault_init
        lgdt    gdt_pointer
        pushl   $HV_CS
        pushl   ${{ L("own_segments") }}
        lret
{{ L("own_segments") }}:
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        lldt    %ax
        movl    $HV_TSS, %eax
        ltr     %ax
        call    idt_init
        popl    %esi
        ret
{% endcall %}

# tss_descriptor_set(tss, selector): an available 32-bit TSS in the reserved page.
#
# in:    %eax = address of the TSS, %ecx = selector
# out:   -
# clob:  none
# errs:  none
{% call routine("tss_descriptor_set") %}
        pushl   %eax
        pushl   %edx
        movl    %eax, %edx
        shll    $16, %eax
        orl     $(TSS_size - 1), %eax
        movl    %eax, gdt_reserved - GDT_RESERVED_OFFSET(%ecx)
        movl    %edx, %eax
        andl    $0xff000000, %eax
        shrl    $16, %edx
        movb    %dl, %al
        orl     $0x8900, %eax
        movl    %eax, gdt_reserved - GDT_RESERVED_OFFSET + 4(%ecx)
        popl    %edx
        popl    %eax
        ret
{% endcall %}

# double_fault_init(): the task that takes a double fault.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("double_fault_init") %}
        movl    $double_fault, double_fault_tss + TSS_eip
        movl    $double_fault_stack + DOUBLE_FAULT_STACK_BYTES, double_fault_tss + TSS_esp
        movl    $double_fault_stack + DOUBLE_FAULT_STACK_BYTES, double_fault_tss + TSS_esp0
        movl    $HV_DS, double_fault_tss + TSS_ss0
        movl    $HV_CS, double_fault_tss + TSS_cs
        movl    $EFLAGS_ONE, double_fault_tss + TSS_eflags
        movl    $idle_l3 - IMAGE_LOAD_OFFSET, double_fault_tss + TSS_cr3
{% for segment in ["ss", "ds", "es"] %}
        movl    $HV_DS, double_fault_tss + TSS_{{ segment }}
{% endfor %}
        movw    $TSS_size, double_fault_tss + TSS_io_map_base
        ret
{% endcall %}

{% set L = labels("idt_init") %}
# idt_init(): a gate for each vector, from vector_table.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("idt_init") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        xorl    %ecx, %ecx
{{ L("next_vector") }}:
        movl    vector_table(,%ecx,4), %eax
        movl    %eax, %edx
        andl    $0xffff, %eax
        orl     $(HV_CS << 16), %eax
        andl    $0xffff0000, %edx
        orl     $GATE_INTERRUPT, %edx
        movl    %eax, idt(,%ecx,8)
        movl    %edx, idt + 4(,%ecx,8)
        incl    %ecx
        cmpl    $IDT_ENTRIES, %ecx
        jb      {{ L("next_vector") }}
        orl     $GATE_DPL_3, idt + 8 * VECTOR_BP + 4
        orl     $GATE_DPL_3, idt + 8 * VECTOR_OF + 4
        movl    $(DOUBLE_FAULT_TSS << 16), idt + 8 * VECTOR_DF
        movl    $GATE_TASK, idt + 8 * VECTOR_DF + 4
        movl    $hypercall_entry, %eax
        movl    %eax, %edx
        andl    $0xffff, %eax
        orl     $(HV_CS << 16), %eax
        andl    $0xffff0000, %edx
        orl     $(GATE_INTERRUPT | GATE_DPL_1), %edx
        movl    %eax, idt + 8 * 0x82
        movl    %edx, idt + 8 * 0x82 + 4
        lidt    idt_pointer
        popl    %edx
        popl    %ecx
        popl    %eax
        ret
{% endcall %}
