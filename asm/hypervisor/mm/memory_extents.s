# What the calls of memory_op that move extents have in common: the argument, its array, and going on later.
#
# Invariants
#   - reservation, reservation_domain and reservation_limit are those of the call under way, set at its beginning;
#     extent and extent_mfn those of the element of the array that is at hand.

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

        .data
{% for name in ["reservation_domain", "reservation_limit", "extent", "extent_mfn"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("reservation", "MEMORY_RESERVATION_size") }}
