# memory_op, reservations (ABI 8.2): a domain takes memory, and gives it back.
#
# Invariants
#   - A frame enters a domain with one reference, its allocation, and zeroed (hand.s).
#   - A frame leaves when its last reference goes; giving back the allocation only clears FRAME_ALLOCATED and drops
#     that one reference.
#   - nr_pages counts the frames owned; it never exceeds max_pages through these calls.
#   - These calls return the number of extents done, never an error.

        .text

{% for name, what in [("increase", "told in the array if there is one"), ("populate", "in the M2P table too")] %}
{% set L = labels("memory_" ~ name) %}
# memory_{{ name }}(start, argument): new frames, {{ what }}.
#
# in:    %ebx = start extent, %esi = address of a MEMORY_RESERVATION; %ebp = current vcpu
# out:   %eax = number of extents done, or -ERESTART
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ERESTART; a failure ends the loop
{% call routine("memory_" ~ name) %}
        call    reservation_read
        testl   %eax, %eax
        jz      {{ L("done") }}
{{ L("next_extent") }}:
{% if name == "increase" %}
        cmpl    $0, reservation + MEMORY_RESERVATION_extent_start
        je      {{ L("can_be_told") }}
{% endif %}
        call    extent_probe
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ L("can_be_told") }}:
        call    extent_prepare
        testl   %eax, %eax
        jnz     {{ L("stop") }}
        movl    VCPU_hand + HAND_first(%ebp), %eax
        movl    %eax, extent_mfn
{% if name == "increase" %}
        cmpl    $0, reservation + MEMORY_RESERVATION_extent_start
        je      {{ L("told") }}
{% endif %}
        call    extent_store
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ L("told") }}:
        movl    reservation_domain, %edx
        call    hand_give
{% if name == "populate" %}
        call    extent_m2p_set
{% endif %}
        incl    %ebx
        cmpl    reservation + MEMORY_RESERVATION_nr_extents, %ebx
        jb      {{ L("next_extent") }}
{{ L("done") }}:
        movl    %ebx, %eax
        ret
{{ L("stop") }}:
        cmpl    $-ERESTART, %eax
        je      extents_continue
        jmp     {{ L("done") }}
{% endcall %}

{% endfor %}
{% set L = labels("extent_prepare") %}
# extent_prepare(): makes an extent ready to be given: it is the first one in hand then.
#
# in:    reservation, reservation_domain, reservation_limit; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %edx
# errs:  -ENOMEM: the order is too high, max_pages is reached, or there is no such memory; -ERESTART
{% call routine("extent_prepare") %}
        movl    reservation + MEMORY_RESERVATION_extent_order, %ecx
        cmpl    $MAX_EXTENT_ORDER, %ecx
        ja      {{ L("not_allowed") }}
        movl    $1, %eax
        shll    %cl, %eax                       # frames
        movl    reservation_domain, %edx
        addl    DOMAIN_nr_pages(%edx), %eax
        cmpl    DOMAIN_max_pages(%edx), %eax
        ja      {{ L("not_allowed") }}
        movl    $1, %edx
        call    hand_fill
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $1, %eax
        shll    %cl, %eax
        shrl    $2, %eax
        addl    $WORK_OF_A_REQUEST, %eax
        call    work_room                       # to give it
        movl    $0, %eax
        jnc     {{ L("done") }}
        movl    $-ERESTART, %eax
{{ L("done") }}:
        ret
{{ L("not_allowed") }}:
        movl    $-ENOMEM, %eax
        ret
{% endcall %}

{% set L = labels("extent_m2p_set") %}
# extent_m2p_set(mfn): the M2P table says where the guest has an extent.
#
# in:    %eax = first mfn; extent = first pfn; reservation
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("extent_m2p_set") %}
        pushl   %ebx
        movl    reservation + MEMORY_RESERVATION_extent_order, %ecx
        movl    $1, %edx
        shll    %cl, %edx
        movl    extent, %ebx
{{ L("next_frame") }}:
        movl    %ebx, M2P(,%eax,4)
        incl    %ebx
        incl    %eax
        decl    %edx
        jnz     {{ L("next_frame") }}
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("memory_decrease") %}
# memory_decrease(start, argument): gives frames back.
#
# in:    %ebx = start extent, %esi = address of a MEMORY_RESERVATION; %ebp = current vcpu
# out:   %eax = number of extents done, or -ERESTART
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ERESTART; a failure ends the loop
# why:   what has become free in the end is freed before the guest goes on: then the call continues, even at its end
{% call routine("memory_decrease") %}
        call    reservation_read
        testl   %eax, %eax
        jz      {{ L("done") }}
{{ L("next_extent") }}:
        call    hand_drop
        testl   %eax, %eax
        jnz     extents_continue
        call    extent_load
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    reservation + MEMORY_RESERVATION_extent_order, %ecx
        cmpl    $MAX_EXTENT_ORDER, %ecx
        ja      {{ L("done") }}
        movl    $1, %edi
        shll    %cl, %edi
        movl    %edi, %eax
        shrl    $1, %eax
        addl    $WORK_OF_A_REQUEST, %eax
        call    work_room
        jc      extents_continue
        movl    extent, %esi
        movl    reservation_domain, %ecx
{{ L("next_frame") }}:
        movl    %esi, %eax
        call    allocation_drop
        testl   %eax, %eax
        jnz     {{ L("last_one") }}
        incl    %esi
        decl    %edi
        jnz     {{ L("next_frame") }}
        incl    %ebx
        cmpl    reservation + MEMORY_RESERVATION_nr_extents, %ebx
        jb      {{ L("next_extent") }}
{{ L("last_one") }}:
        call    hand_drop
        testl   %eax, %eax
        jnz     extents_continue
{{ L("done") }}:
        movl    %ebx, %eax
        ret
{% endcall %}

{% set L = labels("allocation_drop") %}
# allocation_drop(mfn, domain): drops the reference that is a domain's own allocation.
#
# in:    %eax = mfn, %ecx = DOMAIN; %ebp = current vcpu, after hand_drop
# out:   %eax = 0 or -EINVAL
# clob:  none
# errs:  -EINVAL: not its frame, or given back already
{% call routine("allocation_drop") %}
        cmpl    max_frame, %eax
        jae     {{ L("bad") }}
        shll    $4, %eax
        addl    $FRAME_TABLE, %eax
        cmpl    %ecx, FRAME_owner(%eax)
        jne     {{ L("bad") }}
        btrl    $31, FRAME_count(%eax)
        jnc     {{ L("bad") }}
        decl    FRAME_count(%eax)
        jnz     {{ L("in_use") }}
        call    hand_throw
{{ L("in_use") }}:
        xorl    %eax, %eax
        ret
{{ L("bad") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}
