# The balloon: frames that the domain gives back, and takes again (ABI 8.2).
#
# Invariants
#   - balloon_pages is how many pages the domain has. Pages BALLOON_FLOOR and up are the balloon's: nothing else uses
#     them, and none of them is mapped, but one at a time at balloon_window, to be touched.
#   - balloon_frames has the frame of each page that the domain has.
#   - The last page goes first and comes last, so what the domain has is always pages 0 to balloon_pages.

        .text

        .set    BALLOON_FLOOR, 2048             # pages: more than the initial mapping of this kernel has
        .set    BALLOON_MOST, 65536
        .set    BALLOON_PIECE, 256              # pages in one hypercall

{{ space("balloon_frames", "4 * BALLOON_MOST", "PAGE_SIZE") }}
{{ space("balloon_window", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("balloon_pages", 4) }}
{{ space("balloon_numbers", "4 * BALLOON_PIECE") }}
{{ space("balloon_reservation", "MEMORY_RESERVATION_size") }}

# balloon_begin(): what the domain has when it starts.
#
# in:    %ebp = start_info
# out:   balloon_pages, balloon_frames
# clob:  %ecx, %esi, %edi
# errs:  none
{% call routine("balloon_begin") %}
        movl    START_INFO_nr_pages(%ebp), %ecx
        movl    %ecx, balloon_pages
        movl    START_INFO_mfn_list(%ebp), %esi
        movl    $balloon_frames, %edi
        rep movsl
        ret
{% endcall %}

{% set L = labels("balloon_follow") %}
# balloon_follow(target): gives back or takes until the domain has that many pages, as far as it can.
#
# in:    %eax = pages
# out:   balloon_pages
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what cannot be given or taken is left as it is
{% call routine("balloon_follow") %}
        cmpl    $BALLOON_FLOOR, %eax
        jae     {{ L("above_floor") }}
        movl    $BALLOON_FLOOR, %eax
{{ L("above_floor") }}:
        cmpl    $BALLOON_MOST, %eax
        jbe     {{ L("below_most") }}
        movl    $BALLOON_MOST, %eax
{{ L("below_most") }}:
        pushl   %eax
{{ L("next_piece") }}:
        movl    (%esp), %ecx
        subl    balloon_pages, %ecx
        jz      {{ L("done") }}
        jc      {{ L("give_back") }}
        call    balloon_take
        jmp     {{ L("moved") }}
{{ L("give_back") }}:
        negl    %ecx
        call    balloon_give_back
{{ L("moved") }}:
        testl   %eax, %eax
        jnz     {{ L("next_piece") }}           # some were moved: there may be more
{{ L("done") }}:
        popl    %eax
        ret
{% endcall %}

{% set L = labels("balloon_give_back") %}
# balloon_give_back(pages): gives the last pages back, one piece of them.
#
# in:    %ecx = pages, above 0
# out:   %eax = how many were given; balloon_pages
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  0
{% call routine("balloon_give_back") %}
        call    balloon_piece
        movl    balloon_pages, %esi
        subl    %ecx, %esi
        leal    balloon_frames(,%esi,4), %esi
        movl    $balloon_numbers, %edi
        rep movsl
        movl    $XENMEM_decrease_reservation, %ebx
        call    balloon_call
        subl    %eax, balloon_pages
        ret
{% endcall %}

{% set L = labels("balloon_take") %}
# balloon_take(pages): takes pages behind the last one, one piece of them, and touches each.
#
# in:    %ecx = pages, above 0
# out:   %eax = how many were taken; balloon_pages, balloon_frames
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  0
{% call routine("balloon_take") %}
        call    balloon_piece
        movl    balloon_pages, %eax
        movl    $balloon_numbers, %edi
{{ L("next_number") }}:
        stosl
        incl    %eax
        decl    %ecx
        jnz     {{ L("next_number") }}
        movl    $XENMEM_populate_physmap, %ebx
        call    balloon_call
        movl    %eax, %ecx
        movl    $balloon_numbers, %esi          # the frames now
        movl    balloon_pages, %edi
        addl    %eax, balloon_pages
        leal    balloon_frames(,%edi,4), %edi
        rep movsl
        ret
{% endcall %}

# balloon_piece(pages): how many of the pages one hypercall moves.
#
# in:    %ecx = pages
# out:   %ecx = BALLOON_PIECE at the most; the reservation is for as many
# clob:  none
# errs:  none
{% call routine("balloon_piece") %}
        cmpl    $BALLOON_PIECE, %ecx
        jbe     1f
        movl    $BALLOON_PIECE, %ecx
1:
        movl    $balloon_numbers, balloon_reservation + MEMORY_RESERVATION_extent_start
        movl    %ecx, balloon_reservation + MEMORY_RESERVATION_nr_extents
        movl    $DOMID_SELF, balloon_reservation + MEMORY_RESERVATION_domid
        ret
{% endcall %}

# balloon_call(command): the hypercall with the reservation.
#
# in:    %ebx = XENMEM_*
# out:   %eax = extents done
# clob:  %ebx, %ecx
# errs:  0
{% call routine("balloon_call") %}
        movl    $balloon_reservation, %ecx
        {{ hypercall("memory_op") }}
        testl   %eax, %eax
        jns     1f
        xorl    %eax, %eax
1:
        ret
{% endcall %}

{% set L = labels("balloon_touch") %}
# balloon_touch(): writes to each page of the balloon, and reads it all again.
#
# in:    -
# out:   %eax = pages that did not keep what was written
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  a page that cannot be mapped counts, too
{% call routine("balloon_touch") %}
        pushl   $0
{% for step in ["write", "read"] %}
        movl    $BALLOON_FLOOR, %edi
{{ L(step) }}:
        cmpl    balloon_pages, %edi
        jae     {{ L(step ~ "_done") }}
        movl    $balloon_window, %ebx
        movl    balloon_frames(,%edi,4), %eax
        movl    $(PTE_P | PTE_RW | PTE_A | PTE_D), %ecx
        call    page_map
        testl   %eax, %eax
        jnz     {{ L(step ~ "_bad") }}
{% if step == "write" %}
        movl    %edi, balloon_window
        movl    %edi, balloon_window + PAGE_SIZE - 4
        jmp     {{ L(step ~ "_good") }}
{% else %}
        cmpl    balloon_window, %edi
        jne     {{ L(step ~ "_bad") }}
        cmpl    balloon_window + PAGE_SIZE - 4, %edi
        je      {{ L(step ~ "_good") }}
{% endif %}
{{ L(step ~ "_bad") }}:
        incl    (%esp)
{{ L(step ~ "_good") }}:
        incl    %edi
        jmp     {{ L(step) }}
{{ L(step ~ "_done") }}:
{% endfor %}
        movl    $balloon_window, %ebx           # a page that is mapped cannot be given back
        xorl    %eax, %eax
        xorl    %ecx, %ecx
        call    page_map
        popl    %eax
        ret
{% endcall %}
