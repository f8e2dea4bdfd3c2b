# Timers: a binary heap of TIMERs, the earliest first, and one alarm of the hardware for all of them.
#
# Invariants
#   - timer_heap[1] to timer_heap[timer_count] are the timers that are set; each knows its place (TIMER_position), and
#     none is later than those at twice its place and the one behind. What is not in the heap has position 0.
#   - Outside of timers_run the hardware interrupts us (entry/interrupt.s) not much later than alarm_at, and no timer in
#     the heap is earlier than that. So a timer that is set for later than alarm_at costs no access to the hardware;
#     an interrupt that comes too early for every timer only sets the alarm again.
#   - A timer is due when its deadline is before now, never at it: whoever computes the time from what clock_publish
#     wrote gets a nanosecond less at the most, and sees the deadline reached.
#   - A domain has no more than 6 timers, and there are no more than 682 domains (each takes three pages of the heap);
#     256 virtual devices have one each at the most, and few are the hypervisor's own: TIMERS are enough.

        .text

{% set L = labels("timer_set") %}
# timer_set(timer, deadline): sets a timer, or sets it anew.
#
# in:    %edi = TIMER, whose routine is there; %edx:%eax = system time
# out:   -
# clob:  none
# errs:  none
# why:   a deadline that has passed is one, too: then the hardware interrupts us as soon as it can
{% call routine("timer_set") %}
        call    timer_place
        pushl   %edx
        cmpl    alarm_at, %eax
        sbbl    alarm_at + 4, %edx
        popl    %edx
        jae     {{ L("alarm_comes_first") }}
        call    alarm_set
{{ L("alarm_comes_first") }}:
        ret
{% endcall %}

{% set L = labels("timer_stop") %}
# timer_stop(timer): it will not be due any more.
#
# in:    %edi = TIMER
# out:   TIMER_position = 0
# clob:  none
# errs:  none
{% call routine("timer_stop") %}
        cmpl    $0, TIMER_position(%edi)
        je      {{ L("not_set") }}
        pushal
        movl    TIMER_position(%edi), %ecx
        movl    $0, TIMER_position(%edi)
        movl    timer_count, %eax
        decl    timer_count
        movl    timer_heap(,%eax,4), %esi       # the last one takes the place
        cmpl    %edi, %esi
        je      {{ L("was_the_last") }}
        movl    %esi, %edi
        movl    TIMER_deadline(%edi), %eax
        movl    TIMER_deadline_high(%edi), %edx
        call    timer_up
        call    timer_down
        movl    %edi, timer_heap(,%ecx,4)
        movl    %ecx, TIMER_position(%edi)
{{ L("was_the_last") }}:
        popal
{{ L("not_set") }}:
        ret
{% endcall %}

{% set L = labels("timer_place") %}
# timer_place(timer, deadline): puts a timer where it belongs in the heap; the alarm is left alone.
#
# in:    %edi = TIMER, %edx:%eax = deadline
# out:   -
# clob:  none
# errs:  more than TIMERS: panic
# why:   by way of %ss: hypercalls with the guest's %ds set timers
{% call routine("timer_place") %}
        pushl   %ecx
        movl    %eax, %ss:TIMER_deadline(%edi)
        movl    %edx, %ss:TIMER_deadline_high(%edi)
        movl    %ss:TIMER_position(%edi), %ecx
        testl   %ecx, %ecx
        jz      {{ L("new") }}
{{ L("have_place") }}:
        call    timer_up
        call    timer_down
        movl    %edi, %ss:timer_heap(,%ecx,4)
        movl    %ecx, %ss:TIMER_position(%edi)
        popl    %ecx
        ret
{{ L("new") }}:
        incl    %ss:timer_count
        movl    %ss:timer_count, %ecx
        cmpl    $TIMERS, %ecx
        jbe     {{ L("have_place") }}
{{ panic("more timers are set than there may be") }}
{% endcall %}

{% set L = labels("timer_up") %}
# timer_up(deadline, place): moves a free place of the heap up, until what is above it is not later.
#
# in:    %edx:%eax = deadline, %ecx = place
# out:   %ecx = place
# clob:  none
# errs:  none
{% call routine("timer_up") %}
        cmpl    $1, %ecx
        je      {{ L("at_the_top") }}
        pushl   %ebx
        pushl   %esi
        pushl   %ebp
{{ L("next_above") }}:
        movl    %ecx, %ebx
        shrl    $1, %ebx
        movl    %ss:timer_heap(,%ebx,4), %esi
        movl    %edx, %ebp
        cmpl    %ss:TIMER_deadline(%esi), %eax
        sbbl    %ss:TIMER_deadline_high(%esi), %ebp
        jae     {{ L("found") }}
        movl    %esi, %ss:timer_heap(,%ecx,4)
        movl    %ecx, %ss:TIMER_position(%esi)
        movl    %ebx, %ecx
        cmpl    $1, %ecx
        jne     {{ L("next_above") }}
{{ L("found") }}:
        popl    %ebp
        popl    %esi
        popl    %ebx
{{ L("at_the_top") }}:
        ret
{% endcall %}

{% set L = labels("timer_down") %}
# timer_down(deadline, place): moves a free place of the heap down, until nothing below it is earlier.
#
# in:    %edx:%eax = deadline, %ecx = place
# out:   %ecx = place
# clob:  none
# errs:  none
{% call routine("timer_down") %}
        pushl   %ebx
        leal    (%ecx,%ecx), %ebx
        cmpl    %ss:timer_count, %ebx
        ja      {{ L("at_the_bottom") }}
        pushl   %esi
        pushl   %edi
        pushl   %ebp
{{ L("next_below") }}:
        movl    %ss:timer_heap(,%ebx,4), %esi
        cmpl    %ss:timer_count, %ebx
        je      {{ L("have_earlier") }}         # it has no neighbour
        movl    %ss:timer_heap + 4(,%ebx,4), %edi
        movl    %ss:TIMER_deadline(%edi), %ebp
        cmpl    %ss:TIMER_deadline(%esi), %ebp
        movl    %ss:TIMER_deadline_high(%edi), %ebp
        sbbl    %ss:TIMER_deadline_high(%esi), %ebp
        jae     {{ L("have_earlier") }}
        movl    %edi, %esi
        incl    %ebx
{{ L("have_earlier") }}:
        movl    %ss:TIMER_deadline_high(%esi), %ebp
        cmpl    %eax, %ss:TIMER_deadline(%esi)
        sbbl    %edx, %ebp
        jae     {{ L("found") }}
        movl    %esi, %ss:timer_heap(,%ecx,4)
        movl    %ecx, %ss:TIMER_position(%esi)
        movl    %ebx, %ecx
        addl    %ebx, %ebx
        cmpl    %ss:timer_count, %ebx
        jbe     {{ L("next_below") }}
{{ L("found") }}:
        popl    %ebp
        popl    %edi
        popl    %esi
{{ L("at_the_bottom") }}:
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("timers_run") %}
# timers_run(): calls the routines of the timers that are due, the earliest first, and sets the alarm for the next.
#
# in:    our data segments; nothing on the stack but a frame
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
# calls: *_due
# why:   while alarm_at is 0, no timer that a routine sets is earlier: the alarm is set once, at the end. Of more than
#        TIMERS_AT_ONCE the rest has the next interrupt, which comes as soon as they are on again
{% call routine("timers_run") %}
        movl    $0, alarm_at
        movl    $0, alarm_at + 4
        movl    $TIMERS_AT_ONCE, timers_room
{{ L("next_timer") }}:
        cmpl    $0, timer_count
        je      {{ L("none_left") }}
        movl    timer_heap + 4, %edi
        call    clock_now
        movl    TIMER_deadline_high(%edi), %ecx
        cmpl    %eax, TIMER_deadline(%edi)
        sbbl    %edx, %ecx
        jae     alarm_set
        decl    timers_room
        js      alarm_set
        call    timer_stop
        call    *TIMER_routine(%edi)            # it gets %edi = TIMER, and may set it again
        jmp     {{ L("next_timer") }}
{{ L("none_left") }}:
        movl    $-1, alarm_at
        movl    $-1, alarm_at + 4
        ret
{% endcall %}

        .data
{% call object("alarm_at") %}
        .long   -1, -1                          # no alarm: every deadline is earlier
{% endcall %}
{{ space("timers_room", 4) }}
{{ space("timer_count", 4) }}
{{ space("timer_heap", "4 * (TIMERS + 1)") }}
