# IDE controllers with a bus master: their channels, and how one is taken.
#
# Invariants
#   - A controller is taken when the first disk of it is found, as a whole: its function, all its ports. One without
#     disks stays a guest's.
#   - Drives are asked while their interrupts are off (ide_drive.s): they may interrupt when all have been asked.

        .section .init, "ax"

{% set L = labels("ide_probe") %}
# ide_probe(address): looks for disks at both channels of a controller.
#
# in:    %eax = PCI address
# out:   -
# clob:  all
# errs:  what cannot be used is left alone
{% call routine("ide_probe") %}
        movl    %eax, ide_address
        movl    $0, ide_taken
        movl    $PCI_CLASS, %ecx
        call    pci_read
        testl   $PCI_IDE_MASTER, %edx
        jz      {{ L("no_master") }}
        movl    %edx, %ebp                      # bits 8 and 10: the first and the second channel are where PCI says
        movl    $PCI_BAR_4, %ecx
        call    pci_ports
        testl   %edx, %edx
        jz      {{ L("no_master") }}
        movl    %edx, ide_master
{% for channel, native, command, control, input in [(0, 8, "0x1f0", "0x3f6", 14), (1, 10, "0x170", "0x376", 15)] %}
        call    ide_channel_make
        testl   %edi, %edi
        jz      {{ L("no_master") }}
        movl    ide_master, %eax
        addl    ${{ channel }} * IDE_MASTER_CHANNEL, %eax
        movl    %eax, IDE_CHANNEL_master(%edi)
        movl    ${{ command }}, IDE_CHANNEL_command(%edi)
        movl    ${{ control }}, IDE_CHANNEL_control(%edi)
        movl    ${{ input }}, IDE_CHANNEL_input(%edi)
        btl     ${{ native }}, %ebp
        jnc     {{ L("as_ever_" ~ channel) }}
        movl    $PCI_BAR_0 + 8 * {{ channel }}, %ecx
        call    ide_channel_native
{{ L("as_ever_" ~ channel) }}:
        movl    %edi, ide_channels + 4 * {{ channel }}
{% endfor %}
{% for channel, select in [(0, "0"), (0, "IDE_SELECT_SECOND"), (1, "0"), (1, "IDE_SELECT_SECOND")] %}
        movl    ide_channels + 4 * {{ channel }}, %edi
        movl    $(IDE_SELECT_LBA | {{ select }}), %ecx
        call    ide_drive_look
{% endfor %}
        cmpl    $0, ide_taken
        je      {{ L("no_disks") }}
        xorl    %eax, %eax                      # now they may interrupt
{% for channel in range(2) %}
        movl    ide_channels + 4 * {{ channel }}, %edi
        movl    IDE_CHANNEL_control(%edi), %edx
        outb    %al, %dx
{% endfor %}
{{ L("no_disks") }}:
{{ L("no_master") }}:
        ret
{% endcall %}

{% set L = labels("ide_channel_make") %}
# ide_channel_make(): the records of a channel.
#
# in:    -
# out:   %edi = IDE_CHANNEL with its table, or 0 when there is no memory
# clob:  %eax, %ecx, %edx
# errs:  0
{% call routine("ide_channel_make") %}
        movl    $IDE_CHANNEL_size, %ecx
        call    heap_alloc
        movl    %eax, %edi
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    $1, %ecx
        call    device_memory
        movl    %edx, IDE_CHANNEL_physical(%edi)
        movl    %eax, IDE_CHANNEL_table(%edi)
        testl   %eax, %eax
        jnz     {{ L("complete") }}
        xorl    %edi, %edi
{{ L("complete") }}:
{{ L("none") }}:
        ret
{% endcall %}

# ide_channel_native(channel, register): a channel's ports and input, as PCI has them.
#
# in:    %edi = IDE_CHANNEL, %ecx = PCI_BAR_* of its command ports; ide_address
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none: a channel without ports finds nobody at port 0, one without input -1 is looked at by ide_take
{% call routine("ide_channel_native") %}
        movl    ide_address, %eax
        call    pci_ports
        movl    %edx, IDE_CHANNEL_command(%edi)
        addl    $4, %ecx
        call    pci_ports
        addl    $2, %edx
        movl    %edx, IDE_CHANNEL_control(%edi)
        call    pci_input
        movl    %eax, IDE_CHANNEL_input(%edi)
        ret
{% endcall %}

{% set L = labels("ide_take") %}
# ide_take(): takes the controller, once.
#
# in:    ide_address, ide_channels, ide_master
# out:   ide_taken; carry: there are too many devices, or a channel has no interrupt
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("ide_take") %}
        cmpl    $0, ide_taken
        jne     {{ L("taken") }}
        movl    ide_address, %eax
        call    pci_take
        jc      {{ L("refused") }}
        pushl   %edi
{% for channel in range(2) %}
        movl    ide_channels + 4 * {{ channel }}, %edi
        movl    IDE_CHANNEL_command(%edi), %edx
        movl    $IDE_PORTS, %ecx
        call    ports_take
        movl    IDE_CHANNEL_control(%edi), %edx
        movl    $1, %ecx
        call    ports_take
        movl    IDE_CHANNEL_input(%edi), %eax
        cmpl    $PIC_INPUTS, %eax
        cmc
        jc      {{ L("no_interrupt") }}
        movl    $ide_interrupt, %ecx
        movl    %edi, %edx
        call    interrupt_claim
        jc      {{ L("no_interrupt") }}
{% endfor %}
        popl    %edi
        incl    ide_taken
{{ L("taken") }}:
        clc
        ret
{{ L("no_interrupt") }}:
        popl    %edi
        stc
{{ L("refused") }}:
        ret
{% endcall %}

{{ space("ide_address", 4) }}
{{ space("ide_taken", 4) }}
{{ space("ide_master", 4) }}
{{ space("ide_channels", 8) }}
