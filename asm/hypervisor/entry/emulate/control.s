# Moves to and from control and debug registers, as a guest kernel may use them (ABI 6.11).
#
# Invariants
#   - They are ring 1's; from an outer ring they are its protection fault.
#   - A guest reads its own view of a register: real CR0 with the virtual TS; CR3 in the format of ABI 6.4; of CR4 what
#     concerns it. It changes only what is virtual.

        .text

{% set L = labels("emulate_registers") %}
# emulate_registers(): the two registers of a move to or from a control or debug register.
#
# in:    %edi = address of the ModRM byte, %esi = ENTRY_FRAME
# out:   %ecx = number of the control or debug register, %edx = where in memory the general register is, %edi;
#        carry: %eax = EMULATE_*
# clob:  %eax
# errs:  carry: not the kernel, or no byte
# why:   the processor takes any mode in the ModRM byte for a register, too
{% call routine("emulate_registers") %}
        testb   $2, ENTRY_FRAME_cs(%esi)
        jnz     {{ L("not_the_kernel") }}
        call    emulate_fetch
        jc      {{ L("unreadable") }}
        movl    %eax, %ecx
        shrl    $3, %ecx
        andl    $7, %ecx
        call    emulate_register
        clc
        ret
{{ L("not_the_kernel") }}:
        movl    $EMULATE_NOT, %eax
        stc
        ret
{{ L("unreadable") }}:
        movl    $EMULATE_FAULT, %eax
        ret
{% endcall %}

{% set L = labels("emulate_register") %}
# emulate_register(number): where a general register of the guest is: pushal's order, but for %esp.
#
# in:    %eax = its number in the low three bits; %esi = ENTRY_FRAME
# out:   %edx = address
# clob:  none
# errs:  none
{% call routine("emulate_register") %}
        movl    %eax, %edx
        andl    $7, %edx
        cmpl    $REGISTER_ESP, %edx
        je      {{ L("stack_pointer") }}
        negl    %edx
        leal    ENTRY_FRAME_eax(%esi,%edx,4), %edx
        ret
{{ L("stack_pointer") }}:
        leal    ENTRY_FRAME_esp(%esi), %edx
        ret
{% endcall %}

{% set L = labels("emulate_op_read_control") %}
# emulate_op_read_control(): moves CR0, CR2, CR3 or CR4 to a register.
#
# in:    %edi = next byte, %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*; %edi
# clob:  %ecx, %edx
# errs:  EMULATE_NOT, EMULATE_FAULT
{% call routine("emulate_op_read_control") %}
        call    emulate_registers
        jc      {{ L("refused") }}
        cmpl    $3, %ecx
        je      {{ L("cr3") }}
        ja      {{ L("cr4") }}
        cmpl    $2, %ecx
        je      {{ L("cr2") }}
        testl   %ecx, %ecx
        jnz     emulate_refuse
        movl    %cr0, %eax
        andl    $~CR0_TS, %eax
        orl     VCPU_ts(%ebp), %eax
        jmp     {{ L("store") }}
{{ L("cr2") }}:
        movl    VCPU_cr2(%ebp), %eax
        jmp     {{ L("store") }}
{{ L("cr3") }}:
        movl    VCPU_guest_table(%ebp), %eax
        roll    $PAGE_SHIFT, %eax
        jmp     {{ L("store") }}
{{ L("cr4") }}:
        cmpl    $4, %ecx
        jne     emulate_refuse
        movl    %cr4, %eax
        andl    $(CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
        orl     VCPU_cr4(%ebp), %eax
{{ L("store") }}:
        movl    %eax, (%edx)
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("emulate_op_write_control") %}
# emulate_op_write_control(): moves a register to CR0 (TS only), CR2, CR3 or CR4 (TSD and DE only).
#
# in:    %edi = next byte, %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*; %edi
# clob:  %ecx, %edx
# errs:  EMULATE_NOT, EMULATE_FAULT; EMULATE_AGAIN: a base pointer that takes more than one stretch of work
{% call routine("emulate_op_write_control") %}
        call    emulate_registers
        jc      {{ L("refused") }}
        movl    (%edx), %eax
        cmpl    $3, %ecx
        je      {{ L("cr3") }}
        ja      {{ L("cr4") }}
        cmpl    $2, %ecx
        je      {{ L("cr2") }}
        testl   %ecx, %ecx
        jnz     emulate_refuse
        movl    %cr0, %ecx
        xorl    %eax, %ecx
        testl   $~CR0_TS, %ecx
        jnz     emulate_refuse
        andl    $CR0_TS, %eax
        movl    %eax, VCPU_ts(%ebp)
        call    fpu_load
        jmp     {{ L("done") }}
{{ L("cr2") }}:
        movl    %eax, VCPU_cr2(%ebp)
        movl    VCPU_info(%ebp), %ecx
        movl    %eax, VCPU_INFO_arch_cr2(%ecx)
        jmp     {{ L("done") }}
{{ L("cr3") }}:
        rorl    $PAGE_SHIFT, %eax
        jmp     emulate_base_pointer
{{ L("cr4") }}:
        cmpl    $4, %ecx
        jne     emulate_refuse
        andl    $CR4_GUEST, %eax
        movl    %eax, VCPU_cr4(%ebp)
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        call    control_load
{{ L("done") }}:
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("emulate_base_pointer") %}
# emulate_base_pointer(mfn): a move to CR3 is MMUEXT_NEW_BASEPTR.
#
# in:    %eax = mfn; %ebp = current vcpu
# out:   %eax = EMULATE_*
# clob:  %ecx
# errs:  EMULATE_NOT: no base pointer; EMULATE_AGAIN
{% call routine("emulate_base_pointer") %}
        movl    %eax, %ecx
        movl    $0, work_done                   # a new stretch: this was no hypercall
        call    work_begin
        testl   %eax, %eax
        jnz     {{ L("have_result") }}
        movl    %ecx, %eax
        call    base_pointer_set
{{ L("have_result") }}:
        call    work_end
        testl   %eax, %eax
        jz      {{ L("done") }}
        cmpl    $-ERESTART, %eax
        jne     emulate_refuse
        movl    $EMULATE_AGAIN, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("control_load") %}
# control_load(vcpu): the processor's CR4 for the vcpu that runs: what is the hypervisor's, and what the guest set.
#
# in:    %ebp = VCPU
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("control_load") %}
        movl    %cr4, %eax
        movl    %eax, %ecx
        andl    $~CR4_GUEST, %eax
        orl     VCPU_cr4(%ebp), %eax
        cmpl    %eax, %ecx
        je      {{ L("same") }}
        movl    %eax, %cr4
{{ L("same") }}:
        ret
{% endcall %}

{% for name, work in [("read", "get"), ("write", "set")] %}
{% set L = labels("emulate_op_" ~ name ~ "_debug") %}
# emulate_op_{{ name }}_debug(): what the hypercall {{ work }}_debugreg does.
#
# in:    %edi = next byte, %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*; %edi
# clob:  %ebx, %ecx, %edx
# errs:  EMULATE_NOT, EMULATE_FAULT
{% call routine("emulate_op_" ~ name ~ "_debug") %}
        call    emulate_registers
        jc      {{ L("refused") }}
        movl    %ecx, %ebx
{% if name == "read" %}
        call    debug_register_number
        jc      emulate_refuse
        call    do_get_debugreg
        movl    %eax, (%edx)
        xorl    %eax, %eax
{% else %}
        movl    (%edx), %ecx
        call    do_set_debugreg
        testl   %eax, %eax
        jnz     emulate_refuse
{% endif %}
{{ L("refused") }}:
        ret
{% endcall %}

{% endfor %}
