# Making an attempt, and taking what comes of it.
#
# Invariants
#   - One attempt is under way at a time, and attempt_now is its row; between attempts it is 0.
#   - Whatever ends an attempt (an exception, the failsafe callback, VECTOR_DONE or VECTOR_VALUE) comes to
#     attempt_finish, which has good segments, flags and stack again before it looks at anything.
#   - Handlers run on the stack of the attempt when it was in ring 1: whoever breaks that stack is deadly.s.

        .text

        .set    VECTOR_DONE, 0x80
        .set    VECTOR_VALUE, 0x81
        .set    VECTOR_FAILSAFE, 0x100          # no vector: what outcome_vector holds after that callback
        .set    SLOT, 2                         # the entry of guest_gdt and guest_ldt that attempts may fill
{% for name in ["code", "at", "name", "ring", "stops", "table", "low", "high", "target", "size"] %}
        .set    ATTEMPT_{{ name }}, {{ 4 * loop.index0 }}
{% endfor %}
{# The stack of a handler: pushal, the vector, the error code, and the frame (ABI 5.5) as far as it is always there. #}
{% for name in ["edi", "esi", "ebp", "unused", "ebx", "edx", "ecx", "eax", "vector", "error", "eip", "cs", "eflags"] %}
        .set    HANDLER_FRAME_{{ name }}, {{ 4 * loop.index0 }}
{% endfor %}

{% set L = labels("attempts_run") %}
# attempts_run(rows): makes the attempts of a group: all, or those that are called as attempt_wanted says.
#
# in:    %esi = rows; the word behind them is 0; %ebp = start_info
# out:   -
# clob:  %eax, %esi
# errs:  none
{% call routine("attempts_run") %}
        pushl   %edi
{{ L("next_row") }}:
        cmpl    $0, ATTEMPT_code(%esi)
        je      {{ L("done") }}
        movl    attempt_wanted, %edi
        cmpb    $0, (%edi)
        je      {{ L("wanted") }}
        pushl   %esi
        movl    ATTEMPT_name(%esi), %esi
        call    string_equal
        popl    %esi
        testl   %eax, %eax
        jz      {{ L("made") }}
{{ L("wanted") }}:
        call    attempt_make
{{ L("made") }}:
        addl    $ATTEMPT_size, %esi
        jmp     {{ L("next_row") }}
{{ L("done") }}:
        popl    %edi
        ret
{% endcall %}

{% set L = labels("attempt_make") %}
# attempt_make(row): makes one attempt and says what came of it.
#
# in:    %esi = row; %ebp = start_info
# out:   -
# clob:  none
# errs:  none
# why:   `user` says for the checker of contracts that the attempt comes back: attempt_finish sees to it
{% call routine("attempt_make") %}
        pushal
        incl    attempts_made
        call    descriptor_place
        movl    %esp, attempt_esp
        movl    %esi, attempt_now
        movl    ${{ L("over") }}, attempt_over
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        {{ user("jmp attempt_begin", fail=L("over")) }}
{{ L("refused") }}:
        movl    %eax, outcome_value
        movl    $VECTOR_VALUE, outcome_vector
{{ L("over") }}:                                # %ds, %es, %ss are good, and all that pushal has saved is there
        movl    attempt_now, %esi
        movl    $0, attempt_now
        call    outcome_say
        popal
        ret
{% endcall %}

# attempt_begin: where the attempt has the processor.
#
# in:    %esi = row; %ebp = start_info
# out:   does not return
{% call routine("attempt_begin") %}
        movl    ATTEMPT_code(%esi), %eax
        cmpl    $3, ATTEMPT_ring(%esi)
        je      user_enter
        jmp     *%eax
{% endcall %}

# user_enter: goes on in ring 3.
#
# in:    %eax = where
# out:   does not return
{% call routine("user_enter") %}
        movl    $FLAT_USER_DS, %ecx
{% for register in ["ds", "es", "fs", "gs"] %}
        movl    %ecx, %{{ register }}
{% endfor %}
        pushl   $FLAT_USER_SS
        pushl   $user_stack_top
        pushl   $EFLAGS_ONE
        pushl   $FLAT_USER_CS
        pushl   %eax
        iret
{% endcall %}

# trap_entry: every handler.
#
# in:    stack: vector, error code or 0, eip, cs, eflags
# out:   does not return
# why:   through %ss, for the attempt may have had a stack segment of its own
{% call routine("trap_entry") %}
        pushal
        movl    $FLAT_KERNEL_DS, %eax           # whatever was there
        movl    %eax, %ds
{% for name in ["vector", "error", "eip"] %}
        movl    HANDLER_FRAME_{{ name }}(%esp), %eax
        movl    %eax, outcome_{{ name }}
{% endfor %}
        movzwl  HANDLER_FRAME_cs(%esp), %eax
        movl    %eax, outcome_cs
        movl    HANDLER_FRAME_eax(%esp), %eax
        movl    %eax, outcome_value
        jmp     attempt_finish
{% endcall %}

# failsafe_entry: the hypervisor could not go back to where the attempt was, or with the selectors that it had.
#
# in:    stack: %ds, %es, %fs, %gs, eip, cs, eflags
# out:   does not return
{% call routine("failsafe_entry") %}
        movl    $FLAT_KERNEL_DS, %eax
        movl    %eax, %ds
        movl    $VECTOR_FAILSAFE, outcome_vector
        movl    FAILSAFE_FRAME_eip(%esp), %eax
        movl    %eax, outcome_eip
        movzwl  FAILSAFE_FRAME_cs(%esp), %eax
        movl    %eax, outcome_cs
        jmp     attempt_finish
{% endcall %}

# attempt_finish: the attempt is over: back into attempt_make.
#
# in:    outcome_vector, and what belongs to it; %ds is good
# out:   does not return
{% call routine("attempt_finish") %}
        movl    $FLAT_KERNEL_SS, %eax
        movl    %eax, %ss
        movl    attempt_esp, %esp
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        pushl   $EFLAGS_ONE
        popfl
        cmpl    $0, attempt_now
        je      1f
        jmp     *attempt_over
1:
{{ print("exception %u at %p: nobody expects it\\n", "outcome_vector", "outcome_eip") }}
        movl    $SHUTDOWN_crash, %eax
        jmp     shut_down
{% endcall %}

# landing: where attempts lead that are not meant to get there.
#
# in:    any ring
# out:   does not return
{% call routine("landing") %}
        int     $VECTOR_DONE
        jmp     landing
{% endcall %}

# landing_ring: says in which ring it is.
#
# in:    any ring
# out:   does not return
{% call routine("landing_ring") %}
        movl    %cs, %eax
        andl    $SELECTOR_RPL, %eax
        int     $VECTOR_VALUE
        jmp     landing_ring
{% endcall %}

# handlers_register(): the trap table and the failsafe callback.
#
# in:    -
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  those of the hypercalls
{% call routine("handlers_register") %}
        movl    $trap_table, %ebx
        {{ hypercall("set_trap_table") }}
        testl   %eax, %eax
        jnz     1f
        movl    $CALLBACKOP_register, %ebx
        movl    $failsafe_callback, %ecx
        {{ hypercall("callback_op") }}
1:
        ret
{% endcall %}

        .data
{# The vectors with a handler, each with the lowest privilege that may raise it by `int`, 0 being none of a guest's. #}
{% set handlers = namespace(dpl=dict.fromkeys(range(20), 0)) %}
{% do handlers.dpl.update({0x80: 3, 0x81: 3}) %}
{% call object("trap_table") %}
{% for vector, dpl in handlers.dpl.items() %}
        .byte   {{ vector }}, {{ dpl }}
        .word   FLAT_KERNEL_CS
        .long   trap_stub_{{ vector }}
{% endfor %}
        .skip   TRAP_INFO_size                  # an address of 0 is the end
{% endcall %}
{% call object("failsafe_callback") %}
        .word   CALLBACKTYPE_failsafe, 0        # CALLBACK_REGISTER
        .long   FLAT_KERNEL_CS, failsafe_entry
{% endcall %}
{% for name in ["attempt_now", "attempt_esp", "attempt_over", "attempt_wanted", "attempts_made", "attempts_out",
                "outcome_vector", "outcome_error", "outcome_eip", "outcome_cs", "outcome_value"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}

        .text

# trap_stubs: where the handlers begin: a frame of one shape, whatever the vector.
#
# in:    what the hypervisor put onto the stack: an error code or none, then eip, cs, eflags
# out:   does not return
{% call routine("trap_stubs") %}
{% for vector in handlers.dpl %}
trap_stub_{{ vector }}:
{% if vector not in (8, 10, 11, 12, 13, 14, 17) %}
        pushl   $0                              # for an error code
{% endif %}
        pushl   ${{ vector }}
        jmp     trap_entry
{% endfor %}
{% endcall %}
