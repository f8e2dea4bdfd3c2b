# Frames in hand: between the free ones and a domain's, on their way from the one to the other (memory_op).
#
# An extent of 512 frames is taken, zeroed, and given to its domain; a frame that a domain gives back is taken out of
# it, and freed. With interrupts off that takes too long. So the frames are in the vcpu's hand meanwhile: its call is
# made again and again, each time for a stretch of work (work.s), and a domain that dies lets go of them.
#
# Invariants
#   - A frame in hand has no owner, FRAME_ALLOCATED, one reference and no type: nobody can map it, or get a reference.
#   - HAND_first is the first extent, 0 when there is none; an extent has 1 << HAND_order frames, and FRAME_link of its
#     first frame is the next extent, 0 in the last one. HAND_extents counts them.
#   - HAND_limit is not 0: they were taken under that limit of frame numbers. They are zeroed, and not in the TLB, but
#     for the first HAND_rest frames of the first extent, which are yet to be zeroed.
#   - HAND_limit is 0: they are to be freed. Of the first extent HAND_rest frames are still there.
#   - What is to be freed is freed before anything else that the vcpu asks of memory_op is done.

        .text

{% set L = labels("hand_finish") %}
# hand_finish(vcpu): frees what is to be freed.
#
# in:    %ebp = vcpu, the current one or a dying domain's
# out:   %eax = 0, or -ERESTART when there is more of it
# clob:  none
# errs:  -ERESTART
{% call routine("hand_finish") %}
        xorl    %eax, %eax
        cmpl    $0, VCPU_hand + HAND_limit(%ebp)
        jne     {{ L("is_kept") }}
        pushl   %ecx
        pushl   %edx
{{ L("next_extent") }}:
        movl    VCPU_hand + HAND_first(%ebp), %edx
        testl   %edx, %edx
        jz      {{ L("empty") }}
        movl    %edx, %ecx
        shll    $4, %ecx
        movl    FRAME_TABLE + FRAME_link(%ecx), %ecx
{{ L("next_frame") }}:
        cmpl    $0, work_left
        jle     {{ L("later") }}
        subl    $WORK_OF_A_FREE, work_left
        decl    VCPU_hand + HAND_rest(%ebp)
        movl    VCPU_hand + HAND_rest(%ebp), %eax
        addl    %edx, %eax
        call    frame_free
        cmpl    %edx, %eax
        jne     {{ L("next_frame") }}           # the first one is the last to go: it knows the next extent
        movl    %ecx, VCPU_hand + HAND_first(%ebp)
        decl    VCPU_hand + HAND_extents(%ebp)
        movl    VCPU_hand + HAND_order(%ebp), %ecx
        movl    $1, %eax
        shll    %cl, %eax
        movl    %eax, VCPU_hand + HAND_rest(%ebp)
        jmp     {{ L("next_extent") }}
{{ L("empty") }}:
        movl    $0, VCPU_hand + HAND_order(%ebp)
        movl    $1, VCPU_hand + HAND_rest(%ebp)
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edx
        popl    %ecx
{{ L("is_kept") }}:
        ret
{{ L("later") }}:
        movl    $-ERESTART, %eax
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("hand_drop") %}
# hand_drop(vcpu): whatever is in hand is to be freed.
#
# in:    %ebp = vcpu, the current one or a dying domain's
# out:   %eax = 0: the hand is empty, and ready for frames to be freed (hand_throw); or -ERESTART
# clob:  none
# errs:  -ERESTART
{% call routine("hand_drop") %}
        cmpl    $0, VCPU_hand + HAND_limit(%ebp)
        je      hand_finish
        pushl   %ecx
        movl    $0, VCPU_hand + HAND_limit(%ebp)
        movl    VCPU_hand + HAND_order(%ebp), %ecx
        movl    $1, %eax
        shll    %cl, %eax
        movl    %eax, VCPU_hand + HAND_rest(%ebp)
        popl    %ecx
        jmp     hand_finish
{% endcall %}

# hand_throw(frame): a domain's frame that nothing refers to any more leaves it, and is to be freed.
#
# in:    %eax = FRAME with count 0; %ebp = current vcpu, after hand_drop
# out:   -
# clob:  %eax
# errs:  none
{% call routine("hand_throw") %}
        pushl   %ecx
        movl    FRAME_owner(%eax), %ecx
        decl    DOMAIN_nr_pages(%ecx)
        movl    $(FRAME_ALLOCATED | 1), FRAME_count(%eax)
        movl    $0, FRAME_type(%eax)
        movl    $0, FRAME_owner(%eax)
        movl    VCPU_hand + HAND_first(%ebp), %ecx
        movl    %ecx, FRAME_link(%eax)
        subl    $FRAME_TABLE, %eax
        shrl    $4, %eax
        movl    $INVALID_M2P_ENTRY, M2P(,%eax,4)
        movl    %eax, VCPU_hand + HAND_first(%ebp)
        incl    VCPU_hand + HAND_extents(%ebp)
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("hand_fill") %}
# hand_fill(order, extents): takes extents of free frames and zeroes them, until that many are in hand.
#
# in:    %ecx = order, MAX_EXTENT_ORDER at the most, %edx = extents; reservation_limit, not 0; %ebp = current vcpu
# out:   %eax = 0: they are there; or an error: -ENOMEM: the hand is empty
# clob:  none
# errs:  -ENOMEM, -ERESTART
{% call routine("hand_fill") %}
        movl    reservation_limit, %eax
        cmpl    %eax, VCPU_hand + HAND_limit(%ebp)
        jne     {{ L("others") }}
        cmpl    %ecx, VCPU_hand + HAND_order(%ebp)
        je      {{ L("next_extent") }}
{{ L("others") }}:
        call    hand_drop
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    reservation_limit, %eax
        movl    %eax, VCPU_hand + HAND_limit(%ebp)
        movl    %ecx, VCPU_hand + HAND_order(%ebp)
        movl    $0, VCPU_hand + HAND_rest(%ebp)
{{ L("next_extent") }}:
        call    hand_zero
        testl   %eax, %eax
        jnz     {{ L("done") }}
        cmpl    %edx, VCPU_hand + HAND_extents(%ebp)
        jae     {{ L("done") }}
        call    hand_take
        testl   %eax, %eax
        jz      {{ L("next_extent") }}
        cmpl    $-ENOMEM, %eax
        je      {{ L("no_memory") }}
{{ L("done") }}:
        ret
{{ L("no_memory") }}:
        cmpl    $0, VCPU_hand + HAND_first(%ebp)
        je      {{ L("done") }}
        cmpl    $WORK_PIECE, work_left
        jne     {{ L("later") }}
        movl    $WORK_UNBOUNDED, work_left      # 511 frames at the most: a stretch of its own is long enough
        call    hand_drop
        movl    $0, work_left
        movl    $-ENOMEM, %eax
        ret
{{ L("later") }}:
        movl    $-ERESTART, %eax
        ret
{% endcall %}

{% set L = labels("hand_zero") %}
# hand_zero(vcpu): zeroes what is left of the first extent in hand.
#
# in:    %ebp = current vcpu
# out:   %eax = 0 or -ERESTART
# clob:  none
# errs:  -ERESTART
{% call routine("hand_zero") %}
        pushl   %ecx
        pushl   %edi
{{ L("next_frame") }}:
        movl    VCPU_hand + HAND_rest(%ebp), %eax
        testl   %eax, %eax
        jz      {{ L("done") }}
        cmpl    $0, work_left
        jle     {{ L("later") }}
        subl    $WORK_OF_A_PAGE, work_left
        decl    %eax
        movl    %eax, VCPU_hand + HAND_rest(%ebp)
        addl    VCPU_hand + HAND_first(%ebp), %eax
        call    map_frame
        movl    %eax, %edi
        movl    $PAGE_SIZE, %ecx
        call    memory_zero
        jmp     {{ L("next_frame") }}
{{ L("later") }}:
        movl    $-ERESTART, %eax
{{ L("done") }}:
        popl    %edi
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("hand_take") %}
# hand_take(order): takes one more extent of free frames.
#
# in:    %ecx = order; %ebp = current vcpu, with all in its hand zeroed
# out:   %eax = 0 or an error
# clob:  none
# errs:  -ENOMEM: there is none below HAND_limit; -ERESTART
{% call routine("hand_take") %}
        pushl   %edx
        pushl   %esi
        call    extent_find
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, %edx
        movl    $1, %esi
        shll    %cl, %esi                       # frames
        leal    -1(%edx,%esi), %eax
        cmpl    VCPU_hand + HAND_limit(%ebp), %eax
        jae     {{ L("none") }}                 # the lowest one is too high
        movl    %esi, %eax
        call    work_room
        jc      {{ L("later") }}
        movl    %esi, VCPU_hand + HAND_rest(%ebp)
        leal    (%edx,%esi), %eax
{{ L("next_frame") }}:
        decl    %eax
        call    frame_take
        decl    %esi
        jnz     {{ L("next_frame") }}
        shll    $4, %eax
        movl    VCPU_hand + HAND_first(%ebp), %esi
        movl    %esi, FRAME_TABLE + FRAME_link(%eax)
        movl    %edx, VCPU_hand + HAND_first(%ebp)
        incl    VCPU_hand + HAND_extents(%ebp)
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %esi
        popl    %edx
        ret
{{ L("none") }}:
        movl    $-ENOMEM, %eax
        jmp     {{ L("done") }}
{{ L("later") }}:
        movl    $-ERESTART, %eax
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("hand_give") %}
# hand_give(domain): gives the first extent in hand to a domain.
#
# in:    %edx = DOMAIN; %ebp = current vcpu, after hand_fill
# out:   %eax = first mfn
# clob:  none
# errs:  none
{% call routine("hand_give") %}
        pushl   %ecx
        pushl   %esi
        movl    VCPU_hand + HAND_order(%ebp), %ecx
        movl    $1, %esi
        shll    %cl, %esi
        addl    %esi, DOMAIN_nr_pages(%edx)
        movl    VCPU_hand + HAND_first(%ebp), %eax
        movl    %eax, %ecx
        shll    $4, %ecx
        pushl   FRAME_TABLE + FRAME_link(%ecx)
        popl    VCPU_hand + HAND_first(%ebp)
        decl    VCPU_hand + HAND_extents(%ebp)
        movl    $0, FRAME_TABLE + FRAME_link(%ecx)
{{ L("next_frame") }}:
        movl    %edx, FRAME_TABLE + FRAME_owner(%ecx)
        addl    $FRAME_size, %ecx
        decl    %esi
        jnz     {{ L("next_frame") }}
        popl    %esi
        popl    %ecx
        ret
{% endcall %}
