# The hypercall memory_op (ABI 8): reservations, exchange, and what a domain may ask about memory.
#
# Invariants
#   - A frame enters a domain with one reference, its allocation, and zeroed or scrubbed of any other domain's data.
#   - A frame leaves when its last reference goes; giving back the allocation only clears FRAME_ALLOCATED and drops
#     that one reference.
#   - nr_pages counts the frames owned; it never exceeds max_pages through these calls.
#   - Reservation calls return the number of extents done, never an error (ABI 8.2).

        .text

{% set L = labels("do_memory_op") %}
# do_memory_op(cmd, argument): one sub-operation.
#
# in:    %ebx = XENMEM_* | start extent << 6, %ecx = address of the argument; %ebp = current vcpu
# out:   %eax = the result of the sub-operation
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOSYS, and what the sub-operation says
# calls: memory_*
{% call routine("do_memory_op") %}
        movl    %ebx, %eax
        andl    $63, %eax
        movl    %eax, memory_operation
        shrl    $6, %ebx                        # start extent
        movl    %ecx, memory_argument
        movl    %ecx, %esi
        cmpl    $MEMORY_OPERATIONS, %eax
        jae     {{ L("unknown") }}
        movl    $WORK_PIECE, work_left
        call    *memory_operations(,%eax,4)
        jmp     work_end
{{ L("unknown") }}:
        movl    $-ENOSYS, %eax
        ret
{% endcall %}

# memory_unknown(): not there.
#
# in:    -
# out:   %eax = -ENOSYS
# clob:  none
# errs:  -ENOSYS
{% call routine("memory_unknown") %}
        movl    $-ENOSYS, %eax
        ret
{% endcall %}

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

{% set L = labels("memory_increase") %}
# memory_increase(start, argument): new frames; their numbers go to the array, if there is one.
#
# in:    %ebx = start extent, %esi = address of a MEMORY_RESERVATION; %ebp = current vcpu
# out:   %eax = number of extents done
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  none: a failure ends the loop
{% call routine("memory_increase") %}
        call    reservation_read
        testl   %eax, %eax
        jz      {{ L("done") }}
{{ L("next_extent") }}:
        call    extent_allocate
        testl   %eax, %eax
        jz      {{ L("done") }}
        cmpl    $0, reservation + MEMORY_RESERVATION_extent_start
        je      {{ L("stored") }}
        call    extent_store
        testl   %eax, %eax
        jnz     {{ L("undo") }}
{{ L("stored") }}:
        incl    %ebx
        cmpl    reservation + MEMORY_RESERVATION_nr_extents, %ebx
        jae     {{ L("done") }}
        call    extent_work
        jg      {{ L("next_extent") }}
        jmp     extents_continue
{{ L("done") }}:
        movl    %ebx, %eax
        ret
{{ L("undo") }}:
        call    extent_release
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("memory_populate") %}
# memory_populate(start, argument): new frames at pseudo-physical addresses; the M2P table says so.
#
# in:    %ebx = start extent, %esi = address of a MEMORY_RESERVATION; %ebp = current vcpu
# out:   %eax = number of extents done
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  none: a failure ends the loop
{% call routine("memory_populate") %}
        call    reservation_read
        testl   %eax, %eax
        jz      {{ L("done") }}
{{ L("next_extent") }}:
        call    extent_load
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    extent, %edx                    # pfn
        call    extent_allocate
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    %eax, %esi
        call    extent_store
        testl   %eax, %eax
        jnz     {{ L("undo") }}
        movl    reservation + MEMORY_RESERVATION_extent_order, %ecx
        movl    $1, %edi
        shll    %cl, %edi
{{ L("next_frame") }}:
        decl    %edi
        leal    (%edx,%edi), %eax
        leal    (%esi,%edi), %ecx
        movl    %eax, M2P(,%ecx,4)
        jnz     {{ L("next_frame") }}
        incl    %ebx
        cmpl    reservation + MEMORY_RESERVATION_nr_extents, %ebx
        jae     {{ L("done") }}
        call    extent_work
        jg      {{ L("next_extent") }}
        jmp     extents_continue
{{ L("done") }}:
        movl    %ebx, %eax
        ret
{{ L("undo") }}:
        call    extent_release
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("memory_decrease") %}
# memory_decrease(start, argument): gives frames back.
#
# in:    %ebx = start extent, %esi = address of a MEMORY_RESERVATION; %ebp = current vcpu
# out:   %eax = number of extents done
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  none: a failure ends the loop
{% call routine("memory_decrease") %}
        call    reservation_read
        testl   %eax, %eax
        jz      {{ L("done") }}
{{ L("next_extent") }}:
        call    extent_load
        testl   %eax, %eax
        jnz     {{ L("done") }}
        cmpl    $MAX_EXTENT_ORDER, reservation + MEMORY_RESERVATION_extent_order
        ja      {{ L("done") }}
        movl    reservation + MEMORY_RESERVATION_extent_order, %ecx
        movl    $1, %edi
        shll    %cl, %edi
        movl    extent, %esi
{{ L("next_frame") }}:
        movl    %esi, %eax
        movl    reservation_domain, %ecx
        call    allocation_drop
        testl   %eax, %eax
        jnz     {{ L("done") }}
        incl    %esi
        decl    %edi
        jnz     {{ L("next_frame") }}
        incl    %ebx
        cmpl    reservation + MEMORY_RESERVATION_nr_extents, %ebx
        jae     {{ L("done") }}
        call    extent_work
        jg      {{ L("next_extent") }}
        jmp     extents_continue
{{ L("done") }}:
        movl    %ebx, %eax
        ret
{% endcall %}

# extent_work(): counts an extent as done work.
#
# in:    reservation
# out:   sign and zero flags: greater than zero when more work is allowed
# clob:  %ecx
# errs:  none
{% call routine("extent_work") %}
        pushl   %eax
        movl    reservation + MEMORY_RESERVATION_extent_order, %ecx
        movl    $WORK_OF_A_PAGE, %eax
        shll    %cl, %eax
        subl    %eax, work_left
        popl    %eax
        cmpl    $0, work_left
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

{% set L = labels("allocation_drop") %}
# allocation_drop(mfn, domain): drops the reference that is a domain's own allocation.
#
# in:    %eax = mfn, %ecx = DOMAIN
# out:   %eax = 0 or -EINVAL
# clob:  none
# errs:  -EINVAL: not its frame, or given back already
{% call routine("allocation_drop") %}
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad") }}
        btrl    $31, FRAME_count(%eax)
        jnc     {{ L("not_allocated") }}
        call    frame_put
        call    frame_put
        xorl    %eax, %eax
        ret
{{ L("not_allocated") }}:
        call    frame_put
{{ L("bad") }}:
        movl    $-EINVAL, %eax
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

{% set L = labels("extent_allocate") %}
# extent_allocate(): takes an extent of frames for reservation_domain, zeroed.
#
# in:    reservation, reservation_domain, reservation_limit
# out:   %eax = first mfn, also in extent_mfn; or 0
# clob:  none
# errs:  0: the order is too high, max_pages is reached, or there is no such memory
{% call routine("extent_allocate") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        pushl   %edi
        movl    reservation + MEMORY_RESERVATION_extent_order, %ecx
        cmpl    $MAX_EXTENT_ORDER, %ecx
        ja      {{ L("none") }}
        movl    $1, %ebx
        shll    %cl, %ebx                       # frames
        movl    reservation_domain, %edx
        movl    DOMAIN_nr_pages(%edx), %eax
        addl    %ebx, %eax
        cmpl    DOMAIN_max_pages(%edx), %eax
        ja      {{ L("none") }}
        movl    %ebx, %ecx
        call    frames_alloc_aligned
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, extent_mfn
        leal    -1(%eax,%ebx), %ecx
        cmpl    reservation_limit, %ecx
        jae     {{ L("too_high") }}
        addl    %ebx, DOMAIN_nr_pages(%edx)
        movl    %eax, %ecx
{{ L("next_frame") }}:
        movl    %ecx, %eax
        call    map_frame
        movl    %eax, %edi
        pushl   %ecx
        movl    $PAGE_SIZE, %ecx
        call    memory_zero
        popl    %ecx
        movl    %ecx, %eax
        call    frame_record
        movl    %edx, FRAME_owner(%eax)
        incl    %ecx
        decl    %ebx
        jnz     {{ L("next_frame") }}
        movl    extent_mfn, %eax
{{ L("done") }}:
        popl    %edi
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{{ L("too_high") }}:
        call    frame_free
        incl    %eax
        decl    %ebx
        jnz     {{ L("too_high") }}
{{ L("none") }}:
        xorl    %eax, %eax
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("extent_release") %}
# extent_release(): gives an extent back that was taken in vain.
#
# in:    extent_mfn, reservation, reservation_domain
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("extent_release") %}
        movl    reservation + MEMORY_RESERVATION_extent_order, %ecx
        movl    $1, %edx
        shll    %cl, %edx
{{ L("next_frame") }}:
        decl    %edx
        movl    extent_mfn, %eax
        addl    %edx, %eax
        movl    reservation_domain, %ecx
        call    allocation_drop
        testl   %edx, %edx
        jnz     {{ L("next_frame") }}
        ret
{% endcall %}

# memory_maximum_ram_page(): the highest machine frame number, plus one.
#
# in:    -
# out:   %eax = max_frame
# clob:  none
# errs:  none
{% call routine("memory_maximum_ram_page") %}
        movl    max_frame, %eax
        ret
{% endcall %}

{% for name, field in [("current", "nr_pages"), ("maximum", "max_pages")] %}
{% set L = labels("memory_" ~ name ~ "_reservation") %}
# memory_{{ name }}_reservation(argument): {{ field }} of a domain.
#
# in:    %esi = address of a domid; %ebp = current vcpu
# out:   %eax = pages or an error
# clob:  %ecx, %edx, %edi
# errs:  -EFAULT, -ESRCH, -EPERM
{% call routine("memory_" ~ name ~ "_reservation") %}
        call    memory_domid_read
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    DOMAIN_{{ field }}(%edx), %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% endfor %}
{% set L = labels("memory_maximum_gpfn") %}
# memory_maximum_gpfn(argument): the highest pseudo-physical frame number that a domain says it uses.
#
# in:    %esi = address of a domid; %ebp = current vcpu
# out:   %eax = pfn or an error
# clob:  %ecx, %edx, %edi
# errs:  -EFAULT, -ESRCH, -EPERM
{% call routine("memory_maximum_gpfn") %}
        call    memory_domid_read
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    DOMAIN_shared_info(%edx), %eax
        movl    SHARED_INFO_arch_max_pfn(%eax), %eax
        decl    %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("memory_domid_read") %}
# memory_domid_read(argument): the domain that a query is about.
#
# in:    %esi = address of a domid; %ebp = current vcpu
# out:   %eax = 0 or an error; %edx = DOMAIN
# clob:  %ecx, %edi
# errs:  -EFAULT, -ESRCH, -EPERM
{% call routine("memory_domid_read") %}
        movl    $extent, %edi
        movl    $2, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("unreadable") }}
        movzwl  extent, %eax
        jmp     domain_by_id
{{ L("unreadable") }}:
        ret
{% endcall %}

{% set L = labels("memory_machphys_mapping") %}
# memory_machphys_mapping(argument): where the M2P table can be read.
#
# in:    %esi = address of a MACHPHYS_MAPPING; %ebp = current vcpu
# out:   %eax = 0 or -EFAULT
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EFAULT
{% call routine("memory_machphys_mapping") %}
        movl    VCPU_domain(%ebp), %edx
        movl    DOMAIN_virt_start(%edx), %eax
        movl    %eax, machphys + MACHPHYS_MAPPING_v_start
        movl    $M2P_ALIAS_BYTES, %ecx
        cmpl    $M2P_ALIAS, %eax
        je      {{ L("size_ok") }}
        movl    $M2P_BYTES, %ecx
{{ L("size_ok") }}:
        leal    (%eax,%ecx), %edx
        movl    %edx, machphys + MACHPHYS_MAPPING_v_end
        shrl    $2, %ecx
        decl    %ecx
        movl    %ecx, machphys + MACHPHYS_MAPPING_max_mfn
        movl    %esi, %edi
        movl    $machphys, %esi
        movl    $MACHPHYS_MAPPING_size, %ecx
        jmp     copy_to_guest
{% endcall %}

        .section .rodata
{% set operations = {0: "increase", 1: "decrease", 2: "maximum_ram_page", 3: "current_reservation",
                     4: "maximum_reservation", 5: "machphys_mfn_list", 6: "populate", 10: "machine_map",
                     11: "exchange", 12: "machphys_mapping", 14: "maximum_gpfn"} %}
{% call object("memory_operations") %}
{% for number in range(abi.MEMORY_OPERATIONS) %}
        .long   memory_{{ operations.get(number, "unknown") }}
{% endfor %}
{% endcall %}

        .data
{% for name in ["reservation_domain", "reservation_limit", "extent", "extent_mfn", "memory_operation",
             "memory_argument"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("reservation", "MEMORY_RESERVATION_size") }}
{{ space("machphys", "MACHPHYS_MAPPING_size") }}
