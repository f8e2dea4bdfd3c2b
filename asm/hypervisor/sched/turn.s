# Turns: how a vcpu gets the processor, and gives it away.
#
# Invariants
#   - A vcpu that does not run has its whole state in its VCPU: frame, %fs, %gs, debug registers; but while nobody runs
#     the one that ran last may still be in the processor, with its frame on the stack (idle.s). One that runs has it
#     in the frame on the stack and in the processor. Floating point is exchanged later, when it is used (fpu.s).
#   - Between turn_begin and turn_end running_vcpu is the vcpu; else it is 0. turn_now is the time of the last choice.

        .text

# turn_begin(vcpu): a vcpu that is in the processor runs from now on.
#
# in:    %ebp = VCPU in no queue; turn_now
# out:   running_vcpu
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("turn_begin") %}
        movl    %ebp, running_vcpu
        movl    turn_now, %eax
        movl    turn_now + 4, %edx
        movl    %eax, charged_until
        movl    %edx, charged_until + 4
        movl    $RUNSTATE_running, %ecx
        call    runstate_turn
        movl    turn_now, %eax
        movl    turn_now + 4, %edx
        cmpl    $0, VCPU_sched_warping(%ebp)
        je      slice_begin
        call    warp_begin
        jmp     slice_begin
{% endcall %}

{% set L = labels("turn_end") %}
# turn_end(vcpu, state): a vcpu does not run any more; it is still in the processor.
#
# in:    %ebp = VCPU that runs, charged up to turn_now; %ecx = RUNSTATE_*
# out:   running_vcpu = 0
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("turn_end") %}
        movl    turn_now, %eax
        movl    turn_now + 4, %edx
        movl    $0, running_vcpu
        cmpl    $0, VCPU_sched_warping(%ebp)
        je      runstate_turn
        pushl   %edi
        pushl   %ecx
        call    warp_end
        popl    %ecx
        popl    %edi
        jmp     runstate_turn
{% endcall %}

# vcpu_save(vcpu): puts the state of the vcpu that is in the processor into its VCPU.
#
# in:    %ebp = VCPU; its frame is the guest's on the stack
# out:   VCPU_plain
# clob:  %eax, %ecx, %esi
# errs:  none
{% call routine("vcpu_save") %}
        pushl   %edi
        movl    $hypervisor_stack_top - ENTRY_FRAME_size, %esi
        leal    VCPU_frame(%ebp), %edi
        movl    $(ENTRY_FRAME_size / 4), %ecx
        rep movsl
        popl    %edi
        movw    %fs, VCPU_fs(%ebp)
        movw    %gs, VCPU_gs(%ebp)
        cmpl    $PLAIN_NOT, VCPU_plain(%ebp)
        jne     plain_find_flat
        movl    $1, specials_live
        call    direct_gates_remove
        jmp     plain_find
{% endcall %}

{% set L = labels("vcpu_load") %}
# vcpu_load(vcpu): puts a vcpu into the processor, and its frame on the stack.
#
# in:    %ebp = VCPU
# out:   current_vcpu; the vcpu's address space, stack for ring 3, %fs, %gs, direct gates, time
# clob:  %eax, %ecx, %edx, %esi, %edi, %fs, %gs
# errs:  selectors that cannot be loaded become null
{% call routine("vcpu_load") %}
        movl    %ebp, current_vcpu
        movl    VCPU_cr3(%ebp), %eax
        movl    %eax, %cr3
        incl    tlb_epoch
        movl    VCPU_kernel_sp(%ebp), %ecx
        movl    %ecx, tss + TSS_esp1
        call    outer_frame_set
        movl    VCPU_kernel_ss(%ebp), %eax
        movl    %eax, tss + TSS_ss1
        movl    $hypervisor_stack_top - ENTRY_FRAME_size, %edi
        leal    VCPU_frame(%ebp), %esi
        movl    $(ENTRY_FRAME_size / 4), %ecx
        rep movsl
        cmpl    $PLAIN_NOT, VCPU_plain(%ebp)
        je      {{ L("special") }}
        cmpl    $0, specials_live
        jne     {{ L("special") }}
{{ L("segments") }}:
        {{ user("movw VCPU_fs(%ebp), %fs", fail=L("null_fs")) }}
{{ L("have_fs") }}:
        {{ user("movw VCPU_gs(%ebp), %gs", fail=L("null_gs")) }}
        jmp     clock_publish
{{ L("special") }}:
        call    specials_load                   # first, for %fs and %gs may have selectors of the LDT
        jmp     {{ L("segments") }}
{{ L("null_fs") }}:
        xorl    %eax, %eax
        movl    %eax, %fs
        jmp     {{ L("have_fs") }}
{{ L("null_gs") }}:
        xorl    %eax, %eax
        movl    %eax, %gs
        jmp     clock_publish
{% endcall %}

        .data
{% for name in ["current_vcpu", "running_vcpu", "domain_list", "reschedule"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("turn_now", 8) }}
