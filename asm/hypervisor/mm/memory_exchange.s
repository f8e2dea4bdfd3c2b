# memory_op exchange (ABI 8.3): frames for frames, to get contiguous ones or to give them up.
#
# Invariants
#   - Work goes by chunks: as many extents of the smaller order as make one of the larger. A chunk is exchanged whole or
#     not at all; nr_exchanged says how many input extents are done, also after an error.
#   - An input frame must be the domain's with no reference but its allocation: nobody maps it, it is no table, no pin.
#     FRAME_ALLOCATED is cleared when it is found good, so a frame that is named twice is no good the second time;
#     exchange_marked counts those, and an error sets it again for them.
#   - The new frames are taken before the old ones go, and are zeroed (memory_op.s).

        .text

{% set L = labels("memory_exchange") %}
# memory_exchange(argument): exchanges all chunks that are left.
#
# in:    %esi = address of a MEMORY_EXCHANGE; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -EINVAL, -EPERM (order), -ESRCH, -ENOMEM
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
        jnz     {{ L("tell") }}
        movl    exchange_in_extents, %ecx
        addl    %ecx, exchange + MEMORY_EXCHANGE_nr_exchanged
        movl    exchange_out_extents, %eax
        movl    exchange + MEMORY_EXCHANGE_out_extent_order, %ecx
        shll    %cl, %eax
        imull   $WORK_OF_A_PAGE, %eax, %eax
        subl    %eax, work_left
        jg      {{ L("next_chunk") }}
        movl    exchange + MEMORY_EXCHANGE_nr_exchanged, %ecx
        cmpl    exchange + MEMORY_EXCHANGE_in_nr_extents, %ecx
        jae     {{ L("next_chunk") }}
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
# out:   %eax = 0 or an error; reservation_domain, reservation_limit, exchange_in_extents, exchange_out_extents
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
# exchange_chunk(): one chunk: checks its input frames, takes new ones, gives the old ones back.
#
# in:    exchange and what exchange_check computed; %ebp = current vcpu
# out:   %eax = 0 or an error: then nothing of this chunk has been exchanged, unless the guest's array cannot be written
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -EINVAL, -ENOMEM
{% call routine("exchange_chunk") %}
        call    exchange_inputs_check
        testl   %eax, %eax
        jnz     {{ L("done") }}
        pushl   exchange + MEMORY_EXCHANGE_out_extent_order
        popl    reservation + MEMORY_RESERVATION_extent_order
        movl    reservation_domain, %edx
        pushl   DOMAIN_max_pages(%edx)
        movl    $INVALID_MFN, DOMAIN_max_pages(%edx)    # for a moment it has both
        xorl    %ebx, %ebx
{{ L("next_extent") }}:
        call    extent_allocate
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    %eax, exchange_new(,%ebx,4)
        incl    %ebx
        cmpl    exchange_out_extents, %ebx
        jb      {{ L("next_extent") }}
        popl    DOMAIN_max_pages(%edx)
        call    exchange_inputs_drop
        jmp     exchange_outputs_tell
{{ L("no_memory") }}:                           # extents below %ebx have been taken
        decl    %ebx
        js      {{ L("none_left") }}
        pushl   exchange_new(,%ebx,4)
        popl    extent_mfn
        call    extent_release
        jmp     {{ L("no_memory") }}
{{ L("none_left") }}:
        call    exchange_inputs_restore
        movl    reservation_domain, %edx
        popl    DOMAIN_max_pages(%edx)
        movl    $-ENOMEM, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("exchange_inputs_check") %}
# exchange_inputs_check(): copies the chunk's input extents; each frame must have no reference but its allocation.
#
# in:    exchange; reservation_domain
# out:   %eax = 0 or an error; exchange_old
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -EINVAL
{% call routine("exchange_inputs_check") %}
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
        xorl    %ebx, %ebx
        movl    $0, exchange_marked
{{ L("next_extent") }}:
        movl    exchange_old(,%ebx,4), %esi
        movl    %edx, %edi
{{ L("next_frame") }}:
        movl    %esi, %eax
        movl    reservation_domain, %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad") }}
        call    frame_put
        cmpl    $(FRAME_ALLOCATED | 1), FRAME_count(%eax)
        jne     {{ L("bad") }}
        testl   $FRAME_COUNT_MASK, FRAME_type(%eax)
        jnz     {{ L("bad") }}
        andl    $~FRAME_ALLOCATED, FRAME_count(%eax)
        incl    exchange_marked
        incl    %esi
        decl    %edi
        jnz     {{ L("next_frame") }}
        incl    %ebx
        cmpl    exchange_in_extents, %ebx
        jb      {{ L("next_extent") }}
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("bad") }}:
        call    exchange_inputs_restore
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("exchange_inputs_restore") %}
# exchange_inputs_restore(): undoes what exchange_inputs_check has marked.
#
# in:    exchange_old, exchange_marked
# out:   exchange_marked = 0
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("exchange_inputs_restore") %}
        movl    exchange + MEMORY_EXCHANGE_in_extent_order, %ecx
{{ L("next_frame") }}:
        decl    exchange_marked
        js      {{ L("done") }}
        movl    exchange_marked, %eax           # number of the frame: extent, and place in it
        movl    %eax, %edx
        shrl    %cl, %edx
        movl    exchange_old(,%edx,4), %edx
        pushl   %edx
        movl    $-1, %edx
        shll    %cl, %edx
        notl    %edx
        andl    %edx, %eax
        popl    %edx
        addl    %edx, %eax
        call    frame_record
        orl     $FRAME_ALLOCATED, FRAME_count(%eax)
        jmp     {{ L("next_frame") }}
{{ L("done") }}:
        movl    $0, exchange_marked
        ret
{% endcall %}

{% set L = labels("exchange_inputs_drop") %}
# exchange_inputs_drop(): gives the chunk's old frames back.
#
# in:    exchange_old, exchange_in_extents, all frames marked
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("exchange_inputs_drop") %}
        xorl    %ebx, %ebx
{{ L("next_extent") }}:
        movl    exchange_old(,%ebx,4), %esi
        movl    exchange + MEMORY_EXCHANGE_in_extent_order, %ecx
        movl    $1, %edi
        shll    %cl, %edi
{{ L("next_frame") }}:
        movl    %esi, %eax
        call    frame_record
        call    frame_put
        incl    %esi
        decl    %edi
        jnz     {{ L("next_frame") }}
        incl    %ebx
        cmpl    exchange_in_extents, %ebx
        jb      {{ L("next_extent") }}
        ret
{% endcall %}

{% set L = labels("exchange_outputs_tell") %}
# exchange_outputs_tell(): M2P entries for the new frames, and their numbers to the guest.
#
# in:    exchange_new, exchange_out_extents
# out:   %eax = 0 or -EFAULT
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT: the frames are the guest's all the same; those it was not told of it can only find in the M2P table
{% call routine("exchange_outputs_tell") %}
        xorl    %ebx, %ebx
{{ L("next_extent") }}:
        movl    exchange + MEMORY_EXCHANGE_nr_exchanged, %eax
        xorl    %edx, %edx
        mull    exchange_out_extents            # the chunk's first output extent is the number of chunks done
        divl    exchange_in_extents             # times the output extents of each
        addl    %ebx, %eax
        movl    exchange + MEMORY_EXCHANGE_out_extent_start, %esi
        leal    (%esi,%eax,4), %esi
        movl    $extent, %edi
        movl    $4, %ecx
        call    copy_from_guest                 # the pfn that the guest wants it at
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    %esi, %edi
        leal    exchange_new(,%ebx,4), %esi
        call    copy_to_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    exchange + MEMORY_EXCHANGE_out_extent_order, %ecx
        movl    $1, %edx
        shll    %cl, %edx
        movl    (%esi), %esi
        movl    extent, %edi
{{ L("next_frame") }}:
        decl    %edx
        leal    (%edi,%edx), %eax
        leal    (%esi,%edx), %ecx
        movl    %eax, M2P(,%ecx,4)
        jnz     {{ L("next_frame") }}
        incl    %ebx
        cmpl    exchange_out_extents, %ebx
        jb      {{ L("next_extent") }}
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

        .data
{% for name in ["exchange_address", "exchange_in_extents", "exchange_out_extents", "exchange_marked"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("exchange", "MEMORY_EXCHANGE_size") }}
{{ space("exchange_old", "4 << MAX_EXTENT_ORDER") }}
{{ space("exchange_new", "4 << MAX_EXTENT_ORDER") }}
