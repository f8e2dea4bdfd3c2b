# Exceptions: the 256 vectors, and where each goes.
#
# Invariants
#   - Every vector leads to an ENTRY_FRAME with its number and an error code (0 where the processor pushes none).
#   - From ring 0 only an instruction with an entry in the exception table may fault; everything else is a panic.
#   - From a guest an exception becomes a frame on the guest's own stack, or the guest's death; never ours.
#   - %cr2 is read before anything else could fault.

        .text

# exception_stubs: where the gates lead: one piece of code for each vector.
#
# in:    what the processor pushed
# out:   does not return
# errs:  none
{% call routine("exception_stubs") %}
{% for vector in range(256) %}
exception_stub_{{ vector }}:
{% if vector not in (8, 10, 11, 12, 13, 14, 17) %}
        pushl   $0
{% endif %}
        pushl   ${{ vector }}
        jmp     exception_entry
{% endfor %}
{% endcall %}

{% set L = labels("exception_entry") %}
# exception_entry: saves the rest of the state and finds out who is at fault.
#
# in:    stack: vector, error code, the processor's frame
# out:   does not return
# errs:  a fault in ring 0 without an entry in the exception table is a panic
# calls: exception_*
{% call routine("exception_entry") %}
        pushl   %ds
        pushl   %es
        pushal
        cld
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %esp, %esi
        movl    ENTRY_FRAME_vector(%esi), %eax
        testb   $SELECTOR_RPL, ENTRY_FRAME_cs(%esi)
        jz      {{ L("from_ring_0") }}
        movl    current_vcpu, %ebp
        cmpl    $EXCEPTION_VECTORS, %eax
        jae     {{ L("interrupt") }}
        call    *exception_handlers(,%eax,4)
        jmp     exit_to_guest
{{ L("interrupt") }}:
{{ log("LOG_DEBUG", "unexpected interrupt %u\\n", "%eax") }}
        jmp     exit_to_guest
{{ L("from_ring_0") }}:
        cmpl    $VECTOR_PF, %eax
        je      {{ L("page_fault") }}
{{ L("look_for_fixup") }}:
        movl    ENTRY_FRAME_eip(%esi), %eax
        call    fixup_find
        testl   %eax, %eax
        jz      {{ L("ours") }}
        movl    %eax, ENTRY_FRAME_eip(%esi)
{{ L("resume") }}:
        popal
        popl    %es
        popl    %ds
        addl    $8, %esp
        iret
{{ L("page_fault") }}:                          # loading a guest's selector may need a page of its LDT
        movl    current_vcpu, %ebp
        testl   %ebp, %ebp
        jz      {{ L("look_for_fixup") }}
        movl    %cr2, %eax
        call    exception_in_ldt
        jc      {{ L("look_for_fixup") }}
        jmp     {{ L("resume") }}
{{ L("ours") }}:
        jmp     panic_exception
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

{% set L = labels("exception_bounce") %}
# exception_bounce(frame): hands an exception to the guest's handler, with its error code if the vector has one.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
{% call routine("exception_bounce") %}
        movl    ENTRY_FRAME_vector(%esi), %eax
        xorl    %edx, %edx
        btl     %eax, vectors_with_error_code
        jnc     {{ L("no_error_code") }}
        movl    ENTRY_FRAME_error_code(%esi), %edx
        movl    %edx, bounce_frame + BOUNCE_FRAME_error_code
        movl    $BOUNCE_ERROR_CODE, %edx
{{ L("no_error_code") }}:
        jmp     bounce_to_vector
{% endcall %}

{% set L = labels("bounce_to_vector") %}
# bounce_to_vector(frame, vector, flags): continues the guest in its handler for a vector.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu, %eax = vector, %edx = 0 or BOUNCE_ERROR_CODE
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
{% call routine("bounce_to_vector") %}
        leal    VCPU_traps(%ebp,%eax,8), %edi
        movzwl  TRAP_INFO_cs(%edi), %ebx
        movl    TRAP_INFO_address(%edi), %ecx
        testb   $TI_MASK_EVENTS, TRAP_INFO_flags(%edi)
        jz      {{ L("events_stay") }}
        orl     $BOUNCE_MASK_EVENTS, %edx
{{ L("events_stay") }}:
        jmp     bounce
{% endcall %}

{% set L = labels("exception_page_fault") %}
# exception_page_fault(frame): as exception_bounce; the address goes to the guest's vcpu_info.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
# why:   ring 1 is a supervisor to the page tables: whether it was user mode is decided by the ring (ABI 5.2)
{% call routine("exception_page_fault") %}
        movl    %cr2, %eax
        call    exception_in_ldt
        jnc     {{ L("again") }}
        movl    %eax, VCPU_cr2(%ebp)
        movl    VCPU_info(%ebp), %edi
        movl    %eax, VCPU_INFO_arch_cr2(%edi)
        andl    $~PF_USER, ENTRY_FRAME_error_code(%esi)
        testb   $2, ENTRY_FRAME_cs(%esi)
        jz      {{ L("kernel") }}
        orl     $PF_USER, ENTRY_FRAME_error_code(%esi)
{{ L("kernel") }}:
        jmp     exception_bounce
{{ L("again") }}:
        ret
{% endcall %}

{% set L = labels("exception_in_ldt") %}
# exception_in_ldt(address): if a descriptor of the guest's LDT was wanted, takes its page (ldt.s).
#
# in:    %eax = %cr2; %ebp = current vcpu
# out:   carry clear: the instruction can be tried again; carry set: %eax = the address that the guest is told
# clob:  none
# errs:  carry
# why:   every value of %eax is an address that a guest may fault at, 0 too
{% call routine("exception_in_ldt") %}
        pushl   %edx
        movl    %eax, %edx
        subl    $LDT_WINDOW, %edx
        cmpl    $LDT_WINDOW_BYTES, %edx
        popl    %edx
        jae     {{ L("elsewhere") }}
        jmp     ldt_fault
{{ L("elsewhere") }}:
        stc
        ret
{% endcall %}

{% set L = labels("exception_protection") %}
# exception_protection(frame): `int n` that the guest's table allows (ABI 5.3), or a general protection fault.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
{% call routine("exception_protection") %}
        movl    ENTRY_FRAME_error_code(%esi), %eax
        movl    %eax, %edx
        andl    $7, %edx
        cmpl    $SELECTOR_IDT, %edx
        jne     exception_bounce
        shrl    $3, %eax                        # the vector
        movzbl  VCPU_traps + TRAP_INFO_flags(%ebp,%eax,8), %edx
        andl    $TI_DPL_MASK, %edx
        movl    ENTRY_FRAME_cs(%esi), %ecx
        andl    $SELECTOR_RPL, %ecx
        cmpl    %ecx, %edx
        jb      exception_bounce
        addl    $2, ENTRY_FRAME_eip(%esi)       # past the two bytes of `int n`
        xorl    %edx, %edx
        jmp     bounce_to_vector
{% endcall %}

# exception_debug(frame): the guest's debug exception; its virtual DR6 takes what the hardware says.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
{% call routine("exception_debug") %}
        movl    %dr6, %eax
        movl    %eax, VCPU_debugreg + 4 * 6(%ebp)
        movl    $DR6_RESET, %eax
        movl    %eax, %dr6
        jmp     exception_bounce
{% endcall %}

# exception_nmi(frame): a non-maskable interrupt while a guest ran.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  none
# errs:  none
{% call routine("exception_nmi") %}
{{ log("LOG_WARNING", "non-maskable interrupt\\n") }}
        ret
{% endcall %}

# exception_machine_check(frame): the machine is broken.
#
# in:    %esi = ENTRY_FRAME
# out:   does not return
# errs:  always a panic
{% call routine("exception_machine_check") %}
        jmp     panic_exception
{% endcall %}

        .section .rodata
{% call object("vector_table") %}
{% for vector in range(256) %}
        .long   exception_stub_{{ vector }}
{% endfor %}
{% endcall %}
{% call object("exception_handlers") %}
{% set special = {abi.VECTOR_DB: "debug", abi.VECTOR_NMI: "nmi", abi.VECTOR_GP: "protection",
                  abi.VECTOR_PF: "page_fault", abi.VECTOR_MC: "machine_check"} %}
{% for vector in range(abi.EXCEPTION_VECTORS) %}
        .long   exception_{{ special.get(vector, "bounce") }}
{% endfor %}
{% endcall %}
{% call object("vectors_with_error_code") %}
        .long   1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17
{% endcall %}
