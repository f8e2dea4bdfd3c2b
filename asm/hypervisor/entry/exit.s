# The way back to a guest from a full ENTRY_FRAME.
#
# Invariants
#   - The stack pointer is at an ENTRY_FRAME that ends at the top of the hypervisor's stack, and nowhere else.
#   - A switch of domains comes first, then events: what is delivered is delivered to the vcpu that will run.
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
        cmpl    $0, reschedule
        jne     {{ L("switch") }}
{{ L("stay") }}:
        movl    current_vcpu, %ebp
        movl    VCPU_info(%ebp), %eax
        cmpb    $0, VCPU_INFO_evtchn_upcall_mask(%eax)
        jne     {{ L("no_event") }}
        cmpb    $0, VCPU_INFO_evtchn_upcall_pending(%eax)
        jne     {{ L("event") }}
{{ L("no_event") }}:
        popal
        {{ user("popl %es", fail=L("bad_es")) }}
        {{ user("popl %ds", fail=L("bad_ds")) }}
        addl    $8, %esp
        {{ user("iret", fail=L("bad_iret")) }}

{{ L("switch") }}:
        movl    %esp, %esi
        call    schedule                        # another vcpu's frame may be on the stack now
        jmp     {{ L("stay") }}

{{ L("event") }}:
        movl    %esp, %esi
        movl    VCPU_event_cs(%ebp), %ebx
        movl    VCPU_event_eip(%ebp), %ecx
        movl    $BOUNCE_MASK_EVENTS, %edx
        call    bounce
        jmp     exit_to_guest

# %esp: as the faulting instruction found it; registers: the guest's. What was below %esp has been overwritten by the
# frame of the fault itself, so the lower part of the ENTRY_FRAME is made again.
{{ L("bad_iret") }}:
        pushl   $0                              # error code
        pushl   $EXCEPTION_VECTORS              # the vector: none of the guest's
        pushl   %ds
{{ L("bad_ds") }}:
        pushl   %es
{{ L("bad_es") }}:
        pushal
        jmp     deliver_failsafe
{% endcall %}
