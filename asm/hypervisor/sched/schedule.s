# Who runs: domains take turns when they yield, block or die.
#
# Invariants
#   - `reschedule` is set by whoever wants another choice; the choice is made on the way out (exit.s), never deeper, so
#     the stack holds one ENTRY_FRAME and nothing else when frames are exchanged.
#   - A vcpu that does not run has its whole state in its VCPU: frame, %fs, %gs, debug registers. One that runs has it
#     in the frame on the stack and in the processor. Floating point is exchanged later, when it is used (fpu.s).
#   - domain_list has the domains in the order of their ids. Domain 0 is always there and can always run: when it
#     ends, the machine ends.

        .text

{% set L = labels("schedule") %}
# schedule(frame): gives the processor to the next domain that can run.
#
# in:    %esi = ENTRY_FRAME of current_vcpu on the stack
# out:   the same place holds the frame of the new current_vcpu; reschedule = 0
# clob:  %eax, %ebx, %ecx, %edx, %edi, %ebp, %fs, %gs
# errs:  nobody can run: panic
{% call routine("schedule") %}
        movl    $0, reschedule
        movl    current_vcpu, %ebp
        movl    VCPU_domain(%ebp), %ebx
        movl    %ebx, %edx
{{ L("next_domain") }}:
        movl    DOMAIN_next(%ebx), %ebx
        testl   %ebx, %ebx
        jnz     {{ L("have_domain") }}
        movl    domain_list, %ebx
{{ L("have_domain") }}:
        testl   $(DOMAIN_DYING | DOMAIN_SHUTDOWN), DOMAIN_flags(%ebx)
        jz      {{ L("found") }}
        cmpl    %edx, %ebx
        jne     {{ L("next_domain") }}
{{ panic("no domain can run") }}
{{ L("found") }}:
        cmpl    %edx, %ebx
        je      {{ L("same") }}
        call    vcpu_save
        movl    DOMAIN_vcpu(%ebx), %ebp
        call    vcpu_load
{{ L("same") }}:
        call    domains_release
        ret
{% endcall %}

# vcpu_save(vcpu, frame): puts the state of the vcpu that ran into its VCPU.
#
# in:    %ebp = vcpu, %esi = ENTRY_FRAME
# out:   -
# clob:  none
# errs:  none
{% call routine("vcpu_save") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        pushl   %edi
        leal    VCPU_frame(%ebp), %edi
        movl    $(ENTRY_FRAME_size / 4), %ecx
        rep movsl
        movw    %fs, VCPU_fs(%ebp)
        movw    %gs, VCPU_gs(%ebp)
        call    direct_gates_remove
        call    runstate_leave
        popl    %edi
        popl    %esi
        popl    %edx
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("vcpu_load") %}
# vcpu_load(vcpu, frame): makes a vcpu the current one.
#
# in:    %ebp = vcpu, %esi = where its ENTRY_FRAME goes
# out:   current_vcpu; the vcpu's address space, stack for ring 3, %fs, %gs, direct gates, time
# clob:  %eax, %ecx, %edx, %fs, %gs
# errs:  selectors that cannot be loaded become null
{% call routine("vcpu_load") %}
        pushl   %esi
        pushl   %edi
        movl    %ebp, current_vcpu
        movl    VCPU_cr3(%ebp), %eax
        movl    %eax, %cr3
        incl    tlb_epoch
        movl    VCPU_kernel_sp(%ebp), %ecx
        movl    %ecx, tss + TSS_esp1
        call    outer_frame_set
        movl    VCPU_kernel_ss(%ebp), %eax
        movl    %eax, tss + TSS_ss1
        movl    %esi, %edi
        leal    VCPU_frame(%ebp), %esi
        movl    $(ENTRY_FRAME_size / 4), %ecx
        rep movsl
        call    ldt_load                        # first, for %fs and %gs may have selectors of it
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        {{ user("movw VCPU_fs(%ebp), %fs", fail=L("null_fs")) }}
{{ L("null_fs") }}:
        {{ user("movw VCPU_gs(%ebp), %gs", fail=L("null_gs")) }}
{{ L("null_gs") }}:
        call    fpu_load
        call    control_load
        call    debug_load
        call    direct_gates_install
        call    runstate_enter
        call    clock_publish
        popl    %edi
        popl    %esi
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
        movl    %esp, %esi
        movl    DOMAIN_vcpu(%ebx), %ebp
        call    vcpu_load
        jmp     exit_to_guest
{{ L("no_domain_0") }}:
{{ log("LOG_ERROR", "there is no domain 0: give a guest kernel as the first boot module\\n") }}
{{ panic("no domain 0") }}
{% endcall %}

        .data
{% for name in ["current_vcpu", "domain_list", "reschedule"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
