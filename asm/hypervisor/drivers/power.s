# The end of the machine: switching it off, and starting it again.
#
# Invariants
#   - Neither routine returns, whatever the hardware does: what does not work is followed by the next best thing.
#   - They work at any time: no memory is needed but the stack, and no address but the hypervisor's own.

        .text

        .set    PCI_PM_BASE, 0x40               # the register of both chips; bit 0 says that it is a port
        .set    PM_BASE_MASK, 0xffc0
        .set    PM_SLEEP_S5_ICH9, 0x3c00        # type 7, and begin; PIIX4 and QEMU have type 0
        .set    BOCHS_POWER_PORT, 0x8900
        .set    KEYBOARD_BUSY, 2                # in its status, which is read where commands are written
        .set    KEYBOARD_LONGEST_WAIT, 0x10000
        .set    RESET_LONGEST_WAIT, 0x1000000

{% set L = labels("machine_power_off") %}
# machine_power_off: switches the machine off, or halts it.
#
# in:    -
# out:   does not return
# errs:  none
{% call routine("machine_power_off") %}
        cli
        call    pm_control_find
        testl   %eax, %eax
        jz      {{ L("no_chip") }}
        movl    %eax, %edx
        movw    $PM_SLEEP_S5_ICH9, %ax
        outw    %ax, %dx
        movw    $PM_SLEEP_S5, %ax
        outw    %ax, %dx
{{ L("no_chip") }}:
        movl    $BOCHS_POWER_PORT, %edx
        movl    $power_off_word, %esi
{{ L("next_character") }}:
        lodsb
        testb   %al, %al
        jz      {{ L("still_here") }}
        outb    %al, %dx
        jmp     {{ L("next_character") }}
{{ L("still_here") }}:
        movl    $RESET_LONGEST_WAIT, %ecx       # an emulator may need a while to obey
{{ L("wait") }}:
        decl    %ecx
        jnz     {{ L("wait") }}
{{ log("LOG_ERROR", "power-off did not work: the machine is halted\\n") }}
        jmp     machine_halt
{% endcall %}

{{ text("power_off_word", "Shutdown") }}

{% set L = labels("pm_control_find") %}
# pm_control_find(): the port of the power management's control register.
#
# in:    -
# out:   %eax = port, or 0 when there is no chip that we know, or its ports are not there
# clob:  none
# errs:  none
{% call routine("pm_control_find") %}
        pushl   %ecx
        pushl   %edx
        xorl    %eax, %eax
{{ L("next_function") }}:
        movl    $PCI_ID, %ecx
        call    pci_read
        cmpl    $PCI_ID_PIIX4_PM, %edx
        je      {{ L("found") }}
        cmpl    $PCI_ID_ICH9_LPC, %edx
        je      {{ L("found") }}
        incl    %eax
        cmpl    $PCI_FUNCTIONS, %eax            # bus 0
        jb      {{ L("next_function") }}
        xorl    %eax, %eax
        jmp     {{ L("done") }}
{{ L("found") }}:
        movl    $PCI_PM_BASE, %ecx
        call    pci_read
        movl    %edx, %eax
        andl    $PM_BASE_MASK, %eax
        jz      {{ L("done") }}
        addl    $PM_CONTROL, %eax
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("machine_reboot") %}
# machine_reboot: resets the machine by the keyboard controller, or by a triple fault.
#
# in:    -
# out:   does not return
# errs:  none
{% call routine("machine_reboot") %}
        cli
        movl    $KEYBOARD_LONGEST_WAIT, %ecx
{{ L("keyboard_busy") }}:
        decl    %ecx
        jz      {{ L("keyboard_ready") }}
        inb     $KEYBOARD_COMMAND, %al
        testb   $KEYBOARD_BUSY, %al
        jnz     {{ L("keyboard_busy") }}
{{ L("keyboard_ready") }}:
        movb    $KEYBOARD_RESET, %al
        outb    %al, $KEYBOARD_COMMAND
        movl    $RESET_LONGEST_WAIT, %ecx
{{ L("wait") }}:
        decl    %ecx
        jnz     {{ L("wait") }}
        lidt    no_descriptors
        int3
        jmp     machine_halt
{% endcall %}

        .section .rodata
{% call object("no_descriptors") %}
        .word   0                               # limit
        .long   0                               # base
{% endcall %}
