# References and types of machine frames (ABI 6.1): the heart of memory safety.
#
# Invariants
#   - FRAME_count counts every reference; a frame whose count falls to 0 is free. FRAME_ALLOCATED stands while the
#     domain's own allocation is one of them.
#   - FRAME_type has a type and a count of references that need it. While that is above 0 the type does not change;
#     the types exclude each other, so no frame is a table and writable at once.
#   - A table type is FRAME_VALIDATED exactly while all references of its entries are held. They are taken when the
#     type's count leaves 0, entry by entry, and all given back if one fails; and dropped when it is 0 again.
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
# errs:  -EINVAL (it is of another type, just being validated, or its count is full), or what the validation says
# calls: *_validate
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
        jne     {{ L("another_type") }}
{{ L("again") }}:
        movl    FRAME_type(%eax), %ecx
        incl    %ecx
        testl   $FRAME_COUNT_MASK, %ecx
        jz      {{ L("another_type") }}         # counted as often as can be
        movl    %ecx, FRAME_type(%eax)
        popl    %ecx
        xorl    %eax, %eax
        ret
{{ L("another_type") }}:
        popl    %ecx
        movl    $-EINVAL, %eax
        ret
{{ L("first") }}:
        leal    FRAME_VALIDATED(%edx), %ecx
        cmpl    FRAME_type(%eax), %ecx          # writable once more: nothing to look at
        je      {{ L("again") }}
        movl    FRAME_link(%eax), %ecx
        cmpl    tlb_epoch, %ecx
        jne     {{ L("not_in_tlb") }}
        call    tlb_flush
{{ L("not_in_tlb") }}:
        leal    1(%edx), %ecx
        movl    %ecx, FRAME_type(%eax)
        movl    $0, FRAME_link(%eax)            # in a table: its balance of linear entries (l2.s)
        pushl   %eax
        movl    %edx, %ecx
        shrl    $28, %ecx
        call    *type_validators(,%ecx,4)
        popl    %ecx                            # the frame
        testl   %eax, %eax
        jnz     {{ L("invalid") }}
        orl     $FRAME_VALIDATED, FRAME_type(%ecx)
        popl    %ecx
        ret
{{ L("invalid") }}:
        movl    $0, FRAME_type(%ecx)
        pushl   tlb_epoch
        popl    FRAME_link(%ecx)
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("type_put") %}
# type_put(frame): gives back a reference to the type; the last one of a table drops what its entries hold.
#
# in:    %eax = FRAME
# out:   -
# clob:  none
# errs:  a count that is 0 already is a panic (debug builds)
# calls: *_devalidate
# depth: 5
# why:   as type_get
{% call routine("type_put") %}
{{ assert("testl $FRAME_COUNT_MASK, FRAME_type(%eax)", "jnz", "type_put: no reference is held") }}
        pushl   %ecx
        decl    FRAME_type(%eax)
        movl    FRAME_type(%eax), %ecx
        testl   $FRAME_COUNT_MASK, %ecx
        jnz     {{ L("still_used") }}
        shrl    $28, %ecx
        cmpl    $(FRAME_TYPE_WRITABLE >> 28), %ecx
        je      {{ L("unused") }}
        movl    $0, FRAME_type(%eax)
        call    *type_devalidators(,%ecx,4)
{{ L("unused") }}:
        pushl   tlb_epoch
        popl    FRAME_link(%eax)
{{ L("still_used") }}:
        popl    %ecx
        ret
{% endcall %}

# writable_validate(frame): any contents will do.
#
# in:    %eax = FRAME
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("writable_validate") %}
        xorl    %eax, %eax
        ret
{% endcall %}

# none_validate(frame): no type cannot be asked for.
#
# in:    %eax = FRAME
# out:   %eax = -EINVAL
# clob:  none
# errs:  -EINVAL
{% call routine("none_validate") %}
        movl    $-EINVAL, %eax
        ret
{% endcall %}

# none_devalidate(frame): nothing to drop.
#
# in:    %eax = FRAME
# out:   -
# clob:  none
# errs:  none
{% call routine("none_devalidate") %}
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
