# The way back to a guest from a full ENTRY_FRAME.
#
# Invariants
#   - The stack pointer is at an ENTRY_FRAME that ends at the top of the hypervisor's stack, and nowhere else.
#   - Work for virtual devices comes first, then a switch of domains, then events: what is delivered is delivered to
#     the vcpu that will run.
#   - A frame of virtual-8086 mode is longer than an ENTRY_FRAME and must not be exchanged for another: its domain dies.
#   - The segment loads and the iret may fault, because a guest's selectors may be bad: each has an entry in the
#     exception table. The guest then gets its failsafe callback (ABI 5.7), or dies if it has none.

        .text

{% set L = labels("exit_with_own_segments") %}
# exit_with_own_segments: as exit_to_guest, for those who have not loaded %ds and %es yet.
#
# in:    %esp = ENTRY_FRAME of the current vcpu
# out:   does not return
# errs:  none
{% call routine("exit_with_own_segments") %}
        cld
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    current_vcpu, %ebp
        jmp     exit_to_guest
{% endcall %}

{% set L = labels("exit_to_guest") %}
# exit_to_guest: whatever is due (another domain's turn, an event), then back.
#
# in:    %esp = ENTRY_FRAME of the current vcpu, our data segments
# out:   does not return
# errs:  selectors that cannot be loaded: failsafe callback, or the domain dies
{% call routine("exit_to_guest") %}
        movl    current_vcpu, %ebp
        cmpl    $0, reschedule
        jne     {{ L("work") }}
        movl    VCPU_info(%ebp), %eax
        cmpb    $0, VCPU_INFO_evtchn_upcall_mask(%eax)
        jne     {{ L("no_event") }}
        cmpb    $0, VCPU_INFO_evtchn_upcall_pending(%eax)
        jne     deliver_event_full
{{ L("no_event") }}:
        popal
        {{ user("popl %es", fail="exit_bad_es") }}
        {{ user("popl %ds", fail="exit_bad_ds") }}
        addl    $(ENTRY_FRAME_eip - ENTRY_FRAME_vector), %esp
        {{ user("iret", fail="exit_bad_iret") }}

{{ L("work") }}:
        cmpl    $hypervisor_stack_top - ENTRY_FRAME_size, %esp
        jne     {{ L("virtual_8086") }}
{{ L("frame_ok") }}:
        testl   $WORK_IO, reschedule
        jz      {{ L("no_io") }}
        call    io_run                          # first, for it may wake somebody
{{ L("no_io") }}:
        testl   $WORK_NMI, reschedule
        jz      {{ L("no_nmi") }}
        call    nmi_wake
{{ L("no_nmi") }}:
        testl   $WORK_SCHEDULE, reschedule
        jz      {{ L("no_switch") }}
        call    schedule                        # another vcpu's frame may be on the stack now
{{ L("no_switch") }}:
        movl    current_vcpu, %ebp
        andl    $~WORK_NMI, reschedule          # what was asked for meanwhile is looked at again
        movl    %esp, %esi
        call    nmi_deliver
        jmp     exit_to_guest

{{ L("virtual_8086") }}:                        # only an emulator leads there (docs/emulators.md): four more words
        movl    %esp, %esi
        movl    $reason_virtual_8086, %eax
        call    domain_crash
        movl    $hypervisor_stack_top - ENTRY_FRAME_size, %esp
        jmp     {{ L("frame_ok") }}
{% endcall %}

{{ text("reason_virtual_8086", "it is in virtual-8086 mode, where no guest can be") }}

# exit_event_bounce: an upcall for which there is no shorter way (event/upcall.s): from an outer ring, or a fatal one.
#
# in:    %esp = ENTRY_FRAME of the current vcpu; %ds: anything
# out:   does not return
# errs:  no callback, or a stack that cannot be written: the domain dies
{% call routine("exit_event_bounce") %}
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    current_vcpu, %ebp
        incl    VCPU_upcalls(%ebp)
        movl    %esp, %esi
        movl    VCPU_event_cs(%ebp), %ebx
        movl    VCPU_event_eip(%ebp), %ecx
        movl    $BOUNCE_MASK_EVENTS, %edx
        call    bounce
        jmp     exit_to_guest
{% endcall %}

# exit_bad_es: %es, or %ds before %es was taken off the stack, cannot be loaded.
#
# in:    %esp = the frame from ENTRY_FRAME_es on; general registers: the guest's
# out:   does not return
# errs:  as deliver_failsafe
# why:   the fault that led here has overwritten what was popped: the frame is made whole again from the registers
{% call routine("exit_bad_es") %}
        pushal
        jmp     deliver_failsafe
{% endcall %}

# exit_bad_ds: %ds cannot be loaded, %es has been.
#
# in:    %esp = the frame from ENTRY_FRAME_ds on; general registers: the guest's
# out:   does not return
# errs:  as deliver_failsafe
{% call routine("exit_bad_ds") %}
        pushl   %es
        pushal
        jmp     deliver_failsafe
{% endcall %}

# exit_bad_iret: the iret could not go where the guest's %cs:%eip and %ss:%esp point.
#
# in:    %esp = the frame from ENTRY_FRAME_eip on; all other registers: the guest's
# out:   does not return
# errs:  as deliver_failsafe
{% call routine("exit_bad_iret") %}
        pushl   $0                              # no error code
        pushl   $EXCEPTION_VECTORS              # and no exception
        pushl   %ds
        pushl   %es
        pushal
        jmp     deliver_failsafe
{% endcall %}
