# Operations that are an exception of the kernel: raised in ring 1, handled in ring 1, and back.
#
# Invariants
#   - A handler knows where its operation goes on, so it looks at nothing: what is counted is the hypervisor's work.
#   - The exception table says where an operation goes on, for the checker of contracts; no code reads it.

        .text

# bench_undefined(): an instruction that is undefined but in system management mode.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("bench_undefined") %}
undefined_begin:
        {{ user("rsm", fail="undefined_end") }}
undefined_end:
        ret
{% endcall %}

# undefined_handler: the next instruction is the end.
#
# in:    stack: eip, cs, eflags
# out:   does not return
# errs:  none
{% call routine("undefined_handler") %}
        movl    $undefined_end, (%esp)
        iret
{% endcall %}

# absent_prepare(): takes the mapping of a page away.
#
# in:    -
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  those of update_va_mapping
{% call routine("absent_prepare") %}
        movl    $absent, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        movl    $UVMF_INVLPG, %esi
        {{ hypercall("update_va_mapping") }}
        ret
{% endcall %}

# bench_page_fault(): a read of a page that is not present.
#
# in:    absent is not mapped
# out:   -
# clob:  %eax
# errs:  none
{% call routine("bench_page_fault") %}
page_fault_begin:
        {{ user("movl absent, %eax", fail="page_fault_end") }}
page_fault_end:
        ret
{% endcall %}

# page_fault_handler: the instruction is not tried again.
#
# in:    stack: error code, eip, cs, eflags
# out:   does not return
# errs:  none
{% call routine("page_fault_handler") %}
        addl    $4, %esp
        movl    $page_fault_end, (%esp)
        iret
{% endcall %}

        .data
{% call object("trap_table") %}
{# A handler that wants events masked (TI_MASK_EVENTS) cannot be reached without the hypervisor.
   In long mode QEMU (7.2) says twice the vector in the error code of an `int` that is not allowed, and a 64-bit
   hypervisor believes it: the handlers for 0x40 and 0x50 are those for 0x80 and 0xa0 as well. #}
{% for vector, flags, handler in [("VECTOR_UD", "0", "undefined_handler"), ("VECTOR_PF", "0", "page_fault_handler"),
                                  ("VECTOR_BOUNCED", "3 | TI_MASK_EVENTS", "system_call"),
                                  ("VECTOR_DIRECT", "3", "system_call"), ("VECTOR_LEAVE", "3", "user_left"),
                                  ("2 * VECTOR_LEAVE", "3", "user_left")] %}
        .byte   {{ vector }}, {{ flags }}
        .word   FLAT_KERNEL_CS
        .long   {{ handler }}
{% endfor %}
        .skip   TRAP_INFO_size                  # an address of 0 is the end
{% endcall %}

{{ space("absent", "PAGE_SIZE", "PAGE_SIZE") }}
