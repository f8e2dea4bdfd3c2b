# Idle: nobody can run. The processor waits for an interrupt, with the stack at a vcpu's frame and nothing else on it.
#
# Invariants
#   - The vcpu that ran last stays in the processor: if it wakes first, nothing has to be switched. But one whose domain
#     has ended makes room for idle_vcpu, which has no domain's memory in it, so that the domain can be released.
#   - idle_vcpu is never in the queue and never runs. Its address space is the boot's idle tables; it has an info page,
#     for whoever tells the current vcpu the time.
#   - Interrupts are on in this file and nowhere else in ring 0. What they do leaves the stack and all registers alone.
#   - That nothing can ever wake anybody is no reason to stop: the machine idles.
#   - A non-maskable interrupt between idle_look and idle_halted goes back to idle_look (exception.s): none comes unseen
#     between the look and the halt.

        .text

{% set L = labels("idle") %}
# idle(): waits until somebody can run.
#
# in:    running_vcpu = 0, nobody in the queue; the guest's frame of current_vcpu on the stack
# out:   %edi = the VCPU that comes first; turn_now
# clob:  %eax, %ebx, %ecx, %edx, %esi, %ebp, %fs, %gs
# errs:  none
{% call routine("idle") %}
{{ L("again") }}:
        call    idle_leave
        call    idle_release
        call    idle_io
        call    queue_first
        testl   %edi, %edi
        jnz     {{ L("somebody") }}
idle_look:
        testl   $WORK_NMI, reschedule
        jnz     {{ L("nmi") }}
        sti
        hlt
idle_halted:
        cli
        jmp     {{ L("again") }}
{{ L("nmi") }}:
        andl    $~WORK_NMI, reschedule
        call    nmi_wake
        jmp     {{ L("again") }}
{{ L("somebody") }}:
        call    clock_now
        movl    %eax, turn_now
        movl    %edx, turn_now + 4
        ret
{% endcall %}

{% set L = labels("idle_leave") %}
# idle_leave(): takes the current vcpu out of the processor, if its domain has ended.
#
# in:    running_vcpu = 0
# out:   current_vcpu
# clob:  %eax, %ecx, %esi, %ebp, %fs, %gs
# errs:  none
{% call routine("idle_leave") %}
        movl    current_vcpu, %ebp
        movl    VCPU_domain(%ebp), %eax
        testl   $(DOMAIN_DYING | DOMAIN_SHUTDOWN), DOMAIN_flags(%eax)
        jz      {{ L("may_stay") }}
        call    vcpu_save
        movl    $idle_vcpu, current_vcpu
        movl    $idle_l3 - IMAGE_LOAD_OFFSET, %eax
        movl    %eax, %cr3
        incl    tlb_epoch
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        lldt    %ax
        call    debug_unload
{{ L("may_stay") }}:
        ret
{% endcall %}

{% set L = labels("idle_release") %}
# idle_release(): some work for domains that have ended; when there is more to do, it goes on after RELEASE_INTERVAL.
#
# in:    running_vcpu = 0
# out:   -
# clob:  %eax, %ecx, %edx, %edi
# errs:  none
# why:   what is left may hang on other domains' mappings, so nobody works on until it is done
{% call routine("idle_release") %}
        movl    $RELEASE_PIECES, %ecx
{{ L("next_piece") }}:
        cmpl    $0, domains_ended
        je      {{ L("none") }}
        call    domains_release
        sti                                     # between pieces whatever waits has its turn
        nop
        cli
        cmpl    $0, run_queue_count
        jne     {{ L("none") }}
        decl    %ecx
        jnz     {{ L("next_piece") }}
        call    clock_now
        addl    $RELEASE_INTERVAL, %eax
        adcl    $0, %edx
        jmp     slice_set
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("idle_io") %}
# idle_io(): work for virtual devices, if there is any.
#
# in:    running_vcpu = 0
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("idle_io") %}
        testl   $WORK_IO, reschedule
        jnz     io_run
        ret
{% endcall %}

# idle_init(): idle_vcpu, once.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("idle_init") %}
        movl    $domain_xen, idle_vcpu + VCPU_domain
        movl    $idle_info, idle_vcpu + VCPU_info
        movl    $INVALID_MFN, idle_vcpu + VCPU_guest_table
        movl    $idle_l3 - IMAGE_LOAD_OFFSET, idle_vcpu + VCPU_cr3
        ret
{% endcall %}

{{ space("idle_vcpu", "VCPU_size", 32) }}
{{ space("idle_info", "VCPU_INFO_size") }}
