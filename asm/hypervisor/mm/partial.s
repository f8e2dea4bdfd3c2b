# Tables that are validated or dropped in part: what their frames remember until somebody goes on.
#
# Invariants
#   - partial_index and partial_undo are how type_get and type_drop (frame_types.s) tell validators where to go on, and
#     how those say where they have stopped. They mean nothing in between.
#   - What they say is kept in FRAME_type, as frame_types.s describes it.

        .text

{% set L = labels("type_partial_set") %}
# type_partial_set(frame, type): entries below partial_index hold references, the others do not: keeps that.
#
# in:    %eax = FRAME, %edx = FRAME_TYPE_*; partial_index; partial_undo = FRAME_UNDO with the error, FRAME_DROPPING or 0
# out:   -
# clob:  none
# errs:  none
# why:   a partial frame has a reference of its own: it cannot be freed with its entries' references unaccounted for
{% call routine("type_partial_set") %}
        cmpl    $0, partial_index
        je      {{ L("nothing_held") }}
        pushl   %ecx
        leal    FRAME_PARTIAL(%edx), %ecx
        orl     partial_undo, %ecx
        orl     partial_index, %ecx
        movl    %ecx, FRAME_type(%eax)
        incl    FRAME_count(%eax)
        popl    %ecx
        ret
{{ L("nothing_held") }}:
        movl    $0, FRAME_type(%eax)
        pushl   tlb_epoch
        popl    FRAME_link(%eax)
        ret
{% endcall %}

# partial_error(): why a partial table is being undone.
#
# in:    partial_undo
# out:   %eax = the error, or 0: it is not
# clob:  none
# errs:  none
{% call routine("partial_error") %}
        movl    partial_undo, %eax
        andl    $FRAME_ERROR_MASK, %eax
        shrl    $FRAME_ERROR_SHIFT, %eax
        negl    %eax
        ret
{% endcall %}

# partial_undo_later(error): what a validator does that has not undone everything in this stretch.
#
# in:    %eax = the error
# out:   %eax = -ERESTART; partial_undo
# clob:  none
# errs:  -ERESTART
{% call routine("partial_undo_later") %}
        negl    %eax
        shll    $FRAME_ERROR_SHIFT, %eax
        orl     $FRAME_UNDO, %eax
        movl    %eax, partial_undo
        movl    $-ERESTART, %eax
        ret
{% endcall %}

        .data
{% for name in ["partial_index", "partial_undo"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
