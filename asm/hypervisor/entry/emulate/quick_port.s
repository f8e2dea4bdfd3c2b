# The shortest way through IN and OUT of one byte: kernels wait for devices and timers in loops of thousands of them.
#
# Invariants
#   - As in deliver.s: %ds and %es are the guest's, memory of ours is reached through %ss or %ebp.
#   - Only what ports.s would do, too, is done here. Whatever is not quite usual goes there: another ring or code
#     segment, a port of ours, single-stepping, breakpoints.

        .text

{% set L = labels("quick_port") %}
# quick_port: a protection fault with error code 0, of a privileged instruction, perhaps.
#
# in:    %esp = ENTRY_FRAME from the guest; %ebp = current vcpu
# out:   does not return
# errs:  as handle_protection
{% call routine("quick_port") %}
        cmpw    $FLAT_RING1_CS, ENTRY_FRAME_cs(%esp)
        jne     {{ L("look_closer") }}
        cmpl    $0, VCPU_iopl(%ebp)
        je      {{ L("look_closer") }}
        movl    ENTRY_FRAME_eip(%esp), %ebx
        cmpl    $HV_START, %ebx
        jae     {{ L("look_closer") }}
        {{ user("movzbl %ss:(%ebx), %eax", fail=L("look_closer")) }}
        movl    %eax, %ecx
        andl    $~PORT_OUT, %ecx
        movzwl  ENTRY_FRAME_edx(%esp), %edx
        incl    %ebx
        cmpl    $OPCODE_IN_DX, %ecx
        je      {{ L("have_port") }}
        cmpl    $OPCODE_IN_NUMBER, %ecx
        jne     {{ L("look_closer") }}
        {{ user("movzbl %ss:(%ebx), %edx", fail=L("look_closer")) }}
        incl    %ebx
{{ L("have_port") }}:
        testl   $EFLAGS_TF, ENTRY_FRAME_eflags(%esp)
        jnz     {{ L("look_closer") }}
        cmpl    $0, %ss:debug_live
        jne     {{ L("look_closer") }}
        movl    VCPU_domain(%ebp), %ecx
        testl   $DOMAIN_PRIVILEGED, %ss:DOMAIN_flags(%ecx)
        jz      {{ L("look_closer") }}
        cmpl    $OWN_PORTS_END, %edx
        jae     {{ L("not_ours") }}
        btl     %edx, %ss:own_ports
        jc      {{ L("look_closer") }}
{{ L("not_ours") }}:
        movl    %ebx, ENTRY_FRAME_eip(%esp)
        testb   $PORT_OUT, %al
        jnz     {{ L("out") }}
        inb     %dx, %al
        movb    %al, ENTRY_FRAME_eax(%esp)
{{ L("go") }}:
        andl    $~EFLAGS_RF, ENTRY_FRAME_eflags(%esp)
        popal
        addl    $(ENTRY_FRAME_eip - ENTRY_FRAME_es), %esp
        {{ user("iret", fail="exit_bad_iret") }}
{{ L("out") }}:
        movb    ENTRY_FRAME_eax(%esp), %al
        outb    %al, %dx
        jmp     {{ L("go") }}
{{ L("look_closer") }}:
        movl    $handle_protection, %edi
        jmp     exception_slow
{% endcall %}
