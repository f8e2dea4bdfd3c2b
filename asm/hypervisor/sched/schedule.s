# Who runs: the choice, made on the way out to a guest (exit.s) and never deeper.
#
# Invariants
#   - `reschedule` is set by whoever wants another choice: WORK_SCHEDULE, with WORK_YIELD when the vcpu that runs gives
#     its turn away. When the choice is made the stack holds one ENTRY_FRAME, which may be exchanged for another.
#   - The one that runs is the runnable one with the least effective virtual time, but that it may exceed the next one
#     by the context switch allowance (slice.s), and that a yield passes its turn on to somebody else if there is one.
#   - domain_list has the domains in the order of their ids. When domain 0 ends, the machine ends.

        .text

{% set L = labels("schedule") %}
# schedule(): gives the processor to whom it is due.
#
# in:    the frame of running_vcpu on the stack
# out:   the same place holds the frame of the new running_vcpu
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp, %fs, %gs
# errs:  none; while nobody can run it does not return
{% call routine("schedule") %}
        movl    reschedule, %ebx
        andl    $~(WORK_SCHEDULE | WORK_YIELD), reschedule
        movl    running_vcpu, %ebp
        call    clock_now
        movl    %eax, turn_now
        movl    %edx, turn_now + 4
        call    sched_charge
        call    vcpu_may_run
        testl   %eax, %eax
        jnz     {{ L("leaves") }}
        call    queue_first
        testl   %edi, %edi
        jz      {{ L("goes_on") }}
        testl   $WORK_YIELD, %ebx
        jnz     {{ L("yields") }}
        movl    VCPU_sched_evt(%ebp), %eax
        cmpl    VCPU_sched_evt(%edi), %eax
        movl    VCPU_sched_evt_high(%ebp), %eax
        sbbl    VCPU_sched_evt_high(%edi), %eax
        jge     {{ L("waits") }}
{{ L("goes_on") }}:
        movl    turn_now, %eax
        movl    turn_now + 4, %edx
        call    slice_begin
        jmp     schedule_release
{{ L("yields") }}:
        movl    turn_now, %eax
        movl    turn_now + 4, %edx
        call    sched_yields
{{ L("waits") }}:
        movl    $RUNSTATE_runnable, %ecx
        call    turn_end
        call    vcpu_save
        call    queue_swap
        call    vcpu_load
        call    turn_begin
        jmp     schedule_release
{{ L("leaves") }}:
        movl    $RUNSTATE_blocked, %ecx
        cmpl    $SLEEP_NONE, VCPU_sched_sleeps(%ebp)
        jne     {{ L("sleeps") }}
        movl    $RUNSTATE_offline, %ecx
{{ L("sleeps") }}:
        call    turn_end
        call    svt_update
        call    queue_first
        testl   %edi, %edi
        jnz     {{ L("next") }}
        call    idle
{{ L("next") }}:
        movl    current_vcpu, %ebp
        cmpl    %edi, %ebp
        je      {{ L("still_there") }}
        cmpl    $idle_vcpu, %ebp
        je      {{ L("nobody_there") }}
        call    vcpu_save
{{ L("nobody_there") }}:
        movl    %edi, %ebp
        call    vcpu_load
{{ L("still_there") }}:
        call    queue_take
        call    turn_begin
        jmp     schedule_release
{% endcall %}

{% set L = labels("schedule_release") %}
# schedule_release(): a piece of work for domains that have ended.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("schedule_release") %}
        cmpl    $0, domains_ended
        jne     domains_release
        ret
{% endcall %}

{% set L = labels("first_domain") %}
# first_domain: leaves the boot for good and enters domain 0.
#
# in:    domain_list; idle tables
# out:   does not return
# errs:  no domain 0: panic
{% call routine("first_domain") %}
        movl    domain_list, %ebx
        testl   %ebx, %ebx
        jz      {{ L("no_domain_0") }}
        cmpl    $0, DOMAIN_id(%ebx)
        jne     {{ L("no_domain_0") }}
        movl    $__init_start, %eax
{{ L("next_init_page") }}:
        cmpl    $__init_end, %eax
        jae     {{ L("init_gone") }}
        movl    %eax, %ecx
        call    hv_mfn
        call    frame_free
        movl    %ecx, %eax
        call    hv_unmap_page
        addl    $PAGE_SIZE, %eax
        jmp     {{ L("next_init_page") }}
{{ L("init_gone") }}:
{{ log("LOG_INFO", "entering domain 0\\n") }}
        movl    $hypervisor_stack_top - ENTRY_FRAME_size, %esp
        call    idle_init
        movl    DOMAIN_vcpu(%ebx), %ebp
        call    vcpu_load
        call    queue_take
        call    clock_now
        movl    %eax, turn_now
        movl    %edx, turn_now + 4
        call    turn_begin
        jmp     exit_to_guest
{{ L("no_domain_0") }}:
{{ log("LOG_ERROR", "there is no domain 0: give a guest kernel as the first boot module\\n") }}
{{ panic("no domain 0") }}
{% endcall %}
