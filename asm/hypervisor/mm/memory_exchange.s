# memory_op exchange (ABI 8.3): frames for frames, to get contiguous ones or to give them up.
#
# Invariants
#   - Work goes by chunks: as many extents of the smaller order as make one of the larger, 512 frames at the most. A
#     chunk is exchanged whole or not at all; nr_exchanged says how many input extents are done, also after an error.
#   - The new frames of a chunk are taken and zeroed in the vcpu's hand, in as many stretches of work as that takes
#     (hand.s). The exchange itself is one stretch (exchange_chunk.s). Then the old ones are in hand, to be freed.

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

        .data
{% for name in ["exchange_address", "exchange_in_extents", "exchange_out_extents", "exchange_frames"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("exchange", "MEMORY_EXCHANGE_size") }}
