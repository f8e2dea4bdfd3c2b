# One chunk of an exchange: its old frames are looked at, its new ones told, and then all change hands at once.
#
# Invariants
#   - An input frame must be the domain's with no reference but its allocation: nobody maps it, it is no table, no pin.
#     FRAME_ALLOCATED is cleared when it is found good, so a frame that is named twice is no good the second time;
#     exchange_marked counts those, and an error sets it again for them.
#   - exchange_commit cannot fail: whatever can has been tried before.

        .text

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
{% call object("exchange_marked") %}
        .long   0
{% endcall %}
{{ space("exchange_old", "4 << MAX_EXTENT_ORDER") }}
{{ space("exchange_pfns", "4 << MAX_EXTENT_ORDER") }}
