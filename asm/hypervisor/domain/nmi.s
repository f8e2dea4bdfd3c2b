# Non-maskable interrupts, the machine's and virtual ones: nmi_op, and their delivery (ABI 5.9).
#
# Invariants
#   - VCPU_nmi_pending asks for one delivery. It happens on the long way out (exit.s), before any event, unless
#     VCPU_nmi_masked says that the guest is in its handler; only the hypercall iret ends that.
#   - Whoever makes one deliverable sets WORK_NMI in `reschedule`, so that the way out looks.
#   - The machine's go to domain 0. One may arrive in ring 0, in the middle of anything: it is noted, no more. The way
#     out and the idle loop wake domain 0 for it, if it sleeps.

        .text

{% set L = labels("do_nmi_op") %}
# do_nmi_op(cmd, argument): registers the handler of vector 2, or takes it back; the old form of callback_op.
#
# in:    %ebx = XENNMI_*, %ecx = address of an XENNMI_CALLBACK; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -ENOSYS (another cmd)
{% call routine("do_nmi_op") %}
        cmpl    $XENNMI_unregister_callback, %ebx
        je      nmi_unregister
        ja      {{ L("unknown") }}
        movl    %ecx, %esi
        movl    $nmi_argument, %edi
        movl    $XENNMI_CALLBACK_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    nmi_argument + XENNMI_CALLBACK_handler_address, %ecx
        jmp     nmi_register
{{ L("unknown") }}:
        movl    $-ENOSYS, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("nmi_register") %}
# nmi_register(eip): the handler; a reason that nobody has been told of yet is told now.
#
# in:    %ecx = eip; %ebp = current vcpu
# out:   %eax = 0
# clob:  %edx
# errs:  none
{% call routine("nmi_register") %}
        movl    $(VECTOR_NMI | TI_MASK_EVENTS << 8 | FLAT_RING1_CS << 16), VCPU_traps + 8 * VECTOR_NMI(%ebp)
        movl    %ecx, VCPU_traps + 8 * VECTOR_NMI + TRAP_INFO_address(%ebp)
        movl    VCPU_domain(%ebp), %edx
        movl    DOMAIN_shared_info(%edx), %edx
        cmpl    $0, SHARED_INFO_arch_nmi_reason(%edx)
        je      {{ L("no_reason") }}
        call    nmi_raise
{{ L("no_reason") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

# nmi_unregister(): no handler.
#
# in:    %ebp = current vcpu
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("nmi_unregister") %}
        xorl    %eax, %eax
        movl    %eax, VCPU_traps + 8 * VECTOR_NMI(%ebp)
        movl    %eax, VCPU_traps + 8 * VECTOR_NMI + TRAP_INFO_address(%ebp)
        ret
{% endcall %}

# nmi_raise(vcpu): makes a non-maskable interrupt pending.
#
# in:    %ebp = VCPU
# out:   -
# clob:  none
# errs:  none
{% call routine("nmi_raise") %}
        movl    $1, VCPU_nmi_pending(%ebp)
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        orl     $WORK_NMI, reschedule
        ret
{% endcall %}

{% set L = labels("nmi_unmask") %}
# nmi_unmask(vcpu): the guest has left its handler.
#
# in:    %ebp = current vcpu
# out:   -
# clob:  none
# errs:  none
{% call routine("nmi_unmask") %}
        movl    $0, VCPU_nmi_masked(%ebp)
        cmpl    $0, VCPU_nmi_pending(%ebp)
        jne     nmi_raise
        ret
{% endcall %}

{% set L = labels("nmi_deliver") %}
# nmi_deliver(frame): continues the guest in its handler, if one is pending and may come now.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  a stack that cannot be written: the domain is crashed
{% call routine("nmi_deliver") %}
        cmpl    $0, VCPU_nmi_pending(%ebp)
        je      {{ L("not_now") }}
        cmpl    $0, VCPU_nmi_masked(%ebp)
        jne     {{ L("not_now") }}
        movl    $0, VCPU_nmi_pending(%ebp)
        cmpl    $0, VCPU_traps + 8 * VECTOR_NMI + TRAP_INFO_address(%ebp)
        je      {{ L("not_now") }}              # nobody wants it
        movl    $1, VCPU_nmi_masked(%ebp)
        xorl    %edx, %edx
        movl    $VECTOR_NMI, %eax
        jmp     bounce_to_vector
{{ L("not_now") }}:
        ret
{% endcall %}

{% set L = labels("nmi_from_hardware") %}
# nmi_from_hardware(): asks the machine why, and tells domain 0.
#
# in:    -
# out:   -
# clob:  %eax, %ebp
# errs:  none
{% call routine("nmi_from_hardware") %}
        movl    domain_list, %ebp
        testl   %ebp, %ebp
        jz      {{ L("nobody") }}               # still booting
        pushl   %edx
        movl    DOMAIN_shared_info(%ebp), %edx
        inb     $PIT_GATE, %al
        movl    $XEN_NMIREASON_pci_serr, %ebp
        testb   $NMI_STATUS_SERR, %al
        jnz     {{ L("reason_known") }}
        movl    $XEN_NMIREASON_io_error, %ebp
        testb   $NMI_STATUS_IOCHK, %al
        jnz     {{ L("reason_known") }}
        movl    $XEN_NMIREASON_unknown, %ebp
{{ L("reason_known") }}:
        orl     %ebp, SHARED_INFO_arch_nmi_reason(%edx)
        movl    domain_list, %ebp
        movl    DOMAIN_vcpu(%ebp), %ebp
        call    nmi_raise
        popl    %edx
{{ L("nobody") }}:
        ret
{% endcall %}

{% set L = labels("nmi_wake") %}
# nmi_wake(): domain 0 does not sleep while one waits for it.
#
# in:    -
# out:   -
# clob:  %ebp
# errs:  none
{% call routine("nmi_wake") %}
        movl    domain_list, %ebp
        movl    DOMAIN_vcpu(%ebp), %ebp
        cmpl    $0, VCPU_nmi_pending(%ebp)
        je      {{ L("none") }}
        cmpl    $SLEEP_NONE, VCPU_sched_sleeps(%ebp)
        jne     vcpu_unblock
{{ L("none") }}:
        ret
{% endcall %}

# handle_nmi(frame): one that came while a guest ran.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %ebp
# errs:  none
{% call routine("handle_nmi") %}
        jmp     nmi_from_hardware
{% endcall %}

{{ space("nmi_argument", "XENNMI_CALLBACK_size") }}
