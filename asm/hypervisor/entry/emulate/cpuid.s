# CPUID with the forced-emulation prefix (ABI 6.11): `ud2`, "xen", `cpuid`, from any ring. What a PV guest must not use
# is not shown. A plain CPUID does not trap; guests that know what they are do not use it.
#
# Invariants
#   - A leaf without a row in cpuid_rows is the processor's own. One in the hypervisor's range is ours, or all zeroes.
#   - XSAVE and what depends on it is not shown: only FXSAVE's state is kept for a vcpu.

        .text

{% set L = labels("handle_invalid_opcode") %}
# handle_invalid_opcode(frame): the prefix, or an instruction that does not exist.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
{% call routine("handle_invalid_opcode") %}
        movl    $0, debug_missed
        call    emulate_open
        jc      exception_bounce
        xorl    %ecx, %ecx
{{ L("next_byte") }}:
        call    emulate_fetch
        jc      exception_bounce
        cmpb    forced_cpuid(%ecx), %al
        jne     exception_bounce
        incl    %ecx
        cmpl    $FORCED_CPUID_BYTES, %ecx
        jb      {{ L("next_byte") }}
        call    cpuid_guest
        jmp     emulate_complete
{% endcall %}

{% set L = labels("cpuid_guest") %}
# cpuid_guest(frame): the guest's view of a leaf.
#
# in:    %esi = ENTRY_FRAME with the leaf in eax, the subleaf in ecx
# out:   eax, ebx, ecx, edx in the frame
# clob:  %eax, %ebx, %ecx, %edx
# errs:  none
{% call routine("cpuid_guest") %}
        movl    ENTRY_FRAME_eax(%esi), %eax
        movl    %eax, %ecx
        subl    $CPUID_HYPERVISOR, %ecx
        cmpl    $CPUID_HYPERVISOR_LEAVES, %ecx
        jb      {{ L("hypervisor") }}
        movl    ENTRY_FRAME_ecx(%esi), %ecx
        cpuid
        pushl   %edi
        movl    $cpuid_rows, %edi
        pushl   %eax
        movl    ENTRY_FRAME_eax(%esi), %eax
{{ L("next_row") }}:
        cmpl    %eax, CPUID_ROW_leaf(%edi)
        je      {{ L("found") }}
        addl    $CPUID_ROW_size, %edi
        cmpl    $cpuid_rows_end, %edi
        jb      {{ L("next_row") }}
        popl    %eax
        jmp     {{ L("store") }}
{{ L("found") }}:
        popl    %eax
{% for register in ["eax", "ebx", "ecx", "edx"] %}
        andl    CPUID_ROW_{{ register }}(%edi), %{{ register }}
{% endfor %}
        orl     CPUID_ROW_ecx_set(%edi), %ecx
{{ L("store") }}:
        popl    %edi
        jmp     cpuid_store
{{ L("hypervisor") }}:
        cmpl    $CPUID_HYPERVISOR_LAST, %ecx
        ja      {{ L("empty") }}
        shll    $4, %ecx
{% for register in ["edx", "ebx", "eax", "ecx"] %}
{% set index = ["eax", "ebx", "ecx", "edx"].index(register) %}
        movl    cpuid_hypervisor + 4 * {{ index }}(%ecx), %{{ register }}
{% endfor %}
        jmp     cpuid_store
{{ L("empty") }}:
        xorl    %eax, %eax
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        jmp     cpuid_store
{% endcall %}

# cpuid_store(values): gives them to the guest.
#
# in:    %eax, %ebx, %ecx, %edx; %esi = ENTRY_FRAME
# out:   the frame
# clob:  none
# errs:  none
{% call routine("cpuid_store") %}
{% for register in ["eax", "ebx", "ecx", "edx"] %}
        movl    %{{ register }}, ENTRY_FRAME_{{ register }}(%esi)
{% endfor %}
        ret
{% endcall %}

        .section .rodata
{% call object("forced_cpuid") %}
        .byte   0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2
{% endcall %}

# Leaves of the hypervisor's own: eax, ebx, ecx, edx each.
{% call object("cpuid_hypervisor") %}
        .long   CPUID_HYPERVISOR + CPUID_HYPERVISOR_LAST, 0x566e6558, 0x65584d4d, 0x4d4d566e     # "XenVMMXenVMM"
        .long   XENGEN_MAJOR << 16 | XENGEN_MINOR, 0, 0, 0
        .long   1, MSR_HYPERCALL_PAGE, 1, 0     # one page; mmu_update keeps accessed and dirty bits
{% endcall %}

{# Bits that are taken away, by leaf and register, with the manual's names; then leaves that are empty. #}
{% set edx_1 = {"VME": 1, "PSE": 3, "SEP": 11, "MTRR": 12, "PGE": 13, "PSE36": 17, "DS": 21, "ACPI": 22, "TM": 29,
                "PBE": 31} %}
{% set ecx_1 = {"DTES64": 2, "MONITOR": 3, "DS_CPL": 4, "VMX": 5, "SMX": 6, "EIST": 7, "TM2": 8, "SDBG": 11, "FMA": 12,
                "CX16": 13, "XTPR": 14, "PDCM": 15, "PCID": 17, "DCA": 18, "X2APIC": 21, "TSC_DEADLINE": 24,
                "XSAVE": 26, "OSXSAVE": 27, "AVX": 28, "F16C": 29} %}
{% set ebx_7 = {"FSGSBASE": 0, "TSC_ADJUST": 1, "SGX": 2, "HLE": 4, "AVX2": 5, "SMEP": 7, "INVPCID": 10, "RTM": 11,
                "PQM": 12, "MPX": 14, "PQE": 15, "AVX512F": 16, "AVX512DQ": 17, "SMAP": 20, "AVX512IFMA": 21,
                "PT": 25, "AVX512PF": 26, "AVX512ER": 27, "AVX512CD": 28, "AVX512BW": 30, "AVX512VL": 31} %}
{% set edx_ext = {"VME": 1, "PSE": 3, "SYSCALL": 11, "MTRR": 12, "PGE": 13, "PSE36": 17, "FFXSR": 25, "PAGE1GB": 26,
                  "RDTSCP": 27, "LM": 29} %}
{% set ecx_ext = {"LAHF64": 0, "SVM": 2, "EXTAPIC": 3, "CR8": 4, "OSVW": 9, "IBS": 10, "XOP": 11, "SKINIT": 12,
                  "WDT": 13, "LWP": 15, "FMA4": 16, "NODEID": 19, "PERFCTR": 23, "PERFCTRNB": 24, "MONITORX": 29} %}
{% macro without(bits) %}~(0{% for name, bit in bits.items() %} | 1 << {{ bit }}{% endfor %}) & 0xffffffff{% endmacro %}
{% call object("cpuid_rows") %}
        .long   1, -1, -1, {{ without(ecx_1) }}
        .long   {{ without(edx_1) }}, CPUID_ECX_HYPERVISOR
        .long   7, 0, {{ without(ebx_7) }}
        .long   0, 0, 0
        .long   0x80000001, -1, -1
        .long   {{ without(ecx_ext) }}
        .long   {{ without(edx_ext) }}, 0
{% for leaf in ["5", "0xa", "0xd", "0xf", "0x10", "0x12", "0x14", "0x8000000a", "0x8000001b", "0x8000001c"] %}
        .long   {{ leaf }}, 0, 0, 0, 0, 0
{% endfor %}
{% endcall %}
        .set    cpuid_rows_end, cpuid_rows + 13 * CPUID_ROW_size
