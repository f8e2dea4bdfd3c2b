# A guest that behaves as badly as it can, and dies: page faults and hypercalls with bad arguments, round after round.
#
# On its command line: rounds=1000. Who wants it to do that again and again has it restarted (--on-crash restart).
#
# Invariants
#   - What it passes to a hypercall are words from a generator, the same ones in each life, and bad pointers among them.
#   - It never sleeps: no call that could block is made.
#   - Some pointers are good by chance, and an answer is written over its own code: then it dies sooner.

{{ elf_note("GUEST_OS", ".asciz", '"rogue"') }}

        .text

        .set    ROGUE_MULTIPLIER, 1664525       # Numerical Recipes' generator
        .set    ROGUE_INCREMENT, 1013904223

{{ space("rogue_word", 4) }}
{{ text("rounds_option", "rounds=") }}

{% set L = labels("start") %}
# start: so many rounds, and then a fault without anybody to handle it.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  all
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    shared_info_map
        call    rings_find
        leal    START_INFO_cmd_line(%ebp), %esi
        movl    $rounds_option, %edi
        movl    $1000, %eax
        call    option_number
        movl    %eax, %edi
        movl    $rogue_traps, %ebx
        {{ hypercall("set_trap_table") }}
{{ L("next_round") }}:
        testl   %edi, %edi
        jz      {{ L("die") }}
        decl    %edi
        pushl   %edi
        call    rogue_round
        popl    %edi
        jmp     {{ L("next_round") }}
{{ L("die") }}:
        xorl    %ebx, %ebx
        {{ hypercall("set_trap_table") }}
1:
        movl    %eax, 0                         # nobody is there to handle it
        jmp     1b
{% endcall %}

# rogue_round(): one page fault of each kind, and one bad hypercall of each.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("rogue_round") %}
{% for touch in ["movl    0, %eax", "movl    %eax, 0", "movl    %eax, MACH2PHYS_VIRT_START_PAE",
                 "movl    0xe0000000, %eax"] %}
        {{ touch }}
        nop
{% endfor %}
{% for name in ["mmu_update", "set_gdt", "update_va_mapping", "memory_op", "multicall", "grant_table_op", "mmuext_op",
                "event_channel_op", "vcpu_op", "physdev_op", "console_io", "set_callbacks", "update_descriptor",
                "vm_assist", "xen_version", "set_debugreg", "domctl", "sysctl", "io_op"] %}
        call    rogue_words
        {{ hypercall(name) }}
{% endfor %}
        ret
{% endcall %}

{% set L = labels("rogue_words") %}
# rogue_words(): bad arguments.
#
# in:    rogue_word
# out:   %ebx = a word, %ecx = a word, %edx = a word, %esi = a word, %edi = a word
# clob:  %eax
# errs:  none
{% call routine("rogue_words") %}
        movl    rogue_word, %eax
{% for register in ["%ebx", "%ecx", "%edx", "%esi", "%edi"] %}
        imull   $ROGUE_MULTIPLIER, %eax, %eax
        addl    $ROGUE_INCREMENT, %eax
        movl    %eax, {{ register }}
        testl   $(3 << 20), %eax
        jz      {{ L(register[1:]) }}
        shrl    $28, {{ register }}             # a number that may be a command
        testl   $(1 << 20), %eax
        jz      {{ L(register[1:]) }}
        orl     $HV_PRIVATE_START, {{ register }}
{{ L(register[1:]) }}:
{% endfor %}
        movl    %eax, rogue_word
        ret
{% endcall %}

# rogue_fault: a page fault: goes on behind the instruction that made it.
#
# in:    the frame of an exception in ring 1: error code, eip, cs, eflags
# out:   does not return
# frame: 16
# why:   every instruction that faults is followed by nothing but what may be skipped: the next nop is looked for
{% call routine("rogue_fault") %}
        addl    $4, %esp
        pushl   %eax
        movl    4(%esp), %eax
1:
        incl    %eax
        cmpb    $0x90, (%eax)
        jne     1b
        movl    %eax, 4(%esp)
        popl    %eax
        iret
{% endcall %}

        .section .rodata
{% call object("rogue_traps") %}
        .byte   VECTOR_PF, 0                    # TRAP_INFO: vector, flags,
        .word   FLAT_KERNEL_CS                  # cs,
        .long   rogue_fault                     # address
        .skip   TRAP_INFO_size
{% endcall %}
