# Devices at the inputs of the 8259s: who is called when one of them interrupts.
#
# Invariants
#   - input_claims[n] chains the INTERRUPT_CLAIMs of input n. Every one of them is called for each interrupt there: with
#     several devices at an input nobody knows which one it was.
#   - The routines run with interrupts off, on the hypervisor's stack, above the frame of a guest or of the idle loop.
#     Each makes its device drop the line and calls io_wake; only then is the interrupt acknowledged, so that an input
#     that is triggered by level is quiet, unless there is more to do.
#   - Where there is a local APIC, the 8259s' interrupts come through it (virtual wire), from the first claim on.

        .section .init, "ax"

{% set L = labels("interrupt_claim") %}
# interrupt_claim(input, routine, argument): a device will interrupt at an input.
#
# in:    %eax = input, 0 to 15; %ecx = routine, which gets %edx = argument and may change all registers; %edx = argument
# out:   -
# clob:  none
# errs:  carry: no memory
{% call routine("interrupt_claim") %}
        pushl   %eax
        pushl   %ecx
        pushl   %esi
        movl    %eax, %esi
        movl    $INTERRUPT_CLAIM_size, %ecx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    4(%esp), %ecx                   # the routine, as pushed
        movl    %ecx, INTERRUPT_CLAIM_routine(%eax)
        movl    %edx, INTERRUPT_CLAIM_argument(%eax)
        xchgl   input_claims(,%esi,4), %eax
        movl    input_claims(,%esi,4), %ecx
        movl    %eax, INTERRUPT_CLAIM_next(%ecx)
        movl    %esi, %eax
        call    pic_open
        call    lapic_open
        popl    %esi
        popl    %ecx
        popl    %eax
        clc
        ret
{{ L("no_memory") }}:
        popl    %esi
        popl    %ecx
        popl    %eax
        stc
        ret
{% endcall %}

        .text

{% set L = labels("input_interrupted") %}
# input_interrupted(input): an input has interrupted.
#
# in:    %eax = input
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none: an interrupt that is spurious, or that nobody has claimed, is logged
# calls: *_interrupt
{% call routine("input_interrupted") %}
        call    pic_is_real
        jc      {{ L("not_expected") }}
        movl    input_claims(,%eax,4), %ecx
        pushl   %eax
        testl   %ecx, %ecx
        jz      {{ L("nobodys") }}
{{ L("next_claim") }}:
        pushl   INTERRUPT_CLAIM_next(%ecx)
        movl    INTERRUPT_CLAIM_argument(%ecx), %edx
        call    *INTERRUPT_CLAIM_routine(%ecx)
        popl    %ecx
        testl   %ecx, %ecx
        jnz     {{ L("next_claim") }}
        popl    %eax
        jmp     pic_acknowledge
{{ L("nobodys") }}:
        call    pic_acknowledge
        popl    %eax
{{ L("not_expected") }}:
        addl    $PIC_VECTOR, %eax
{{ log("LOG_DEBUG", "unexpected interrupt %u\\n", "%eax") }}
        ret
{% endcall %}

{{ space("input_claims", "4 * PIC_INPUTS") }}
