# References and types of machine frames (ABI 6.1): the heart of memory safety.
#
# Invariants
#   - FRAME_count counts every reference; a frame whose count falls to 0 is free. FRAME_ALLOCATED stands while the
#     domain's own allocation is one of them.
#   - FRAME_type has a type and a count of references that need it. While that is above 0 the type does not change;
#     the types exclude each other, so no frame is a table and writable at once.
#   - A table type is FRAME_VALIDATED exactly while all references of its entries are held. They are taken when the
#     type's count leaves 0, entry by entry, and all given back if one fails; and dropped when it is 0 again.
#   - Tables are validated and dropped in pieces (work.s). In between the frame is FRAME_PARTIAL: the entries below the
#     number that stands in place of the count (FRAME_INDEX_MASK) hold their references. Only who goes on gets its type
#     then. While it is FRAME_UNDO it is on its way back, because of the error behind the number (FRAME_ERROR_MASK); and
#     while it is FRAME_DROPPING nobody gets its type but its last holder, who has yet to let go of it.
#   - Before a frame gets another type, translations from its former use are flushed (tlb.s). FRAME_link is the epoch in
#     which the type's count fell to 0; while a table is in use it is the table's balance of linear entries (l2.s).

        .text

{% set L = labels("frame_get") %}
# frame_get(mfn, owner): takes a reference to a frame of a domain.
#
# in:    %eax = mfn (any number), %ecx = DOMAIN
# out:   %eax = its FRAME, or 0 when it is no frame of that domain
# clob:  none
# errs:  0
{% call routine("frame_get") %}
        cmpl    max_frame, %eax
        jae     {{ L("no_frame") }}
        shll    $4, %eax
        addl    $FRAME_TABLE, %eax
        cmpl    %ecx, FRAME_owner(%eax)
        jne     {{ L("no_frame") }}
        incl    FRAME_count(%eax)
        ret
{{ L("no_frame") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("frame_put") %}
# frame_put(frame): gives a reference back; the last one frees the frame.
#
# in:    %eax = FRAME
# out:   -
# clob:  none
# errs:  a count that is 0 already is a panic (debug builds)
{% call routine("frame_put") %}
{{ assert("testl $~FRAME_ALLOCATED, FRAME_count(%eax)", "jnz", "frame_put: no reference is held") }}
        decl    FRAME_count(%eax)
        jz      {{ L("last") }}
        ret
{{ L("last") }}:
        jmp     frame_release
{% endcall %}

# frame_release(frame): the last reference is gone: the frame leaves its domain and is free.
#
# in:    %eax = FRAME with count 0
# out:   -
# clob:  none
# errs:  a type count above 0 is a panic (debug builds)
{% call routine("frame_release") %}
{{ assert("testl $FRAME_COUNT_MASK, FRAME_type(%eax)", "jz", "frame_release: the frame is in use by its type") }}
        pushl   %eax
        pushl   %ecx
        subl    $WORK_OF_A_FREE, work_left
        movl    FRAME_owner(%eax), %ecx
        decl    DOMAIN_nr_pages(%ecx)
        subl    $FRAME_TABLE, %eax
        shrl    $4, %eax
        movl    $INVALID_M2P_ENTRY, M2P(,%eax,4)
        call    frame_free
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("type_get") %}
# type_get(frame, type): takes a reference that needs the frame to be of a type; validates tables.
#
# in:    %eax = FRAME that the caller holds a reference to, %edx = FRAME_TYPE_*
# out:   %eax = 0 or an error
# clob:  none
# errs:  -EINVAL (it is of another type, just being validated, or its count is full), -ERESTART (partly validated: to be
#        asked for again), or what the validation says
# depth: 5
# why:   the circle goes down one level each time: L3, L2, L2 by a linear entry, L1, writable
{% call routine("type_get") %}
        pushl   %ecx
        movl    FRAME_type(%eax), %ecx
        testl   $FRAME_COUNT_MASK, %ecx
        jz      {{ L("first") }}
        andl    $(FRAME_TYPE_MASK | FRAME_VALIDATED), %ecx
        subl    $FRAME_VALIDATED, %ecx
        cmpl    %edx, %ecx
        jne     {{ L("not_valid") }}
{{ L("again") }}:
        movl    FRAME_type(%eax), %ecx
        incl    %ecx
        testl   $FRAME_COUNT_MASK, %ecx
        jz      {{ L("refused") }}              # counted as often as can be
        movl    %ecx, FRAME_type(%eax)
        popl    %ecx
        xorl    %eax, %eax
        ret
{{ L("not_valid") }}:
        movl    FRAME_type(%eax), %ecx
        andl    $(FRAME_TYPE_MASK | FRAME_PARTIAL | FRAME_DROPPING), %ecx
        subl    $FRAME_PARTIAL, %ecx
        cmpl    %edx, %ecx
        je      {{ L("partial") }}
{{ L("refused") }}:
        popl    %ecx
        movl    $-EINVAL, %eax
        ret
{{ L("partial") }}:                             # it goes on where it stopped
        movl    FRAME_type(%eax), %ecx
        andl    $(FRAME_UNDO | FRAME_ERROR_MASK), %ecx
        movl    %ecx, partial_undo
        movl    FRAME_type(%eax), %ecx
        andl    $FRAME_INDEX_MASK, %ecx
        movl    %ecx, partial_index
        decl    FRAME_count(%eax)               # the reference of being partial; the caller has one, too
        popl    %ecx
        jmp     type_validate
{{ L("first") }}:
        leal    FRAME_VALIDATED(%edx), %ecx
        cmpl    FRAME_type(%eax), %ecx          # writable or descriptors once more: nothing to look at
        je      {{ L("again") }}
        movl    FRAME_link(%eax), %ecx
        cmpl    tlb_epoch, %ecx
        jne     {{ L("not_in_tlb") }}
        call    tlb_flush
{{ L("not_in_tlb") }}:
        decl    work_left
        movl    $0, FRAME_link(%eax)            # in a table: its balance of linear entries (l2.s)
        movl    $0, partial_index
        movl    $0, partial_undo
        popl    %ecx
        jmp     type_validate
{% endcall %}

{% set L = labels("type_validate") %}
# type_validate(frame, type): the first reference to a type: validation, or what is left of it.
#
# in:    %eax = FRAME, %edx = FRAME_TYPE_*; partial_index = where to begin, partial_undo = whether it is being undone
#        and why
# out:   %eax = 0 or an error; the type is set accordingly
# clob:  none
# errs:  as type_get
# calls: *_validate
# depth: 5
# why:   while it is being validated the frame has the type, a count of 1, and nobody else can get it
{% call routine("type_validate") %}
        pushl   %ecx
        leal    1(%edx), %ecx
        movl    %ecx, FRAME_type(%eax)
        pushl   %eax
        movl    %edx, %ecx
        shrl    $28, %ecx
        call    *type_validators(,%ecx,4)
        popl    %ecx                            # the frame
        testl   %eax, %eax
        jnz     {{ L("not_valid") }}
        orl     $FRAME_VALIDATED, FRAME_type(%ecx)
        popl    %ecx
        ret
{{ L("not_valid") }}:
        xchgl   %eax, %ecx
        cmpl    $-ERESTART, %ecx
        jne     {{ L("invalid") }}
        call    type_partial_set
        jmp     {{ L("done") }}
{{ L("invalid") }}:
        movl    $0, FRAME_type(%eax)
        pushl   tlb_epoch
        popl    FRAME_link(%eax)
{{ L("done") }}:
        movl    %ecx, %eax
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("type_put") %}
# type_put(frame): gives back a reference to the type; what is left of a large table is remembered for later.
#
# in:    %eax = FRAME
# out:   -
# clob:  none
# errs:  a count that is 0 already is a panic (debug builds)
# depth: 5
# why:   as type_get. Only a call that may be restarted (work.s) can leave a table half dropped, and it comes back to
#        it (old_table_finish) before anything else happens
{% call routine("type_put") %}
        call    type_drop
        jc      old_table_remember
        ret
{% endcall %}

{% set L = labels("type_drop") %}
# type_drop(frame): gives back a reference to the type, or goes on dropping what a partial table holds.
#
# in:    %eax = FRAME that the caller holds a reference to
# out:   carry: the table is only partly dropped
# clob:  none
# errs:  a count that is 0 already is a panic (debug builds)
# calls: *_devalidate
# depth: 5
# why:   as type_get
{% call routine("type_drop") %}
{{ assert("testl $FRAME_COUNT_MASK, FRAME_type(%eax)", "jnz", "type_drop: no reference is held") }}
        pushl   %ecx
        pushl   %edx
        movl    FRAME_type(%eax), %ecx
        testl   $FRAME_PARTIAL, %ecx
        jnz     {{ L("partial") }}
        decl    FRAME_type(%eax)
        decl    %ecx
        testl   $FRAME_COUNT_MASK, %ecx
        jnz     {{ L("done") }}
        movl    $PTES_PER_TABLE, partial_index
{{ L("drop") }}:
        movl    %ecx, %edx
        andl    $FRAME_TYPE_MASK, %edx
        shrl    $28, %ecx
        cmpl    $(FRAME_TYPE_WRITABLE >> 28), %ecx
        je      {{ L("unused") }}
        cmpl    $(FRAME_TYPE_SEGMENTS >> 28), %ecx
        je      {{ L("unused") }}               # its descriptors stay good: nobody can write until it is something else
        movl    $0, FRAME_type(%eax)
        call    *type_devalidators(,%ecx,4)
        jc      {{ L("stopped") }}
{{ L("unused") }}:
        pushl   tlb_epoch
        popl    FRAME_link(%eax)
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        clc
        ret
{{ L("partial") }}:
        decl    FRAME_count(%eax)
        pushl   %ecx
        andl    $FRAME_INDEX_MASK, %ecx
        movl    %ecx, partial_index
        popl    %ecx
        jmp     {{ L("drop") }}
{{ L("stopped") }}:
        movl    $FRAME_DROPPING, partial_undo
        call    type_partial_set
        popl    %edx
        popl    %ecx
        stc
        ret
{% endcall %}

        .section .rodata
{% set kinds = ["none", "l1", "l2", "l3", "segments", "writable", "l2"] %}
{% call object("type_validators") %}
{% for kind in kinds %}
        .long   {{ kind }}_validate
{% endfor %}
{% endcall %}
{% call object("type_devalidators") %}
{% for kind in kinds %}
        .long   {{ kind if kind != "writable" else "none" }}_devalidate
{% endfor %}
{% endcall %}
