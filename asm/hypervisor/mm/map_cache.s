# The map cache: a short look at any machine frame, wherever it is.
#
# Invariants
#   - A slot is a page of the region at MAP_CACHE. Slots are given out in turn. In the middle of each half of them the
#     other half is emptied and the TLB flushed once: a slot that is given out is never in the TLB with an older frame.
#   - So a mapping is good until MAP_CACHE_QUARTER further frames have been mapped. Nobody keeps one while working on a
#     whole table of other tables, but maps again (the last frame mapped costs nothing).
#   - Mappings are writable, never executable. Frames are mapped only by those who hold a reference or know the type.
#   - Bare handlers map frames, too: memory is reached through %ss.

        .text

{% set L = labels("map_frame") %}
# map_frame(mfn): maps a machine frame.
#
# in:    %eax = mfn, below max_frame
# out:   %eax = its address
# clob:  none
# errs:  none
{% call routine("map_frame") %}
        cmpl    %ss:map_last_mfn, %eax
        je      {{ L("same") }}
        pushl   %ecx
        movl    %eax, %ss:map_last_mfn
        movl    %ss:map_next_slot, %ecx
        testl   $(MAP_CACHE_QUARTER - 1), %ecx
        jz      {{ L("quarter") }}
{{ L("have_slot") }}:
        shll    $PAGE_SHIFT, %eax
        orl     $(PTE_P | PTE_RW | PTE_A | PTE_D), %eax
        movl    %eax, %ss:hv_l1 + (MAP_CACHE - HV_START) / PAGE_SIZE * PTE_size(,%ecx,8)
        leal    1(%ecx), %eax
        andl    $(MAP_CACHE_SLOTS - 1), %eax
        movl    %eax, %ss:map_next_slot
        shll    $PAGE_SHIFT, %ecx
        leal    MAP_CACHE(%ecx), %eax
        movl    %eax, %ss:map_last_address
        popl    %ecx
        ret
{{ L("same") }}:
        movl    %ss:map_last_address, %eax
        ret
{{ L("quarter") }}:
        testl   $MAP_CACHE_QUARTER, %ecx
        jz      {{ L("have_slot") }}            # the beginning of a half
        call    map_cache_empty
        jmp     {{ L("have_slot") }}
{% endcall %}

{% set L = labels("map_cache_empty") %}
# map_cache_empty(slot): takes all mappings of the other half away.
#
# in:    %ecx = slot
# out:   -
# clob:  none
# errs:  none
# why:   the upper halves of the entries, with the no-execute bit, stay
{% call routine("map_cache_empty") %}
        pushl   %ecx
        pushl   %edx
        movl    %ecx, %edx
        notl    %edx
        andl    $(MAP_CACHE_SLOTS / 2), %edx    # the first slot of the other half
        leal    hv_l1 + (MAP_CACHE - HV_START) / PAGE_SIZE * PTE_size - PTE_size(,%edx,8), %edx
        movl    $(MAP_CACHE_SLOTS / 2), %ecx
{{ L("next_slot") }}:
        movl    $0, %ss:(%edx,%ecx,8)
        decl    %ecx
        jnz     {{ L("next_slot") }}
        call    tlb_flush
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

        .section .init, "ax"

{% set L = labels("map_cache_init") %}
# map_cache_init(): gives the slots' entries the upper half that they keep.
#
# in:    no_execute_high
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("map_cache_init") %}
        movl    no_execute_high, %eax
        movl    $MAP_CACHE_SLOTS, %ecx
{{ L("next_slot") }}:
        movl    %eax, hv_l1 + (MAP_CACHE - HV_START) / PAGE_SIZE * PTE_size - PTE_size + 4(,%ecx,8)
        decl    %ecx
        jnz     {{ L("next_slot") }}
        ret
{% endcall %}

        .data
{% call object("map_next_slot") %}
        .long   0
{% endcall %}
{% call object("map_last_mfn") %}
        .long   INVALID_MFN
{% endcall %}
{% call object("map_last_address") %}
        .long   0
{% endcall %}
