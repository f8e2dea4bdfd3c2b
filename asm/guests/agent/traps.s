# Traps: handlers for every vector, the event callback and the failsafe callback. Each records what it found.
#
# What happens then is the vector's action in the mailbox: AGENT_ABORT ends the command under way, AGENT_RETURN goes
# back to where the trap came from, and any other value is the address to go on at in place of that.
#
# Invariants
#   - On entry only %ss:%esp and %cs can be relied on: the stack that the frame was put on, and the handler's selector.
#   - TRAP_FRAME as it is pushed here has the fields of AGENT_TRAP, from eflags to words, in the same places.
#   - A trap while no command is under way is the agent's own fault and ends the domain, but for an event.

        .text

# trap_stubs: where the handlers begin: a frame of one shape, whatever the vector.
#
# in:    what the hypervisor put onto the stack
# out:   does not return
# errs:  none
{% call routine("trap_stubs") %}
{% for vector in range(abi.AGENT_ACTIONS) %}
trap_stub_{{ vector }}:
        pushl   ${{ vector }}
        jmp     trap_entry
{% endfor %}
{% endcall %}

{% set L = labels("trap_entry") %}
# trap_entry: every handler, and the end of every snippet.
#
# in:    stack: vector, then what the hypervisor put there
# out:   does not return
# errs:  a trap outside of commands ends the domain
{% call routine("trap_entry") %}
        pushal
{% for segment in ["ds", "es", "fs", "gs"] %}
        pushl   %{{ segment }}
{% endfor %}
        pushfl
        cld
        movl    $FLAT_KERNEL_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %esp, %ebp
        cmpl    $AGENT_DONE_VECTOR, AGENT_TRAP_vector(%ebp)
        je      trap_done
        call    trap_record                     # %edi = AGENT_TRAP
        movl    AGENT_TRAP_vector(%ebp), %ecx
        movl    agent_mailbox + AGENT_MAILBOX_actions(,%ecx,4), %eax
        cmpl    $AGENT_ABORT, %eax
        jne     trap_return
        cmpl    $AGENT_IDLE, agent_mailbox + AGENT_MAILBOX_current
        je      {{ L("nobody_asked") }}
        movl    agent_mailbox + AGENT_MAILBOX_traps, %eax
        jmp     command_ended
{{ L("nobody_asked") }}:
        leal    AGENT_TRAP_words(%ebp), %esi
{{ print("agent: trap %u, stack 0x%x 0x%x 0x%x\\n", "%ecx", "(%esi)", "4(%esi)", "8(%esi)") }}
        jmp     agent_crash
{% endcall %}

# trap_done: a snippet has come to its end.
#
# in:    %ebp = its registers, as AGENT_TRAP
# out:   does not return
# errs:  none
{% call routine("trap_done") %}
        movl    %ebp, %edi
        xorl    %eax, %eax
        jmp     command_ended
{% endcall %}

# command_ended: stores a command's result, and makes the processor's state the agent's own again.
#
# in:    %eax = status, %ebp = registers in memory, as AGENT_TRAP; %ds and %es flat
# out:   does not return
# errs:  none
{% call routine("command_ended") %}
        movl    agent_command, %esi
        movl    %eax, AGENT_COMMAND_status(%esi)
{% for register in ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"] %}
        movl    AGENT_TRAP_{{ register }}(%ebp), %eax
        movl    %eax, AGENT_COMMAND_after_{{ register }}(%esi)
{% endfor %}
        movl    $FLAT_KERNEL_DS, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movl    %eax, %ss
        movl    $agent_stack_top, %esp
        pushl   $EFLAGS_ONE
        popfl
        jmp     command_next
{% endcall %}

{% set L = labels("trap_record") %}
# trap_record(frame): copies what a handler found to the next AGENT_TRAP; the last one is used over and over.
#
# in:    %ebp = frame
# out:   %edi = AGENT_TRAP
# clob:  %eax, %ecx
# errs:  none
{% call routine("trap_record") %}
        movl    agent_mailbox + AGENT_MAILBOX_traps, %edi
        incl    agent_mailbox + AGENT_MAILBOX_traps
        cmpl    $AGENT_TRAPS, %edi
        jb      {{ L("have_room") }}
        movl    $(AGENT_TRAPS - 1), %edi
{{ L("have_room") }}:
        imull   $AGENT_TRAP_size, %edi, %edi
        addl    $agent_traps, %edi
        xorl    %ecx, %ecx
{{ L("next_word") }}:
        movl    (%ebp,%ecx,4), %eax             # by way of %ss
        movl    %eax, (%edi,%ecx,4)
        incl    %ecx
        cmpl    $(AGENT_TRAP_words / 4 + AGENT_TRAP_WORDS), %ecx
        jb      {{ L("next_word") }}
        movl    agent_shared_info + VCPU_INFO_arch_cr2, %eax
        movl    %eax, AGENT_TRAP_cr2(%edi)
        movzbl  agent_shared_info + VCPU_INFO_evtchn_upcall_mask, %eax
        movl    %eax, AGENT_TRAP_mask(%edi)
        movl    %ss, %eax
        movl    %eax, AGENT_TRAP_ss(%edi)
        movl    agent_mailbox + AGENT_MAILBOX_current, %eax
        movl    %eax, AGENT_TRAP_command(%edi)
        ret
{% endcall %}

{% set L = labels("trap_return") %}
# trap_return: goes back to where a trap came from, or to another address in its place.
#
# in:    %eax = AGENT_RETURN or the address, %ebp = %esp = frame, %ecx = vector
# out:   does not return
# errs:  none
# why:   the iret hypercall, not iret: it restores the event mask, and can go to every ring
{% call routine("trap_return") %}
        xorl    %edx, %edx                      # bytes between the vector and eip
        cmpl    $AGENT_EVENT, %ecx
        je      {{ L("event") }}
        ja      {{ L("failsafe") }}
        cmpl    $31, %ecx
        ja      {{ L("frame_known") }}
        btl     %ecx, error_code_vectors
        jnc     {{ L("frame_known") }}
        movl    $4, %edx
        jmp     {{ L("frame_known") }}
{{ L("event") }}:
        movb    $0, agent_shared_info + VCPU_INFO_evtchn_upcall_pending
        jmp     {{ L("frame_known") }}
{{ L("failsafe") }}:
        movl    $16, %edx
{{ L("frame_known") }}:
        cmpl    $AGENT_RETURN, %eax
        je      {{ L("same_place") }}
        movl    %eax, AGENT_TRAP_words(%ebp,%edx)
{{ L("same_place") }}:
        testl   %edx, %edx
        jz      trap_return_0
        cmpl    $4, %edx
        je      trap_return_4
        jmp     trap_return_16
{% endcall %}

{% for skipped in [0, 4, 16] %}
# trap_return_{{ skipped }}: restores all registers and returns, with {{ skipped }} bytes between the vector and eip.
#
# in:    %esp = frame
# out:   does not return
# errs:  none
{% call routine("trap_return_" ~ skipped) %}
        addl    $4, %esp                        # eflags
{% for segment in ["gs", "fs", "es", "ds"] %}
        popl    %{{ segment }}
{% endfor %}
        popal
        addl    ${{ 4 + skipped }}, %esp
        pushl   %eax
        {{ hypercall("iret") }}
{% endcall %}

{% endfor %}
        .section .rodata
{% call object("error_code_vectors") %}
        .long   1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17
{% endcall %}
{# What the agent registers: vectors with the lowest privilege that may raise it by `int`; 0 is none of a guest's. #}
{% set handlers = dict.fromkeys(range(32), 0) %}
{% do handlers.update({abi.VECTOR_BP: 3, abi.VECTOR_OF: 3, 0x80: 3, abi.AGENT_DONE_VECTOR: 3}) %}
{% call object("trap_table") %}
{% for vector, dpl in handlers.items() %}
        .byte   {{ vector }}, {{ dpl }}
        .word   FLAT_KERNEL_CS
        .long   trap_stub_{{ vector }}
{% endfor %}
        .long   0, 0                            # an address of 0 is the end
{% endcall %}
