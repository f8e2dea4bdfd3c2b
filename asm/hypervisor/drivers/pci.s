# PCI: configuration words, and which driver is for which function.
#
# Invariants
#   - pci_scan looks at every function of every bus once, at boot: bus 0, and what bridges say is behind them. A machine
#     without PCI has no devices.
#   - A driver takes a function (pci_take.s) before it uses anything of it.
#   - Drivers are rows of driver_table (drivers.s).

        .section .init, "ax"

{% set L = labels("pci_scan") %}
# pci_scan(): looks for devices and calls their drivers.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("pci_scan") %}
        pushal
        movl    $PCI_ENABLE, %eax               # there is PCI, if the address register holds what is written into it
        movl    $PCI_ADDRESS, %edx
        outl    %eax, %dx
        inl     %dx, %eax
        cmpl    $PCI_ENABLE, %eax
        jne     {{ L("no_pci") }}
        movb    $1, pci_buses
        xorl    %eax, %eax
{{ L("next_bus") }}:
        movl    %eax, %ecx
        shrl    $8, %ecx
        btl     %ecx, pci_buses
        jnc     {{ L("no_bus") }}
        call    pci_scan_bus
{{ L("no_bus") }}:
        addl    $PCI_FUNCTIONS, %eax
        cmpl    $(PCI_BUSES * PCI_FUNCTIONS), %eax
        jb      {{ L("next_bus") }}
        popal
        ret
{{ L("no_pci") }}:
{{ log("LOG_INFO", "PCI: there is none\\n") }}
        popal
        ret
{% endcall %}

{% set L = labels("pci_scan_bus") %}
# pci_scan_bus(address): looks at all functions of a bus.
#
# in:    %eax = PCI address of its first one
# out:   pci_buses: the buses behind its bridges
# clob:  %ebx, %ecx, %edx
# errs:  none
# why:   only where function 0 says that there are others they may be looked at: some devices answer to all numbers
{% call routine("pci_scan_bus") %}
        pushl   %eax
        movl    $PCI_FUNCTIONS, %ebx
{{ L("next_function") }}:
        movl    $PCI_ID, %ecx
        call    pci_read
        cmpl    $PCI_NOBODY, %edx
        je      {{ L("nobody") }}
        movl    $PCI_HEADER, %ecx
        call    pci_read
        pushl   %edx
        andl    $PCI_HEADER_KIND, %edx
        jz      {{ L("device") }}
        cmpl    $PCI_HEADER_BRIDGE, %edx
        jne     {{ L("looked_at") }}
        movl    $PCI_BUS_NUMBERS, %ecx
        call    pci_read
        movzbl  %dh, %edx                       # the bus right behind it; 0 when the firmware has given none
        btsl    %edx, pci_buses
        jmp     {{ L("looked_at") }}
{{ L("device") }}:
        call    pci_offer
{{ L("looked_at") }}:
        popl    %edx
        testl   $PCI_HEADER_MANY, %edx
        jnz     {{ L("advance") }}
{{ L("nobody") }}:
        testl   $PCI_FUNCTION_MASK, %eax
        jnz     {{ L("advance") }}              # function 0 has said that there may be more
        orl     $PCI_FUNCTION_MASK, %eax
        subl    $PCI_FUNCTION_MASK, %ebx
{{ L("advance") }}:
        incl    %eax
        decl    %ebx
        jnz     {{ L("next_function") }}
        popl    %eax
        ret
{% endcall %}

{% set L = labels("pci_offer") %}
# pci_offer(address): calls the first driver that is for a function, or keeps the function from interrupting.
#
# in:    %eax = PCI address
# out:   -
# clob:  %ecx, %edx
# errs:  none
# calls: *_probe
# why:   what nobody drives may have been left interrupting by the firmware, at an input that it shares with others
{% call routine("pci_offer") %}
        pushl   %esi
        movl    $driver_table, %esi
{{ L("next_driver") }}:
        cmpl    $driver_table_end, %esi
        jae     {{ L("nobodys") }}
        movl    DRIVER_register(%esi), %ecx
        call    pci_read
        andl    DRIVER_mask(%esi), %edx
        cmpl    DRIVER_value(%esi), %edx
        je      {{ L("found") }}
        addl    $DRIVER_size, %esi
        jmp     {{ L("next_driver") }}
{{ L("found") }}:
        pushal
        call    *DRIVER_probe(%esi)
        popal
        popl    %esi
        ret
{{ L("nobodys") }}:
        movl    $PCI_COMMAND, %ecx
        call    pci_read
        andl    $0xffff, %edx                   # the upper half, the status, is cleared by ones: it stays as it is
        orl     $PCI_COMMAND_NO_INTERRUPT, %edx
        call    pci_write
        popl    %esi
        ret
{% endcall %}

{% set L = labels("pci_ports") %}
# pci_ports(address, register): where a device has its ports.
#
# in:    %eax = PCI address, %ecx = PCI_BAR_*
# out:   %edx = first port, or 0 when the register names none
# clob:  none
# errs:  0
{% call routine("pci_ports") %}
        call    pci_read
        testl   $PCI_BAR_IO, %edx
        jz      {{ L("none") }}
        andl    $PCI_BAR_IO_MASK, %edx
        ret
{{ L("none") }}:
        xorl    %edx, %edx
        ret
{% endcall %}

{% set L = labels("pci_input") %}
# pci_input(address): the input of the 8259s where a device is; from now on it is triggered by level.
#
# in:    %eax = PCI address
# out:   %eax = input, or -1 when the firmware has given it none
# clob:  none
# errs:  -1
{% call routine("pci_input") %}
        pushl   %ecx
        pushl   %edx
        movl    $PCI_INTERRUPT, %ecx
        call    pci_read
        movzbl  %dl, %ecx
        cmpl    $PIC_CASCADE, %ecx              # 0 to 2 and 8 are the board's own
        jbe     {{ L("none") }}
        cmpl    $8, %ecx
        je      {{ L("none") }}
        cmpl    $PIC_INPUTS, %ecx
        jae     {{ L("none") }}
        movl    %ecx, %edx                      # a register of 8 bits for each controller
        shrl    $3, %edx
        addl    $PIC_TRIGGERS, %edx
        pushl   %ecx
        andl    $7, %ecx
        inb     %dx, %al
        movzbl  %al, %eax
        btsl    %ecx, %eax
        outb    %al, %dx
        popl    %eax
        popl    %edx
        popl    %ecx
        ret
{{ L("none") }}:
        movl    $-1, %eax
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

        .text

# pci_read(address, register): a word of the configuration of a function.
#
# in:    %eax = PCI address, %ecx = register
# out:   %edx = word; all bits set when there is no such function
# clob:  none
# errs:  none
{% call routine("pci_read") %}
        pushl   %eax
        shll    $8, %eax
        leal    PCI_ENABLE(%eax,%ecx), %eax
        movl    $PCI_ADDRESS, %edx
        outl    %eax, %dx
        movl    $PCI_DATA, %edx
        inl     %dx, %eax
        movl    %eax, %edx
        popl    %eax
        ret
{% endcall %}

# pci_write(address, register, value): sets a word of the configuration of a function.
#
# in:    %eax = PCI address, %ecx = register, %edx = value
# out:   -
# clob:  none
# errs:  none
{% call routine("pci_write") %}
        pushl   %eax
        pushl   %edx
        shll    $8, %eax
        leal    PCI_ENABLE(%eax,%ecx), %eax
        movl    $PCI_ADDRESS, %edx
        outl    %eax, %dx
        movl    $PCI_DATA, %edx
        popl    %eax
        outl    %eax, %dx
        movl    %eax, %edx
        popl    %eax
        ret
{% endcall %}

{{ space("pci_buses", "PCI_BUSES / 8") }}
