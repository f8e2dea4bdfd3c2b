# Intel's 82540EM from a reset on until it works.
#
# Invariants
#   - It takes all packets, whatever their destination: many interfaces of domains are behind it.
#   - e1000_reset and e1000_start do what they do at any time: without a link they are used again (e1000.s).

        .text

        .set    E1000_LONGEST_WAIT, 100000      # looks at a register; each takes about 1 microsecond on a real bus

{% set L = labels("e1000_reset") %}
# e1000_reset(device): nothing is sent, received, or interrupts any more; the link stays.
#
# in:    %edi = E1000
# out:   -
# clob:  none
# errs:  none; one that never comes back from its reset is as silent as it can be made
{% call routine("e1000_reset") %}
        pushl   %eax
        pushl   %edx
        movl    E1000_registers(%edi), %edx
        movl    $-1, E1000_IMC(%edx)
        movl    $0, E1000_RCTL(%edx)
        movl    $0, E1000_TCTL(%edx)
        movl    $E1000_CTRL_RST, E1000_CTRL(%edx)
        inb     $PIC_MASTER_DATA, %al           # some time must pass before the next access
        movl    $E1000_LONGEST_WAIT, %eax
{{ L("resetting") }}:
        testl   $E1000_CTRL_RST, E1000_CTRL(%edx)
        jz      {{ L("done") }}
        decl    %eax
        jnz     {{ L("resetting") }}
{{ L("done") }}:
        movl    $-1, E1000_IMC(%edx)
        movl    E1000_ICR(%edx), %eax
        popl    %edx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("e1000_start") %}
# e1000_start(nic): has a device that was reset receive; and send, if there is a link.
#
# in:    %ebx = NIC with its address, %edi = E1000
# out:   the device owns all receive descriptors but one, and no transmit descriptor
# clob:  none
# errs:  none
{% call routine("e1000_start") %}
        pushal
        movl    E1000_registers(%edi), %edx
        movl    $(E1000_CTRL_SLU | E1000_CTRL_ASDE), E1000_CTRL(%edx)
{% for register in ["FCAL", "FCAH", "FCT", "FCTTV", "RDTR", "TIDV", "RDBAH", "TDBAH", "RDH"] %}
        movl    $0, E1000_{{ register }}(%edx)
{% endfor %}
        movl    NIC_mac(%ebx), %eax
        movl    %eax, E1000_RAL(%edx)
        movzwl  NIC_mac + 4(%ebx), %eax
        orl     $E1000_RAH_AV, %eax
        movl    %eax, E1000_RAH(%edx)
        call    e1000_descriptors
        movl    E1000_rx(%edi), %eax
        call    nic_physical
        movl    %eax, E1000_RDBAL(%edx)
        movl    $(NIC_BUFFERS * E1000_RX_size), E1000_RDLEN(%edx)
        movl    $(NIC_BUFFERS - 1), E1000_RDT(%edx)
        movl    E1000_tx(%edi), %eax
        call    nic_physical
        movl    %eax, E1000_TDBAL(%edx)
        movl    $(NIC_SEND_PLACES * E1000_TX_size), E1000_TDLEN(%edx)
        movl    E1000_tx_tail(%edi), %eax
        movl    %eax, E1000_TDH(%edx)
        movl    %eax, E1000_TDT(%edx)
        movl    $E1000_TIPG_COPPER, E1000_TIPG(%edx)
        movl    $1, E1000_stopped(%edi)
        movl    %edx, %ecx
        movl    %edi, %edx
        call    e1000_link
        movl    $(E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_BAM | E1000_RCTL_SECRC), E1000_RCTL(%ecx)
        movl    $0, E1000_masked(%edi)
        movl    $E1000_CAUSES, E1000_IMS(%ecx)
        popal
        ret
{% endcall %}

{% set L = labels("e1000_descriptors") %}
# e1000_descriptors(nic): receive descriptors as after a reset: all empty, each with its frame.
#
# in:    %ebx = NIC, %edi = E1000
# out:   E1000_rx_next = 0
# clob:  none
# errs:  none
{% call routine("e1000_descriptors") %}
        pushal
        movl    $0, E1000_rx_next(%edi)
        movl    $0, E1000_rx_skip(%edi)
        movl    NIC_buffers(%ebx), %edx
        movl    E1000_rx(%edi), %ebp
        xorl    %esi, %esi
{{ L("next_descriptor") }}:
        movl    (%edx,%esi,4), %eax
        shll    $PAGE_SHIFT, %eax
        movl    %eax, E1000_RX_address(%ebp)
        movl    $0, E1000_RX_address_high(%ebp)
        movl    $0, E1000_RX_bytes(%ebp)
        movl    $0, E1000_RX_status(%ebp)
        addl    $E1000_RX_size, %ebp
        incl    %esi
        cmpl    $NIC_BUFFERS, %esi
        jb      {{ L("next_descriptor") }}
        popal
        ret
{% endcall %}
