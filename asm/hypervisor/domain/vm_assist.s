# The hypercall vm_assist (ABI 6.9): what the hypervisor does beyond the plain ABI, at a guest's request.
#
# Invariants
#   - DOMAIN_vm_assist has one bit for each type; only types that are known here are ever set.
#   - runstate_update_flag is taken without any doing: a vcpu's run state is written while it does not run, and a domain
#     has no other that could find it half written.

        .text

{% set L = labels("do_vm_assist") %}
# do_vm_assist(cmd, type): switches one assist on or off.
#
# in:    %ebx = VMASST_CMD_enable or VMASST_CMD_disable, %ecx = VMASST_TYPE_*; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %edx
# errs:  -EINVAL (type), -ENOSYS (cmd)
{% call routine("do_vm_assist") %}
        movl    $-EINVAL, %eax
        cmpl    $VMASST_TYPE_runstate_update_flag, %ecx
        ja      {{ L("done") }}
        cmpl    $VMASST_TYPE_architectural_iopl, %ecx
        je      {{ L("done") }}
        movl    VCPU_domain(%ebp), %edx
        cmpl    $VMASST_CMD_enable, %ebx
        je      {{ L("enable") }}
        cmpl    $VMASST_CMD_disable, %ebx
        je      {{ L("disable") }}
        movl    $-ENOSYS, %eax
{{ L("done") }}:
        ret
{{ L("enable") }}:
        btsl    %ecx, DOMAIN_vm_assist(%edx)
        xorl    %eax, %eax
        ret
{{ L("disable") }}:
        btrl    %ecx, DOMAIN_vm_assist(%edx)
        xorl    %eax, %eax
        ret
{% endcall %}
