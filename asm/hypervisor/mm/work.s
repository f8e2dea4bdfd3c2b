# How much work one stretch without interrupts may be, and what is left over from the one before.
#
# Invariants
#   - work_left counts down as entries of tables are handled; one L1 table is always one piece. Only calls that can be
#     restarted give it a bound (work_begin) and take it away again (work_end); for everybody else it is WORK_UNBOUNDED.
#   - VCPU_old_table is a table that its last use has left half dropped. Whoever bounds the work finishes it first, so
#     there is never a second one.

        .text

# work_begin(vcpu): bounds the work of this call, and goes on with what is left of an old table.
#
# in:    %ebp = current vcpu
# out:   %eax = 0, or -ERESTART: the bound is reached already
# clob:  none
# errs:  -ERESTART
{% call routine("work_begin") %}
        movl    $WORK_PIECE, work_left
        jmp     old_table_finish
{% endcall %}

# work_end(): no bound any more; adds what was done to work_done, which multicall looks at.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("work_end") %}
        addl    $WORK_PIECE, work_done
        pushl   %eax
        movl    work_left, %eax
        subl    %eax, work_done
        popl    %eax
        movl    $WORK_UNBOUNDED, work_left
        ret
{% endcall %}

{% set L = labels("old_table_remember") %}
# old_table_remember(frame): a table was only partly dropped: its domain has yet to finish it.
#
# in:    %eax = FRAME, FRAME_DROPPING, that the caller holds a reference to
# out:   VCPU_old_table of its owner's vcpu
# clob:  none
# errs:  none
# depth: 5
# why:   when there is one already (domain 0 dropped a table of another domain's), this one is finished at once
{% call routine("old_table_remember") %}
        pushl   %ecx
        movl    FRAME_owner(%eax), %ecx
        movl    DOMAIN_vcpu(%ecx), %ecx
        cmpl    $0, VCPU_old_table(%ecx)
        jne     {{ L("finish_now") }}
        pushl   %eax
        subl    $FRAME_TABLE, %eax
        shrl    $4, %eax
        movl    %eax, VCPU_old_table(%ecx)
        popl    %eax
        popl    %ecx
        ret
{{ L("finish_now") }}:
        movl    work_left, %ecx
        movl    $WORK_UNBOUNDED, work_left
        call    type_drop
        movl    %ecx, work_left
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("old_table_finish") %}
# old_table_finish(vcpu): goes on dropping VCPU_old_table, if there is one.
#
# in:    %ebp = current vcpu
# out:   %eax = 0, or -ERESTART when there is still more of it
# clob:  none
# errs:  -ERESTART
# why:   somebody else may have gone on with the frame meanwhile: only a partial frame of this domain is looked at
{% call routine("old_table_finish") %}
        pushl   %ecx
        movl    VCPU_old_table(%ebp), %eax
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    $0, VCPU_old_table(%ebp)
        movl    VCPU_domain(%ebp), %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("done") }}
        testl   $FRAME_PARTIAL, FRAME_type(%eax)
        jz      {{ L("not_partial") }}
        call    type_put
{{ L("not_partial") }}:
        call    frame_put
        xorl    %eax, %eax
        cmpl    $0, VCPU_old_table(%ebp)
        je      {{ L("done") }}
        movl    $-ERESTART, %eax
{{ L("done") }}:
        popl    %ecx
        ret
{% endcall %}

# hypercall_continue(arguments, number): has the guest make the call again, with these first two arguments.
#
# in:    %eax = number; %ebx, %ecx = arguments; the others stay as the guest gave them
# out:   %eax = -ERESTART, for whoever called the handler: full_hypercall, or multicall
# clob:  none
# errs:  none
{% call routine("hypercall_continue") %}
        movl    %eax, continuation + CONTINUATION_number
        movl    %ebx, continuation + CONTINUATION_ebx
        movl    %ecx, continuation + CONTINUATION_ecx
        movl    $0, continuation + CONTINUATION_new_edx
        movl    $-ERESTART, %eax
        ret
{% endcall %}

# hypercall_continue_edx(arguments, number): as hypercall_continue, with a third argument.
#
# in:    %eax = number; %ebx, %ecx, %edx = arguments
# out:   %eax = -ERESTART
# clob:  none
# errs:  none
{% call routine("hypercall_continue_edx") %}
        call    hypercall_continue
        movl    %edx, continuation + CONTINUATION_edx
        movl    $1, continuation + CONTINUATION_new_edx
        ret
{% endcall %}

{% set L = labels("hypercall_restart") %}
# hypercall_restart(): makes the guest's frame repeat the call that is in `continuation`.
#
# in:    continuation; guest_frame
# out:   %eax = number of the call, for the guest's %eax
# clob:  none
# errs:  none
{% call routine("hypercall_restart") %}
        movl    continuation + CONTINUATION_ebx, %eax
        movl    %eax, {{ guest_frame("ebx") }}
        movl    continuation + CONTINUATION_ecx, %eax
        movl    %eax, {{ guest_frame("ecx") }}
        cmpl    $0, continuation + CONTINUATION_new_edx
        je      {{ L("edx_stays") }}
        movl    continuation + CONTINUATION_edx, %eax
        movl    %eax, {{ guest_frame("edx") }}
{{ L("edx_stays") }}:
        subl    $HYPERCALL_INSTRUCTION_BYTES, {{ guest_frame("eip") }}
        movl    continuation + CONTINUATION_number, %eax
        ret
{% endcall %}

        .data
{% call object("work_left") %}
        .long   WORK_UNBOUNDED
{% endcall %}
{% call object("work_done") %}
        .long   0
{% endcall %}
{{ space("continuation", "CONTINUATION_size") }}
