# The hypercall event_channel_op and its old form (ABI 9.2, 9.5): arguments in, the operation, answers out.
#
# Invariants
#   - An argument is copied as a whole to event_argument before it is looked at, and one that has an answer in it is
#     copied back as a whole when the operation has succeeded.
#   - An operation that makes a port leaves it in event_new_port and event_new_domain. When its answer cannot be stored
#     the port is closed again, so a call that fails leaves nothing behind.
#   - The operations of the FIFO ABI answer -ENOSYS: a guest that asks for it takes the two-level one then.

        .text

{# The operations in the order of their numbers: name, structure of the argument, whether an answer is in it. #}
{% set operations = [
        ("bind_interdomain", "EVTCHN_BIND_INTERDOMAIN", true), ("bind_virq", "EVTCHN_BIND_VIRQ", true),
        ("bind_pirq", "EVTCHN_BIND_PIRQ", true), ("close", "EVTCHN_CLOSE", false), ("send", "EVTCHN_SEND", false),
        ("status", "EVTCHN_STATUS", true), ("alloc_unbound", "EVTCHN_ALLOC_UNBOUND", true),
        ("bind_ipi", "EVTCHN_BIND_IPI", true), ("bind_vcpu", "EVTCHN_BIND_VCPU", false),
        ("unmask", "EVTCHN_UNMASK", false), ("reset", "EVTCHN_RESET", false),
] %}
        .set    EVENT_OPERATIONS, {{ operations | length }}

{% set L = labels("do_event_channel_op") %}
# do_event_channel_op(cmd, argument): allocates, binds, closes, sends and unmasks.
#
# in:    %ebx = EVTCHNOP_*, %ecx = address of the argument; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOSYS (another cmd), -EFAULT, and what the operation says
# calls: event_op_*
{% call routine("do_event_channel_op") %}
        cmpl    $EVTCHNOP_send, %ebx
        je      event_send
        movl    $-ENOSYS, %eax
        cmpl    $EVENT_OPERATIONS, %ebx
        jae     {{ L("done") }}
        movl    %ecx, %esi
        movl    $event_argument, %edi
        movzbl  event_sizes(%ebx), %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $0, event_new_port
        movl    %ebx, event_command
        movl    %esi, event_address
        movl    event_operations(,%ebx,4), %eax
        movl    VCPU_domain(%ebp), %ebx
        call    *%eax
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    event_command, %ebx
        btl     %ebx, event_answers
        jnc     {{ L("done") }}
        movl    event_address, %edi
        movzbl  event_sizes(%ebx), %ecx
        movl    $event_argument, %esi
        call    copy_to_guest
        testl   %eax, %eax
        jnz     event_undo
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("event_send") %}
# event_send(argument): reads the argument of a send, the commonest operation, without ado.
#
# in:    %ecx = address of an EVTCHN_SEND; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %edx
# errs:  -EFAULT, -EINVAL
{% call routine("event_send") %}
        cmpl    $HV_PRIVATE_START - EVTCHN_SEND_size, %ecx
        ja      {{ L("bad_address") }}
        {{ user("movl EVTCHN_SEND_port(%ecx), %eax", fail=L("bad_address")) }}
        movl    %eax, event_argument + EVTCHN_SEND_port
        movl    VCPU_domain(%ebp), %ebx
        jmp     event_op_send
{{ L("bad_address") }}:
        movl    $-EFAULT, %eax
        ret
{% endcall %}

{% set L = labels("event_undo") %}
# event_undo(): closes the port that was just made, if one was.
#
# in:    event_new_port, event_new_domain
# out:   -
# clob:  %ebx, %ecx, %edx
# errs:  none; %eax, the error, stays
{% call routine("event_undo") %}
        pushl   %eax
        movl    event_new_port, %eax
        testl   %eax, %eax
        jz      {{ L("nothing") }}
        movl    event_new_domain, %ebx
        call    port_find
        call    port_close
{{ L("nothing") }}:
        popl    %eax
        ret
{% endcall %}

{% set L = labels("do_event_channel_op_compat") %}
# do_event_channel_op_compat(op): the old form: command and argument in one structure.
#
# in:    %ebx = address of an EVTCHN_OP; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT (the whole structure must be readable), -ENOSYS (a command that is not in it), and as the new form
{% call routine("do_event_channel_op_compat") %}
        movl    %ebx, %esi
        movl    $event_op, %edi
        movl    $EVTCHN_OP_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        leal    EVTCHN_OP_u(%ebx), %ecx
        movl    event_op + EVTCHN_OP_cmd, %ebx
        cmpl    $EVTCHNOP_unmask, %ebx
        jbe     do_event_channel_op
        movl    $-ENOSYS, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("event_op_send") %}
# event_op_send(): an event for the other end of one of the caller's ports.
#
# in:    event_argument: EVTCHN_SEND; %ebx = the caller's DOMAIN
# out:   %eax = 0 or -EINVAL
# clob:  %ebx, %edx
# errs:  -EINVAL: a port that nothing can be sent by
# why:   nobody hears an event that is sent by an unbound port: whoever binds to it begins with one pending
{% call routine("event_op_send") %}
        movl    event_argument + EVTCHN_SEND_port, %eax
        call    port_find
        testl   %edx, %edx
        jz      {{ L("bad_port") }}
        movzbl  PORT_state(%edx), %eax
        cmpl    $EVTCHNSTAT_unbound, %eax
        je      {{ L("nobody") }}
        cmpl    $EVTCHNSTAT_interdomain, %eax
        je      {{ L("somebody") }}
        cmpl    $EVTCHNSTAT_hypervisor, %eax
        je      {{ L("device") }}
        cmpl    $EVTCHNSTAT_ipi, %eax
        jne     {{ L("bad_port") }}
{{ L("somebody") }}:
        movl    PORT_remote(%edx), %ebx
        movzwl  PORT_remote_port(%edx), %eax
        call    event_pending
{{ L("nobody") }}:
        xorl    %eax, %eax
        ret
{{ L("device") }}:
        movl    PORT_remote(%edx), %eax
        call    device_kick
        jmp     {{ L("nobody") }}
{{ L("bad_port") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("event_op_unmask") %}
# event_op_unmask(): lets events of a port through, the one that waited first.
#
# in:    event_argument: EVTCHN_UNMASK; %ebx = the caller's DOMAIN; %ebp = current vcpu
# out:   %eax = 0 or -EINVAL
# clob:  %edx
# errs:  -EINVAL: there can be no such port
{% call routine("event_op_unmask") %}
        movl    event_argument + EVTCHN_UNMASK_port, %eax
        cmpl    $EVTCHN_2L_NR_CHANNELS, %eax
        jae     {{ L("bad_port") }}
        movl    DOMAIN_shared_info(%ebx), %edx
        btrl    %eax, SHARED_INFO_evtchn_mask(%edx)
        jnc     {{ L("done") }}
        btl     %eax, SHARED_INFO_evtchn_pending(%edx)
        jnc     {{ L("done") }}
        call    event_select
{{ L("done") }}:
        xorl    %eax, %eax
        ret
{{ L("bad_port") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("event_op_close") %}
# event_op_close(): gives a port up.
#
# in:    event_argument: EVTCHN_CLOSE; %ebx = the caller's DOMAIN
# out:   %eax = 0 or -EINVAL
# clob:  %ecx, %edx
# errs:  -EINVAL: the port is not in use
{% call routine("event_op_close") %}
        movl    event_argument + EVTCHN_CLOSE_port, %eax
        call    port_find
        testl   %edx, %edx
        jz      {{ L("bad_port") }}
        cmpb    $EVTCHNSTAT_closed, PORT_state(%edx)
        je      {{ L("bad_port") }}
        call    port_close
        xorl    %eax, %eax
        ret
{{ L("bad_port") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("event_op_reset") %}
# event_op_reset(): closes all ports of a domain, and goes on with them until none is left.
#
# in:    event_argument: EVTCHN_RESET; %ebp = current vcpu
# out:   %eax = 0, an error, or -ERESTART with what is to be continued
# clob:  %ebx, %ecx, %edx
# errs:  -ESRCH, -EPERM, -EINVAL (another domain, which is not paused)
{% call routine("event_op_reset") %}
        movzwl  event_argument + EVTCHN_RESET_dom, %eax
        call    event_domain_controlled
        testl   %eax, %eax
        jnz     {{ L("done") }}
        cmpl    VCPU_domain(%ebp), %ebx
        je      {{ L("stands_still") }}
        movl    $-EINVAL, %eax
        cmpl    $0, DOMAIN_pause_count(%ebx)
        je      {{ L("done") }}
{{ L("stands_still") }}:
        call    events_close_all
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    $HYPERCALL_event_channel_op, %eax
        movl    $EVTCHNOP_reset, %ebx
        movl    event_address, %ecx
        jmp     hypercall_continue
{{ L("done") }}:
        ret
{% endcall %}

        .section .rodata
{% call object("event_operations") %}
{% for name, structure, answers in operations %}
        .long   event_op_{{ name }}             # EVTCHNOP_{{ name }}
{% endfor %}
{% endcall %}
{% call object("event_sizes") %}
{% for name, structure, answers in operations %}
        .byte   {{ structure }}_size
{% endfor %}
{% endcall %}
{% call object("event_answers") %}
{% set bits = namespace(value=0) %}
{% for name, structure, answers in operations if answers %}
{% set bits.value = bits.value + 2 ** abi["EVTCHNOP_" ~ name] %}
{% endfor %}
        .long   {{ bits.value }}
{% endcall %}

{{ space("event_argument", "EVTCHN_STATUS_size") }}
{{ space("event_op", "EVTCHN_OP_size") }}
{% for name in ["event_command", "event_address", "event_new_port", "event_new_domain"] %}
{{ space(name, 4) }}
{% endfor %}
