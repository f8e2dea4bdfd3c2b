# The agent guest: a kernel that does what Python tells it, and says what happened (design, section 5).
#
# Python reads and writes the mailbox and the arrays beside it in the machine's memory. It fills agent_commands, sets
# `count` and raises `request`; the agent carries the commands out, one after the other, and sets `done` to `request`.
# A trap ends the command that raised it and is recorded, unless the actions in the mailbox say otherwise (traps.s).
#
# Invariants
#   - Only the plain ABI is used: the agent runs on every hypervisor that starts a 32-bit PAE guest.
#   - Between requests `current` is AGENT_IDLE. While a command is under way it is its index, and a trap belongs to it.
#   - The agent itself runs on agent_stack and needs nothing from it: the stack is begun anew for each command.
#   - An idle agent yields now and then, so that several of them share a processor; one with work does not.
#   - Nothing here is left to a command's good will but the agent's own code, data and mappings.

{{ elf_note("GUEST_OS", ".asciz", '"agent"') }}

        .text

# start: where the domain builder lets the guest begin.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  a set-up call that is refused ends the domain as crashed
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        movl    $agent_stack_top, %esp
        movl    $AGENT_IDLE, agent_mailbox + AGENT_MAILBOX_current
        movl    $AGENT_SPINS, agent_mailbox + AGENT_MAILBOX_spins
        movl    %ebp, agent_mailbox + AGENT_MAILBOX_start_info
        movl    START_INFO_mfn_list(%ebp), %eax
        call    machine_address
        movl    %eax, agent_mailbox + AGENT_MAILBOX_p2m
        movl    $AGENT_RETURN, agent_mailbox + AGENT_MAILBOX_actions + 4 * AGENT_EVENT
        call    shared_info_map
        call    user_pages_map
        call    edge_unmap
        call    handlers_register
        call    wire_begin
        movl    $AGENT_MAGIC, agent_mailbox + AGENT_MAILBOX_magic
        movl    $agent_mailbox, %eax
        call    machine_address
{{ print("agent: mailbox at machine address %p\\n", "%eax") }}
        jmp     agent_loop
{% endcall %}

# machine_address(address): where a page of the initial mapping is in the machine.
#
# in:    %eax = virtual address of the page, %ebp = start_info
# out:   %eax = its machine address (32 bits)
# clob:  %ecx
# errs:  none
{% call routine("machine_address") %}
        subl    $VIRT_BASE, %eax
        shrl    $PAGE_SHIFT, %eax
        movl    START_INFO_mfn_list(%ebp), %ecx
        movl    (%ecx,%eax,4), %eax
        shll    $PAGE_SHIFT, %eax
        ret
{% endcall %}

# shared_info_map(): the shared page, in place of a page of ours.
#
# in:    %ebp = start_info
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  the domain ends
{% call routine("shared_info_map") %}
        movl    $agent_shared_info, %ebx
        movl    START_INFO_shared_info(%ebp), %ecx
        orl     $(PTE_P | PTE_RW | PTE_A), %ecx
        xorl    %edx, %edx
        movl    $UVMF_INVLPG, %esi
        {{ hypercall("update_va_mapping") }}
        call    must_work
        ret
{% endcall %}

{% set L = labels("user_pages_map") %}
# user_pages_map(): makes agent_user_area accessible to ring 3.
#
# in:    %ebp = start_info
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  the domain ends
{% call routine("user_pages_map") %}
        movl    $agent_user_area, %edi
{{ L("next_page") }}:
        movl    %edi, %eax
        call    machine_address
        movl    %eax, %ecx
        orl     $(PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D), %ecx
        xorl    %edx, %edx
        movl    %edi, %ebx
        movl    $UVMF_INVLPG, %esi
        {{ hypercall("update_va_mapping") }}
        call    must_work
        addl    $PAGE_SIZE, %edi
        cmpl    $agent_user_area_end, %edi
        jb      {{ L("next_page") }}
        ret
{% endcall %}

# edge_unmap(): takes the page at agent_edge_end away, so that a test can have something end right before nothing.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  the domain ends
{% call routine("edge_unmap") %}
        movl    $agent_edge_end, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        movl    $UVMF_INVLPG, %esi
        {{ hypercall("update_va_mapping") }}
        call    must_work
        ret
{% endcall %}

# handlers_register(): handlers of all exceptions, the callbacks, and the stack for traps from ring 3.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  the domain ends
{% call routine("handlers_register") %}
        movl    $trap_table, %ebx
        {{ hypercall("set_trap_table") }}
        call    must_work
        movl    $FLAT_KERNEL_CS, %ebx
        movl    $trap_stub_{{ abi.AGENT_EVENT }}, %ecx
        movl    $FLAT_KERNEL_CS, %edx
        movl    $trap_stub_{{ abi.AGENT_FAILSAFE }}, %esi
        {{ hypercall("set_callbacks") }}
        call    must_work
        movl    $FLAT_KERNEL_SS, %ebx
        movl    $agent_trap_stack_top, %ecx
        {{ hypercall("stack_switch") }}
        call    must_work
        ret
{% endcall %}

{% set L = labels("must_work") %}
# must_work(result): ends the domain when a call that it cannot do without was refused.
#
# in:    %eax = result of the call
# out:   -
# clob:  none
# errs:  the domain ends
{% call routine("must_work") %}
        testl   %eax, %eax
        js      {{ L("refused") }}
        ret
{{ L("refused") }}:
{{ print("agent: error %d in its set-up\\n", "%eax") }}
        call    agent_crash
{% endcall %}

{% set L = labels("agent_crash") %}
# agent_crash: the end of this domain, by its own fault.
#
# in:    -
# out:   does not return
# errs:  none
{% call routine("agent_crash") %}
        movl    $SCHEDOP_shutdown, %ebx
        movl    $crash_argument, %ecx
        {{ hypercall("sched_op") }}
{{ L("again") }}:
        jmp     {{ L("again") }}
{% endcall %}

        .section .rodata
{% call object("crash_argument") %}
        .long   SHUTDOWN_crash                  # SCHED_SHUTDOWN_reason
{% endcall %}

{# Pages that Python finds by name. Behind agent_stack and agent_code_stack there must be memory: a trap's record has
   more words of the stack than its frame may have. #}
{{ space("agent_mailbox", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("agent_commands", "AGENT_COMMANDS * AGENT_COMMAND_size", "PAGE_SIZE") }}
{{ space("agent_traps", "AGENT_TRAPS * AGENT_TRAP_size", "PAGE_SIZE") }}
{{ space("agent_scratch", "AGENT_SCRATCH_PAGES * PAGE_SIZE", "PAGE_SIZE") }}
{{ space("agent_code", "AGENT_CODE_PAGES * PAGE_SIZE", "PAGE_SIZE") }}
{{ space("agent_shared_info", "PAGE_SIZE", "PAGE_SIZE") }}
{% for name in ["agent_stack", "agent_trap_stack", "agent_code_stack"] %}
{{ space(name, "PAGE_SIZE", "PAGE_SIZE") }}
{{ space(name ~ "_top", "PAGE_SIZE", "PAGE_SIZE") }}
{% endfor %}
{{ space("agent_edge", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("agent_edge_end", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("agent_user_area", "0", "PAGE_SIZE") }}
{{ space("agent_user_code", "AGENT_USER_CODE_PAGES * PAGE_SIZE", "PAGE_SIZE") }}
{{ space("agent_user_data", "AGENT_USER_DATA_PAGES * PAGE_SIZE", "PAGE_SIZE") }}
{{ space("agent_user_stack", "AGENT_USER_STACK_PAGES * PAGE_SIZE", "PAGE_SIZE") }}
{{ space("agent_user_stack_top", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("agent_user_area_end", "0", "PAGE_SIZE") }}
{{ space("agent_pool", "AGENT_POOL_PAGES * PAGE_SIZE", "PAGE_SIZE") }}
{{ space("agent_memory_end", "0", "PAGE_SIZE") }}
