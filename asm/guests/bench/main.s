# A guest that measures: it carries out each operation many times, counts instructions, and prints a line about each.
#
#       bench null 19 instructions
#       bench set_timer_op not there
#
# Under QEMU's -icount shift=0 the time stamp counter counts instructions, so the numbers are exact. An operation is a
# row of the table below and a routine `bench_NAME` (calls.s, memory.s, exceptions.s, user.s, events.s, long.s,
# extents.s); measure.s carries them out. The labels NAME_begin and NAME_end are around what one operation is: the
# harness steps through it.
#
# Invariants
#   - Nothing here depends on who the hypervisor is: any that has the ABI xen-3.0-x86_32p can be measured.
#   - %ebp is the address of start_info in everything but the handlers.
#   - Each operation leaves the domain as it found it, but for memory of its own; pin_l2 goes on from pin_l1.

{{ elf_note("GUEST_OS", ".asciz", '"bench"') }}

        .text

# start: where the domain builder lets the guest begin.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  a trap table or a page that is refused ends the domain as crashed
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    set_up                          # %eax = 0, or an error
        testl   %eax, %eax
        jnz     1f
        movl    $operations, %esi
        call    operations_measure
        movl    $SHUTDOWN_poweroff, %eax
        jmp     shut_down
1:
{{ print("bench cannot be set up: error %d\\n", "%eax") }}
        movl    $SHUTDOWN_crash, %eax
        jmp     shut_down
{% endcall %}

{% set L = labels("set_up") %}
# set_up(): handlers, the shared page, a stack for traps, and pages for applications.
#
# in:    %ebp = start_info
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  what the hypervisor says
{% call routine("set_up") %}
        movl    $trap_table, %ebx
        {{ hypercall("set_trap_table") }}
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $shared_info, %ebx
        movl    START_INFO_shared_info(%ebp), %eax
        shrl    $PAGE_SHIFT, %eax
        movl    $SCRATCH_FLAGS, %ecx
        call    page_map
        testl   %eax, %eax
        jnz     {{ L("done") }}
        call    stack_set
        testl   %eax, %eax
        jnz     {{ L("done") }}
        call    user_pages_open
{{ L("done") }}:
        ret
{% endcall %}

# stack_set(): where the kernel's stack is when applications trap into it.
#
# in:    -
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  what the hypervisor says
{% call routine("stack_set") %}
        movl    $FLAT_KERNEL_SS, %ebx
        movl    $trap_stack_top, %ecx
        {{ hypercall("stack_switch") }}
        ret
{% endcall %}

        .section .rodata
{# (name, calls per round, operations per call, routine that prepares, what is subtracted, whether %eax is a result) #}
{% set rows = [
        ("null",                    1024,   1, "nothing_prepare",       "nothing",      1),
        ("multicall_16",             128,   1, "multicall_prepare",     "nothing",      1),
        ("mmu_update_remap",        1024,   1, "mmu_update_prepare",    "nothing",      1),
        ("mmu_update_batch",          16, 128, "mmu_batch_prepare",     "nothing",      1),
        ("mmu_update_flags",        1024,   1, "mmu_update_prepare",    "nothing",      1),
        ("update_va_mapping",       1024,   1, "va_mapping_prepare",    "nothing",      1),
        ("stack_switch",            1024,   1, "nothing_prepare",       "nothing",      1),
        ("fpu_taskswitch",          1024,   1, "nothing_prepare",       "nothing",      1),
        ("new_baseptr",             1024,   1, "spaces_prepare",        "nothing",      1),
        ("invlpg",                  1024,   1, "nothing_prepare",       "nothing",      1),
        ("tlb_flush",               1024,   1, "nothing_prepare",       "nothing",      1),
        ("undefined",               1024,   1, "nothing_prepare",       "nothing",      0),
        ("page_fault",              1024,   1, "absent_prepare",        "nothing",      0),
        ("int_bounced",               16,  64, "stack_set",             "user_nothing", 0),
        ("int_direct",                16,  64, "stack_set",             "user_nothing", 0),
        ("set_timer_op",            1024,   1, "timer_prepare",         "nothing",      1),
        ("event",                   1024,   1, "event_prepare",         "nothing",      1),
        ("yield",                   1024,   1, "nothing_prepare",       "nothing",      1),
        ("mmu_long",                   2,   1, "mmu_long_prepare",      "nothing",      1),
        ("multicall_long",             2,   1, "multicall_long_prepare", "nothing",     1),
        ("flush_long",                 2,   1, "flush_long_prepare",    "nothing",      1),
        ("clear_long",                 2,   1, "clear_long_prepare",    "nothing",      1),
        ("pin_l1",                     2,   1, "pin_l1_prepare",        "nothing",      1),
        ("pin_l2",                     2,   1, "pin_l2_prepare",        "nothing",      1),
        ("set_gdt",                    2,   1, "gdt_prepare",           "nothing",      1),
        ("balloon",                    2,   1, "balloon_prepare",       "nothing",      1),
        ("extent",                     1,   1, "extent_prepare",        "nothing",      1),
        ("exchange",                   1,   1, "exchange_prepare",      "nothing",      1),
] %}
{% for name, calls, units, prepare, baseline, answers in rows %}
{{ text("operation_name_" ~ name, name) }}
{% endfor %}
{% call object("operations") %}
{% for name, calls, units, prepare, baseline, answers in rows %}
        .long   operation_name_{{ name }}, bench_{{ name }}, {{ prepare }}, bench_{{ baseline }}
        .long   {{ calls }}, {{ units }}, {{ answers }}
{% endfor %}
        .long   0
{% endcall %}

{{ space("shared_info", "PAGE_SIZE", "PAGE_SIZE") }}
