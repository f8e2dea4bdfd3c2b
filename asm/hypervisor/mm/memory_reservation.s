# memory_op, reservations (ABI 8.2): a domain takes memory, and gives it back.
#
# Invariants
#   - A frame enters a domain with one reference, its allocation, and zeroed (hand.s).
#   - A frame leaves when its last reference goes; giving back the allocation only clears FRAME_ALLOCATED and drops
#     that one reference.
#   - nr_pages counts the frames owned; it never exceeds max_pages through these calls.
#   - These calls return the number of extents done, never an error.

        .text

{% set L = labels("reservation_read") %}
# reservation_read(argument): copies and checks what the three reservation calls have in common.
#
# in:    %esi = address of a MEMORY_RESERVATION, %ebx = start extent; %ebp = current vcpu
# out:   %eax = 1 when there is something to do, else 0; reservation, reservation_domain
# clob:  %ecx, %edx, %edi
# errs:  0: unreadable, bad domain, too many extents, an address limit that no page satisfies
{% call routine("reservation_read") %}
        movl    $reservation, %edi
        movl    $MEMORY_RESERVATION_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("nothing") }}
        cmpl    $1 << 26, reservation + MEMORY_RESERVATION_nr_extents
        jae     {{ L("nothing") }}
        cmpl    reservation + MEMORY_RESERVATION_nr_extents, %ebx
        jae     {{ L("nothing") }}
        movzwl  reservation + MEMORY_RESERVATION_domid, %eax
        call    domain_by_id
        testl   %eax, %eax
        jnz     {{ L("nothing") }}
        movl    %edx, reservation_domain
        movzbl  reservation + MEMORY_RESERVATION_mem_flags, %eax
        call    address_limit_set
        cmpl    $1, reservation_limit
        jbe     {{ L("nothing") }}
        movl    $1, %eax
        ret
{{ L("nothing") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("address_limit_set") %}
# address_limit_set(bits): which frames are low enough.
#
# in:    %eax = greatest number of address bits, 0: any
# out:   reservation_limit: the first mfn that is too high
# clob:  %eax, %ecx
# errs:  none: with as few bits as a page has, no frame is low enough
{% call routine("address_limit_set") %}
        movl    $INVALID_MFN, reservation_limit
        testl   %eax, %eax
        jz      {{ L("any") }}
        cmpl    $32, %eax
        jae     {{ L("any") }}
        movl    $0, reservation_limit
        leal    -PAGE_SHIFT(%eax), %ecx
        testl   %ecx, %ecx
        jle     {{ L("any") }}
        movl    $1, %eax
        shll    %cl, %eax
        movl    %eax, reservation_limit
{{ L("any") }}:
        ret
{% endcall %}

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

# extents_continue(extents): has the guest call again, to go on with an extent.
#
# in:    %ebx = extents done so far; memory_operation, memory_argument
# out:   %eax = -ERESTART
# clob:  %ebx, %ecx
# errs:  none
{% call routine("extents_continue") %}
        shll    $6, %ebx
        orl     memory_operation, %ebx
        movl    memory_argument, %ecx
        movl    $HYPERCALL_memory_op, %eax
        jmp     hypercall_continue
{% endcall %}

# extent_load(extent number): reads an element of the guest's array.
#
# in:    %ebx = number; reservation
# out:   %eax = 0 or -EFAULT; extent
# clob:  %ecx, %esi, %edi
# errs:  -EFAULT
{% call routine("extent_load") %}
        movl    reservation + MEMORY_RESERVATION_extent_start, %esi
        leal    (%esi,%ebx,4), %esi
        movl    $extent, %edi
        movl    $4, %ecx
        jmp     copy_from_guest
{% endcall %}

# extent_store(extent number): writes the first mfn of a new extent to the guest's array.
#
# in:    %ebx = number; reservation, extent_mfn
# out:   %eax = 0 or -EFAULT
# clob:  %ecx, %edi
# errs:  -EFAULT
{% call routine("extent_store") %}
        pushl   %esi
        movl    reservation + MEMORY_RESERVATION_extent_start, %edi
        leal    (%edi,%ebx,4), %edi
        movl    $extent_mfn, %esi
        movl    $4, %ecx
        call    copy_to_guest
        popl    %esi
        ret
{% endcall %}

{% set L = labels("extent_probe") %}
# extent_probe(extent number): reads an element of the guest's array, and sees that it can be written.
#
# in:    %ebx = number; reservation
# out:   %eax = 0 or -EFAULT; extent
# clob:  %ecx, %esi, %edi
# errs:  -EFAULT
# why:   before frames are prepared for it
{% call routine("extent_probe") %}
        call    extent_load
        testl   %eax, %eax
        jnz     {{ L("unreadable") }}
        xchgl   %esi, %edi
        jmp     copy_to_guest
{{ L("unreadable") }}:
        ret
{% endcall %}

        .data
{% for name in ["reservation_domain", "reservation_limit", "extent", "extent_mfn"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("reservation", "MEMORY_RESERVATION_size") }}
