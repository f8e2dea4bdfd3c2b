# Handing over: the short way from a vcpu that sends an event to the one that it wakes, and from one that goes to sleep
# or yields to the first that waits. What wake.s, schedule.s and turn.s do in general is done here for two plain vcpus
# (plain.s): straight from a bare hypercall, registers to VCPU and VCPU to registers.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: memory is reached through %ss or %ebp. No segment register is
#     loaded: both vcpus have flat ones (unless_easy_to_leave in hand_over.macro, PLAIN_FLAT).
#   - The clock is read once: virtual times, run states and the time record count from that moment. What is done to them
#     is what sched_charge, runstate_change_at and clock_publish do; who does not warp has one virtual time.
#   - svt may stay behind meanwhile: whoever wakes, or is the last to sleep, by the long way raises it first.

        .text

        .set    BARE_ESP, hypervisor_stack_top - ENTRY_FRAME_size + ENTRY_FRAME_vector

{% set L = labels("hand_over_wake") %}
# hand_over_wake(vcpu): a vcpu wakes: it runs at once if it comes first, else its waker goes on.
#
# in:    %edx = VCPU, PLAIN_FLAT and due an upcall; %ebp = current vcpu, in fast_event_channel_op; nobody waits;
#        stack: the guest's esi and edx, and a bare handler's
# out:   does not return, or as fast_event_channel_op
# errs:  none
{% call routine("hand_over_wake") %}
        popl    VCPU_frame + ENTRY_FRAME_esi(%ebp)
        popl    VCPU_frame + ENTRY_FRAME_edx(%ebp)
{{ registers_to_vcpu(["ebx", "ecx", "edi"]) }}
        movl    %edx, %edi
        movl    $SLEEP_NONE, %ss:VCPU_sched_sleeps(%edi)
{{ time_told_and_charged(L) }}
        movl    %edx, %ecx
        cmpl    %ss:VCPU_sched_avt(%edi), %eax
        sbbl    %ss:VCPU_sched_avt_high(%edi), %ecx
        jl      {{ L("waits") }}
{{ virtual_time_is("%edi") }}
{{ wait_alone("%ebp") }}
{{ slice_timer_in_time() }}
{{ hand_over("RUNSTATE_runnable", "RUNSTATE_blocked") }}
        jmp     hand_over_upcall
{{ L("waits") }}:
{{ end_of_state("%edi", "RUNSTATE_blocked") }}
        movl    $RUNSTATE_runnable, %ss:VCPU_runstate_state(%edi)
{{ wait_alone("%edi") }}
        movl    $0, %ss:slice_known
{{ slice_timer_in_time() }}
{{ registers_from_vcpu(["ebx", "ecx", "edx", "esi", "edi"]) }}
        xorl    %eax, %eax                      # and carry is clear
        ret
{{ time_shift_right(L) }}
{% endcall %}

{% set L = labels("hand_over_sleep") %}
# hand_over_sleep(next): the current vcpu sleeps from now on until there is an event, and the first that waits runs.
#
# in:    %eax = the first VCPU in the queue, PLAIN_FLAT; %ebp = current vcpu, in fast_sched_op; stack: a bare handler's
# out:   does not return
# errs:  none
{% call routine("hand_over_sleep") %}
{{ registers_to_vcpu(["ebx", "ecx", "edx", "esi", "edi"]) }}
        movl    %eax, %edi
        movl    $SLEEP_EVENT, VCPU_sched_sleeps(%ebp)
{{ time_told_and_charged(L) }}
        movl    $0, %ss:VCPU_sched_place(%edi)
        decl    %ss:run_queue_count
        jnz     {{ L("others") }}
{{ L("queue_ok") }}:
{{ hand_over("RUNSTATE_blocked", "RUNSTATE_runnable") }}
        jmp     hand_over_enter
{{ L("others") }}:
        pushl   %ebp
        pushl   %esi
        pushl   %edi
        pushl   %ebx
        movl    %ss:run_queue_count, %ecx
        movl    %ss:run_queue + 4(,%ecx,4), %ebp
        movl    $1, %ecx
        call    run_queue_down                  # the last one, from the first place
        popl    %ebx
        popl    %edi
        popl    %esi
        popl    %ebp
{{ slice_timer_in_time() }}
        jmp     {{ L("queue_ok") }}
{{ time_shift_right(L) }}
{% endcall %}

{% set L = labels("hand_over_yield") %}
# hand_over_yield(next): the current vcpu waits from now on, and the first that waits runs.
#
# in:    %eax = the first VCPU in the queue, PLAIN_FLAT; %ebp = current vcpu, in fast_sched_op; stack: a bare handler's
# out:   does not return
# errs:  none
{% call routine("hand_over_yield") %}
{{ registers_to_vcpu(["ebx", "ecx", "edx", "esi", "edi"]) }}
        movl    %eax, %edi
{{ time_told_and_charged(L) }}
        movl    %esi, %eax
        movl    %ebx, %edx
        call    sched_yields
        incl    %ss:queue_order
        movl    %ss:queue_order, %eax
        movl    %eax, VCPU_sched_order(%ebp)
        movl    $0, %ss:VCPU_sched_place(%edi)
        movl    $1, %ecx
        pushl   %esi
        pushl   %edi
        pushl   %ebx
        call    run_queue_down
        popl    %ebx
        popl    %edi
        popl    %esi
{{ slice_timer_in_time() }}
{{ hand_over("RUNSTATE_runnable", "RUNSTATE_runnable") }}
        jmp     hand_over_enter
{{ time_shift_right(L) }}
{% endcall %}

# hand_over_timer(now): sets the timer of the slice for when it may end at the earliest.
#
# in:    %ebx:%esi = system time; %ds = flat
# out:   %ds = flat
# clob:  %eax, %edx
# errs:  none
{% call routine("hand_over_timer") %}
        pushl   %edi
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %esi, %eax
        movl    %ebx, %edx
        addl    context_allowance, %eax
        adcl    $0, %edx
        movl    $slice_timer, %edi
        call    timer_set
        movl    $FLAT_RING1_DS, %eax
        movl    %eax, %ds
        popl    %edi
        ret
{% endcall %}

{% set L = labels("hand_over_enter") %}
# hand_over_enter(vcpu): continues a vcpu from its VCPU, in its callback if it is due an upcall.
#
# in:    %ebp = current vcpu, which is all in place but for its registers: PLAIN_FLAT; %edi = its VCPU_INFO;
#        %esp = hypervisor_stack_top
# out:   does not return
# errs:  as hand_over_upcall
{% call routine("hand_over_enter") %}
        cmpb    $0, %ss:VCPU_INFO_evtchn_upcall_pending(%edi)
        je      {{ L("no_event") }}
        cmpb    $0, %ss:VCPU_INFO_evtchn_upcall_mask(%edi)
        je      hand_over_upcall
{{ L("no_event") }}:
{% for name in ["ss", "esp", "eflags", "cs", "eip"] %}
        pushl   VCPU_frame + ENTRY_FRAME_{{ name }}(%ebp)
{% endfor %}
{{ registers_from_vcpu(["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"]) }}
        {{ user("iret", fail="exit_bad_iret") }}
{% endcall %}

{% set L = labels("hand_over_upcall") %}
# hand_over_upcall(vcpu): continues a vcpu in its callback; event/upcall.s without a frame.
#
# in:    %ebp = current vcpu, which is all in place but for its registers: PLAIN_FLAT, due an upcall;
#        %edi = its VCPU_INFO; %esp = hypervisor_stack_top
# out:   does not return
# errs:  no callback, or a stack that cannot be written: exit_to_guest says what happens
{% call routine("hand_over_upcall") %}
        cmpl    $SELECTOR_RPL, VCPU_event_cs(%ebp)
        jbe     {{ L("the_long_way") }}
        movl    VCPU_frame + ENTRY_FRAME_esp(%ebp), %eax
        subl    $BOUNCE_PLAIN_BYTES, %eax
        cmpl    $HV_PRIVATE_START - BOUNCE_PLAIN_BYTES, %eax
        ja      {{ L("the_long_way") }}
        movl    VCPU_frame + ENTRY_FRAME_eflags(%ebp), %ecx
        {{ user("movl %ecx, 8(%eax)", fail=L("the_long_way")) }}
        movzwl  VCPU_frame + ENTRY_FRAME_cs(%ebp), %edx
        {{ user("movl %edx, 4(%eax)", fail=L("the_long_way")) }}
        movl    VCPU_frame + ENTRY_FRAME_eip(%ebp), %edx
        {{ user("movl %edx, (%eax)", fail=L("the_long_way")) }}
        incl    VCPU_upcalls(%ebp)
        movb    $1, %ss:VCPU_INFO_evtchn_upcall_mask(%edi)
        pushl   $FLAT_RING1_SS
        pushl   %eax
        andl    $~(EFLAGS_TF | EFLAGS_VM | EFLAGS_RF | EFLAGS_NT), %ecx
        pushl   %ecx
        pushl   VCPU_event_cs(%ebp)
        pushl   VCPU_event_eip(%ebp)
{{ registers_from_vcpu(["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"]) }}
        {{ user("iret", fail="exit_bad_iret") }}
{{ L("the_long_way") }}:
        cld
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        subl    $ENTRY_FRAME_size, %esp
        movl    %esp, %edi
        leal    VCPU_frame(%ebp), %esi
        movl    $(ENTRY_FRAME_size / 4), %ecx
        rep movsl
        jmp     exit_to_guest
{% endcall %}
