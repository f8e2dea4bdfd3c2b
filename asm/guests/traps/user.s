# Exceptions of an application: the guest kernel's own ring 3.
#
# The kernel maps one page of code and one of stack for all rings, tells the hypervisor which stack of its own is for
# traps, and goes down by `iret`. Every exception is the way back up; the application is left then and there.
#
# Invariants
#   - From ring 3 a frame has esp and ss, and stands at the top of trap_stack (ABI 5.5).
#   - The application's stack pointer is user_stack_top when it raises its exception.

        .text

{% set L = labels("cases_of_applications") %}
# cases_of_applications(): makes an application, and lets it do what it may not.
#
# in:    %ebp = start_info
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  a refusal by the hypervisor is said, and counts as wrong
{% call routine("cases_of_applications") %}
{% for page in ["user_code", "user_code_end - 1", "user_stack"] %}
        movl    ${{ page }}, %ebx
        call    page_frame
        movl    $(PTE_P | PTE_RW | PTE_US | PTE_A), %ecx
        call    page_map
        testl   %eax, %eax
        jnz     {{ L("refused") }}
{% endfor %}
        movl    $FLAT_KERNEL_SS, %ebx
        movl    $trap_stack_top, %ecx
        {{ hypercall("stack_switch") }}
        testl   %eax, %eax
        jnz     {{ L("refused") }}
{% for vector, what, label, trap, error, may_fail in [
        ("VECTOR_DE", "application: division by zero", "divide", False, "0", False),
        ("VECTOR_BP", "application: int3", "int3", True, "0", False),
        ("VECTOR_GP", "application: hlt", "hlt", False, "0", False),
        ("0x80", "application: int 0x80, its system call", "int80", True, "0", False),
        ("VECTOR_GP", "application: int 0x30, which is for ring 1", "int30", False, "0x30 << 3 | SELECTOR_IDT", False),
        ("VECTOR_GP", "application: a hypercall", "int82", False, "0x82 << 3 | SELECTOR_IDT", False),
        ("VECTOR_PF", "application: write to an absent page", "absent", False, "PF_USER | PF_WRITE", False),
        ("VECTOR_PF", "application: read of the kernel's page", "kernel", False, "PF_USER | PF_PRESENT", False),
        ("VECTOR_AC", "application: misaligned read with AC set", "misaligned", False, "0", True),
] %}
{% call(at) case(vector, what, error, trap, where="user_" ~ label, cs="FLAT_USER_CS", may_fail=may_fail) %}
        movl    $user_{{ label }}_start, %eax
{{ at }}:
        jmp     user_enter
{% endcall %}
{% endfor %}
        ret
{{ L("refused") }}:
{{ print("no application: error %d: WRONG\\n", "%eax") }}
        incl    cases_wrong
        ret
{% endcall %}

# user_enter: goes on in ring 3.
#
# in:    %eax = where
# out:   does not return
# errs:  -
{% call routine("user_enter") %}
        movl    $FLAT_USER_DS, %ecx
        movl    %ecx, %ds
        movl    %ecx, %es
        pushl   $FLAT_USER_SS
        pushl   $user_stack_top
        pushl   $(EFLAGS_ONE | EFLAGS_IF)
        pushl   $FLAT_USER_CS
        pushl   %eax
        iret
{% endcall %}

# user_code: the application: pieces, each of which ends with an exception. What raises none comes back by int 0x80.
#
# in:    ring 3; %esp = user_stack_top
# out:   does not return
# errs:  all kinds
{% call routine("user_code") %}
user_divide_start:
        xorl    %eax, %eax
        xorl    %edx, %edx
        xorl    %ecx, %ecx
user_divide:
        divl    %ecx
user_int3_start:
user_int3:
        int3
user_int3_next:
user_hlt_start:
user_hlt:
        hlt
user_int80_start:
user_int80:
        int     $0x80
user_int80_next:
user_int30_start:
user_int30:
        int     $0x30
user_int82_start:
user_int82:
        int     $0x82
user_absent_start:
user_absent:
        movl    $0, absent_page
user_kernel_start:
user_kernel:
        movl    guest_gdt, %eax
user_misaligned_start:
        pushfl
        orl     $EFLAGS_AC, (%esp)
        popfl
user_misaligned:
        movl    user_stack + 1, %eax
        int     $0x80
        jmp     user_code
{% endcall %}
user_code_end:

{{ space("user_stack", "PAGE_SIZE", "PAGE_SIZE") }}
        .set    user_stack_top, user_stack + PAGE_SIZE
{{ space("trap_stack", "PAGE_SIZE", "PAGE_SIZE") }}
        .set    trap_stack_top, trap_stack + PAGE_SIZE
