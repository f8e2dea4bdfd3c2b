# Functions of PCI that are ours: what of them no guest may reach.
#
# Invariants
#   - A function that a driver has taken is in own_functions: its configuration is not there for guests
#     (entry/emulate/own_ports.s). Its ports are in own_ports, its memory in own_frames: all of it, whatever of it the
#     driver uses, for most devices have several doors.
#   - own_frames holds RANGEs of machine frames, of devices only. No guest maps one (mm/l1.s asks device_is_ours).

        .section .init, "ax"

{% set L = labels("pci_take") %}
# pci_take(address): a driver takes a function: it may use its ports and memory and become master of the bus.
#
# in:    %eax = PCI address
# out:   own_functions, own_ports, own_frames
# clob:  none
# errs:  carry: there is no room in own_functions or own_frames
{% call routine("pci_take") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        movl    own_function_count, %ecx
        cmpl    $OWN_FUNCTIONS, %ecx
        jae     {{ L("no_room") }}
        movl    %eax, own_functions(,%ecx,4)
        incl    own_function_count
        movl    $PCI_COMMAND, %ecx
        call    pci_read
        andl    $(0xffff & ~PCI_COMMAND_NO_INTERRUPT & ~PCI_COMMAND_IO & ~PCI_COMMAND_MEMORY), %edx
        call    pci_write                       # the upper half, the status, is cleared by ones: it stays as it is
        movl    %edx, %ebx
        movl    $PCI_BAR_0, %ecx
{{ L("next_region") }}:
        call    pci_region_take
        jc      {{ L("no_room") }}
        cmpl    $PCI_BARS_END, %ecx
        jb      {{ L("next_region") }}
        movl    $PCI_COMMAND, %ecx
        movl    %ebx, %edx
        orl     $(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER), %edx
        call    pci_write
        popl    %edx
        popl    %ecx
        popl    %ebx
        clc
        ret
{{ L("no_room") }}:
        popl    %edx
        popl    %ecx
        popl    %ebx
        stc
        ret
{% endcall %}

{% set L = labels("pci_region_take") %}
# pci_region_take(address, register): takes the ports or the memory that a base address register names.
#
# in:    %eax = PCI address of a function that answers to no port or memory just now, %ecx = PCI_BAR_*
# out:   %ecx = the next such register; own_ports or own_frames
# clob:  %edx
# errs:  carry: there is no room in own_frames
# why:   of a register to which all ones are written, those bits are one again that are part of the place
{% call routine("pci_region_take") %}
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        call    pci_read
        movl    %edx, %ebx
        movl    $-1, %edx
        call    pci_write
        call    pci_read
        movl    %edx, %esi
        movl    %ebx, %edx
        call    pci_write
        addl    $4, %ecx
        testl   $PCI_BAR_IO, %ebx
        jz      {{ L("memory") }}
        andl    $PCI_BAR_IO_MASK, %ebx
        jz      {{ L("taken") }}
        orl     $~PCI_BAR_IO_MASK, %esi         # the upper half may be there, or not
        andl    $~PCI_BAR_NO_ADDRESS_IO, %esi
        negl    %esi                            # bytes
        movl    %ebx, %edx
        xchgl   %ecx, %esi
        call    ports_take
        xchgl   %ecx, %esi
        jmp     {{ L("taken") }}
{{ L("memory") }}:
        xorl    %edx, %edx
        movl    %ebx, %edi
        andl    $PCI_BAR_WIDE, %edi
        jz      {{ L("below_4_gb") }}
        call    pci_read
        addl    $4, %ecx
{{ L("below_4_gb") }}:
        andl    $PCI_BAR_MEMORY_MASK, %esi
        jz      {{ L("taken") }}
        negl    %esi                            # bytes
        andl    $PCI_BAR_MEMORY_MASK, %ebx
        movl    %ebx, %edi
        orl     %edx, %edi
        jz      {{ L("taken") }}                # the firmware has put it nowhere
        addl    $PAGE_OFFSET_MASK, %esi
        shrl    $PAGE_SHIFT, %esi
        shrdl   $PAGE_SHIFT, %edx, %ebx
        addl    %ebx, %esi
        movl    own_frames_count, %edx
        cmpl    $OWN_RANGES, %edx
        cmc
        jc      {{ L("no_room") }}
        movl    %ebx, own_frames + RANGE_start(,%edx,8)
        movl    %esi, own_frames + RANGE_end(,%edx,8)
        incl    own_frames_count
{{ L("taken") }}:
        clc
{{ L("no_room") }}:
        popl    %edi
        popl    %esi
        popl    %ebx
        ret
{% endcall %}

        .text

{% set L = labels("device_is_ours") %}
# device_is_ours(entry): whether a page table entry leads to memory of a device that is ours, the local APIC included.
#
# in:    %eax, %edx = entry
# out:   carry: it does
# clob:  %ecx
# errs:  carry
{% call routine("device_is_ours") %}
        pushl   %eax
        pushl   %edx
        andl    $PTE_HIGH_FRAME, %edx
        shrdl   $PAGE_SHIFT, %edx, %eax         # machine frame
        movl    own_frames_count, %ecx
{{ L("next_range") }}:
        decl    %ecx
        js      {{ L("apic") }}
        cmpl    own_frames + RANGE_start(,%ecx,8), %eax
        jb      {{ L("next_range") }}
        cmpl    own_frames + RANGE_end(,%ecx,8), %eax
        jae     {{ L("next_range") }}
{{ L("ours") }}:
        popl    %edx
        popl    %eax
        stc
        ret
{{ L("apic") }}:
        movl    hv_l1 + (FIXMAP_APIC - HV_START) / PAGE_SIZE * PTE_size, %ecx
        shrl    $PAGE_SHIFT, %ecx
        jz      {{ L("not_ours") }}             # there is none
        cmpl    %ecx, %eax
        je      {{ L("ours") }}
{{ L("not_ours") }}:
        popl    %edx
        popl    %eax
        clc
        ret
{% endcall %}

        .data
{% for name in ["own_function_count", "own_frames_count"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("own_functions", "4 * OWN_FUNCTIONS") }}
{{ space("own_frames", "OWN_RANGES * RANGE_size") }}
