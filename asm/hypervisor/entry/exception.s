# Exceptions: the 256 vectors, and where each goes.
#
# Invariants
#   - Every vector leads to an ENTRY_FRAME with its number and an error code (0 where the processor pushes none). Those
#     from EXCEPTION_VECTORS up are interrupts (interrupt.s): no `int` of a guest's gets there, the gates have DPL 0.
#   - From ring 0 only an instruction with an entry in the exception table may fault; everything else is a panic, but
#     for NMI and debug exceptions, which a guest may cause to be raised there (debug_registers.s).
#   - From a guest an exception becomes a frame on the guest's own stack, or the guest's death; never ours.
#   - The commonest ones are delivered with only %ds saved and loaded (fault.s, deliver.s): there, memory of ours is
#     reached through %ss or %ebp. All others go by way of exception_slow.

        .text

# exception_stubs: where the gates lead: one piece of code for each vector.
#
# in:    what the processor pushed
# out:   does not return
# errs:  none
{% call routine("exception_stubs") %}
{% set with_code = (8, 10, 11, 12, 13, 14, 17) %}
{% set special = {abi.VECTOR_DB: "debug", abi.VECTOR_NMI: "nmi", abi.VECTOR_UD: "invalid_opcode",
                  abi.VECTOR_NM: "no_device", abi.VECTOR_GP: "protection", abi.VECTOR_PF: "page_fault",
                  abi.VECTOR_MC: "machine_check"} %}
{% for vector in range(256) %}
exception_stub_{{ vector }}:
{% if vector not in with_code %}
        pushl   $0
{% endif %}
        pushl   ${{ vector }}
        pushl   %ds
        pushl   %es
        pushal
{% if vector < abi.EXCEPTION_VECTORS %}
        movl    %ss:current_vcpu, %ebp
        testb   $SELECTOR_RPL, ENTRY_FRAME_cs(%esp)
        jz      exception_from_ring_0
        leal    VCPU_traps + {{ vector }} * TRAP_INFO_size(%ebp), %esi
        jmp     {{ "exception_" ~ special[vector] if vector in special
                   else "deliver_code" if vector in with_code else "deliver_plain" }}
{% else %}
        jmp     interrupt_entry
{% endif %}
{% endfor %}
{% endcall %}

# exception_slow: goes on in a routine that wants our data segments, then back to the guest by the long way.
#
# in:    %esp = ENTRY_FRAME from a guest; %edi = the routine; it gets %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   does not return
# errs:  none
# calls: handle_*
{% call routine("exception_slow") %}
        cld
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %esp, %esi
        movl    current_vcpu, %ebp
        call    *%edi
        jmp     exit_to_guest
{% endcall %}

{% for name in ["debug", "nmi", "machine_check"] %}
# exception_{{ name }}: leads the stub to handle_{{ name }}.
#
# in:    %esp = ENTRY_FRAME from a guest
# out:   does not return
# errs:  none
{% call routine("exception_" ~ name) %}
        movl    $handle_{{ name }}, %edi
        jmp     exception_slow
{% endcall %}

{% endfor %}
{% set L = labels("exception_from_ring_0") %}
# exception_from_ring_0: an exception while we were at work.
#
# in:    %esp = ENTRY_FRAME without esp and ss; %ds, %es: anything
# out:   does not return
# errs:  nothing expects it: panic
# why:   the segments to go back to may be a guest's that can no longer be loaded: they are null then
{% call routine("exception_from_ring_0") %}
        cld
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %esp, %esi
        movl    current_vcpu, %ebp
        movl    ENTRY_FRAME_vector(%esi), %eax
        cmpl    $VECTOR_PF, %eax
        je      {{ L("page_fault") }}
        cmpl    $VECTOR_DB, %eax
        je      {{ L("debug") }}
        cmpl    $VECTOR_NMI, %eax
        je      {{ L("nmi") }}
{{ L("look_for_fixup") }}:
        movl    ENTRY_FRAME_eip(%esi), %eax
        call    fixup_find
        testl   %eax, %eax
        jz      panic_exception
        movl    %eax, ENTRY_FRAME_eip(%esi)
        movl    ENTRY_FRAME_vector(%esi), %eax
        movl    %eax, fault_vector
        movl    ENTRY_FRAME_error_code(%esi), %eax
        movl    %eax, fault_error_code
{{ L("resume") }}:
        popal
{{ L("load_es") }}:
        {{ user("popl %es", fail=L("null_es")) }}
{{ L("load_ds") }}:
        {{ user("popl %ds", fail=L("null_ds")) }}
        addl    $(ENTRY_FRAME_eip - ENTRY_FRAME_vector), %esp
        iret
{{ L("page_fault") }}:                          # loading a guest's selector may need a page of its LDT
        testl   %ebp, %ebp
        jz      {{ L("look_for_fixup") }}
        movl    %cr2, %eax
        call    exception_in_ldt
        jc      {{ L("look_for_fixup") }}
        jmp     {{ L("resume") }}
{{ L("debug") }}:
        call    debug_in_ring_0
        jmp     {{ L("resume") }}
{{ L("nmi") }}:
        call    nmi_from_hardware
        movl    ENTRY_FRAME_eip(%esi), %eax
        subl    $idle_look, %eax
        cmpl    $(idle_halted - idle_look), %eax
        jae     {{ L("resume") }}
        movl    $idle_look, ENTRY_FRAME_eip(%esi)
        jmp     {{ L("resume") }}
{{ L("null_es") }}:
        movl    $0, (%esp)
        jmp     {{ L("load_es") }}
{{ L("null_ds") }}:
        movl    $0, (%esp)
        jmp     {{ L("load_ds") }}
{% endcall %}

{% set L = labels("fixup_find") %}
# fixup_find(address): where to go on after a fault in ring 0.
#
# in:    %eax = address of the faulting instruction
# out:   %eax = where to go on, or 0 when no fault is expected there
# clob:  none
# errs:  none
{% call routine("fixup_find") %}
        pushl   %edx
        movl    $__ex_table_start, %edx
{{ L("next_fixup") }}:
        cmpl    $__ex_table_end, %edx
        jae     {{ L("none") }}
        cmpl    %eax, FIXUP_address(%edx)
        je      {{ L("found") }}
        addl    $FIXUP_size, %edx
        jmp     {{ L("next_fixup") }}
{{ L("none") }}:
        xorl    %eax, %eax
        popl    %edx
        ret
{{ L("found") }}:
        movl    FIXUP_target(%edx), %eax
        popl    %edx
        ret
{% endcall %}

# handle_machine_check(frame): the machine is broken.
#
# in:    %esi = ENTRY_FRAME
# out:   does not return
# errs:  always a panic
{% call routine("handle_machine_check") %}
        jmp     panic_exception
{% endcall %}

        .section .rodata
{% call object("vector_table") %}
{% for vector in range(256) %}
        .long   exception_stub_{{ vector }}
{% endfor %}
{% endcall %}
{% call object("vectors_with_error_code") %}
        .long   1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17
{% endcall %}

{# What the last fault in ring 0 was that the exception table had an answer to; its address is in %cr2. #}
{{ space("fault_vector", 4) }}
{{ space("fault_error_code", 4) }}
