# The run queue: who is runnable and waits, as two binary heaps.
#
# run_queue has all of them, the least actual virtual time first; warp_queue those of them that warp, the least
# effective one first. Who does not warp has one virtual time for both, so the least effective time of all is at one of
# the two tops, and the least actual one at the top of run_queue.
#
# Invariants
#   - run_queue[1] to run_queue[run_queue_count] are vcpus; each knows its place (VCPU_sched_place), and none comes
#     before the one at half its place. The same holds for warp_queue. A vcpu that is in neither has places 0.
#   - The vcpu that runs is in neither.
#   - avt, evt, order and warping of a vcpu do not change while it is in a queue.
#   - Equals come in the order in which they were added: `order` is the lowest part of what is compared.
#   - The heaps are moved by way of %ss, for the short ways run on the guest's %ds.

        .text

{% macro before(one, key, other, scratch) %}
        movl    %ss:VCPU_sched_order({{ one }}), {{ scratch }}
        cmpl    %ss:VCPU_sched_order({{ other }}), {{ scratch }}
        movl    %ss:VCPU_sched_{{ key }}({{ one }}), {{ scratch }}
        sbbl    %ss:VCPU_sched_{{ key }}({{ other }}), {{ scratch }}
        movl    %ss:VCPU_sched_{{ key }}_high({{ one }}), {{ scratch }}
        sbbl    %ss:VCPU_sched_{{ key }}_high({{ other }}), {{ scratch }}
{% endmacro %}
{% for queue, key, place in [("run_queue", "avt", "place"), ("warp_queue", "evt", "warp_place")] %}
{% set L = labels(queue ~ "_up") %}
# {{ queue }}_up(vcpu, place): moves a free place up, until what is above it comes before the vcpu.
#
# in:    %ebp = VCPU that wants the place, %ecx = place
# out:   %ecx = place
# clob:  %eax, %ebx, %esi
# errs:  none
{% call routine(queue ~ "_up") %}
{{ L("next_above") }}:
        movl    %ecx, %ebx
        shrl    $1, %ebx
        jz      {{ L("found") }}
        movl    %ss:{{ queue }}(,%ebx,4), %esi
{{ before("%ebp", key, "%esi", "%eax") }}
        jge     {{ L("found") }}
        movl    %esi, %ss:{{ queue }}(,%ecx,4)
        movl    %ecx, %ss:VCPU_sched_{{ place }}(%esi)
        movl    %ebx, %ecx
        jmp     {{ L("next_above") }}
{{ L("found") }}:
        ret
{% endcall %}

{% set L = labels(queue ~ "_down") %}
# {{ queue }}_down(vcpu, place): moves a free place down, until nothing below it comes before the vcpu, and takes it.
#
# in:    %ebp = VCPU that wants the place, %ecx = place
# out:   its place
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine(queue ~ "_down") %}
{{ L("next_below") }}:
        leal    (%ecx,%ecx), %ebx
        cmpl    %ss:{{ queue }}_count, %ebx
        ja      {{ L("found") }}
        movl    %ss:{{ queue }}(,%ebx,4), %esi
        je      {{ L("have_first") }}           # it has no neighbour
        movl    %ss:{{ queue }} + 4(,%ebx,4), %edi
{{ before("%edi", key, "%esi", "%eax") }}
        jge     {{ L("have_first") }}
        movl    %edi, %esi
        incl    %ebx
{{ L("have_first") }}:
{{ before("%esi", key, "%ebp", "%eax") }}
        jge     {{ L("found") }}
        movl    %esi, %ss:{{ queue }}(,%ecx,4)
        movl    %ecx, %ss:VCPU_sched_{{ place }}(%esi)
        movl    %ebx, %ecx
        jmp     {{ L("next_below") }}
{{ L("found") }}:
        movl    %ebp, %ss:{{ queue }}(,%ecx,4)
        movl    %ecx, VCPU_sched_{{ place }}(%ebp)
        ret
{% endcall %}

# {{ queue }}_insert(vcpu): puts a vcpu in.
#
# in:    %ebp = VCPU that is not in it
# out:   its place
# clob:  %eax, %ebx, %ecx, %esi
# errs:  none: there are fewer vcpus than places (run_queue_room)
{% call routine(queue ~ "_insert") %}
        incl    %ss:{{ queue }}_count
        movl    %ss:{{ queue }}_count, %ecx
        call    {{ queue }}_up
        movl    %ebp, %ss:{{ queue }}(,%ecx,4)
        movl    %ecx, VCPU_sched_{{ place }}(%ebp)
        ret
{% endcall %}

{% set L = labels(queue ~ "_remove") %}
# {{ queue }}_remove(vcpu): takes a vcpu out; the last one gets its place, or a better one.
#
# in:    %ebp = VCPU that is in it
# out:   VCPU_sched_{{ place }} = 0
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine(queue ~ "_remove") %}
        movl    VCPU_sched_{{ place }}(%ebp), %ecx
        movl    $0, VCPU_sched_{{ place }}(%ebp)
        movl    %ss:{{ queue }}_count, %ebx
        decl    %ss:{{ queue }}_count
        cmpl    %ebx, %ecx
        je      {{ L("was_the_last") }}
        pushl   %ebp
        movl    %ss:{{ queue }}(,%ebx,4), %ebp
        call    {{ queue }}_up
        call    {{ queue }}_down
        popl    %ebp
{{ L("was_the_last") }}:
        ret
{% endcall %}

{% endfor %}
{% set L = labels("queue_add") %}
# queue_add(vcpu): a vcpu waits for its turn from now on, behind its equals.
#
# in:    %ebp = VCPU in no queue, with its virtual times
# out:   -
# clob:  %eax, %ebx, %ecx, %esi
# errs:  none
{% call routine("queue_add") %}
        incl    queue_order
        movl    queue_order, %eax
        movl    %eax, VCPU_sched_order(%ebp)
        call    run_queue_insert
        cmpl    $0, VCPU_sched_warping(%ebp)
        jne     warp_queue_insert
        ret
{% endcall %}

{% set L = labels("queue_take") %}
# queue_take(vcpu): a vcpu does not wait any more.
#
# in:    %ebp = VCPU in the queue
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("queue_take") %}
        call    run_queue_remove
        cmpl    $0, VCPU_sched_warp_place(%ebp)
        jne     warp_queue_remove
        ret
{% endcall %}

{% set L = labels("queue_swap") %}
# queue_swap(vcpu, first): one waits instead of another: one way through the heap, not two.
#
# in:    %ebp = VCPU in no queue, with its virtual times; %edi = VCPU that queue_first gave
# out:   %ebp = what %edi was, in no queue any more
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("queue_swap") %}
        movl    VCPU_sched_warping(%ebp), %eax
        orl     VCPU_sched_warping(%edi), %eax
        jnz     {{ L("warping") }}
        incl    queue_order
        movl    queue_order, %eax
        movl    %eax, VCPU_sched_order(%ebp)
        movl    $0, VCPU_sched_place(%edi)
        movl    $1, %ecx
        pushl   %edi
        call    run_queue_down
        popl    %ebp
        ret
{{ L("warping") }}:
        pushl   %edi
        call    queue_add
        popl    %ebp
        jmp     queue_take
{% endcall %}

{% set L = labels("queue_first") %}
# queue_first(): who waits with the least effective virtual time.
#
# in:    -
# out:   %edi = VCPU, or 0 when nobody waits
# clob:  %eax, %esi
# errs:  none
{% call routine("queue_first") %}
        xorl    %edi, %edi
        cmpl    %edi, run_queue_count
        je      {{ L("done") }}
        movl    run_queue + 4, %edi
        cmpl    $0, warp_queue_count
        je      {{ L("done") }}
        movl    warp_queue + 4, %esi
{{ before("%esi", "evt", "%edi", "%eax") }}
        jge     {{ L("done") }}
        movl    %esi, %edi
{{ L("done") }}:
        ret
{% endcall %}

{{ space("run_queue", "4 * (RUN_QUEUE_PLACES + 1)") }}
{{ space("run_queue_count", 4) }}
{{ space("warp_queue", "4 * (RUN_QUEUE_PLACES + 1)") }}
{{ space("warp_queue_count", 4) }}
{{ space("queue_order", 4) }}
