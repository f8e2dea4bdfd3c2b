# Interrupts of the hardware: while a guest runs, or while nobody can (sched/).
#
# Invariants
#   - Interrupts are on in rings 1 to 3, always, and in ring 0 only where nobody runs (sched/idle.s): at a `hlt`, and
#     between pieces of work for domains that have ended. There %ds and %es are ours, and nothing is in between.
#   - No guest is ever in VM86 mode, but for the fault of an emulator: the stack then has four words more, above the
#     frame. One that is found there dies.
#   - A timer's interrupt is acknowledged at once, a device's when its driver has seen to it (drivers/inputs.s). What is
#     due is done before the way out looks at `reschedule` and at events.
#   - Vectors that nothing of ours has do no harm: what the APIC or an 8259 has in service is acknowledged.

        .text

        .set    APIC_VECTOR_FIRST, PIC_VECTOR + PIC_INPUTS

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
        cmpl    $APIC_VECTOR_FIRST, %eax
        jae     {{ L("unexpected") }}
        subl    $PIC_VECTOR, %eax
        call    input_interrupted
        jmp     {{ L("done") }}
{{ L("unexpected") }}:
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
# interrupt_unexpected(vector): a vector of the APIC's that nothing of ours has.
#
# in:    %eax = vector, APIC_VECTOR_FIRST or more
# out:   -
# clob:  %ecx
# errs:  none
{% call routine("interrupt_unexpected") %}
        cmpl    $SPURIOUS_VECTOR, %eax
        je      {{ L("nothing_to_do") }}
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
{% endcall %}
