# Machine frames: which are free, and the record of each (FRAME).
#
# Invariants
#   - A bit in frame_bitmap is set exactly while the frame is free RAM; free_frames counts them. A free frame's record
#     is all zero, but for FRAME_link: the tlb_epoch in which it was freed.
#   - frame_tree is a binary tree of bits: the root is bit 1, below bit n are bits 2n and 2n + 1, and frame_bitmap is
#     its lowest row. A bit further up is set exactly while all frames below it are free, up to blocks of
#     1 << MAX_EXTENT_ORDER frames; no bit above those is ever set. So a free extent is found without being counted.
#   - A bit in frame_tree_words is set exactly while that word of frame_tree is not zero. frame_hint is the number of a
#     word of frame_tree_words: in those of the lowest row before it no bit is set.
#   - A frame that may still be in the TLB from its former life is taken only after a flush (tlb.s).
#   - An allocated frame has FRAME_ALLOCATED and at least one reference. The hypervisor's own have owner 0.
#   - FRAME_TABLE has a record for each frame below max_frame, holes included; there are no records above.

        .text

# frame_alloc(): takes the lowest free frame. Its contents are what they were.
#
# in:    -
# out:   %eax = mfn, or 0 when there is none
# clob:  none
# errs:  none
{% call routine("frame_alloc") %}
        pushl   %ecx
        xorl    %ecx, %ecx
        call    extent_find
        popl    %ecx
        testl   %eax, %eax
        jnz     frame_take
        ret
{% endcall %}

{% set L = labels("extent_find") %}
# extent_find(order): the lowest free extent: 1 << order frames, the first at a multiple of that. Takes nothing.
#
# in:    %ecx = order, MAX_EXTENT_ORDER at the most
# out:   %eax = first mfn, or 0 when there is none
# clob:  none
# errs:  none
# why:   frame 0 is never free, so 0 is no extent
{% call routine("extent_find") %}
        pushl   %edx
        pushl   %esi
        movl    frame_hint, %eax
        testl   %ecx, %ecx
        jz      {{ L("have_start") }}
        movl    $FRAME_LEAVES >> 10, %eax
        shrl    %cl, %eax                       # the word of frame_tree_words where the row of the order begins
{{ L("have_start") }}:
        movl    max_frame, %esi
        addl    $FRAME_LEAVES - 1, %esi
        shrl    $10, %esi
        shrl    %cl, %esi                       # and where it ends
{{ L("next_word") }}:
        cmpl    %esi, %eax
        ja      {{ L("none") }}
        bsfl    frame_tree_words(,%eax,4), %edx
        jnz     {{ L("found") }}
        incl    %eax
        jmp     {{ L("next_word") }}
{{ L("found") }}:
        testl   %ecx, %ecx
        jnz     {{ L("hint_ok") }}
        movl    %eax, frame_hint
{{ L("hint_ok") }}:
        shll    $5, %eax
        addl    %edx, %eax                      # the word of frame_tree
        bsfl    frame_tree(,%eax,4), %edx
        shll    $5, %eax
        addl    %edx, %eax                      # its bit
        shll    %cl, %eax
        subl    $FRAME_LEAVES, %eax
{{ L("done") }}:
        popl    %esi
        popl    %edx
        ret
{{ L("none") }}:
        xorl    %eax, %eax
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("frame_take") %}
# frame_take(mfn): marks a free frame as allocated.
#
# in:    %eax = mfn of a free frame
# out:   -
# clob:  none
# errs:  a frame that is not free is a panic
{% call routine("frame_take") %}
        btrl    %eax, frame_bitmap
        jnc     {{ L("not_free") }}
        decl    free_frames
        pushl   %eax
        pushl   %ecx
        pushl   %eax
        addl    $FRAME_LEAVES, %eax
{{ L("next_row") }}:                            # the bit of %eax was cleared
        movl    %eax, %ecx
        shrl    $5, %ecx
        cmpl    $0, frame_tree(,%ecx,4)
        jne     {{ L("word_in_use") }}
        btrl    %ecx, frame_tree_words
{{ L("word_in_use") }}:
        shrl    $1, %eax
        btrl    %eax, frame_tree
        jc      {{ L("next_row") }}
        popl    %eax
        shll    $4, %eax
        movl    $(FRAME_ALLOCATED | 1), FRAME_TABLE + FRAME_count(%eax)
        movl    FRAME_TABLE + FRAME_link(%eax), %eax
        cmpl    tlb_epoch, %eax
        popl    %ecx
        popl    %eax
        je      tlb_flush
        ret
{{ L("not_free") }}:
{{ panic("frame_take: the frame is not free") }}
{% endcall %}

# frame_free(mfn): gives a frame back.
#
# in:    %eax = mfn of an allocated frame that nothing refers to any more
# out:   -
# clob:  none
# errs:  a frame that is free already is a panic
{% call routine("frame_free") %}
        pushl   %eax
        shll    $4, %eax
        addl    $FRAME_TABLE, %eax
        movl    $0, FRAME_count(%eax)
        movl    $0, FRAME_type(%eax)
        movl    $0, FRAME_owner(%eax)
        pushl   tlb_epoch
        popl    FRAME_link(%eax)
        popl    %eax
        jmp     frame_insert
{% endcall %}

{% set L = labels("frame_insert") %}
# frame_insert(mfn): a frame is free from now on: it, and each block that is wholly free with it.
#
# in:    %eax = mfn
# out:   -
# clob:  none
# errs:  a frame that is free already is a panic
{% call routine("frame_insert") %}
        btsl    %eax, frame_bitmap
        jc      {{ L("free_already") }}
        incl    free_frames
        pushl   %eax
        pushl   %ecx
        addl    $FRAME_LEAVES, %eax
        movl    %eax, %ecx
        shrl    $10, %ecx
        cmpl    frame_hint, %ecx
        jae     {{ L("next_row") }}
        movl    %ecx, frame_hint
{{ L("next_row") }}:                            # the bit of %eax was set
        movl    %eax, %ecx
        shrl    $5, %ecx
        btsl    %ecx, frame_tree_words
        cmpl    $2 * FRAME_LEAVES >> MAX_EXTENT_ORDER, %eax
        jb      {{ L("largest") }}
        movl    %eax, %ecx
        xorl    $1, %ecx
        btl     %ecx, frame_tree
        jnc     {{ L("largest") }}
        shrl    $1, %eax
        btsl    %eax, frame_tree
        jmp     {{ L("next_row") }}
{{ L("largest") }}:
        popl    %ecx
        popl    %eax
        ret
{{ L("free_already") }}:
{{ panic("frame_insert: the frame is free already") }}
{% endcall %}

# frame_record(mfn): where the record of a frame is.
#
# in:    %eax = mfn, below max_frame
# out:   %eax = address of its FRAME
# clob:  none
# errs:  none
{% call routine("frame_record") %}
        shll    $4, %eax
        addl    $FRAME_TABLE, %eax
        ret
{% endcall %}

        .data
{% for name, first in [("max_frame", "0"), ("free_frames", "0"), ("frame_hint", "2 * FRAME_LEAVES >> 10")] %}
{% call object(name) %}
        .long   {{ first }}
{% endcall %}
{% endfor %}

        .section .bss
{% call object("frame_tree") %}
        .skip   FRAME_LEAVES / 8
{% endcall %}
{% call object("frame_bitmap") %}
        .skip   FRAME_LEAVES / 8
{% endcall %}
{% call object("frame_tree_words") %}
        .skip   2 * FRAME_LEAVES / 32 / 8
{% endcall %}
