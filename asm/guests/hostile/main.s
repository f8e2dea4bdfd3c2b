# A guest that tries to get out: of its segments, its ring, its memory. Each attempt is one row of a table.
#
# Files: run.s makes an attempt and takes what comes of it, outcome.s says it, tables.s has the descriptor tables; all
# others are rows (attempt.macro says what a row is). A line for each:
#
#       escape ring1_read_ds_beyond: #GP 0x0
#       escape ring3_stack_push: #SS 0x0
#       escape ring1_write_m2p: #PF 0x3 0xfc000000
#       escape hypercall_console_private: -EFAULT
#       escape ring1_popf_iopl: 0x0
#
# An exception of another instruction than the attempt's has its place behind it (`+2`: two bytes further on; `eip`
# where it is far away), one in another code segment its `cs`. What should have been stopped and was not ends with
# `: GOT OUT`.
#
# With an attempt's name as its command line the guest makes that one only. So are the attempts of deadly.s made: a
# domain that loses its stack cannot be helped, and must die alone.
#
# Invariants
#   - %ebp is the address of start_info wherever it is not said otherwise.
#   - What an attempt writes beyond its limits, where an emulator lets it, is what stands there already (all ones).

{{ elf_note("GUEST_OS", ".asciz", '"hostile"') }}

        .text

        .set    TURNS, 1000                     # given to the other domains before this one ends the machine

{% set L = labels("start") %}
# start: where the domain builder lets the guest begin.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  a refusal while all is set up ends the domain as crashed
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    shared_info_map
        call    handlers_register
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        call    user_open
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        call    tables_take
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    $group_table, %edi
        leal    START_INFO_cmd_line(%ebp), %esi
        movl    %esi, attempt_wanted            # a name, or nothing
        cmpb    $0, (%esi)
        je      {{ L("next_group") }}
        movl    $deadly_table, %edi
{{ L("next_group") }}:
        movl    (%edi), %esi
        testl   %esi, %esi
        jz      {{ L("all_made") }}
        call    attempts_run
        addl    $4, %edi
        jmp     {{ L("next_group") }}
{{ L("all_made") }}:
{{ print("%u attempts, %u got out\\n", "attempts_made", "attempts_out") }}
        call    others_run
        movl    $SHUTDOWN_poweroff, %eax
        jmp     shut_down
{{ L("refused") }}:
{{ print("set-up: error %d\\n", "%eax") }}
        movl    $SHUTDOWN_crash, %eax
        jmp     shut_down
{% endcall %}

# others_run(): lets the other domains have their turns, for the first domain ends the machine.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edi
# errs:  none
{% call routine("others_run") %}
        movl    $TURNS, %edi
1:
        movl    $SCHEDOP_yield, %ebx
        xorl    %ecx, %ecx
        {{ hypercall("sched_op") }}
        decl    %edi
        jnz     1b
        ret
{% endcall %}

        .section .rodata
{% set groups = ["permitted", "accesses", "stacks", "selectors", "transfers", "segments", "gates", "validated",
                 "instructions", "interrupts", "direct", "flags", "debug", "hypercalls", "failsafe"] %}
{% call object("group_table") %}
{% for group in groups %}
        .long   rows_{{ group }}
{% endfor %}
        .long   0
{% endcall %}
{% call object("deadly_table") %}
        .long   rows_deadly, 0
{% endcall %}
