# Intel's 82540EM: finding out whether one works.
#
# Invariants
#   - A device that lacks anything, or does not do what the manual says within a bounded wait, is left alone: reset and
#     silent, or never touched. Then nothing of ours is kept for it.

        .section .init, "ax"

{% set L = labels("e1000_probe") %}
# e1000_probe(device): makes a NIC of an 82540EM, if it works.
#
# in:    %eax = its PCI address
# out:   -
# clob:  none
# errs:  none; what does not work is logged and left alone
{% call routine("e1000_probe") %}
        pushal
        movl    %eax, %esi
        call    e1000_make
        testl   %ebx, %ebx
        jz      {{ L("no_memory") }}
        movl    NIC_state(%ebx), %edi
        movl    $reason_no_registers, %ebp
        movl    %esi, %eax
        call    e1000_map
        jc      {{ L("leave") }}
        call    e1000_reset                     # whatever the firmware has left it doing
        movl    $reason_no_interrupt, %ebp
        movl    %esi, %eax
        call    pci_input
        testl   %eax, %eax
        js      {{ L("leave") }}
        movl    %eax, %esi
        movl    $reason_no_address, %ebp
        call    e1000_address
        jc      {{ L("leave") }}
        movl    $reason_no_memory, %ebp
        movl    %esi, %eax
        movl    $e1000_interrupt, %ecx
        movl    %ebx, %edx
        call    interrupt_claim
        jc      {{ L("leave") }}
        call    e1000_start
        call    nic_add
        popal
        ret
{{ L("leave") }}:
        call    e1000_discard
{{ L("say") }}:
{{ log("LOG_WARNING", "82540EM: not used: %s\\n", "%ebp") }}
        popal
        ret
{{ L("no_memory") }}:
        movl    $reason_no_memory, %ebp
        jmp     {{ L("say") }}
{% endcall %}

{{ text("reason_no_memory", "there is no memory for it") }}
{{ text("reason_no_registers", "its registers are not where they can be reached") }}
{{ text("reason_no_interrupt", "it is connected to no interrupt") }}
{{ text("reason_no_address", "its EEPROM does not answer, or has no address for it") }}

{% set L = labels("e1000_make") %}
# e1000_make(): a NIC for an 82540EM, and all memory that it will ever need.
#
# in:    -
# out:   %ebx = NIC, or 0 when there is no memory
# clob:  %eax, %ecx, %edx, %edi
# errs:  0
{% call routine("e1000_make") %}
        call    nic_make
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        movl    $E1000_size, %ecx
        call    heap_alloc
        movl    %eax, NIC_state(%ebx)
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    %eax, %edi
        movl    $(NIC_BUFFERS * E1000_RX_size), %ecx
        call    heap_alloc
        movl    %eax, E1000_rx(%edi)
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    $(NIC_SEND_PLACES * E1000_TX_size), %ecx
        call    heap_alloc
        movl    %eax, E1000_tx(%edi)
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    $(NIC_SEND_PLACES - 1), E1000_tx_free(%edi)
        movl    $((NIC_SEND_PLACES - 1) >> NIC_ROOM_SHIFT), NIC_room(%ebx)
        movl    $e1000_send, NIC_send(%ebx)
        movl    $e1000_run, NIC_run(%ebx)
        movl    e1000_name, %eax
        movl    %eax, NIC_name(%ebx)
        movl    e1000_name + 4, %eax
        movl    %eax, NIC_name + 4(%ebx)
{{ L("done") }}:
        ret
{{ L("no_memory") }}:
        jmp     e1000_discard
{% endcall %}

        .section .rodata
{% call object("e1000_name") %}
        .asciz  "e1000"
        .balign 8
{% endcall %}

        .section .init, "ax"

{% set L = labels("e1000_discard") %}
# e1000_discard(nic): takes back what e1000_make gave, all or the part that there was memory for.
#
# in:    %ebx = NIC that is not in the list, and whose device does nothing
# out:   %ebx = 0
# clob:  %eax, %ecx, %edx, %edi
# errs:  none
{% call routine("e1000_discard") %}
        movl    NIC_state(%ebx), %edi
        testl   %edi, %edi
        jz      {{ L("no_state") }}
{% for field, bytes in [("rx", "NIC_BUFFERS * E1000_RX_size"), ("tx", "NIC_SEND_PLACES * E1000_TX_size")] %}
        movl    E1000_{{ field }}(%edi), %eax
        movl    $({{ bytes }}), %ecx
        testl   %eax, %eax
        jz      {{ L("no_" ~ field) }}
        call    heap_free
{{ L("no_" ~ field) }}:
{% endfor %}
        movl    %edi, %eax
        movl    $E1000_size, %ecx
        call    heap_free
{{ L("no_state") }}:
        jmp     nic_discard
{% endcall %}

        .set    PCI_BAR_64, 4                   # the upper half of the address is in the register behind

{% set L = labels("e1000_map") %}
# e1000_map(device): takes the device, and maps its registers.
#
# in:    %esi = PCI address, %edi = E1000
# out:   E1000_registers; carry: they are not in memory below 4 GB, or there are too many devices
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("e1000_map") %}
        movl    %esi, %eax
        movl    $PCI_BAR_0, %ecx
        call    pci_read
        testl   $PCI_BAR_IO, %edx
        jnz     {{ L("no") }}
        testl   $PCI_BAR_64, %edx
        jz      {{ L("low") }}
        pushl   %edx
        addl    $4, %ecx
        call    pci_read
        testl   %edx, %edx
        popl    %edx
        jnz     {{ L("no") }}
{{ L("low") }}:
        andl    $PCI_BAR_MEMORY_MASK, %edx
        jz      {{ L("no") }}
        call    pci_take
        jc      {{ L("no") }}
        movl    %edx, %eax
        movl    $E1000_REGISTERS, %ecx
        call    device_map
        movl    %eax, E1000_registers(%edi)
        cmpl    $1, %eax                        # carry: 0, there was no room
        ret
{{ L("no") }}:
        stc
        ret
{% endcall %}

        .set    EEPROM_ADDRESS_WORDS, 3
        .set    EERD_ADDRESS_SHIFT, 8
        .set    EERD_DATA_SHIFT, 16

{% set L = labels("e1000_address") %}
# e1000_address(nic): the interface's own address, from its EEPROM.
#
# in:    %ebx = NIC, %edi = E1000
# out:   NIC_mac; carry: there is none
# clob:  %eax, %ecx
# errs:  carry
{% call routine("e1000_address") %}
        pushl   %edx
        movl    E1000_registers(%edi), %edx
        xorl    %ecx, %ecx
{{ L("next_word") }}:
        movl    %ecx, %eax
        shll    $EERD_ADDRESS_SHIFT, %eax
        orl     $E1000_EERD_START, %eax
        movl    %eax, E1000_EERD(%edx)
        pushl   %ecx
        movl    $E1000_LONGEST_WAIT, %ecx
{{ L("busy") }}:
        movl    E1000_EERD(%edx), %eax
        testl   $E1000_EERD_DONE, %eax
        jnz     {{ L("have_word") }}
        decl    %ecx
        jnz     {{ L("busy") }}
{{ L("have_word") }}:
        testl   %ecx, %ecx
        popl    %ecx
        jz      {{ L("no") }}
        shrl    $EERD_DATA_SHIFT, %eax
        movw    %ax, NIC_mac(%ebx,%ecx,2)
        incl    %ecx
        cmpl    $EEPROM_ADDRESS_WORDS, %ecx
        jb      {{ L("next_word") }}
        testb   $NIC_MAC_GROUP, NIC_mac(%ebx)
        jnz     {{ L("no") }}
        movl    NIC_mac(%ebx), %eax
        orw     NIC_mac + 4(%ebx), %ax
        jz      {{ L("no") }}                   # zeros only
        popl    %edx
        clc
        ret
{{ L("no") }}:
        popl    %edx
        stc
        ret
{% endcall %}
