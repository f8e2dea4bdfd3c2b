# The cases: instructions that raise an exception, each with what the frame must say.
#
# Not here, because a guest cannot raise them like this: NMI (2), a double fault (8), segment-not-present (11) and
# stack faults (12), which need descriptors of one's own or segment limits, which QEMU does not enforce; alignment
# checks (17), for ring 3 only; machine checks (18). `int1` (0xf1) stops QEMU instead of raising a debug exception.
#
# Invariants
#   - A case leaves the stack and the floating-point units as it found them.
#   - A fault's eip is that of the instruction, a trap's that of the next one (ABI 5.5).

        .text

{# One case. The body gets the label that it must put before the instruction. `eip`: what the frame must say, "at" for
   that label, "next" for the one behind the body, or an address. `may_differ`: bits of the error code that the
   processor decides. `may_fail`: not every processor raises it. That the guest goes on behind the body is said in the
   CASE, and in the exception table for the checker of contracts. #}
{% macro case(vector, what, error="0", eip="at", may_differ="0", may_fail=False) %}
{% set name = unique("case") %}
{{ text(name ~ "_what", what) }}
        movl    ${{ name }}, case_now
        movl    %esp, case_esp
{{ caller(name ~ "_at") }}
{{ name }}_next:
        call    case_end
        .pushsection .rodata
        .balign 4
{{ name }}:
        .long   {{ vector }}, {{ error }}, {{ may_differ }}, {{ name }}_at
        .long   {{ name ~ "_" ~ eip if eip in ("at", "next") else eip }}
        .long   {{ name }}_next, {{ name }}_what, {{ 1 if may_fail else 0 }}
        .popsection
        .pushsection .ex_table, "a"
        .long   {{ name }}_at, {{ name }}_next
        .popsection
{% endmacro %}

# cases_run(): all of them.
#
# in:    %ebp = start_info; handlers registered
# out:   cases_ok, cases_wrong, cases_not_raised
# clob:  %eax, %ebx, %ecx, %edx, %fs
# errs:  none
{% call routine("cases_run") %}
        call    cases_of_instructions
        call    cases_of_pages
        call    cases_of_interrupts
        call    cases_of_floating_point
        ret
{% endcall %}

# cases_of_instructions(): exceptions that an instruction is made for, or that it raises for its operands.
#
# in:    -
# out:   -
# clob:  %eax, %ecx, %edx, %fs
# errs:  none
{% call routine("cases_of_instructions") %}
{% call(at) case("VECTOR_DE", "division by zero") %}
        xorl    %eax, %eax
        xorl    %edx, %edx
        xorl    %ecx, %ecx
{{ at }}:
        divl    %ecx
{% endcall %}
{% call(at) case("VECTOR_DB", "single step", eip="next") %}
        pushfl
        orl     $EFLAGS_TF, (%esp)
        popfl                                   # TF counts from the next instruction on
{{ at }}:
        nop
{% endcall %}
{% call(at) case("VECTOR_BP", "int3", eip="next") %}
{{ at }}:
        int3
{% endcall %}
{% call(at) case("VECTOR_OF", "into", eip="next") %}
        movb    $0x7f, %al
        incb    %al                             # sets OF
{{ at }}:
        into
{% endcall %}
{% call(at) case("VECTOR_BR", "bound") %}
        movl    $10, %eax
{{ at }}:
        boundl  %eax, bounds
{% endcall %}
{% call(at) case("VECTOR_UD", "rsm, which is an instruction in system management mode only") %}
{{ at }}:
        rsm
{% endcall %}
{% call(at) case("VECTOR_GP", "hlt, which only ring 0 may") %}
{{ at }}:
        hlt
{% endcall %}
{% call(at) case("VECTOR_GP", "selector of a descriptor that is none", error="0xe038") %}
        movl    $0xe039, %eax                   # free in the reserved part of the GDT; RPL 1 is not in the error code
{{ at }}:
        movl    %eax, %fs
{% endcall %}
        ret
{% endcall %}

# cases_of_pages(): page faults.
#
# in:    %ebp = start_info
# out:   -
# clob:  %eax, %edx
# errs:  none
{% call routine("cases_of_pages") %}
{% call(at) case("VECTOR_PF", "read of an absent page") %}
{{ at }}:
        movl    absent_page, %eax
{% endcall %}
{% call(at) case("VECTOR_PF", "write to an absent page", error="PF_WRITE") %}
{{ at }}:
        movl    $0, absent_page + PAGE_SIZE
{% endcall %}
        movl    START_INFO_pt_base(%ebp), %edx  # page tables are mapped read-only
{% call(at) case("VECTOR_PF", "write to a read-only page", error="PF_WRITE | PF_PRESENT") %}
{{ at }}:
        movl    $0, (%edx)
{% endcall %}
{% call(at) case("VECTOR_PF", "jump to an absent page", error="PF_FETCH", eip="absent_code", may_differ="PF_FETCH") %}
{{ at }}:
        jmp     absent_code_enter
{% endcall %}
        ret
{% endcall %}

# absent_code_enter: goes on where there is no page. Only processors with no-execute call that a fetch.
#
# in:    -
# out:   does not return
# errs:  a page fault, after which the case goes on
{% call routine("absent_code_enter") %}
        pushfl
        pushl   %cs
        pushl   $absent_code
        iret
{% endcall %}

# cases_of_interrupts(): `int` with a number, which the guest's own table allows or not (ABI 5.3, 5.4).
#
# in:    -
# out:   -
# clob:  %eax
# errs:  none
{% call routine("cases_of_interrupts") %}
{% call(at) case("0x30", "int 0x30, which the table allows to ring 1", eip="next") %}
{{ at }}:
        int     $0x30
{% endcall %}
{% call(at) case("0x80", "int 0x80, which the table allows to all", eip="next") %}
{{ at }}:
        int     $0x80
{% endcall %}
{% call(at) case("VECTOR_GP", "int 0x31, which is not in the table", error="0x31 << 3 | SELECTOR_IDT") %}
{{ at }}:
        int     $0x31
{% endcall %}
{% call(at) case("VECTOR_GP", "int 13, which the table allows to nobody", error="VECTOR_GP << 3 | SELECTOR_IDT") %}
{{ at }}:
        int     $VECTOR_GP
{% endcall %}
        ret
{% endcall %}

{% set L = labels("cases_of_floating_point") %}
# cases_of_floating_point(): exceptions of the floating-point units.
#
# in:    -
# out:   -
# clob:  %eax, %ebx
# errs:  none
{% call routine("cases_of_floating_point") %}
        fninit
        fldcw   x87_unmasked
        fld1
        fldz
{% call(at) case("VECTOR_MF", "x87 division by zero") %}
        fdivrp
{{ at }}:
        fwait                                   # the exception waits for the next x87 instruction
{% endcall %}
        fninit
        ldmxcsr sse_unmasked
        xorps   %xmm0, %xmm0
        movss   one, %xmm1
{% call(at) case("VECTOR_XM", "SSE division by zero", may_fail=True) %}
{{ at }}:
        divss   %xmm0, %xmm1
{% endcall %}
        ldmxcsr sse_reset
        movl    $1, %ebx
        {{ hypercall("fpu_taskswitch") }}
        testl   %eax, %eax
        jnz     {{ L("no_task_switch") }}
{% call(at) case("VECTOR_NM", "x87 after fpu_taskswitch") %}
{{ at }}:
        fld1
{% endcall %}
{{ L("no_task_switch") }}:
        ret
{% endcall %}

        .set    absent_page, 0xdead0000         # far behind all that a small domain has mapped
        .set    absent_code, absent_page + 2 * PAGE_SIZE

        .section .rodata
{% call object("bounds") %}
        .long   0, 9                            # the least and the greatest index
{% endcall %}
{% call object("x87_unmasked") %}
        .word   0x033b                          # the reset state but for ZM
{% endcall %}
{% for name, value in [("sse_unmasked", "0x1d80"), ("sse_reset", "MXCSR_RESET"), ("one", "0x3f800000")] %}
{% call object(name) %}
        .long   {{ value }}
{% endcall %}
{% endfor %}
