# The cases that need nothing but instructions: each raises an exception, and says what the frame must be.
#
# Those that need descriptors are in descriptors.s, those of applications in user.s. Nobody raises an NMI (2), a double
# fault (8) or a machine check (18) like this. `int1` (0xf1) stops QEMU instead of raising a debug exception.
#
# Invariants
#   - A case leaves the stack and the floating-point units as it found them.
#   - A fault's eip is that of the instruction, a trap's that of the next one (ABI 5.5).

        .text

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
{% call(at) case("VECTOR_DB", "single step", trap=True) %}
        pushfl
        orl     $EFLAGS_TF, (%esp)
        popfl                                   # TF counts from the next instruction on
{{ at }}:
        nop
{% endcall %}
{% call(at) case("VECTOR_BP", "int3", trap=True) %}
{{ at }}:
        int3
{% endcall %}
{% call(at) case("VECTOR_OF", "into", trap=True) %}
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
{% call(at) case("VECTOR_GP", "selector in the guest's own table, which is empty", error="0x8") %}
        movl    $0x9, %eax
{{ at }}:
        movl    %eax, %fs
{% endcall %}
{% call(at) case("VECTOR_TS", "return to the task before, of which there is none", where="task_return") %}
        pushfl
        orl     $EFLAGS_NT, (%esp)
        popfl
{{ at }}:
        jmp     task_return
{% endcall %}
        ret
{% endcall %}

# task_return: an iret that, because NT is set, is no return from a handler.
#
# in:    -
# out:   does not return
# errs:  an invalid task state segment, after which the case goes on
{% call routine("task_return") %}
        iret
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
{% call(at) case("VECTOR_PF", "jump to an absent page", error="PF_FETCH", where="absent_code", may_differ="PF_FETCH") %}
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
{% call(at) case("0x30", "int 0x30, which the table allows to ring 1", trap=True) %}
{{ at }}:
        int     $0x30
{% endcall %}
{% call(at) case("0x80", "int 0x80, which the table allows to all", trap=True) %}
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
