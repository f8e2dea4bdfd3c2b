# The hypercall iret (ABI 5.10): back from a handler, with the event mask restored from the frame's IF.
#
# Invariants
#   - The guest's frame is copied whole before anything changes; a frame that cannot be read kills the domain.
#   - The guest cannot get ring 0, I/O privilege, or interrupts off: RPL 0 kills it, IOPL and IF are forced.
#   - Selectors and addresses are not checked here: the iret on the way out does that, at the guest's expense.

        .text

{% set L = labels("do_iret") %}
# do_iret(): takes the frame at the guest's %esp: eax, eip, cs, eflags and, for an outer ring, esp, ss.
#
# in:    %ebp = current vcpu; guest_frame
# out:   %eax = what the guest's %eax will be
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  an unreadable frame or a cs of ring 0: the domain is crashed; EFLAGS.VM: #GP to the guest, as there is no VM86
{% call routine("do_iret") %}
        movl    {{ guest_frame("esp") }}, %esi
        movl    $iret_frame, %edi
        movl    $IRET_FRAME_esp, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("bad_frame") }}
        movl    %esi, %edx
        movzwl  iret_frame + IRET_FRAME_cs, %ebx
        testb   $SELECTOR_RPL, %bl
        jz      {{ L("bad_ring") }}
        movl    iret_frame + IRET_FRAME_eflags, %ecx
        testl   $EFLAGS_VM, %ecx
        jnz     {{ L("no_vm86") }}
        addl    $IRET_FRAME_esp, %edx           # %esp after a return to ring 1
        testb   $2, %bl
        jz      {{ L("same_ring") }}
        movl    %edx, %esi
        addl    $IRET_FRAME_esp, %edi
        movl    $(IRET_FRAME_size - IRET_FRAME_esp), %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("bad_frame") }}
        movl    iret_frame + IRET_FRAME_eflags, %ecx
        movl    iret_frame + IRET_FRAME_esp, %edx
        movl    iret_frame + IRET_FRAME_ss, %eax
        movl    %eax, {{ guest_frame("ss") }}
{{ L("same_ring") }}:
        movl    %edx, {{ guest_frame("esp") }}
        movl    %ebx, {{ guest_frame("cs") }}
        movl    iret_frame + IRET_FRAME_eip, %eax
        movl    %eax, {{ guest_frame("eip") }}
        movl    %ecx, %eax
        andl    $~EFLAGS_IOPL, %eax
        orl     $(EFLAGS_IF | EFLAGS_ONE), %eax
        movl    %eax, {{ guest_frame("eflags") }}
        movl    VCPU_info(%ebp), %edx
        testl   $EFLAGS_IF, %ecx
        setz    VCPU_INFO_evtchn_upcall_mask(%edx)
        call    nmi_unmask
        movl    iret_frame + IRET_FRAME_eax, %eax
        ret
{{ L("no_vm86") }}:
        movl    $0, bounce_frame + BOUNCE_FRAME_error_code
        movl    $hypervisor_stack_top - ENTRY_FRAME_size, %esi
        movl    $VECTOR_GP, %eax
        movl    $BOUNCE_ERROR_CODE, %edx
        call    bounce_to_vector
        jmp     {{ L("eax_stays") }}
{{ L("bad_frame") }}:
        movl    $reason_iret_frame, %eax
        jmp     {{ L("crash") }}
{{ L("bad_ring") }}:
        movl    $reason_iret_ring, %eax
{{ L("crash") }}:
        movl    $hypervisor_stack_top - ENTRY_FRAME_size, %esi
        call    domain_crash
{{ L("eax_stays") }}:
        movl    {{ guest_frame("eax") }}, %eax
        ret
{% endcall %}

{{ text("reason_iret_frame", "the frame of its iret hypercall cannot be read") }}
{{ text("reason_iret_ring", "its iret hypercall asks for ring 0") }}

{{ space("iret_frame", "IRET_FRAME_size") }}
