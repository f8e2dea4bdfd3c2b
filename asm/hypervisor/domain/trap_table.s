# Where a guest's exceptions and upcalls go: set_trap_table, set_callbacks, callback_op, stack_switch (ABI 5).
#
# Invariants
#   - A code or stack selector that a guest gives has RPL 1 at least when it is kept (ABI 5.11). Nothing else of it is
#     checked: a selector that is no good faults when it is used, at the guest's expense.
#   - VCPU_traps has all 256 vectors; an entry with a null selector is no handler.
#   - The stack for ring 3 to ring 1 stands in the VCPU and, while the vcpu runs, in the TSS and in outer_frame.
#   - Direct gates (fast_trap.s) are those of the table as it is, however a change of it ends.

        .text

{% set L = labels("selector_fix") %}
# selector_fix(selector): raises a selector's RPL to ring 1.
#
# in:    %eax = selector
# out:   %eax = the selector, RPL 1 where it was 0; upper half clear
# clob:  none
# errs:  none
{% call routine("selector_fix") %}
        movzwl  %ax, %eax
        testb   $SELECTOR_RPL, %al
        jnz     {{ L("ring_ok") }}
        orb     $1, %al
{{ L("ring_ok") }}:
        ret
{% endcall %}

# do_set_trap_table(table): installs handlers from an array of TRAP_INFO that ends with address 0.
#
# in:    %ebx = table, or 0 to clear all handlers; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT; the entries before the bad address are installed
{% call routine("do_set_trap_table") %}
        call    work_bound
        call    direct_gates_remove
        call    trap_table_change
        pushl   %eax
        call    direct_gates_find
        call    direct_gates_install
        subl    $WORK_OF_A_TRAP_TABLE, work_left
        call    work_end
        popl    %eax
        ret
{% endcall %}

{% set L = labels("trap_table_change") %}
# trap_table_change(table): the change itself.
#
# in:    %ebx = table, or 0; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT
{% call routine("trap_table_change") %}
        testl   %ebx, %ebx
        jz      {{ L("clear") }}
        movl    %ebx, %esi
{{ L("next_entry") }}:
        movl    $trap_entry, %edi
        movl    $TRAP_INFO_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        cmpl    $0, trap_entry + TRAP_INFO_address
        je      {{ L("done") }}
        movl    trap_entry + TRAP_INFO_cs, %eax
        call    selector_fix
        movw    %ax, trap_entry + TRAP_INFO_cs
        movzbl  trap_entry + TRAP_INFO_vector, %ecx
        movl    trap_entry, %eax
        movl    %eax, VCPU_traps(%ebp,%ecx,8)
        movl    trap_entry + TRAP_INFO_address, %eax
        movl    %eax, VCPU_traps + TRAP_INFO_address(%ebp,%ecx,8)
        addl    $TRAP_INFO_size, %esi
        decl    work_left
        jg      {{ L("next_entry") }}
        jmp     {{ L("continue_later") }}
{{ L("clear") }}:
        leal    VCPU_traps(%ebp), %edi
        movl    $(256 * TRAP_INFO_size), %ecx
        call    memory_zero
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("continue_later") }}:
        movl    %esi, %ebx                      # the rest of the list
        movl    $HYPERCALL_set_trap_table, %eax
        jmp     hypercall_continue
{% endcall %}

# do_set_callbacks(event_cs, event_eip, failsafe_cs, failsafe_eip): where upcalls go, the old form.
#
# in:    %ebx, %ecx = event cs and eip; %edx, %esi = failsafe cs and eip; %ebp = current vcpu
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("do_set_callbacks") %}
        movl    %ebx, %eax
        call    selector_fix
        movl    %eax, VCPU_event_cs(%ebp)
        movl    %ecx, VCPU_event_eip(%ebp)
        movl    %edx, %eax
        call    selector_fix
        movl    %eax, VCPU_failsafe_cs(%ebp)
        movl    %esi, VCPU_failsafe_eip(%ebp)
        movl    $0, VCPU_failsafe_flags(%ebp)
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("do_callback_op") %}
# do_callback_op(cmd, argument): registers and unregisters callbacks by type (ABI 5.8).
#
# in:    %ebx = CALLBACKOP_register or CALLBACKOP_unregister, %ecx = address of its argument; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -ENOSYS (another cmd, or a type that 32-bit guests do not have), -EINVAL (unregister event, failsafe)
{% call routine("do_callback_op") %}
        movl    %ecx, %esi
        movl    $callback_argument, %edi
        movl    $CALLBACK_REGISTER_size, %ecx
        cmpl    $CALLBACKOP_register, %ebx
        je      {{ L("cmd_ok") }}
        movl    $CALLBACK_UNREGISTER_size, %ecx
        cmpl    $CALLBACKOP_unregister, %ebx
        jne     {{ L("not_there") }}
{{ L("cmd_ok") }}:
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movzwl  callback_argument + CALLBACK_REGISTER_type, %edx
        cmpl    $CALLBACKOP_register, %ebx
        jne     {{ L("unregister") }}
        movl    callback_argument + CALLBACK_REGISTER_address_cs, %eax
        call    selector_fix
        movl    callback_argument + CALLBACK_REGISTER_address_eip, %ecx
        cmpl    $CALLBACKTYPE_event, %edx
        je      {{ L("event") }}
        cmpl    $CALLBACKTYPE_failsafe, %edx
        je      {{ L("failsafe") }}
        cmpl    $CALLBACKTYPE_nmi, %edx
        je      nmi_register
{{ L("not_there") }}:
        movl    $-ENOSYS, %eax
{{ L("done") }}:
        ret
{{ L("event") }}:
        movl    %eax, VCPU_event_cs(%ebp)
        movl    %ecx, VCPU_event_eip(%ebp)
        xorl    %eax, %eax
        ret
{{ L("failsafe") }}:
        movl    %eax, VCPU_failsafe_cs(%ebp)
        movl    %ecx, VCPU_failsafe_eip(%ebp)
        movzwl  callback_argument + CALLBACK_REGISTER_flags, %eax
        movl    %eax, VCPU_failsafe_flags(%ebp)
        xorl    %eax, %eax
        ret
{{ L("unregister") }}:
        movl    $-EINVAL, %eax
        cmpl    $CALLBACKTYPE_failsafe, %edx
        jbe     {{ L("done") }}                 # event (0) or failsafe (1)
        cmpl    $CALLBACKTYPE_nmi, %edx
        je      nmi_unregister
        jmp     {{ L("not_there") }}
{% endcall %}

{% set L = labels("do_stack_switch") %}
# do_stack_switch(ss, esp): where the guest kernel's stack is when its applications trap into it.
#
# in:    %ebx = ss, %ecx = esp, as the guest gave them; %ebp = current vcpu
# out:   %eax = 0
# clob:  none
# errs:  none; a selector of ring 0 is raised to ring 1, as the ABI says
# why:   the TSS is written now, not on the way out: int $0x80 goes from ring 3 to ring 1 without us
{% call routine("do_stack_switch") %}
        movzwl  %bx, %eax
        testb   $SELECTOR_RPL, %al
        jnz     {{ L("ring_ok") }}
        orb     $1, %al
{{ L("ring_ok") }}:
        movl    %eax, VCPU_kernel_ss(%ebp)      # by way of %ss: %ds is still the guest's
        movl    %ecx, VCPU_kernel_sp(%ebp)
        movl    %eax, %ss:tss + TSS_ss1
        movl    %ecx, %ss:tss + TSS_esp1
        call    outer_frame_set
        xorl    %eax, %eax
        ret
{% endcall %}

{{ space("trap_entry", "TRAP_INFO_size") }}
{{ space("callback_argument", "CALLBACK_REGISTER_size") }}
