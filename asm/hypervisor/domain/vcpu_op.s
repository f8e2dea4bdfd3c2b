# The hypercall vcpu_op (ABI 10.3): a domain has one vcpu, number 0.
#
# Invariants
#   - Arguments are copied before they are looked at. An operation gets %esi = address of its argument.
#   - Every vcpu but 0 is -ENOENT, whatever the command.

        .text

{% set L = labels("do_vcpu_op") %}
# do_vcpu_op(cmd, vcpu, argument): asks about a vcpu, or sets it up.
#
# in:    %ebx = VCPUOP_*, %ecx = number of the vcpu, %edx = address of the argument; %ebp = current vcpu
# out:   %eax = 0, an answer, or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOENT (another vcpu), -ENOSYS (another cmd), and what the operation says
# calls: vcpuop_*
{% call routine("do_vcpu_op") %}
        movl    $-ENOENT, %eax
        testl   %ecx, %ecx
        jnz     {{ L("refused") }}
        movl    $-ENOSYS, %eax
        movl    %edx, %esi
        cmpl    $VCPUOP_set_virtual_alarm, %ebx
        je      vcpuop_set_virtual_alarm
        cmpl    $VCPUOP_register_vcpu_time_memory_area, %ebx
        ja      {{ L("refused") }}
        jmp     *vcpu_operations(,%ebx,4)
{{ L("refused") }}:
        ret
{% endcall %}

# vcpuop_initialise(context): it has been, by the domain builder.
#
# in:    -
# out:   %eax = -EEXIST
# clob:  none
# errs:  -EEXIST
{% call routine("vcpuop_initialise") %}
        movl    $-EEXIST, %eax
        ret
{% endcall %}

# vcpuop_up(): it is already.
#
# in:    -
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("vcpuop_up") %}
        xorl    %eax, %eax
        ret
{% endcall %}

# vcpuop_down(): without its last vcpu a domain is powered off.
#
# in:    %ebp = current vcpu
# out:   %eax = 0
# clob:  %ecx, %edx
# errs:  none
{% call routine("vcpuop_down") %}
        movl    $SHUTDOWN_poweroff, %ecx
        jmp     domain_shutdown
{% endcall %}

# vcpuop_is_up(): whether it runs: it asks, so it does.
#
# in:    -
# out:   %eax = 1
# clob:  none
# errs:  none
{% call routine("vcpuop_is_up") %}
        movl    $1, %eax
        ret
{% endcall %}

# vcpuop_get_physid(argument): which processor a vcpu is pinned to: none is.
#
# in:    -
# out:   %eax = -EINVAL
# clob:  none
# errs:  -EINVAL
{% call routine("vcpuop_get_physid") %}
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("vcpuop_send_nmi") %}
# vcpuop_send_nmi(argument): a non-maskable interrupt for the vcpu itself.
#
# in:    %esi = 0; %ebp = current vcpu
# out:   %eax = 0 or -EINVAL
# clob:  none
# errs:  -EINVAL: an argument
{% call routine("vcpuop_send_nmi") %}
        movl    $-EINVAL, %eax
        testl   %esi, %esi
        jnz     {{ L("refused") }}
        call    nmi_raise
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

        .section .rodata
{% set operations = ["initialise", "up", "down", "is_up", "get_runstate", "register_runstate", "set_periodic_timer",
                     "stop_periodic_timer", "set_singleshot_timer", "stop_singleshot_timer", "register_info",
                     "send_nmi", "get_physid", "register_time_area"] %}
{% call object("vcpu_operations") %}
{% for operation in operations %}
        .long   vcpuop_{{ operation }}
{% endfor %}
{% endcall %}

{{ space("vcpu_argument", "VCPU_REGISTER_VCPU_INFO_size") }}
