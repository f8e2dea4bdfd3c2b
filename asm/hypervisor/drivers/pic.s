# The two 8259 interrupt controllers of a PC, which stay silent for good: interrupts come by the local APIC.
#
# Invariants
#   - All their inputs are masked; but for input 0, the 8254, on a machine without an APIC in reach. A spurious
#     interrupt, which no mask stops, arrives at vector PIC_VECTOR + 7 or + 15, not at an exception's vector, where the
#     firmware's settings would put it.

        .section .init, "ax"

        .set    PIC_SLAVE_INPUT, 2              # where the slave is at the master
        .set    PIC_MASK_ALL, 0xff
        .set    PIC_ALL_BUT_TIMER, 0xfe

# pic_mask(): gives both controllers vectors of their own and masks all their inputs.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
# why:   the initialization words count in their order, and the mask is lost when the first one is written
{% call routine("pic_mask") %}
        pushl   %eax
{% for port, value in [
        ("PIC_MASTER_COMMAND", "PIC_ICW1"),
        ("PIC_MASTER_DATA", "PIC_VECTOR"),
        ("PIC_MASTER_DATA", "(1 << PIC_SLAVE_INPUT)"),
        ("PIC_MASTER_DATA", "PIC_ICW4"),
        ("PIC_MASTER_DATA", "PIC_MASK_ALL"),
        ("PIC_SLAVE_COMMAND", "PIC_ICW1"),
        ("PIC_SLAVE_DATA", "(PIC_VECTOR + 8)"),
        ("PIC_SLAVE_DATA", "PIC_SLAVE_INPUT"),
        ("PIC_SLAVE_DATA", "PIC_ICW4"),
        ("PIC_SLAVE_DATA", "PIC_MASK_ALL"),
] %}
        movb    ${{ value }}, %al
        outb    %al, ${{ port }}
{% endfor %}
        popl    %eax
        ret
{% endcall %}

# pic_open_timer(): lets the interrupts of the 8254 through.
#
# in:    -
# out:   -
# clob:  %eax
# errs:  none
{% call routine("pic_open_timer") %}
        movb    $PIC_ALL_BUT_TIMER, %al
        outb    %al, $PIC_MASTER_DATA
        ret
{% endcall %}
