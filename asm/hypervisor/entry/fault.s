# The exceptions of a guest that are looked at before its handler gets them: page faults, protection faults, invalid
# opcodes.
#
# Invariants
#   - As in deliver.s: in the routines that do not return %ds and %es are still the guest's.
#   - %cr2 is read before anything else could fault.

        .text

{% set L = labels("exception_page_fault") %}
# exception_page_fault: the address goes to the guest's vcpu_info, and it is told (ABI 5.2).
#
# in:    %esp = ENTRY_FRAME from the guest; %ebp = current vcpu, %esi = its TRAP_INFO
# out:   does not return
# errs:  as deliver_code
# why:   ring 1 is a supervisor to the page tables; an access that the processor makes for ring 3 is one, too
{% call routine("exception_page_fault") %}
        movl    %cr2, %eax
        leal    -LDT_WINDOW(%eax), %edx
        cmpl    $LDT_WINDOW_BYTES, %edx
        jb      {{ L("look_closer") }}          # loading a selector of its LDT
        cmpl    $(PF_PRESENT | PF_WRITE), ENTRY_FRAME_error_code(%esp)
        je      {{ L("look_closer") }}          # a page table, perhaps
        movl    VCPU_info(%ebp), %edi
        movl    %eax, VCPU_cr2(%ebp)
        movl    %eax, %ss:VCPU_INFO_arch_cr2(%edi)
        testb   $2, ENTRY_FRAME_cs(%esp)
        jz      deliver_code
        orl     $PF_USER, ENTRY_FRAME_error_code(%esp)
        jmp     deliver_code
{{ L("look_closer") }}:
        movl    $handle_page_fault, %edi
        jmp     exception_slow
{% endcall %}

{% set L = labels("handle_page_fault") %}
# handle_page_fault(frame): what the guest need not know of: LDT pages, and its stores into page tables.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu; %cr2
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
{% call routine("handle_page_fault") %}
        movl    %cr2, %eax
        call    exception_in_ldt
        jnc     {{ L("again") }}
        movl    %eax, table_address
        cmpl    $(PF_PRESENT | PF_WRITE), ENTRY_FRAME_error_code(%esi)
        jne     {{ L("tell") }}
        movl    $0, debug_missed
        call    table_write
        testl   %eax, %eax                      # EMULATE_DONE
        jz      emulate_complete
{{ L("tell") }}:
        movl    table_address, %eax
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
# exception_protection: `int n` that the guest's table allows (ABI 5.3), or a general protection fault.
#
# in:    %esp = ENTRY_FRAME from the guest; %ebp = current vcpu, %esi = its TRAP_INFO
# out:   does not return
# errs:  as deliver_plain, deliver_code
# why:   arpl sets ZF exactly if the entry's privilege is below the caller's; its result is not wanted
{% call routine("exception_protection") %}
        movl    ENTRY_FRAME_error_code(%esp), %eax
        shrl    $2, %eax                        # carry: about a gate; %eax = 2 * its vector
        jnc     {{ L("not_a_gate") }}
        movl    ENTRY_FRAME_cs(%esp), %ecx
        movb    VCPU_traps + TRAP_INFO_flags(%ebp,%eax,4), %dl
        arpl    %cx, %dx
        jz      deliver_code
        leal    VCPU_traps(%ebp,%eax,4), %esi
        addl    $2, ENTRY_FRAME_eip(%esp)       # past the two bytes of `int n`
        jmp     deliver_plain
{{ L("not_a_gate") }}:
        testl   %eax, %eax
        jnz     deliver_code                    # about a selector
        jmp     quick_port                      # a privileged instruction, perhaps
{% endcall %}

{% set L = labels("exception_invalid_opcode") %}
# exception_invalid_opcode: an instruction that does not exist, or CPUID with its prefix (emulate/cpuid.s).
#
# in:    %esp = ENTRY_FRAME from the guest; %ebp = current vcpu, %esi = its TRAP_INFO
# out:   does not return
# errs:  as deliver_plain
# why:   the first bytes are looked at here, for flat kernel code: most often it is not CPUID
{% call routine("exception_invalid_opcode") %}
        cmpw    $FLAT_RING1_CS, ENTRY_FRAME_cs(%esp)
        jne     {{ L("look_closer") }}
        movl    ENTRY_FRAME_eip(%esp), %eax
        {{ user("cmpl $FORCED_CPUID_FIRST, %ss:(%eax)", fail="deliver_plain") }}
        jne     deliver_plain
{{ L("look_closer") }}:
        movl    $handle_invalid_opcode, %edi
        jmp     exception_slow
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

# bounce_to_vector(frame, vector, flags): continues the guest in its handler for a vector.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu, %eax = vector, %edx = 0 or BOUNCE_ERROR_CODE
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
{% call routine("bounce_to_vector") %}
        leal    VCPU_traps(%ebp,%eax,8), %edi
        jmp     bounce_to_handler
{% endcall %}

{% set L = labels("bounce_to_handler") %}
# bounce_to_handler(frame, handler, flags): continues the guest in a handler of its trap table.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu, %edi = TRAP_INFO, %edx = 0 or BOUNCE_ERROR_CODE
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
{% call routine("bounce_to_handler") %}
        movzwl  TRAP_INFO_cs(%edi), %ebx
        movl    TRAP_INFO_address(%edi), %ecx
        testb   $TI_MASK_EVENTS, TRAP_INFO_flags(%edi)
        jz      {{ L("events_stay") }}
        orl     $BOUNCE_MASK_EVENTS, %edx
{{ L("events_stay") }}:
        jmp     bounce
{% endcall %}
