# Memory of devices: their registers, and memory of ours that they read and write by themselves.
#
# Invariants
#   - Addresses from DEVICE_WINDOW up are given out once, at boot, and stay: device_next is the first that is free.
#   - What device_memory gives is in one piece of physical memory, zeroed, and the hypervisor's own for ever.

        .section .init, "ax"

{% set L = labels("device_map") %}
# device_map(physical, bytes): shows registers of a device, uncached.
#
# in:    %eax = physical address, %ecx = bytes, not 0
# out:   %eax = address, or 0 when there is no room
# clob:  none
# errs:  0
{% call routine("device_map") %}
        pushl   %ecx
        pushl   %edx
        movl    %eax, %edx
        andl    $PAGE_OFFSET_MASK, %eax
        subl    %eax, %edx
        leal    PAGE_OFFSET_MASK(%eax,%ecx), %ecx
        shrl    $PAGE_SHIFT, %ecx
        orl     $(PTE_P | PTE_RW | PTE_PCD | PTE_PWT | PTE_A | PTE_D), %edx
        pushl   %eax
        call    device_show
        popl    %edx
        testl   %eax, %eax
        jz      {{ L("no_room") }}
        addl    %edx, %eax
{{ L("no_room") }}:
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("device_show") %}
# device_show(entry, pages): maps pages in a row at the next free addresses.
#
# in:    %edx = physical address of the first | PTE_* flags, %ecx = pages
# out:   %eax = address, or 0 when there is no room
# clob:  %ecx, %edx
# errs:  0
{% call routine("device_show") %}
        pushl   %ebx
        movl    $DEVICE_WINDOW_END, %eax
        subl    device_next, %eax
        shrl    $PAGE_SHIFT, %eax
        cmpl    %ecx, %eax
        jb      {{ L("no_room") }}
        movl    device_next, %ebx
        movl    %ebx, %eax
{{ L("next_page") }}:
        call    hv_map_page_nx
        addl    $PAGE_SIZE, %eax
        addl    $PAGE_SIZE, %edx
        decl    %ecx
        jnz     {{ L("next_page") }}
        movl    %eax, device_next
        movl    %ebx, %eax
        popl    %ebx
        ret
{{ L("no_room") }}:
        xorl    %eax, %eax
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("device_memory") %}
# device_memory(pages): memory for a device and for us, in one piece.
#
# in:    %ecx = pages, 1 to 1 << MAX_EXTENT_ORDER
# out:   %eax = address, or 0 when there is no memory or no room; %edx = physical address
# clob:  none
# errs:  0
{% call routine("device_memory") %}
        pushl   %ecx
        pushl   %edi
        pushl   %ecx
        leal    -1(%ecx,%ecx), %eax             # the order: the lowest power of two that is no less
        bsrl    %eax, %ecx
        call    extent_find
        popl    %ecx
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, %edx
        shll    $PAGE_SHIFT, %edx
        pushl   %edx
        pushl   %ecx
{{ L("next_frame") }}:
        call    frame_take
        incl    %eax
        decl    %ecx
        jnz     {{ L("next_frame") }}
        popl    %ecx
        pushl   %ecx
        orl     $(PTE_P | PTE_RW | PTE_A | PTE_D), %edx
        call    device_show
        popl    %ecx
        popl    %edx
        testl   %eax, %eax
        jz      {{ L("none") }}                 # the frames are lost: there was no room for a device's memory at boot
        movl    %eax, %edi
        shll    $PAGE_SHIFT, %ecx
        call    memory_zero
{{ L("none") }}:
        popl    %edi
        popl    %ecx
        ret
{% endcall %}

        .data
{% call object("device_next") %}
        .long   DEVICE_WINDOW
{% endcall %}
