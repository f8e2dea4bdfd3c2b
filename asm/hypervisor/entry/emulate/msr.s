# RDMSR and WRMSR (ABI 6.11): a table of the registers that a guest kernel finds; every other one is #GP, but for a
# guest that could not take one yet: it reads 0 from what the processor has.
#
# Invariants
#   - A guest's write never reaches the processor. Where the ABI leaves a choice, a write to a register that is in the
#     table is ignored, as native guests expect, but for what reads as something else.
#   - The routines get %ecx = the register's number. Readers answer in %edx:%eax, writers get the value there; carry is
#     the guest's protection fault.

        .text

{% for name in ["rdmsr", "wrmsr"] %}
{% set L = labels("emulate_op_" ~ name) %}
# emulate_op_{{ name }}(): looks the register up.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*
# clob:  %ecx, %edx, %ebx
# errs:  EMULATE_NOT: not the kernel, or no such register
# calls: msr_*
{% call routine("emulate_op_" ~ name) %}
        testb   $2, ENTRY_FRAME_cs(%esi)
        jnz     emulate_refuse
        movl    ENTRY_FRAME_ecx(%esi), %ecx
        call    msr_find
        jc      {{ "msr_read_early" if name == "rdmsr" else "emulate_refuse" }}
{% if name == "rdmsr" %}
        call    *MSR_ROW_read(%ebx)
        jc      emulate_refuse
        movl    %eax, ENTRY_FRAME_eax(%esi)
        movl    %edx, ENTRY_FRAME_edx(%esi)
{% else %}
        movl    ENTRY_FRAME_eax(%esi), %eax
        movl    ENTRY_FRAME_edx(%esi), %edx
        call    *MSR_ROW_write(%ebx)
        jc      emulate_refuse
{% endif %}
        xorl    %eax, %eax
        ret
{% endcall %}

{% endfor %}
{% set L = labels("msr_read_early") %}
# msr_read_early(register): a register that is not in the table, for a guest that has no handler for #GP yet.
#
# in:    %ecx = number; %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*
# clob:  %ecx, %edx
# errs:  EMULATE_NOT: there is a handler, or no such register, or it is one of the hypervisor's own range
# why:   kernels look at registers before they have a trap table, and would die of it
{% call routine("msr_read_early") %}
        cmpl    $0, VCPU_traps + 8 * VECTOR_GP + TRAP_INFO_address(%ebp)
        jne     emulate_refuse
        movl    %ecx, %eax
        shrl    $16, %eax
        cmpl    $(MSR_HYPERCALL_PAGE >> 16), %eax
        je      emulate_refuse
        call    msr_read_real
        jc      emulate_refuse
        xorl    %eax, %eax
        movl    %eax, ENTRY_FRAME_eax(%esi)
        movl    %eax, ENTRY_FRAME_edx(%esi)
        ret                                     # EMULATE_DONE
{% endcall %}

{% set L = labels("msr_find") %}
# msr_find(register): its row.
#
# in:    %ecx = number
# out:   %ebx = MSR_ROW; carry: it has none
# clob:  none
# errs:  carry
{% call routine("msr_find") %}
        movl    $msr_rows, %ebx
{{ L("next_row") }}:
        cmpl    %ecx, MSR_ROW_number(%ebx)
        je      {{ L("found") }}                # equal: no carry
        addl    $MSR_ROW_size, %ebx
        cmpl    $msr_rows_end, %ebx
        jb      {{ L("next_row") }}
        stc
{{ L("found") }}:
        ret
{% endcall %}

{% set L = labels("msr_read_real") %}
# msr_read_real(register): what the processor has.
#
# in:    %ecx = number
# out:   %edx:%eax = value; carry: the processor does not have it
# clob:  none
# errs:  carry
{% call routine("msr_read_real") %}
        {{ user("rdmsr", fail=L("none")) }}
        clc
        ret
{{ L("none") }}:
        xorl    %eax, %eax
        xorl    %edx, %edx
        stc
        ret
{% endcall %}

# msr_read_zero(): nothing.
#
# in:    -
# out:   %edx:%eax = 0; no carry
# clob:  none
# errs:  none
{% call routine("msr_read_zero") %}
        xorl    %eax, %eax
        xorl    %edx, %edx
        ret
{% endcall %}

# msr_read_apic_base(): a local APIC at its usual address, enabled, of the processor that booted.
#
# in:    -
# out:   %edx:%eax = value; no carry
# clob:  none
# errs:  none
{% call routine("msr_read_apic_base") %}
        movl    $(APIC_BASE_DEFAULT | APIC_BASE_ENABLE | APIC_BASE_BSP), %eax
        xorl    %edx, %edx
        ret
{% endcall %}

# msr_read_tsc(): the time-stamp counter.
#
# in:    -
# out:   %edx:%eax = value; no carry
# clob:  none
# errs:  none
{% call routine("msr_read_tsc") %}
        rdtsc
        clc
        ret
{% endcall %}

{% set L = labels("msr_read_efer") %}
# msr_read_efer(register): without what a 32-bit guest must not see.
#
# in:    %ecx = number
# out:   %edx:%eax = value; carry: the processor does not have it
# clob:  none
# errs:  carry
{% call routine("msr_read_efer") %}
        call    msr_read_real
        jc      {{ L("none") }}
        andl    $~(EFER_SCE | EFER_LME | EFER_LMA | EFER_SVME), %eax
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("msr_read_misc_enable") %}
# msr_read_misc_enable(register): with performance monitoring shown as not there.
#
# in:    %ecx = number
# out:   %edx:%eax = value; carry: the processor does not have it
# clob:  none
# errs:  carry
{% call routine("msr_read_misc_enable") %}
        call    msr_read_real
        jc      {{ L("none") }}
        andl    $~MISC_ENABLE_PERFMON, %eax
        orl     $(MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS), %eax
{{ L("none") }}:
        ret
{% endcall %}

# msr_write_ignored(): nothing happens.
#
# in:    -
# out:   no carry
# clob:  none
# errs:  none
{% call routine("msr_write_ignored") %}
        clc
        ret
{% endcall %}

# msr_write_refused(): not to be written.
#
# in:    -
# out:   carry
# clob:  none
# errs:  always carry
{% call routine("msr_write_refused") %}
        stc
        ret
{% endcall %}

{% set L = labels("msr_write_hypercall_page") %}
# msr_write_hypercall_page(value): fills a frame of the guest with hypercall stubs.
#
# in:    %edx:%eax = frame number << 12 | number of the page, of which there is one; %ebp = current vcpu
# out:   carry: not page 0, or not a frame of the guest's that can be writable
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("msr_write_hypercall_page") %}
        testl   %edx, %edx
        jnz     {{ L("refused") }}
        testl   $PAGE_OFFSET_MASK, %eax
        jnz     {{ L("refused") }}
        shrl    $PAGE_SHIFT, %eax
        call    vcpu_writable_frame_get
        testl   %eax, %eax
        jz      {{ L("refused") }}
        pushl   %edi
        pushl   %eax
        call    frame_address
        movl    %eax, %edi
        call    hypercall_stubs_write
        popl    %eax
        call    type_put
        call    frame_put
        popl    %edi
        clc
        ret
{{ L("refused") }}:
        stc
        ret
{% endcall %}

        .section .rodata
{% call object("msr_rows") %}
{% for number, read, write in [
    ("MSR_TSC", "tsc", "ignored"), ("MSR_APIC_BASE", "apic_base", "ignored"), ("MSR_MICROCODE", "real", "ignored"),
    ("MSR_MCG_CAP", "zero", "ignored"), ("MSR_MCG_STATUS", "zero", "ignored"),
    ("MSR_MISC_ENABLE", "misc_enable", "ignored"), ("MSR_PAT", "real", "ignored"),
    ("MSR_PERF_CAPABILITIES", "zero", "refused"), ("MSR_EFER", "efer", "ignored"),
    ("MSR_HYPERCALL_PAGE", "zero", "hypercall_page"),
] %}
        .long   {{ number }}, msr_read_{{ read }}, msr_write_{{ write }}
{% endfor %}
{% endcall %}
        .set    msr_rows_end, msr_rows + 10 * MSR_ROW_size
