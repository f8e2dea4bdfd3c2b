# Interrupts of the hardware: while a guest runs, or while nobody can (sched/).
#
# Invariants
#   - Interrupts are on in rings 1 to 3, always, and in ring 0 only where nobody runs (sched/idle.s): at a `hlt`, and
#     between pieces of work for domains that have ended. There %ds and %es are ours, and nothing is in between.
#   - No guest is ever in VM86 mode, but for the fault of an emulator: the stack then has four words more, above the
#     frame. One that is found there dies.
#   - An interrupt is acknowledged at once. What is due is done before the way out looks at `reschedule` and at events.
#   - Vectors that nothing of ours has do no harm: what the APIC or an 8259 has in service is acknowledged. The 8259s'
#     inputs are masked, and input 7 of each is taken for spurious: of that the second one knows nothing, but the first
#     takes it for one of its own.

        .text

        .set    PIC_EOI_OF_INPUT, 0x60          # command of the 8259, with the number of the input
        .set    PIC_CASCADE, 2                  # the second one is at this input of the first
        .set    PIC_SPURIOUS_FIRST, PIC_VECTOR + 7
        .set    PIC_SPURIOUS_SECOND, PIC_VECTOR + 15
        .set    APIC_VECTOR_FIRST, PIC_VECTOR + 16

{% set L = labels("interrupt_entry") %}
# interrupt_entry: a vector from EXCEPTION_VECTORS up.
#
# in:    %esp = ENTRY_FRAME from a guest, or one without esp and ss from the idle loop
# out:   does not return
# errs:  none
{% call routine("interrupt_entry") %}
        cld
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    ENTRY_FRAME_vector(%esp), %eax
        cmpl    $TIMER_VECTOR, %eax
        jne     {{ L("not_the_apic") }}
        movl    $0, FIXMAP_APIC + APIC_EOI
{{ L("alarm") }}:
        call    timers_run
{{ L("done") }}:
        testl   $EFLAGS_VM, ENTRY_FRAME_eflags(%esp)
        jnz     {{ L("in_vm86") }}
        testb   $SELECTOR_RPL, ENTRY_FRAME_cs(%esp)
        jnz     exit_to_guest
        popal
        popl    %es
        popl    %ds
        addl    $(ENTRY_FRAME_eip - ENTRY_FRAME_vector), %esp
        iret
{{ L("not_the_apic") }}:
        cmpl    $PIC_VECTOR, %eax               # input 0 of the 8259: the 8254
        jne     {{ L("another") }}
        movb    $PIC_EOI_OF_INPUT, %al
        outb    %al, $PIC_MASTER_COMMAND
        jmp     {{ L("alarm") }}
{{ L("another") }}:
        call    interrupt_unexpected
        jmp     {{ L("done") }}
{{ L("in_vm86") }}:
        movl    $reason_vm86, %eax
        movl    %esp, %esi
        movl    current_vcpu, %ebp
        call    domain_crash
        jmp     exit_to_guest
{% endcall %}

{{ text("reason_vm86", "it is in virtual 8086 mode, into which only ring 0 can go") }}

{% set L = labels("interrupt_unexpected") %}
# interrupt_unexpected(vector): a vector that no device of ours has.
#
# in:    %eax = vector
# out:   -
# clob:  %ecx
# errs:  none
{% call routine("interrupt_unexpected") %}
        cmpl    $SPURIOUS_VECTOR, %eax
        je      {{ L("nothing_to_do") }}
        cmpl    $APIC_VECTOR_FIRST, %eax
        jb      {{ L("from_8259") }}
        cmpl    $0, lapic_present
        je      {{ L("said") }}
        movl    %eax, %ecx                      # eight registers of 32 bits, 16 bytes apart
        shrl    $5, %ecx
        shll    $4, %ecx
        movl    FIXMAP_APIC + APIC_IN_SERVICE(%ecx), %ecx
        btl     %eax, %ecx
        jnc     {{ L("said") }}
        movl    $0, FIXMAP_APIC + APIC_EOI
{{ L("said") }}:
{{ log("LOG_DEBUG", "unexpected interrupt %u\\n", "%eax") }}
{{ L("nothing_to_do") }}:
        ret
{{ L("from_8259") }}:
        movl    %eax, %ecx
        leal    PIC_EOI_OF_INPUT - PIC_VECTOR(%ecx), %eax
        cmpl    $PIC_SPURIOUS_FIRST, %ecx
        je      {{ L("acknowledged") }}
        jb      {{ L("from_the_first") }}
        cmpl    $PIC_SPURIOUS_SECOND, %ecx
        je      {{ L("cascade") }}
        subb    $8, %al
        outb    %al, $PIC_SLAVE_COMMAND
{{ L("cascade") }}:
        movb    $(PIC_EOI_OF_INPUT + PIC_CASCADE), %al
{{ L("from_the_first") }}:
        outb    %al, $PIC_MASTER_COMMAND
{{ L("acknowledged") }}:
        movl    %ecx, %eax
        jmp     {{ L("said") }}
{% endcall %}
