# What a port is: EVTCHNOP_status (ABI 9.1, 9.2).
#
# Invariants
#   - A domain sees its own ports, domain 0 those of all.
#   - What a state has no field for stays as the caller gave it: nothing of ours is in the answer.

        .text

{% set L = labels("event_op_status") %}
# event_op_status(): says what a port is, and what is at its other end.
#
# in:    event_argument: EVTCHN_STATUS; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx
# errs:  -ESRCH, -EPERM (another domain's port, without privilege), -EINVAL: there can be no such port
{% call routine("event_op_status") %}
        movzwl  event_argument + EVTCHN_STATUS_dom, %eax
        call    event_domain_controlled
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    event_argument + EVTCHN_STATUS_port, %eax
        cmpl    $EVTCHN_2L_NR_CHANNELS, %eax
        jae     {{ L("bad_port") }}
        movl    $EVTCHNSTAT_closed, event_argument + EVTCHN_STATUS_status
        movl    $0, event_argument + EVTCHN_STATUS_vcpu
        call    port_find
        testl   %edx, %edx
        jz      {{ L("told") }}                 # it has never been used
        movzbl  PORT_state(%edx), %eax
        movl    %eax, event_argument + EVTCHN_STATUS_status
        movl    PORT_remote(%edx), %ecx
        cmpl    $EVTCHNSTAT_unbound, %eax
        je      {{ L("unbound") }}
        cmpl    $EVTCHNSTAT_interdomain, %eax
        je      {{ L("interdomain") }}
        cmpl    $EVTCHNSTAT_hypervisor, %eax
        je      {{ L("device") }}
        cmpl    $EVTCHNSTAT_virq, %eax
        jne     {{ L("told") }}
        movzbl  PORT_virq(%edx), %eax
        movl    %eax, event_argument + EVTCHN_STATUS_u_virq
{{ L("told") }}:
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{{ L("device") }}:                              # to its domain, a channel to domain 0
        movl    $EVTCHNSTAT_interdomain, event_argument + EVTCHN_STATUS_status
        movl    $0, event_argument + EVTCHN_STATUS_u_interdomain_port
        xorl    %ecx, %ecx
        jmp     {{ L("unbound") }}
{{ L("interdomain") }}:
        movzwl  PORT_remote_port(%edx), %eax
        movl    %eax, event_argument + EVTCHN_STATUS_u_interdomain_port
        movl    DOMAIN_id(%ecx), %ecx
{{ L("unbound") }}:
        movw    %cx, event_argument + EVTCHN_STATUS_u_unbound_dom
        jmp     {{ L("told") }}
{{ L("bad_port") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}
