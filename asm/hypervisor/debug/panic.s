# The hypervisor's own end: one report, and the machine stops with a status that says so.
#
# Invariants
#   - The report never depends on what may be broken: it reads the frame, control registers and the static tables,
#     and prints by polling. A panic while reporting prints one line and stops.
#   - Reported are: the reason with template file and line, registers, control registers, return addresses found on
#     the stack, the current domain and its last hypercall.
#   - QEMU ends through EXIT_PORT with EXIT_PANIC; without that device the processor halts for ever.

        .text

{% set L = labels("panic") %}
# panic(reason): our own inconsistency, found by code (macros panic and assert).
#
# in:    stack: return address (the place), address of the reason
# out:   does not return
# errs:  none
{% call routine("panic") %}
        cli
        pushl   $0                              # a frame as an exception would have left it
        pushl   $PANIC_VECTOR
        pushl   %ds
        pushl   %es
        pushal
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        cld
        movl    %esp, %esi
        call    panic_begin
        movl    ENTRY_FRAME_eip(%esi), %eax     # the return address stands where eip would
        decl    %eax
        pushl   ENTRY_FRAME_cs(%esi)            # and the reason where cs would
        popl    panic_reason
{{ print("PANIC: %s\\n", "panic_reason") }}
        call    where_print
        leal    ENTRY_FRAME_eflags(%esi), %ebx  # the stack goes on behind these two
        jmp     panic_report
{% endcall %}

{% set L = labels("panic_exception") %}
# panic_exception: an exception in ring 0 that nothing expects, or a machine check.
#
# in:    %esi = ENTRY_FRAME
# out:   does not return
# errs:  none
{% call routine("panic_exception") %}
        call    panic_begin
        movl    ENTRY_FRAME_vector(%esi), %eax
        movl    $exception_name_other, %edx
        cmpl    $EXCEPTION_VECTORS, %eax
        jae     {{ L("name_ok") }}
        movl    exception_names(,%eax,4), %edx
{{ L("name_ok") }}:
{{ print("PANIC: unexpected exception %u (%s) in the hypervisor, error code 0x%x\\n", "%eax", "%edx",
         "ENTRY_FRAME_error_code(%esi)") }}
        movl    ENTRY_FRAME_eip(%esi), %eax
        call    where_print
        leal    ENTRY_FRAME_esp(%esi), %ebx     # ring 0: the stack goes on where esp and ss would be
        jmp     panic_report
{% endcall %}

{% set L = labels("double_fault") %}
# double_fault: entered as a task when an exception could not be delivered.
#
# in:    %esp = top of double_fault_stack, below it the error code; the interrupted state in `tss`
# out:   does not return
# errs:  none
{% call routine("double_fault") %}
        call    panic_begin
{{ print("PANIC: double fault\\n") }}
        pushl   tss + TSS_ss
        pushl   tss + TSS_esp
        pushl   tss + TSS_eflags
        pushl   tss + TSS_cs
        pushl   tss + TSS_eip
        pushl   $0
        pushl   $VECTOR_DF
        pushl   tss + TSS_ds
        pushl   tss + TSS_es
{% for register in ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"] %}
        pushl   tss + TSS_{{ register }}
{% endfor %}
        movl    %esp, %esi
        movl    ENTRY_FRAME_eip(%esi), %eax
        call    where_print
        movl    ENTRY_FRAME_esp(%esi), %ebx
        jmp     panic_report
{% endcall %}

{% set L = labels("panic_begin") %}
# panic_begin(): begins a line, and makes sure that a panic inside of the report ends at once.
#
# in:    -
# out:   -
# clob:  none
# errs:  the second time the machine stops here
# why:   a line of ours that was not finished would hide the report's first one from who looks for it
{% call routine("panic_begin") %}
        incl    panic_depth
        cmpl    $1, panic_depth
        ja      {{ L("again") }}
        cmpl    $0, console_column
        je      {{ L("new_line") }}
        cmpl    $0, console_owner
        jne     {{ L("new_line") }}             # a domain's line is broken off anyway
{{ print("\\n") }}
{{ L("new_line") }}:
        ret
{{ L("again") }}:
        cmpl    $2, panic_depth
        ja      machine_stop
{{ print("PANIC: while reporting a panic\\n") }}
        jmp     machine_stop
{% endcall %}

{% set L = labels("panic_report") %}
# panic_report: the rest of the report.
#
# in:    %esi = ENTRY_FRAME, from ring 0 unless its cs says otherwise; %ebx = stack pointer before it
# out:   does not return
# errs:  none; a stack pointer that is not on the hypervisor's stack leads to no return addresses
{% call routine("panic_report") %}
        call    registers_print
        movl    %cr0, %eax
        movl    %cr2, %ecx
        movl    %cr3, %edx
        movl    %cr4, %edi
{{ print("cr0 %p cr2 %p cr3 %p cr4 %p\\n", "%eax", "%ecx", "%edx", "%edi") }}
        movl    current_vcpu, %ebp
        testl   %ebp, %ebp
        jz      {{ L("no_domain") }}
        movl    VCPU_domain(%ebp), %edx
        movl    VCPU_last_hypercall(%ebp), %eax
        andl    $(NR_HYPERCALLS - 1), %eax
{{ print("current domain %u, last hypercall %u (%s)\\n", "DOMAIN_id(%edx)", "%eax", "hypercall_names(,%eax,4)") }}
        jmp     {{ L("backtrace") }}
{{ L("no_domain") }}:
{{ print("no domain is running\\n") }}
{{ L("backtrace") }}:
{{ print("return addresses on the stack:\\n") }}
        movl    $PANIC_BACKTRACE_WORDS, %ecx
{{ L("next_word") }}:
        cmpl    $hypervisor_stack_top, %ebx
        jae     machine_stop
        cmpl    $hypervisor_stack, %ebx
        jb      machine_stop
        movl    (%ebx), %eax
        addl    $4, %ebx
        decl    %eax                            # the call, not what follows it
        call    where_is_code
        jc      {{ L("not_code") }}
        call    where_print
{{ L("not_code") }}:
        decl    %ecx
        jnz     {{ L("next_word") }}
        jmp     machine_stop
{% endcall %}

{% set L = labels("registers_print") %}
# registers_print(frame): the registers of an ENTRY_FRAME.
#
# in:    %esi = ENTRY_FRAME
# out:   -
# clob:  none
# errs:  none
{% call routine("registers_print") %}
        pushl   %eax
        pushl   %edx
        leal    ENTRY_FRAME_eflags(%esi), %eax
        cmpl    $PANIC_VECTOR, ENTRY_FRAME_vector(%esi)
        je      {{ L("have_stack") }}
        leal    ENTRY_FRAME_esp(%esi), %eax     # ring 0: the processor pushed no stack pointer
        movl    %ss, %edx
        cmpl    $VECTOR_DF, ENTRY_FRAME_vector(%esi)
        je      {{ L("has_its_own") }}          # but a task switch did
        testb   $SELECTOR_RPL, ENTRY_FRAME_cs(%esi)
        jz      {{ L("have_stack") }}
{{ L("has_its_own") }}:
        movl    ENTRY_FRAME_esp(%esi), %eax
        movl    ENTRY_FRAME_ss(%esi), %edx
{{ L("have_stack") }}:
{{ print("eax %p ebx %p ecx %p edx %p\\n", "ENTRY_FRAME_eax(%esi)", "ENTRY_FRAME_ebx(%esi)", "ENTRY_FRAME_ecx(%esi)",
         "ENTRY_FRAME_edx(%esi)") }}
{{ print("esi %p edi %p ebp %p esp %p\\n", "ENTRY_FRAME_esi(%esi)", "ENTRY_FRAME_edi(%esi)", "ENTRY_FRAME_ebp(%esi)",
         "%eax") }}
        cmpl    $PANIC_VECTOR, ENTRY_FRAME_vector(%esi)
        je      {{ L("done") }}
{{ print("eip %p cs %x eflags %p ss %x ds %x es %x\\n", "ENTRY_FRAME_eip(%esi)", "ENTRY_FRAME_cs(%esi)",
         "ENTRY_FRAME_eflags(%esi)", "%edx", "ENTRY_FRAME_ds(%esi)", "ENTRY_FRAME_es(%esi)") }}
{{ L("done") }}:
        popl    %edx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("machine_stop") %}
# machine_stop: ends QEMU with EXIT_PANIC, or halts.
#
# in:    -
# out:   does not return
# errs:  none
{% call routine("machine_stop") %}
        movl    $EXIT_PANIC, %eax
        outb    %al, $EXIT_PORT
{{ L("halted") }}:
        cli
        hlt
        jmp     {{ L("halted") }}
{% endcall %}

        .section .rodata
{% set names = ["divide error", "debug", "NMI", "breakpoint", "overflow", "bound range", "invalid opcode",
                "device not available", "double fault", "coprocessor overrun", "invalid TSS", "segment not present",
                "stack fault", "general protection", "page fault", "reserved", "x87 error", "alignment check",
                "machine check", "SIMD error"] %}
{% call object("exception_names") %}
{% for vector in range(abi.EXCEPTION_VECTORS) %}
        .long   exception_name_{{ vector if vector < names | length else "other" }}
{% endfor %}
{% endcall %}
{% for name in names %}
{{ text("exception_name_" ~ loop.index0, name) }}
{% endfor %}
{{ text("exception_name_other", "reserved") }}

        .data
{% for name in ["panic_depth", "panic_reason"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
