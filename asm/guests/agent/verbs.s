# The verbs: from a request to its commands, and from each to the next, whether it came to its end or was trapped.
#
# Invariants
#   - agent_command is the AGENT_COMMAND under way, agent_mailbox.current its index.
#   - A verb finds the command's registers in the processor's. What it leaves there is the result.
#   - A command ends by command_done (all segments flat), by the vector AGENT_DONE_VECTOR, or by a trap (traps.s).

        .text

        .set    vcpu_time, agent_shared_info + SHARED_INFO_vcpu_info + VCPU_INFO_time

{% set L = labels("agent_loop") %}
# agent_loop: waits for a request; other domains have the processor meanwhile: at once, or until a nap is over.
#
# in:    -
# out:   does not return
# errs:  none
{% call routine("agent_loop") %}
        movl    $agent_stack_top, %esp
        cmpl    $0, agent_wire_run
        je      {{ L("wait") }}
        call    wire_ran
{{ L("wait") }}:
        movl    agent_mailbox + AGENT_MAILBOX_spins, %ecx
{{ L("look") }}:
        movl    agent_mailbox + AGENT_MAILBOX_request, %eax
        cmpl    agent_mailbox + AGENT_MAILBOX_done, %eax
        jne     request_run
        testl   %ecx, %ecx
        jz      {{ L("wait") }}                 # never yield, but look whether that has changed
        decl    %ecx
        jnz     {{ L("look") }}
        movl    agent_mailbox + AGENT_MAILBOX_nap, %ecx
        cmpl    $0, agent_wire
        jne     {{ L("wire") }}
        testl   %ecx, %ecx
        jnz     {{ L("nap") }}
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        jmp     {{ L("wait") }}
{{ L("wire") }}:
        call    wire_look
        movl    $WIRE_SHORT_NAP_NS, %ecx        # where bytes came there are more in a moment
        testl   %eax, %eax
        jnz     {{ L("nap") }}
        movl    $WIRE_NAP_NS, %ecx
{{ L("nap") }}:
        call    system_time
        addl    %ecx, %eax
        adcl    $0, %edx
        movl    %eax, nap_argument + SCHED_POLL_timeout
        movl    %edx, nap_argument + SCHED_POLL_timeout + 4
        movl    $SCHEDOP_poll, %ebx
        movl    $nap_argument, %ecx
        {{ hypercall("sched_op") }}
        jmp     {{ L("wait") }}
{% endcall %}
{{ space("nap_argument", "SCHED_POLL_size") }}

# request_run: begins a request.
#
# in:    -
# out:   does not return
# errs:  none
{% call routine("request_run") %}
        movl    $0, agent_mailbox + AGENT_MAILBOX_traps
        movl    $-1, agent_mailbox + AGENT_MAILBOX_current
        jmp     command_next
{% endcall %}

{% set L = labels("command_next") %}
# command_next: the next command of the request, or its end.
#
# in:    all segments flat
# out:   does not return
# errs:  none
# calls: verb_*
{% call routine("command_next") %}
        movl    $agent_stack_top, %esp
        movl    agent_mailbox + AGENT_MAILBOX_current, %eax
        incl    %eax
        cmpl    agent_mailbox + AGENT_MAILBOX_count, %eax
        jae     {{ L("finished") }}
        movl    %eax, agent_mailbox + AGENT_MAILBOX_current
        imull   $AGENT_COMMAND_size, %eax, %eax
        addl    $agent_commands, %eax
        movl    %eax, agent_command
        movzbl  AGENT_COMMAND_verb(%eax), %edx
        cmpl    $AGENT_VERBS, %edx
        jae     verb_unknown
        jmp     *agent_verbs(,%edx,4)
{{ L("finished") }}:
        movl    $AGENT_IDLE, agent_mailbox + AGENT_MAILBOX_current
        movl    agent_mailbox + AGENT_MAILBOX_request, %eax
        movl    %eax, agent_mailbox + AGENT_MAILBOX_done
        jmp     agent_loop
{% endcall %}

{# The registers of the AGENT_COMMAND at %eax, %eax last. #}
{% macro registers_load() %}
{% for register in ["ebx", "ecx", "edx", "esi", "edi", "ebp"] %}
        movl    AGENT_COMMAND_before_{{ register }}(%eax), %{{ register }}
{% endfor %}
        movl    AGENT_COMMAND_before_eax(%eax), %eax
{% endmacro %}

{% for verb, instruction in [("hypercall", "int     $0x82"), ("copy", "rep movsb"), ("load", "movl    (%ebx), %eax"),
                             ("store", "movl    %eax, (%ebx)")] %}
# verb_{{ verb }}: the registers as they are given, and one instruction.
#
# in:    %eax = AGENT_COMMAND
# out:   does not return
# errs:  none
{% call routine("verb_" ~ verb) %}
{{ registers_load() }}
        {{ instruction }}
        jmp     command_done
{% endcall %}

{% endfor %}
# verb_kernel: a snippet in ring 1, on a stack of its own. It ends with a jump to agent_kernel_done.
#
# in:    %eax = AGENT_COMMAND
# out:   does not return
# errs:  none
{% call routine("verb_kernel") %}
        movl    $agent_code_stack_top, %esp
        pushl   $EFLAGS_ONE
        pushl   $FLAT_KERNEL_CS
        movzwl  AGENT_COMMAND_offset(%eax), %edx
        addl    $agent_code, %edx
        pushl   %edx
{{ registers_load() }}
        iret
{% endcall %}

# verb_user: a snippet in ring 3. It ends with `int $AGENT_DONE_VECTOR`.
#
# in:    %eax = AGENT_COMMAND
# out:   does not return
# errs:  none
{% call routine("verb_user") %}
        pushl   $FLAT_USER_SS
        pushl   $agent_user_stack_top
        pushl   $(EFLAGS_ONE | EFLAGS_IF)
        pushl   $FLAT_USER_CS
        movzwl  AGENT_COMMAND_offset(%eax), %edx
        addl    $agent_user_code, %edx
        pushl   %edx
        movl    $FLAT_USER_DS, %edx
{% for segment in ["ds", "es", "fs", "gs"] %}
        movl    %edx, %{{ segment }}
{% endfor %}
{{ registers_load() }}
        iret
{% endcall %}

# verb_unknown: there is no such verb.
#
# in:    %eax = AGENT_COMMAND
# out:   does not return
# errs:  the command's status says so
{% call routine("verb_unknown") %}
        movl    $AGENT_STATUS_UNKNOWN, AGENT_COMMAND_status(%eax)
        jmp     command_next
{% endcall %}

# command_done: a command has come to its end without a trap.
#
# in:    all segments flat, agent_stack; registers: the result
# out:   does not return
# errs:  none
{% call routine("command_done") %}
        pushl   %ebp
        movl    agent_command, %ebp
{% for register in ["eax", "ebx", "ecx", "edx", "esi", "edi"] %}
        movl    %{{ register }}, AGENT_COMMAND_after_{{ register }}(%ebp)
{% endfor %}
        popl    AGENT_COMMAND_after_ebp(%ebp)
        movl    $0, AGENT_COMMAND_status(%ebp)
        jmp     command_next
{% endcall %}

# agent_kernel_done: where a snippet in ring 1 ends, in whatever state it is.
#
# in:    registers: the result; %ss:%esp can be pushed on
# out:   does not return
# errs:  none
{% call routine("agent_kernel_done") %}
        pushl   $AGENT_DONE_VECTOR
        jmp     trap_entry
{% endcall %}

        .section .rodata
{% call object("agent_verbs") %}
{% for verb in ["hypercall", "copy", "load", "store", "kernel", "user"] %}
        .long   verb_{{ verb }}                 # {{ "AGENT_" ~ verb | upper }}
{% endfor %}
{% endcall %}

{{ space("agent_command", 4) }}
