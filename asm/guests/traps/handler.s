# What becomes of an exception: its frame is printed, held against the CASE that is under way, and the guest goes on
# behind the instruction that raised it.
#
# Invariants
#   - A case is over once it has raised something: case_now is 0 from then on, so a second exception is unexpected.
#   - What follows a case (case_end) is reached whether it raised something or not.

        .text

{# The stack of a handler: pushal, the vector, the error code, and the frame (ABI 5.5), which has esp and ss only when
   it comes from ring 3. From ring 1 it ends before them. #}
{% for name in ["edi", "esi", "ebp", "unused", "ebx", "edx", "ecx", "eax",
                "vector", "error", "eip", "cs", "eflags", "esp", "ss", "end"] %}
        .set    HANDLER_FRAME_{{ name }}, {{ 4 * loop.index0 }}
{% endfor %}
        .set    HANDLER_FRAME_mask, HANDLER_FRAME_cs + 2
        .set    GAVE_UP, 0x80                   # how an application says that it could not raise what it wanted to
{# What a case expects; see case.macro. #}
{% for name in ["vector", "error", "may_differ", "at", "eip", "cs", "next", "what", "may_fail"] %}
        .set    CASE_{{ name }}, {{ 4 * loop.index0 }}
{% endfor %}

{% set L = labels("trap_entry") %}
# trap_entry: every handler.
#
# in:    stack: vector, error code or 0, eip, cs with the event mask, eflags
# out:   does not return
# errs:  an exception that no case expects ends the domain as crashed
# why:   an application is not gone back to: its case is over. TF and NT are cleared: they have done their work
{% call routine("trap_entry") %}
        pushal
        movl    $FLAT_KERNEL_DS, %eax           # an application's are still there
        movl    %eax, %ds
        movl    %eax, %es
        cld
        movl    %esp, %ebp
        movl    case_now, %esi
        testl   %esi, %esi
        jz      {{ L("unexpected") }}
        cmpl    $GAVE_UP, HANDLER_FRAME_vector(%ebp)
        jne     {{ L("raised") }}
        cmpl    $0, CASE_may_fail(%esi)
        jne     {{ L("go_on") }}                # case_end will see it
{{ L("raised") }}:
        movl    $0, case_now
        call    frame_print
        call    frame_check                     # %eax = 1 when it is as the case says
        testl   %eax, %eax
        jz      {{ L("wrong") }}
{{ print(": %s: ok\\n", "CASE_what(%esi)") }}
        incl    cases_ok
        jmp     {{ L("go_on") }}
{{ L("wrong") }}:
{{ print(": %s: WRONG\\n", "CASE_what(%esi)") }}
        incl    cases_wrong
{{ L("go_on") }}:
        movl    CASE_next(%esi), %eax
        cmpw    $FLAT_USER_CS, HANDLER_FRAME_cs(%ebp)
        je      {{ L("from_ring_3") }}
        movl    %eax, HANDLER_FRAME_eip(%ebp)
        andl    $~(EFLAGS_TF | EFLAGS_NT), HANDLER_FRAME_eflags(%ebp)
        popal
        addl    $(HANDLER_FRAME_eip - HANDLER_FRAME_vector), %esp
        iret
{{ L("from_ring_3") }}:
        movl    HANDLER_FRAME_ebp(%ebp), %ebp
        movl    case_esp, %esp
        jmp     *%eax
{{ L("unexpected") }}:
{{ print("trap %u error 0x%x at %p: WRONG, nobody expects it\\n", "HANDLER_FRAME_vector(%ebp)",
         "HANDLER_FRAME_error(%ebp)", "HANDLER_FRAME_eip(%ebp)") }}
        movl    $SHUTDOWN_crash, %eax
        jmp     shut_down
{% endcall %}

{% set L = labels("frame_print") %}
# frame_print(frame, case): the line about a frame, but for its end.
#
# in:    %ebp = frame, %esi = CASE
# out:   -
# clob:  %eax, %ebx, %ecx
# errs:  none
{% call routine("frame_print") %}
{{ print("trap %u error 0x%x", "HANDLER_FRAME_vector(%ebp)", "HANDLER_FRAME_error(%ebp)") }}
        cmpl    $VECTOR_PF, HANDLER_FRAME_vector(%ebp)
        jne     {{ L("no_cr2") }}
        movl    shared_info, %eax
        testl   %eax, %eax
        jz      {{ L("no_shared_info") }}
{{ print(" cr2 %p", "VCPU_INFO_arch_cr2(%eax)") }}
        jmp     {{ L("no_cr2") }}
{{ L("no_shared_info") }}:
{{ print(" cr2 unknown") }}
{{ L("no_cr2") }}:
        movl    HANDLER_FRAME_eip(%ebp), %eax
        subl    CASE_at(%esi), %eax
        movzwl  HANDLER_FRAME_cs(%ebp), %ebx
        movzbl  HANDLER_FRAME_mask(%ebp), %ecx
{{ print(" eip +0x%x cs 0x%x eflags 0x%x mask %u", "%eax", "%ebx", "HANDLER_FRAME_eflags(%ebp)", "%ecx") }}
        ret
{% endcall %}

{% set L = labels("frame_check") %}
# frame_check(frame, case): whether a frame is what the case expects, and exactly as long as it must be.
#
# in:    %ebp = frame, %esi = CASE
# out:   %eax = 1 when it is, else 0
# clob:  none
# errs:  none
{% call routine("frame_check") %}
        pushl   %edx
        xorl    %eax, %eax
        movl    HANDLER_FRAME_vector(%ebp), %edx
        cmpl    CASE_vector(%esi), %edx
        jne     {{ L("done") }}
        movl    HANDLER_FRAME_error(%ebp), %edx
        xorl    CASE_error(%esi), %edx
        orl     CASE_may_differ(%esi), %edx
        cmpl    CASE_may_differ(%esi), %edx
        jne     {{ L("done") }}
        movl    HANDLER_FRAME_eip(%ebp), %edx
        cmpl    CASE_eip(%esi), %edx
        jne     {{ L("done") }}
        movzwl  HANDLER_FRAME_cs(%ebp), %edx
        cmpl    CASE_cs(%esi), %edx
        jne     {{ L("done") }}
        cmpl    $FLAT_USER_CS, %edx
        je      {{ L("from_ring_3") }}
        leal    HANDLER_FRAME_esp(%ebp), %edx   # nothing more: the stack goes on where it was
        cmpl    case_esp, %edx
        jne     {{ L("done") }}
        jmp     {{ L("right") }}
{{ L("from_ring_3") }}:
        cmpl    $user_stack_top, HANDLER_FRAME_esp(%ebp)
        jne     {{ L("done") }}
        cmpw    $FLAT_USER_SS, HANDLER_FRAME_ss(%ebp)
        jne     {{ L("done") }}
        leal    HANDLER_FRAME_end(%ebp), %edx   # the frame is the first thing on the stack for this
        cmpl    $trap_stack_top, %edx
        jne     {{ L("done") }}
{{ L("right") }}:
        incl    %eax
{{ L("done") }}:
        popl    %edx
        ret
{% endcall %}

{% set L = labels("case_end") %}
# case_end(): what comes after each case; says so when it raised nothing.
#
# in:    case_now
# out:   case_now = 0
# clob:  %eax
# errs:  none
{% call routine("case_end") %}
        movl    case_now, %eax
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    $0, case_now
        incl    cases_not_raised
        cmpl    $0, CASE_may_fail(%eax)
        jne     {{ L("may_be") }}
        incl    cases_wrong
{{ print("trap %u not raised: %s: WRONG\\n", "CASE_vector(%eax)", "CASE_what(%eax)") }}
        jmp     {{ L("done") }}
{{ L("may_be") }}:
{{ print("trap %u not raised: %s: not by this processor\\n", "CASE_vector(%eax)", "CASE_what(%eax)") }}
{{ L("done") }}:
        ret
{% endcall %}

        .data
{% for name in ["case_now", "case_esp", "cases_ok", "cases_wrong", "cases_not_raised"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
