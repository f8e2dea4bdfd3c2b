# Floating point: one set of registers, given to a vcpu when it first wants them, and the virtual CR0.TS (ABI 10.8).
#
# Invariants
#   - fpu_owner is the VCPU whose floating-point state is in the processor, or 0. All others have theirs in VCPU_fpu.
#   - CR0.TS is clear exactly while the vcpu that runs is the owner and its virtual TS is clear. So the first use by
#     anybody else is #NM, and ours.
#   - A virtual TS gives the guest one #NM, and is clear then.

        .text

{% set L = labels("do_fpu_taskswitch") %}
# do_fpu_taskswitch(set): sets or clears the virtual TS.
#
# in:    %ebx = 0 or not; %ebp = current vcpu
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("do_fpu_taskswitch") %}
        xorl    %eax, %eax
        testl   %ebx, %ebx
        jz      {{ L("clear") }}
        cmpl    %eax, VCPU_ts(%ebp)
        jne     {{ L("done") }}                 # CR0 is dear, and has it already
        movl    $CR0_TS, VCPU_ts(%ebp)
        movl    %cr0, %eax
        orl     $CR0_TS, %eax
        movl    %eax, %cr0
        xorl    %eax, %eax
{{ L("done") }}:
        clc                                     # as all bare handlers (entry/hypercall.s)
        ret
{{ L("clear") }}:
        movl    %eax, VCPU_ts(%ebp)
        cmpl    %ebp, %ss:fpu_owner
        jne     {{ L("done") }}
        clts
        ret
{% endcall %}

{% set L = labels("exception_no_device") %}
# exception_no_device: floating point while CR0.TS is set: switches the registers, and tells the guest if it asked.
#
# in:    %esp = ENTRY_FRAME from the guest; %ebp = current vcpu, %esi = its TRAP_INFO; %ds, %es: the guest's
# out:   does not return
# errs:  as deliver_plain
{% call routine("exception_no_device") %}
        clts
        movl    %ss:fpu_owner, %eax
        cmpl    %ebp, %eax
        je      {{ L("owner") }}
        testl   %eax, %eax
        jz      {{ L("nobodys") }}
        fxsave  %ss:VCPU_fpu(%eax)
{{ L("nobodys") }}:
        fninit                                  # fxrstor may leave the last instruction's addresses: another guest's
        fxrstor VCPU_fpu(%ebp)
        movl    %ebp, %ss:fpu_owner
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
{{ L("owner") }}:
        cmpl    $0, VCPU_ts(%ebp)
        jne     {{ L("guest_asked") }}
        popal
        addl    $(ENTRY_FRAME_eip - ENTRY_FRAME_es), %esp
        {{ user("iret", fail="exit_bad_iret") }}
{{ L("guest_asked") }}:
        movl    $0, VCPU_ts(%ebp)
        jmp     deliver_plain
{% endcall %}

{% set L = labels("fpu_load") %}
# fpu_load(vcpu): CR0.TS for the vcpu that will run.
#
# in:    %ebp = VCPU
# out:   -
# clob:  %eax, %edx
# errs:  none
{% call routine("fpu_load") %}
        movl    %cr0, %eax
        movl    %eax, %edx
        orl     $CR0_TS, %eax
        cmpl    %ebp, fpu_owner
        jne     {{ L("flag_known") }}
        andl    $~CR0_TS, %eax
        orl     VCPU_ts(%ebp), %eax
{{ L("flag_known") }}:
        cmpl    %eax, %edx
        je      {{ L("same") }}
        movl    %eax, %cr0
{{ L("same") }}:
        ret
{% endcall %}

{% set L = labels("fpu_release") %}
# fpu_release(vcpu): forgets the floating-point state of a vcpu that will never run again.
#
# in:    %ebp = VCPU
# out:   -
# clob:  none
# errs:  none
{% call routine("fpu_release") %}
        cmpl    %ebp, fpu_owner
        jne     {{ L("not_in_the_processor") }}
        movl    $0, fpu_owner
{{ L("not_in_the_processor") }}:
        ret
{% endcall %}

{{ space("fpu_owner", 4) }}
