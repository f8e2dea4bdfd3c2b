# Machine frames: which are free, and the record of each (FRAME).
#
# Invariants
#   - A bit in frame_bitmap is set exactly while the frame is free RAM; free_frames counts them. A free frame's record
#     is all zero, but for FRAME_link: the tlb_epoch in which it was freed.
#   - A frame that may still be in the TLB from its former life is taken only after a flush (tlb.s).
#   - An allocated frame has FRAME_ALLOCATED and at least one reference. The hypervisor's own have owner 0.
#   - frame_hint is the number of a bitmap word below which no bit is set.
#   - FRAME_TABLE has a record for each frame below max_frame, holes included; there are no records above.

        .text

{% set L = labels("frame_alloc") %}
# frame_alloc(): takes the lowest free frame. Its contents are what they were.
#
# in:    -
# out:   %eax = mfn, or 0 when there is none
# clob:  none
# errs:  none
{% call routine("frame_alloc") %}
        pushl   %ecx
        pushl   %edx
        movl    frame_hint, %ecx
{{ L("next_word") }}:
        cmpl    frame_bitmap_words, %ecx
        jae     {{ L("none") }}
        bsfl    frame_bitmap(,%ecx,4), %edx
        jnz     {{ L("found") }}
        incl    %ecx
        jmp     {{ L("next_word") }}
{{ L("found") }}:
        movl    %ecx, frame_hint
        movl    %ecx, %eax
        shll    $5, %eax
        addl    %edx, %eax
        call    frame_take
        jmp     {{ L("done") }}
{{ L("none") }}:
        movl    %ecx, frame_hint
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        ret
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
        shll    $4, %eax
        movl    $(FRAME_ALLOCATED | 1), FRAME_TABLE + FRAME_count(%eax)
        movl    FRAME_TABLE + FRAME_link(%eax), %eax
        cmpl    tlb_epoch, %eax
        popl    %eax
        je      tlb_flush
        ret
{{ L("not_free") }}:
{{ panic("frame_take: the frame is not free") }}
{% endcall %}

{% set L = labels("frames_alloc") %}
# frames_alloc(count): takes the lowest run of free frames. Their contents are what they were.
#
# in:    %ecx = count, 1 or more
# out:   %eax = first mfn, or 0 when there is no such run
# clob:  none
# errs:  none
{% call routine("frames_alloc") %}
        pushl   %edx
        pushl   %esi
        movl    frame_hint, %eax
        shll    $5, %eax                        # candidate: first frame of the run
{{ L("next_run") }}:
        xorl    %edx, %edx                      # its length so far
{{ L("next_frame") }}:
        leal    (%eax,%edx), %esi
        cmpl    max_frame, %esi
        jae     {{ L("none") }}
        btl     %esi, frame_bitmap
        jnc     {{ L("interrupted") }}
        incl    %edx
        cmpl    %ecx, %edx
        jb      {{ L("next_frame") }}
        pushl   %eax
{{ L("take") }}:
        call    frame_take
        incl    %eax
        decl    %edx
        jnz     {{ L("take") }}
        popl    %eax
        jmp     {{ L("done") }}
{{ L("interrupted") }}:
        leal    1(%esi), %eax
        jmp     {{ L("next_run") }}
{{ L("none") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %esi
        popl    %edx
        ret
{% endcall %}

{% set L = labels("frame_free") %}
# frame_free(mfn): gives a frame back.
#
# in:    %eax = mfn of an allocated frame that nothing refers to any more
# out:   -
# clob:  none
# errs:  a frame that is free already is a panic
{% call routine("frame_free") %}
        btsl    %eax, frame_bitmap
        jc      {{ L("free_already") }}
        incl    free_frames
        pushl   %eax
        pushl   %ecx
        movl    %eax, %ecx
        shrl    $5, %ecx
        cmpl    frame_hint, %ecx
        jae     {{ L("hint_ok") }}
        movl    %ecx, frame_hint
{{ L("hint_ok") }}:
        shll    $4, %eax
        addl    $FRAME_TABLE, %eax
        movl    $0, FRAME_count(%eax)
        movl    $0, FRAME_type(%eax)
        movl    $0, FRAME_owner(%eax)
        pushl   tlb_epoch
        popl    FRAME_link(%eax)
        popl    %ecx
        popl    %eax
        ret
{{ L("free_already") }}:
{{ panic("frame_free: the frame is free already") }}
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
{% for name in ["max_frame", "free_frames", "frame_hint", "frame_bitmap_words"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("frame_bitmap", "MAX_FRAMES / 8") }}
