# memory_op exchange (ABI 8.3): frames for frames, to get contiguous ones or to give them up.
#
# Invariants
#   - Work goes by chunks: as many extents of the smaller order as make one of the larger, 512 frames at the most. A
#     chunk is exchanged whole or not at all; nr_exchanged says how many input extents are done, also after an error.
#   - The new frames of a chunk are taken and zeroed in the vcpu's hand, in as many stretches of work as that takes
#     (hand.s). The exchange itself is one stretch: exchange_commit. Then the old ones are in hand, to be freed.
#   - An input frame must be the domain's with no reference but its allocation: nobody maps it, it is no table, no pin.
#     FRAME_ALLOCATED is cleared when it is found good, so a frame that is named twice is no good the second time;
#     exchange_marked counts those, and an error sets it again for them.

        .text

{% set L = labels("memory_exchange") %}
# memory_exchange(argument): exchanges all chunks that are left.
#
# in:    %esi = address of a MEMORY_EXCHANGE; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -EINVAL, -EPERM (order), -ESRCH, -ENOMEM, -ERESTART
{% call routine("memory_exchange") %}
        movl    %esi, exchange_address
        movl    $exchange, %edi
        movl    $MEMORY_EXCHANGE_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        call    exchange_check
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ L("next_chunk") }}:
        xorl    %eax, %eax
        movl    exchange + MEMORY_EXCHANGE_nr_exchanged, %ecx
        cmpl    exchange + MEMORY_EXCHANGE_in_nr_extents, %ecx
        jae     {{ L("tell") }}
        call    exchange_chunk
        testl   %eax, %eax
        jnz     {{ L("stop") }}
        movl    exchange_in_extents, %ecx
        addl    %ecx, exchange + MEMORY_EXCHANGE_nr_exchanged
        call    hand_finish
        testl   %eax, %eax
        jz      {{ L("next_chunk") }}
{{ L("stop") }}:
        cmpl    $-ERESTART, %eax
        jne     {{ L("tell") }}
        xorl    %ebx, %ebx
        call    extents_continue
{{ L("tell") }}:
        movl    %eax, %edx
        movl    exchange_address, %edi
        addl    $MEMORY_EXCHANGE_nr_exchanged, %edi
        movl    $exchange + MEMORY_EXCHANGE_nr_exchanged, %esi
        movl    $4, %ecx
        call    copy_to_guest
        testl   %edx, %edx
        jz      {{ L("done") }}
        movl    %edx, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("exchange_check") %}
# exchange_check(): whether the request makes sense; computes the shape of a chunk.
#
# in:    exchange; %ebp = current vcpu
# out:   %eax = 0 or an error; reservation_domain, reservation_limit, exchange_in_extents, exchange_out_extents,
#        exchange_frames
# clob:  %ebx, %ecx, %edx
# errs:  -EINVAL, -EPERM, -ESRCH
# why:   extents are below 2^26 and orders at most 9, so no product of them overflows
{% call routine("exchange_check") %}
        movl    exchange + MEMORY_EXCHANGE_in_extent_order, %ecx
        movl    exchange + MEMORY_EXCHANGE_out_extent_order, %edx
        movl    $-EPERM, %eax
        cmpl    $MAX_EXTENT_ORDER, %ecx
        ja      {{ L("done") }}
        cmpl    $MAX_EXTENT_ORDER, %edx
        ja      {{ L("done") }}
        movl    $-EINVAL, %eax
        movl    exchange + MEMORY_EXCHANGE_in_nr_extents, %ebx
        cmpl    $1 << 20, %ebx
        jae     {{ L("done") }}
        shll    %cl, %ebx
        xchgl   %ecx, %edx
        cmpl    $1 << 20, exchange + MEMORY_EXCHANGE_out_nr_extents
        jae     {{ L("done") }}
        pushl   exchange + MEMORY_EXCHANGE_out_nr_extents
        shll    %cl, (%esp)
        xchgl   %ecx, %edx
        subl    %ebx, (%esp)
        popl    %ebx
        jnz     {{ L("done") }}
        movw    exchange + MEMORY_EXCHANGE_in_domid, %bx
        cmpw    exchange + MEMORY_EXCHANGE_out_domid, %bx
        jne     {{ L("done") }}
        movl    exchange + MEMORY_EXCHANGE_nr_exchanged, %ebx
        cmpl    exchange + MEMORY_EXCHANGE_in_nr_extents, %ebx
        ja      {{ L("done") }}
        movl    $1, exchange_in_extents
        movl    $1, exchange_out_extents
        subl    %ecx, %edx                      # out order - in order
        jb      {{ L("in_is_larger") }}
        movl    %edx, %ecx
        shll    %cl, exchange_in_extents
        jmp     {{ L("shape_ok") }}
{{ L("in_is_larger") }}:
        negl    %edx
        movl    %edx, %ecx
        shll    %cl, exchange_out_extents
{{ L("shape_ok") }}:
        movl    exchange_out_extents, %edx
        movl    exchange + MEMORY_EXCHANGE_out_extent_order, %ecx
        shll    %cl, %edx
        movl    %edx, exchange_frames
        movl    exchange_in_extents, %edx
        decl    %edx
        testl   %edx, exchange + MEMORY_EXCHANGE_nr_exchanged
        jnz     {{ L("done") }}                 # %eax is -EINVAL: progress is by whole chunks
        movzwl  exchange + MEMORY_EXCHANGE_in_domid, %eax
        call    domain_by_id
        movl    %edx, reservation_domain
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movzbl  exchange + MEMORY_EXCHANGE_out_mem_flags, %eax
        call    address_limit_set
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("exchange_chunk") %}
# exchange_chunk(): one chunk: prepares the new frames, and then exchanges them.
#
# in:    exchange and what exchange_check computed; %ebp = current vcpu
# out:   %eax = 0 or an error: then nothing of this chunk has been exchanged
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -EINVAL, -ENOMEM, -ERESTART
{% call routine("exchange_chunk") %}
        movl    $-ENOMEM, %eax
        cmpl    $0, reservation_limit
        je      {{ L("done") }}
        movl    exchange + MEMORY_EXCHANGE_out_extent_order, %ecx
        movl    exchange_out_extents, %edx
        call    hand_fill
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    exchange_frames, %eax
        addl    $WORK_OF_A_REQUEST, %eax
        call    work_room
        jc      {{ L("later") }}
        call    exchange_inputs_check
        testl   %eax, %eax
        jnz     {{ L("restore") }}
        call    exchange_outputs_tell
        testl   %eax, %eax
        jnz     {{ L("restore") }}
        jmp     exchange_commit
{{ L("restore") }}:
        pushl   %eax
        call    exchange_inputs_restore
        popl    %eax
{{ L("done") }}:
        ret
{{ L("later") }}:
        movl    $-ERESTART, %eax
        ret
{% endcall %}

{% set L = labels("exchange_inputs_check") %}
# exchange_inputs_check(): copies the chunk's input extents; each frame must have no reference but its allocation.
#
# in:    exchange; reservation_domain
# out:   %eax = 0 or an error; exchange_old, exchange_marked
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -EINVAL
{% call routine("exchange_inputs_check") %}
        movl    $0, exchange_marked
        movl    exchange + MEMORY_EXCHANGE_nr_exchanged, %eax
        movl    exchange + MEMORY_EXCHANGE_in_extent_start, %esi
        leal    (%esi,%eax,4), %esi
        movl    $exchange_old, %edi
        movl    exchange_in_extents, %ecx
        shll    $2, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    exchange + MEMORY_EXCHANGE_in_extent_order, %ecx
        movl    $1, %edx
        shll    %cl, %edx                       # frames of an extent
        movl    reservation_domain, %ecx
        xorl    %ebx, %ebx
{{ L("next_extent") }}:
        movl    exchange_old(,%ebx,4), %esi
        cmpl    max_frame, %esi
        jae     {{ L("bad") }}
        leal    (%esi,%edx), %edi
        cmpl    max_frame, %edi
        ja      {{ L("bad") }}
        movl    %edx, %edi
        shll    $4, %esi
        addl    $FRAME_TABLE, %esi
{{ L("next_frame") }}:
        cmpl    %ecx, FRAME_owner(%esi)
        jne     {{ L("bad") }}
        cmpl    $(FRAME_ALLOCATED | 1), FRAME_count(%esi)
        jne     {{ L("bad") }}
        movl    $1, FRAME_count(%esi)
        incl    exchange_marked
        addl    $FRAME_size, %esi
        decl    %edi
        jnz     {{ L("next_frame") }}
        incl    %ebx
        cmpl    exchange_in_extents, %ebx
        jb      {{ L("next_extent") }}
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("bad") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("exchange_inputs_restore") %}
# exchange_inputs_restore(): undoes what exchange_inputs_check has marked.
#
# in:    exchange_old, exchange_marked
# out:   exchange_marked = 0
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("exchange_inputs_restore") %}
        movl    exchange + MEMORY_EXCHANGE_in_extent_order, %ecx
        movl    $-1, %edx
        shll    %cl, %edx
        notl    %edx                            # the place of a frame in its extent
{{ L("next_frame") }}:
        decl    exchange_marked
        js      {{ L("done") }}
        movl    exchange_marked, %eax
        movl    %eax, %esi
        shrl    %cl, %esi
        andl    %edx, %eax
        addl    exchange_old(,%esi,4), %eax
        shll    $4, %eax
        orl     $FRAME_ALLOCATED, FRAME_TABLE + FRAME_count(%eax)
        jmp     {{ L("next_frame") }}
{{ L("done") }}:
        movl    $0, exchange_marked
        ret
{% endcall %}

{% set L = labels("exchange_outputs_tell") %}
# exchange_outputs_tell(): the numbers of the new frames, to the guest, in place of the pfns that it wants them at.
#
# in:    exchange, exchange_out_extents; %ebp = current vcpu, with the new frames in hand
# out:   %eax = 0 or -EFAULT; exchange_pfns
# clob:  %ecx, %edx, %esi
# errs:  -EFAULT
{% call routine("exchange_outputs_tell") %}
        movl    exchange + MEMORY_EXCHANGE_nr_exchanged, %eax
        xorl    %edx, %edx
        mull    exchange_out_extents            # the chunk's first output extent is the number of chunks done
        divl    exchange_in_extents             # times the output extents of each
        movl    exchange + MEMORY_EXCHANGE_out_extent_start, %esi
        leal    (%esi,%eax,4), %esi
        movl    exchange_out_extents, %eax
        leal    (%esi,%eax,4), %eax
        cmpl    %esi, %eax
        jbe     {{ L("bad_address") }}
        cmpl    $HV_PRIVATE_START, %eax
        ja      {{ L("bad_address") }}
        movl    VCPU_hand + HAND_first(%ebp), %edx
        xorl    %ecx, %ecx
{{ L("next_extent") }}:
        {{ user("movl (%esi,%ecx,4), %eax", fail=L("bad_address")) }}
        movl    %eax, exchange_pfns(,%ecx,4)
        {{ user("movl %edx, (%esi,%ecx,4)", fail=L("bad_address")) }}
        shll    $4, %edx
        movl    FRAME_TABLE + FRAME_link(%edx), %edx
        incl    %ecx
        cmpl    exchange_out_extents, %ecx
        jb      {{ L("next_extent") }}
        xorl    %eax, %eax
        ret
{{ L("bad_address") }}:
        movl    $-EFAULT, %eax
        ret
{% endcall %}

{% set L = labels("exchange_commit") %}
# exchange_commit(): the new frames are the domain's, the old ones are in hand, to be freed.
#
# in:    exchange_old, all of it marked; exchange_pfns; %ebp = current vcpu, with the new frames in hand
# out:   %eax = 0
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("exchange_commit") %}
        call    exchange_outputs_give
        movl    $0, VCPU_hand + HAND_limit(%ebp)
        movl    $0, VCPU_hand + HAND_order(%ebp)
        movl    $1, VCPU_hand + HAND_rest(%ebp)
        movl    exchange_frames, %eax
        movl    %eax, VCPU_hand + HAND_extents(%ebp)
        movl    exchange + MEMORY_EXCHANGE_in_extent_order, %ecx
        movl    $1, %eax
        shll    %cl, %eax                       # frames of an extent
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx                      # the frame before, in hand
{{ L("next_extent") }}:
        movl    exchange_old(,%ebx,4), %esi
        movl    %esi, %edi
        shll    $4, %edi
        addl    $FRAME_TABLE, %edi
        movl    %eax, %edx
{{ L("next_frame") }}:
        movl    $(FRAME_ALLOCATED | 1), FRAME_count(%edi)
        movl    $0, FRAME_type(%edi)
        movl    $0, FRAME_owner(%edi)
        movl    %ecx, FRAME_link(%edi)
        movl    %esi, %ecx
        movl    $INVALID_M2P_ENTRY, M2P(,%esi,4)
        incl    %esi
        addl    $FRAME_size, %edi
        decl    %edx
        jnz     {{ L("next_frame") }}
        incl    %ebx
        cmpl    exchange_in_extents, %ebx
        jb      {{ L("next_extent") }}
        movl    %ecx, VCPU_hand + HAND_first(%ebp)
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("exchange_outputs_give") %}
# exchange_outputs_give(): gives what is in hand to the domain, and says so in the M2P table.
#
# in:    exchange_pfns, reservation_domain; %ebp = current vcpu
# out:   nothing is in hand any more, but the hand's fields say otherwise
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
# why:   the domain's nr_pages is what it was
{% call routine("exchange_outputs_give") %}
        movl    VCPU_hand + HAND_first(%ebp), %esi
        xorl    %ebx, %ebx
{{ L("next_extent") }}:
        movl    exchange_pfns(,%ebx,4), %edi
        movl    exchange + MEMORY_EXCHANGE_out_extent_order, %ecx
        movl    $1, %edx
        shll    %cl, %edx
        movl    reservation_domain, %eax
        movl    %esi, %ecx
        shll    $4, %ecx
        addl    $FRAME_TABLE, %ecx
        pushl   FRAME_link(%ecx)                # the next extent
        movl    $0, FRAME_link(%ecx)
{{ L("next_frame") }}:
        movl    %eax, FRAME_owner(%ecx)
        movl    %edi, M2P(,%esi,4)
        incl    %edi
        incl    %esi
        addl    $FRAME_size, %ecx
        decl    %edx
        jnz     {{ L("next_frame") }}
        popl    %esi
        incl    %ebx
        cmpl    exchange_out_extents, %ebx
        jb      {{ L("next_extent") }}
        ret
{% endcall %}

        .data
{% for name in ["exchange_address", "exchange_in_extents", "exchange_out_extents", "exchange_frames",
                "exchange_marked"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("exchange", "MEMORY_EXCHANGE_size") }}
{{ space("exchange_old", "4 << MAX_EXTENT_ORDER") }}
{{ space("exchange_pfns", "4 << MAX_EXTENT_ORDER") }}
