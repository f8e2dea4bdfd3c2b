# The state in which a new domain's vcpu begins (ABI 1.9).
#
# Invariants
#   - What is not set here is zero: the VCPU came zeroed from the heap.

        .text

{% set L = labels("vcpu_state_init") %}
# vcpu_state_init(): the state in which the vcpu starts (ABI 1.9).
#
# in:    guest, %ebx = DOMAIN, %ebp = VCPU
# out:   -
# clob:  %eax
# errs:  none
{% call routine("vcpu_state_init") %}
        movl    guest + GUEST_IMAGE_entry, %eax
        movl    %eax, VCPU_frame + ENTRY_FRAME_eip(%ebp)
        movl    guest + GUEST_IMAGE_start_info, %eax
        movl    %eax, VCPU_frame + ENTRY_FRAME_esi(%ebp)
        movl    guest + GUEST_IMAGE_stack, %eax
        addl    $PAGE_SIZE, %eax
        movl    %eax, VCPU_frame + ENTRY_FRAME_esp(%ebp)
        movl    %eax, VCPU_kernel_sp(%ebp)
        movl    $FLAT_RING1_CS, VCPU_frame + ENTRY_FRAME_cs(%ebp)
        movl    $(EFLAGS_IF | EFLAGS_ONE), VCPU_frame + ENTRY_FRAME_eflags(%ebp)
        movl    $FLAT_RING1_DS, %eax
        movw    %ax, VCPU_fs(%ebp)
        movw    %ax, VCPU_gs(%ebp)
{% for place in ["VCPU_frame + ENTRY_FRAME_ss", "VCPU_frame + ENTRY_FRAME_ds", "VCPU_frame + ENTRY_FRAME_es",
                 "VCPU_kernel_ss"] %}
        movl    %eax, {{ place }}(%ebp)
{% endfor %}
        movl    $DR6_RESET, VCPU_debugreg + 4 * 6(%ebp)
        movl    $DR7_RESET, VCPU_debugreg + 4 * 7(%ebp)
        movw    $FCW_RESET, VCPU_fpu + FXSAVE_fcw(%ebp)
        movl    $MXCSR_RESET, VCPU_fpu + FXSAVE_mxcsr(%ebp)
        movl    $DEFAULT_PERIOD, VCPU_periodic(%ebp)
        cmpl    $0, DOMAIN_id(%ebx)
        jne     {{ L("done") }}
        movl    $FLAT_RING1_CS, VCPU_event_cs(%ebp)
        movl    $FLAT_RING1_CS, VCPU_failsafe_cs(%ebp)
{{ L("done") }}:
        ret
{% endcall %}
