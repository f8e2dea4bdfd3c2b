# Direct gates ("fast traps", ABI 5.4): handlers of a guest that stand in the IDT themselves, so that `int n` goes from
# ring 3 to ring 1 without us.
#
# Invariants
#   - A direct gate is a trap gate with the guest's own DPL, 1 at least. Its selector is one of the guest's GDT or LDT,
#     or the flat ring-1 code: what it leads to has DPL 1 at least, so it never raises the privilege above ring 1.
#   - `int $0x80` may have any DPL but 0; other vectors only DPL 3, for from ring 1 the hardware's frame shows neither
#     the event mask nor the virtual IF. Handlers that mask events never have one.
#   - Only vectors from DIRECT_VECTOR_FIRST to below DIRECT_VECTOR_END: the others are the processor's and our devices'.
#   - VCPU_gates lists them, DIRECT_GATES at most (the lowest vectors; the rest is bounced). They are in the IDT exactly
#     while the vcpu runs. In all other entries of the IDT stands what idt_init put there.

        .text

{% set L = labels("direct_gates_find") %}
# direct_gates_find(vcpu): lists the direct gates that the trap table allows.
#
# in:    %ebp = VCPU
# out:   VCPU_direct_gates, VCPU_gates
# clob:  none
# errs:  none
{% call routine("direct_gates_find") %}
        pushal
        leal    VCPU_gates(%ebp), %edi
        movl    $0, VCPU_direct_gates(%ebp)
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        movl    $DIRECT_VECTOR_FIRST, %ecx
{{ L("next_vector") }}:
        call    direct_gate_make                # %eax, %edx = the gate
        jc      {{ L("not_direct") }}
        movl    %ecx, DIRECT_GATE_vector(%edi)
        movl    %eax, DIRECT_GATE_low(%edi)
        movl    %edx, DIRECT_GATE_high(%edi)
        addl    $DIRECT_GATE_size, %edi
        incl    VCPU_direct_gates(%ebp)
        cmpl    $DIRECT_GATES, VCPU_direct_gates(%ebp)
        jae     {{ L("done") }}
{{ L("not_direct") }}:
        incl    %ecx
        cmpl    $DIRECT_VECTOR_END, %ecx
        jb      {{ L("next_vector") }}
{{ L("done") }}:
        popal
        ret
{% endcall %}

{% set L = labels("direct_gate_make") %}
# direct_gate_make(vcpu, vector): the gate for a vector, if it may be direct.
#
# in:    %ebp = VCPU, %ecx = vector
# out:   %eax, %edx = gate, low and high; carry: it may not be
# clob:  %ebx
# errs:  carry
{% call routine("direct_gate_make") %}
        movzbl  VCPU_traps + TRAP_INFO_flags(%ebp,%ecx,8), %edx
        testb   $TI_MASK_EVENTS, %dl
        jnz     {{ L("bounced") }}
        cmpl    $HYPERCALL_VECTOR, %ecx
        je      {{ L("bounced") }}
        andl    $TI_DPL_MASK, %edx
        jz      {{ L("bounced") }}
        cmpl    $DIRECT_SYSTEM_CALL, %ecx
        je      {{ L("privilege_ok") }}
        cmpl    $3, %edx
        jne     {{ L("bounced") }}
{{ L("privilege_ok") }}:
        movzwl  VCPU_traps + TRAP_INFO_cs(%ebp,%ecx,8), %eax
        testl   $~SELECTOR_RPL, %eax
        jz      {{ L("bounced") }}
        testb   $SELECTOR_LDT, %al
        jnz     {{ L("selector_ok") }}
        cmpl    $GDT_RESERVED_OFFSET, %eax
        jb      {{ L("selector_ok") }}
        cmpl    $FLAT_RING1_CS, %eax
        jne     {{ L("bounced") }}
{{ L("selector_ok") }}:
        shll    $16, %eax
        shll    $13, %edx
        movl    VCPU_traps + TRAP_INFO_address(%ebp,%ecx,8), %ebx
        movw    %bx, %ax
        andl    $0xffff0000, %ebx
        leal    GATE_TRAP(%ebx,%edx), %edx
        clc
        ret
{{ L("bounced") }}:
        stc
        ret
{% endcall %}

{% set L = labels("direct_gates_install") %}
# direct_gates_install(vcpu): puts the direct gates of the vcpu that will run into the IDT.
#
# in:    %ebp = VCPU
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("direct_gates_install") %}
        movl    VCPU_direct_gates(%ebp), %ecx
        testl   %ecx, %ecx
        jz      {{ L("done") }}
        pushl   %esi
        leal    VCPU_gates(%ebp), %esi
{{ L("next_gate") }}:
        movl    DIRECT_GATE_vector(%esi), %edx
        movl    DIRECT_GATE_low(%esi), %eax
        movl    %eax, idt(,%edx,8)
        movl    DIRECT_GATE_high(%esi), %eax
        movl    %eax, idt + 4(,%edx,8)
        addl    $DIRECT_GATE_size, %esi
        decl    %ecx
        jnz     {{ L("next_gate") }}
        popl    %esi
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("direct_gates_remove") %}
# direct_gates_remove(vcpu): puts our own gates back in their places.
#
# in:    %ebp = VCPU whose gates are installed
# out:   -
# clob:  none
# errs:  none
{% call routine("direct_gates_remove") %}
        cmpl    $0, VCPU_direct_gates(%ebp)
        je      {{ L("done") }}
        pushal
        movl    VCPU_direct_gates(%ebp), %ecx
        leal    VCPU_gates(%ebp), %esi
{{ L("next_gate") }}:
        movl    DIRECT_GATE_vector(%esi), %edi
        movl    vector_table(,%edi,4), %eax
        movl    %eax, %edx
        andl    $0xffff, %eax
        orl     $(HV_CS << 16), %eax
        andl    $0xffff0000, %edx
        orl     $GATE_INTERRUPT, %edx
        movl    %eax, idt(,%edi,8)
        movl    %edx, idt + 4(,%edi,8)
        addl    $DIRECT_GATE_size, %esi
        decl    %ecx
        jnz     {{ L("next_gate") }}
        popal
{{ L("done") }}:
        ret
{% endcall %}
