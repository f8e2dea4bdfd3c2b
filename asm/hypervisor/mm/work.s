# How much work one stretch without interrupts may be, and what is left over from the one before.
#
# Work is counted in units of some 50 instructions: an entry of a table, a frame given or freed. WORK_PIECE of them are
# allowed; what is begun then may go beyond by its own size, so that nothing may be larger but in a fresh stretch.
#
# Invariants
#   - work_left counts down as work is done. Only calls that can be restarted give it a bound (work_bound) and take it
#     away again (work_end); for everybody else it is WORK_UNBOUNDED.
#   - work_done is what calls that have ended did in this stretch: entries of a multicall share one WORK_PIECE.
#     full_hypercall begins anew.
#   - VCPU_old_table is a table that its last use has left half dropped. Whoever bounds the work for a vcpu, and drops
#     tables, finishes the vcpu's own first; so a stretch begins with none, and leaves one at the most.

        .text

# work_begin(vcpu): bounds the work of this call, and goes on with what is left of an old table.
#
# in:    %ebp = current vcpu
# out:   %eax = 0, or -ERESTART: the bound is reached already
# clob:  none
# errs:  -ERESTART
{% call routine("work_begin") %}
        call    work_bound
        jmp     old_table_finish
{% endcall %}

# work_bound(): bounds the work of this call to what earlier ones have left of the stretch.
#
# in:    -
# out:   work_left: 1 at least
# clob:  none
# errs:  none
{% call routine("work_bound") %}
        movl    $WORK_PIECE, work_left
        pushl   %eax
        movl    work_done, %eax
        subl    %eax, work_left
        popl    %eax
        ret
{% endcall %}

{% set L = labels("work_room") %}
# work_room(units): whether something large may be begun, and counts it.
#
# in:    %eax = units
# out:   carry: not now, but in a stretch of its own; nothing is counted then
# clob:  none
# errs:  carry
# why:   in a stretch of its own it may be larger than WORK_PIECE: it has 40,000 instructions
{% call routine("work_room") %}
        cmpl    %eax, work_left
        jge     {{ L("enough") }}
        cmpl    $WORK_PIECE, work_left
        je      {{ L("enough") }}
        stc
        ret
{{ L("enough") }}:
        subl    %eax, work_left
        clc
        ret
{% endcall %}

# work_end(): no bound any more; keeps in mind what was done.
#
# in:    -
# out:   work_done
# clob:  none
# errs:  none
{% call routine("work_end") %}
        pushl   %eax
        movl    $WORK_PIECE, %eax
        subl    work_left, %eax
        movl    %eax, work_done
        movl    $WORK_UNBOUNDED, work_left
        popl    %eax
        ret
{% endcall %}

{% set L = labels("old_table_remember") %}
# old_table_remember(frame): a table was only partly dropped: its domain has yet to finish it.
#
# in:    %eax = FRAME, FRAME_DROPPING, that the caller holds a reference to
# out:   VCPU_old_table of its owner's vcpu, or of the current one
# clob:  none
# errs:  none
# depth: 5
# why:   the owner may have one already, when domain 0 drops a table of another domain's
{% call routine("old_table_remember") %}
        pushl   %ecx
        movl    FRAME_owner(%eax), %ecx
        movl    DOMAIN_vcpu(%ecx), %ecx
        cmpl    $0, VCPU_old_table(%ecx)
        je      {{ L("have_place") }}
        movl    current_vcpu, %ecx
        cmpl    $0, VCPU_old_table(%ecx)
        jne     {{ L("finish_now") }}
{{ L("have_place") }}:
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
# in:    %ebp = vcpu, the current one or a dying domain's
# out:   %eax = 0, or -ERESTART when there is still more of it
# clob:  none
# errs:  -ERESTART
# why:   somebody else may have gone on with the frame meanwhile: only one that is FRAME_DROPPING is looked at
{% call routine("old_table_finish") %}
        movl    VCPU_old_table(%ebp), %eax
        testl   %eax, %eax
        jz      {{ L("done") }}
        call    frame_record
        testl   $FRAME_DROPPING, FRAME_type(%eax)
        jz      {{ L("finished") }}
        incl    FRAME_count(%eax)
        call    type_drop
        jc      {{ L("more_of_it") }}
        call    frame_put
{{ L("finished") }}:
        xorl    %eax, %eax
        movl    %eax, VCPU_old_table(%ebp)
{{ L("done") }}:
        ret
{{ L("more_of_it") }}:
        call    frame_put
        movl    $-ERESTART, %eax
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
