# The multiboot header and the first instructions: from the loader's flat 32-bit mode to our own address space.
#
# Invariants
#   - `start` runs at its physical address, without paging: it uses phys(symbol), and calls, which are relative.
#   - The idle tables map physical memory below HV_START one to one (2 MB pages) and the 64 MB region by hv_l1: one
#     entry for each of its pages, all zero but the image's.
#   - One to one memory is not executable, but for the first pages until boot_main has left them.
#   - A machine without PAE is refused with a sentence on the serial port.

{% macro phys(symbol) %}{{ symbol }} - IMAGE_LOAD_OFFSET{% endmacro %}

        .text
        .balign 4
        .globl  multiboot_header
        .type   multiboot_header, @object
multiboot_header:
        .long   MULTIBOOT_MAGIC
        .long   MULTIBOOT_PAGE_ALIGN | MULTIBOOT_MEMORY_INFO
        .long   0 - MULTIBOOT_MAGIC - (MULTIBOOT_PAGE_ALIGN | MULTIBOOT_MEMORY_INFO)
        .size   multiboot_header, .-multiboot_header

        .section .init, "ax"

{% set L = labels("start") %}
# start: where the loader jumps to.
#
# in:    %eax = MULTIBOOT_LOADED, %ebx = physical address of the MULTIBOOT_INFO; paging off, flat segments
# out:   does not return
# errs:  not loaded by multiboot, or no PAE: a sentence on COM1, and the machine halts
{% call routine("start") %}
        cli
        cld
        movl    ${{ phys("hypervisor_stack_top") }}, %esp
        movl    ${{ phys("not_multiboot") }}, %esi
        cmpl    $MULTIBOOT_LOADED, %eax
        jne     {{ L("refuse") }}
        movl    %ebx, {{ phys("multiboot_info") }}
        movl    $1, %eax
        cpuid
        movl    ${{ phys("no_pae") }}, %esi
        testl   $CPUID_EDX_PAE, %edx
        jz      {{ L("refuse") }}
        call    find_no_execute
        call    map_memory_one_to_one
        call    map_image
        movl    %cr4, %eax
        orl     $CR4_PAE, %eax
        movl    %eax, %cr4
        movl    ${{ phys("idle_l3") }}, %eax
        movl    %eax, %cr3
        movl    $(CR0_PG | CR0_WP | CR0_AM | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
        movl    %eax, %cr0
        movl    $boot_main, %eax
        jmp     *%eax                           # indirect: the jump must leave the physical addresses
{{ L("refuse") }}:
        movl    $COM1 + UART_DATA, %edx
{{ L("next_character") }}:
        lodsb
        testb   %al, %al
        jz      {{ L("halt") }}
        outb    %al, %dx
        jmp     {{ L("next_character") }}
{{ L("halt") }}:
        hlt
        jmp     {{ L("halt") }}
{% endcall %}

{{ text("not_multiboot", "xengen: not started by a multiboot loader\\r\\n") }}
{{ text("no_pae", "xengen: this processor has no PAE\\r\\n") }}

{% set L = labels("find_no_execute") %}
# find_no_execute(): whether the processor has the NX bit; if so, switches it on.
#
# in:    physical addresses
# out:   no_execute_high = PTE_NX_HIGH or 0
# clob:  %eax, %ebx, %ecx, %edx
# errs:  none
{% call routine("find_no_execute") %}
        movl    $0x80000000, %eax
        cpuid
        cmpl    $0x80000001, %eax
        jb      {{ L("none") }}
        movl    $0x80000001, %eax
        cpuid
        testl   $CPUID_EXT_EDX_NX, %edx
        jz      {{ L("none") }}
        movl    $MSR_EFER, %ecx
        rdmsr
        orl     $EFER_NXE, %eax
        wrmsr
        movl    $PTE_NX_HIGH, {{ phys("no_execute_high") }}
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("map_memory_one_to_one") %}
# map_memory_one_to_one(): fills idle_l3 and idle_l2: memory below HV_START, and hv_l1 above.
#
# in:    physical addresses; no_execute_high
# out:   -
# clob:  %eax, %ecx, %edx, %edi
# errs:  none
{% call routine("map_memory_one_to_one") %}
        movl    ${{ phys("idle_l2") }}, %edi
        movl    $(PTE_P | PTE_RW | PTE_A | PTE_D | PTE_PSE), %eax
        movl    {{ phys("no_execute_high") }}, %edx
{{ L("next_superpage") }}:
        movl    %eax, (%edi)
        movl    %edx, 4(%edi)
        addl    $PTE_size, %edi
        addl    $SUPERPAGE_SIZE, %eax
        cmpl    $HV_START, %eax
        jb      {{ L("next_superpage") }}
        movl    $0, {{ phys("idle_l2") }} + 4   # `start` itself is in one of the first two
        movl    $0, {{ phys("idle_l2") }} + PTE_size + 4
        movl    $({{ phys("hv_l1") }} + (PTE_P | PTE_RW | PTE_A | PTE_D)), %eax
{{ L("next_region_table") }}:
        movl    %eax, (%edi)
        addl    $PTE_size, %edi
        addl    $PAGE_SIZE, %eax
        cmpl    ${{ phys("idle_l2") }} + 4 * PAGE_SIZE, %edi
        jb      {{ L("next_region_table") }}
        movl    $({{ phys("idle_l2") }} + PTE_P), %eax
        xorl    %ecx, %ecx
{{ L("next_l3_entry") }}:
        movl    %eax, {{ phys("idle_l3") }}(,%ecx,8)
        addl    $PAGE_SIZE, %eax
        incl    %ecx
        cmpl    $4, %ecx
        jb      {{ L("next_l3_entry") }}
        ret
{% endcall %}

# map_image(): the image's pages in hv_l1, each part with the permissions of its segment.
#
# in:    physical addresses; no_execute_high
# out:   -
# clob:  %eax, %ebx, %ecx, %edx
# errs:  none
{% call routine("map_image") %}
        xorl    %edx, %edx
{% for part, flags in [("text", "PTE_P | PTE_A"), ("init", "PTE_P | PTE_A")] %}
        movl    $__{{ part }}_start, %eax
        movl    $__{{ part }}_end, %ebx
        movl    $({{ flags }}), %ecx
        call    map_part
{% endfor %}
        movl    {{ phys("no_execute_high") }}, %edx
{% for part, flags in [("rodata", "PTE_P | PTE_A"), ("data", "PTE_P | PTE_RW | PTE_A | PTE_D"),
                       ("bss", "PTE_P | PTE_RW | PTE_A | PTE_D")] %}
        movl    $__{{ part }}_start, %eax
        movl    $__{{ part }}_end, %ebx
        movl    $({{ flags }}), %ecx
        call    map_part
{% endfor %}
        ret
{% endcall %}

{% set L = labels("map_part") %}
# map_part(start, end, flags): entries of hv_l1 for the image's pages that hold [start, end).
#
# in:    %eax = start, %ebx = end, both virtual; %ecx, %edx = low and high flags of the entries; physical addresses
# out:   -
# clob:  %eax, %ebx
# errs:  none
{% call routine("map_part") %}
        pushl   %edi
        andl    $~PAGE_OFFSET_MASK, %eax
        movl    %eax, %edi
        subl    $HV_START, %edi
        shrl    $(PAGE_SHIFT - 3), %edi
        addl    ${{ phys("hv_l1") }}, %edi
        subl    $IMAGE_LOAD_OFFSET, %eax
        subl    $IMAGE_LOAD_OFFSET - PAGE_OFFSET_MASK, %ebx
        andl    $~PAGE_OFFSET_MASK, %ebx        # rounded up: the flags in %eax do not count below
        orl     %ecx, %eax
{{ L("next_page") }}:
        cmpl    %ebx, %eax
        jae     {{ L("done") }}
        movl    %eax, (%edi)
        movl    %edx, 4(%edi)
        addl    $PTE_size, %edi
        addl    $PAGE_SIZE, %eax
        jmp     {{ L("next_page") }}
{{ L("done") }}:
        popl    %edi
        ret
{% endcall %}

# one_to_one_seal(): takes the right to execute from the first pages, too.
#
# in:    no_execute_high
# out:   -
# clob:  %eax
# errs:  none
{% call routine("one_to_one_seal") %}
        movl    no_execute_high, %eax
        movl    %eax, idle_l2 + 4
        movl    %eax, idle_l2 + PTE_size + 4
        movl    %cr3, %eax
        movl    %eax, %cr3
        ret
{% endcall %}

        .data
{% for name in ["multiboot_info", "no_execute_high"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}

{{ space("idle_l3", "32", 32) }}
{{ space("idle_l2", "4 * PAGE_SIZE", 4096) }}
{{ space("hv_l1", "32 * PAGE_SIZE", 4096) }}
{{ space("hypervisor_stack", "STACK_BYTES", 4096) }}
        .pushsection .bss
        .globl  hypervisor_stack_top
hypervisor_stack_top:
        .popsection
