# CLI, STI, CLTS, WBINVD, RDTSC and RDTSCP: instructions without operands, as a guest may use them (ABI 6.11).
#
# Invariants
#   - CLI and STI are for who has the I/O privilege, RDTSC and RDTSCP for whom the guest's CR4 lets, the others for
#     ring 1.
#   - CLI and STI change nothing: a guest's interrupt flag is its event mask, and the processor's is always set.

        .text

{% set L = labels("emulate_op_interrupt_flag") %}
# emulate_op_interrupt_flag(): CLI and STI do nothing, if the I/O privilege allows that much.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*
# clob:  none
# errs:  EMULATE_NOT
{% call routine("emulate_op_interrupt_flag") %}
        call    iopl_suffices
        jc      emulate_refuse
        xorl    %eax, %eax
        ret
{% endcall %}

# emulate_refuse(): the instruction is not for the guest.
#
# in:    -
# out:   %eax = EMULATE_NOT
# clob:  none
# errs:  always EMULATE_NOT
{% call routine("emulate_refuse") %}
        movl    $EMULATE_NOT, %eax
        ret
{% endcall %}

# emulate_op_clts(): clears the virtual TS.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*
# clob:  %ecx, %edx
# errs:  EMULATE_NOT: not the kernel
{% call routine("emulate_op_clts") %}
        testb   $2, ENTRY_FRAME_cs(%esi)
        jnz     emulate_refuse
        movl    $0, VCPU_ts(%ebp)
        call    fpu_load
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("emulate_op_wbinvd") %}
# emulate_op_wbinvd(): writes the caches back, for a domain with devices; else nothing.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*
# clob:  none
# errs:  EMULATE_NOT: not the kernel
{% call routine("emulate_op_wbinvd") %}
        testb   $2, ENTRY_FRAME_cs(%esi)
        jnz     emulate_refuse
        movl    VCPU_domain(%ebp), %eax
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%eax)
        jz      {{ L("done") }}
        wbinvd
{{ L("done") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("emulate_op_rdtsc") %}
# emulate_op_rdtsc(): the time-stamp counter, for who cannot read it: ring 3 may not if the guest's CR4 says so.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*
# clob:  %edx
# errs:  EMULATE_NOT
{% call routine("emulate_op_rdtsc") %}
        testb   $2, ENTRY_FRAME_cs(%esi)
        jz      {{ L("may") }}
        testl   $CR4_TSD, VCPU_cr4(%ebp)
        jnz     emulate_refuse
{{ L("may") }}:
        rdtsc
        movl    %eax, ENTRY_FRAME_eax(%esi)
        movl    %edx, ENTRY_FRAME_edx(%esi)
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("emulate_op_group_7") %}
# emulate_op_group_7(): of 0f 01 only RDTSCP.
#
# in:    %edi = next byte, %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*; %edi
# clob:  %edx
# errs:  EMULATE_NOT, EMULATE_FAULT
{% call routine("emulate_op_group_7") %}
        call    emulate_fetch
        jc      {{ L("unreadable") }}
        cmpb    $MODRM_RDTSCP, %al
        jne     emulate_refuse
        call    emulate_op_rdtsc
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    $0, ENTRY_FRAME_ecx(%esi)       # TSC_AUX
{{ L("refused") }}:
        ret
{{ L("unreadable") }}:
        movl    $EMULATE_FAULT, %eax
        ret
{% endcall %}
