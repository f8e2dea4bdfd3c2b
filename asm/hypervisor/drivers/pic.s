# The two 8259 interrupt controllers of a PC: devices interrupt by them; and the 8254, where there is no local APIC.
#
# Invariants
#   - An input is masked until somebody has claimed it (inputs.s). A spurious interrupt, which no mask stops, arrives
#     at vector PIC_VECTOR + 7 or + 15, not at an exception's vector, where the firmware's settings would put it.
#   - Nothing is ever masked again: what interrupts has a driver that makes it stop.

        .section .init, "ax"

        .set    PIC_MASK_ALL, 0xff

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
        ("PIC_MASTER_DATA", "(1 << PIC_CASCADE)"),
        ("PIC_MASTER_DATA", "PIC_ICW4"),
        ("PIC_MASTER_DATA", "PIC_MASK_ALL"),
        ("PIC_SLAVE_COMMAND", "PIC_ICW1"),
        ("PIC_SLAVE_DATA", "(PIC_VECTOR + 8)"),
        ("PIC_SLAVE_DATA", "PIC_CASCADE"),
        ("PIC_SLAVE_DATA", "PIC_ICW4"),
        ("PIC_SLAVE_DATA", "PIC_MASK_ALL"),
] %}
        movb    ${{ value }}, %al
        outb    %al, ${{ port }}
{% endfor %}
        popl    %eax
        ret
{% endcall %}

{% set L = labels("pic_open") %}
# pic_open(input): lets the interrupts of an input through.
#
# in:    %eax = input, 0 to 15
# out:   -
# clob:  none
# errs:  none
{% call routine("pic_open") %}
        pushl   %eax
        pushl   %ecx
        movl    %eax, %ecx
        inb     $PIC_SLAVE_DATA, %al
        movb    %al, %ah
        inb     $PIC_MASTER_DATA, %al
        movzwl  %ax, %eax
        btrl    %ecx, %eax
        cmpl    $8, %ecx
        jb      {{ L("at_the_master") }}
        btrl    $PIC_CASCADE, %eax
{{ L("at_the_master") }}:
        outb    %al, $PIC_MASTER_DATA
        movb    %ah, %al
        outb    %al, $PIC_SLAVE_DATA
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

        .text

{% set L = labels("pic_is_real") %}
# pic_is_real(input): whether an interrupt is one: only of real ones a controller says that they are in service.
#
# in:    %eax = input
# out:   carry: it is spurious, and there is nothing to acknowledge for it any more
# clob:  none
# errs:  carry
# why:   of a spurious one of the second controller the first one believes that it was real
{% call routine("pic_is_real") %}
        pushl   %eax
        cmpl    $7, %eax
        je      {{ L("last_of_the_first") }}
        cmpl    $15, %eax
        jne     {{ L("real") }}
        movb    $PIC_READ_SERVICE, %al
        outb    %al, $PIC_SLAVE_COMMAND
        inb     $PIC_SLAVE_COMMAND, %al
        testb   $0x80, %al
        jnz     {{ L("real") }}
        movb    $(PIC_EOI_OF_INPUT + PIC_CASCADE), %al
        outb    %al, $PIC_MASTER_COMMAND
        jmp     {{ L("spurious") }}
{{ L("last_of_the_first") }}:
        movb    $PIC_READ_SERVICE, %al
        outb    %al, $PIC_MASTER_COMMAND
        inb     $PIC_MASTER_COMMAND, %al
        testb   $0x80, %al
        jnz     {{ L("real") }}
{{ L("spurious") }}:
        popl    %eax
        stc
        ret
{{ L("real") }}:
        popl    %eax
        clc
        ret
{% endcall %}

{% set L = labels("pic_acknowledge") %}
# pic_acknowledge(input): an interrupt was handled: the input may interrupt again.
#
# in:    %eax = input
# out:   -
# clob:  %eax
# errs:  none
{% call routine("pic_acknowledge") %}
        addb    $PIC_EOI_OF_INPUT, %al
        cmpb    $(PIC_EOI_OF_INPUT + 8), %al
        jb      {{ L("of_the_first") }}
        subb    $8, %al
        outb    %al, $PIC_SLAVE_COMMAND
        movb    $(PIC_EOI_OF_INPUT + PIC_CASCADE), %al
{{ L("of_the_first") }}:
        outb    %al, $PIC_MASTER_COMMAND
        ret
{% endcall %}
