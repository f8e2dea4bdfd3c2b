# Handing over: the short way from a vcpu that sends an event to the one that it wakes, and from one that goes to sleep
# to the one that waits. What wake.s, schedule.s and turn.s do in general is done here for two plain vcpus (plain.s)
# (and from one that yields): straight from a bare hypercall, registers to VCPU and VCPU to registers.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: memory is reached through %ss or %ebp. No segment register is
#     loaded: both vcpus have flat ones (unless_easy_to_leave in hand_over.macro, PLAIN_FLAT).
#   - The clock is read once: virtual times, run states and the time record count from that moment. What is done to them
#     is what sched_charge, runstate_change_at and clock_publish do; who does not warp has one virtual time.
#   - svt may stay behind while somebody runs: it is raised when somebody wakes, and when the last one sleeps.

        .text

        .set    BARE_ESP, hypervisor_stack_top - ENTRY_FRAME_size + ENTRY_FRAME_vector

{% set L = labels("hand_over_wake") %}
# hand_over_wake(vcpu): a vcpu wakes: it runs at once if it comes first, else its waker goes on.
#
# in:    %edx = VCPU, PLAIN_FLAT and due an upcall; %ebp = current vcpu, in fast_event_channel_op; nobody waits;
#        stack: the guest's esi and edx, and a bare handler's
# out:   does not return
# errs:  none
{% call routine("hand_over_wake") %}
        popl    VCPU_frame + ENTRY_FRAME_esi(%ebp)
        popl    VCPU_frame + ENTRY_FRAME_edx(%ebp)
{{ registers_to_vcpu(["ebx", "ecx", "edi"]) }}
        movl    %edx, %edi
        movl    $SLEEP_NONE, %ss:VCPU_sched_sleeps(%edi)
        call    hand_over_time
        movl    %eax, %ss:svt                   # nobody who can run has less
        movl    %edx, %ss:svt + 4
        movl    %edx, %ecx
        cmpl    %ss:VCPU_sched_avt(%edi), %eax
        sbbl    %ss:VCPU_sched_avt_high(%edi), %ecx
        jl      {{ L("waits") }}
{% for time in ["avt", "evt"] %}
        movl    %eax, %ss:VCPU_sched_{{ time }}(%edi)
        movl    %edx, %ss:VCPU_sched_{{ time }}_high(%edi)
{% endfor %}
{{ wait_alone("%ebp") }}
{{ slice_timer_in_time() }}
        movl    $RUNSTATE_runnable, %ecx
        jmp     hand_over
{{ L("waits") }}:
{{ end_of_state("%edi", "RUNSTATE_blocked") }}
        movl    $RUNSTATE_runnable, %ss:VCPU_runstate_state(%edi)
{{ wait_alone("%edi") }}
        movl    $0, %ss:slice_known
{{ slice_timer_in_time() }}
{{ registers_from_vcpu(["ebx", "ecx", "edx", "esi", "edi"]) }}
        xorl    %eax, %eax                      # and carry is clear
        ret
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
        call    hand_over_time
        movl    $0, %ss:VCPU_sched_place(%edi)
        decl    %ss:run_queue_count
        jnz     {{ L("others") }}
{{ L("queue_ok") }}:
        movl    $RUNSTATE_blocked, %ecx
        jmp     hand_over
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
{% endcall %}

# hand_over_yield(next): the current vcpu waits from now on, and the first that waits runs.
#
# in:    %eax = the first VCPU in the queue, PLAIN_FLAT; %ebp = current vcpu, in fast_sched_op; stack: a bare handler's
# out:   does not return
# errs:  none
{% call routine("hand_over_yield") %}
{{ registers_to_vcpu(["ebx", "ecx", "edx", "esi", "edi"]) }}
        movl    %eax, %edi
        call    hand_over_time
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
        movl    $RUNSTATE_runnable, %ecx
        jmp     hand_over
{% endcall %}

{% set L = labels("hand_over_time") %}
# hand_over_time(vcpu, next): reads the clock, charges the vcpu that runs, and tells the next one what time it is.
#
# in:    %ebp = VCPU that runs, %edi = VCPU that will run; both plain
# out:   %ebx:%esi = system time; %edx:%eax = virtual time of the one that runs
# clob:  %ecx
# errs:  none; a charge is one of 2^32 ns at the most: turns are shorter (slice.s)
{% call routine("hand_over_time") %}
        movl    %ss:VCPU_info(%edi), %esi
        addl    $2, %ss:VCPU_INFO_time + VCPU_TIME_INFO_version(%esi)
        rdtsc
        movl    %eax, %ss:VCPU_INFO_time + VCPU_TIME_INFO_tsc_timestamp(%esi)
        movl    %edx, %ss:VCPU_INFO_time + VCPU_TIME_INFO_tsc_timestamp_high(%esi)
        subl    %ss:tsc_boot, %eax
        sbbl    %ss:tsc_boot + 4, %edx
        movl    %ss:tsc_scale + TIME_SCALE_shift, %ecx
        testl   %ecx, %ecx
        js      {{ L("shift_right") }}
        shldl   %cl, %eax, %edx
        shll    %cl, %eax
{{ L("shifted") }}:
        movl    %edx, %ebx
        mull    %ss:tsc_scale + TIME_SCALE_mul
        movl    %edx, %ecx
        movl    %ebx, %eax
        mull    %ss:tsc_scale + TIME_SCALE_mul
        addl    %ecx, %eax
        adcl    $0, %edx
        movl    %eax, %ss:VCPU_INFO_time + VCPU_TIME_INFO_system_time(%esi)
        movl    %edx, %ss:VCPU_INFO_time + VCPU_TIME_INFO_system_time_high(%esi)
        movl    %eax, %esi
        movl    %edx, %ebx
        subl    %ss:charged_until, %eax
        sbbl    %ss:charged_until + 4, %edx
        jnz     {{ L("too_long") }}
{{ L("have_span") }}:
        movl    %esi, %ss:charged_until
        movl    %ebx, %ss:charged_until + 4
        mull    VCPU_sched_mcu_advance(%ebp)
        addl    VCPU_sched_avt(%ebp), %eax
        adcl    VCPU_sched_avt_high(%ebp), %edx
{% for time in ["avt", "evt"] %}
        movl    %eax, VCPU_sched_{{ time }}(%ebp)
        movl    %edx, VCPU_sched_{{ time }}_high(%ebp)
{% endfor %}
        ret
{{ L("shift_right") }}:
        negl    %ecx
        shrdl   %cl, %edx, %eax
        shrl    %cl, %edx
        jmp     {{ L("shifted") }}
{{ L("too_long") }}:
        movl    $-1, %eax
        jmp     {{ L("have_span") }}
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

{% set L = labels("hand_over") %}
# hand_over(vcpu, next, state, now): the rest of a turn, and the beginning of the next one.
#
# in:    %ebp = VCPU whose turn ends, charged; its registers but eax, ebp and the processor's frame are saved; stack: a
#        bare handler's; %ecx = its RUNSTATE_* from now on; %edi = VCPU that will run, in no queue;
#        %ebx:%esi = system time
# out:   does not return
# errs:  none
{% call routine("hand_over") %}
        movl    $0, %ss:slice_known
{{ end_of_state("%ebp", "RUNSTATE_running") }}
        movl    %ecx, VCPU_runstate_state(%ebp)
        movl    $PLAIN_FLAT, VCPU_plain(%ebp)
        movl    $0, VCPU_frame + ENTRY_FRAME_eax(%ebp)
        addl    $4, %esp
{% for name in ["ebp", "eip", "cs", "eflags", "esp", "ss"] %}
        popl    VCPU_frame + ENTRY_FRAME_{{ name }}(%ebp)
{% endfor %}
        movl    %edi, %ebp
        movl    %ebp, %ss:current_vcpu
        movl    %ebp, %ss:running_vcpu
        movl    VCPU_runstate_state(%ebp), %edi
{{ end_of_state("%ebp,%edi,8", "0") }}
        movl    $RUNSTATE_running, VCPU_runstate_state(%ebp)
        movl    VCPU_cr3(%ebp), %eax
        movl    %eax, %cr3
        incl    %ss:tlb_epoch
        movl    VCPU_kernel_ss(%ebp), %eax
        movl    %eax, %ss:tss + TSS_ss1
        movl    VCPU_kernel_sp(%ebp), %eax
        movl    %eax, %ss:tss + TSS_esp1
        movl    VCPU_outer_frame(%ebp), %eax
        movl    %eax, %ss:outer_frame
        jmp     hand_over_enter
{% endcall %}

{% set L = labels("hand_over_enter") %}
# hand_over_enter(vcpu): continues a vcpu from its VCPU, in its callback if it is due an upcall.
#
# in:    %ebp = current vcpu, which is all in place but for its registers: PLAIN_FLAT; %esp = hypervisor_stack_top
# out:   does not return
# errs:  no callback, or a stack that cannot be written: exit_to_guest says what happens
{% call routine("hand_over_enter") %}
        movl    VCPU_info(%ebp), %edi
        cmpb    $0, %ss:VCPU_INFO_evtchn_upcall_mask(%edi)
        jne     {{ L("no_event") }}
        cmpb    $0, %ss:VCPU_INFO_evtchn_upcall_pending(%edi)
        je      {{ L("no_event") }}
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
{{ L("registers") }}:
{{ registers_from_vcpu(["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"]) }}
        {{ user("iret", fail="exit_bad_iret") }}
{{ L("no_event") }}:
{% for name in ["ss", "esp", "eflags", "cs", "eip"] %}
        pushl   VCPU_frame + ENTRY_FRAME_{{ name }}(%ebp)
{% endfor %}
        jmp     {{ L("registers") }}
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
