# Extents: 2 MB of memory taken and given as one, and exchanged for single frames.
#
# Invariants
#   - The frames are ones of the end of the domain, which the builder has not mapped anywhere, but for the last EXTENTS:
#     those are balloon's (long.s). extent_prepare gives back so many that 2 MB of them are one extent for sure.
#   - exchange goes on from extent: 512 of the frames that are free by then are its single ones.

        .text

        .set    SPARE, 2048
        .set    LARGE_ORDER, 9
        .set    LARGE_FRAMES, 512

{% set L = labels("extent_prepare") %}
# extent_prepare(): gives SPARE frames back, all of which are neighbours.
#
# in:    %ebp = start_info
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %esi, %edi
# errs:  what the hypervisor says; -1: it took fewer
{% call routine("extent_prepare") %}
        movl    START_INFO_nr_pages(%ebp), %esi
        shll    $2, %esi
        addl    START_INFO_mfn_list(%ebp), %esi
        subl    $(4 * (EXTENTS + SPARE)), %esi
        movl    $long_list, %edi
        movl    $SPARE, %ecx
        rep movsl
        movl    $XENMEM_decrease_reservation, %ebx
        movl    $spare_frames, %ecx
        {{ hypercall("memory_op") }}
        subl    $SPARE, %eax
        jz      {{ L("done") }}
        movl    $-1, %eax
{{ L("done") }}:
        ret
{% endcall %}

# bench_extent(): 2 MB taken, and given back.
#
# in:    -
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  -1: there is no such extent
{% call routine("bench_extent") %}
extent_begin:
        movl    $XENMEM_increase_reservation, %ebx
        movl    $large_extent, %ecx
        {{ hypercall("memory_op") }}
        decl    %eax
        jnz     extent_end
        movl    $XENMEM_decrease_reservation, %ebx
        movl    $large_extent, %ecx
        {{ hypercall("memory_op") }}
        decl    %eax
extent_end:
        ret
{% endcall %}

{% set L = labels("exchange_prepare") %}
# exchange_prepare(): single frames.
#
# in:    -
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  what the hypervisor says; -1: it gave fewer
{% call routine("exchange_prepare") %}
        movl    $XENMEM_increase_reservation, %ebx
        movl    $single_frames, %ecx
        {{ hypercall("memory_op") }}
        subl    $LARGE_FRAMES, %eax
        jz      {{ L("done") }}
        movl    $-1, %eax
{{ L("done") }}:
        ret
{% endcall %}

# bench_exchange(): 512 frames for 2 MB, and 2 MB for 512 frames.
#
# in:    the frames' numbers in singles
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  what the hypervisor says
{% call routine("bench_exchange") %}
exchange_begin:
{% for way in ["there", "back"] %}
        movl    $0, exchange_{{ way }} + MEMORY_EXCHANGE_nr_exchanged
        movl    $XENMEM_exchange, %ebx
        movl    $exchange_{{ way }}, %ecx
        {{ hypercall("memory_op") }}
        testl   %eax, %eax
        jnz     exchange_end
{% endfor %}
exchange_end:
        ret
{% endcall %}

        .data
{% macro reservation(array, count, order) %}
        .long   {{ array }}, {{ count }}, {{ order }}, 0, DOMID_SELF
{% endmacro %}
{% call object("spare_frames") %}
{{ reservation("long_list", "SPARE", 0) }}
{% endcall %}
{% call object("large_extent") %}
{{ reservation("large", 1, "LARGE_ORDER") }}
{% endcall %}
{% call object("single_frames") %}
{{ reservation("singles", "LARGE_FRAMES", 0) }}
{% endcall %}
{% call object("exchange_there") %}
{{ reservation("singles", "LARGE_FRAMES", 0) }}
{{ reservation("large", 1, "LARGE_ORDER") }}
        .long   0
{% endcall %}
{% call object("exchange_back") %}
{{ reservation("large", 1, "LARGE_ORDER") }}
{{ reservation("singles", "LARGE_FRAMES", 0) }}
        .long   0
{% endcall %}

{{ space("large", "4") }}
{{ space("singles", "4 * LARGE_FRAMES") }}
