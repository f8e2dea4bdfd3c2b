# Making ports: for another domain, to another domain, for a virtual interrupt, to oneself (ABI 9.2, 9.3).
#
# Invariants
#   - An operation finds its argument in event_argument, as a whole, and %ebx = the caller's DOMAIN. It answers there.
#   - Everything that can be refused has been before a port changes; from port_alloc on the operation succeeds.
#   - A domain has vcpu 0 alone, so all ports are bound to it: there is nothing to keep about that.

        .text

# event_made(domain, port): remembers the port that an operation has made, in case its answer cannot be stored.
#
# in:    %ebx = DOMAIN, %eax = port
# out:   event_new_port, event_new_domain
# clob:  none
# errs:  none
{% call routine("event_made") %}
        movl    %eax, event_new_port
        movl    %ebx, event_new_domain
        ret
{% endcall %}

{% set L = labels("event_op_alloc_unbound") %}
# event_op_alloc_unbound(): a port of a domain that another one may bind to.
#
# in:    event_argument: EVTCHN_ALLOC_UNBOUND; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx
# errs:  -ESRCH, -EPERM (another domain's port, without privilege), -ENOSPC
# why:   the domain that may bind need not be there yet, so its number is not looked up
{% call routine("event_op_alloc_unbound") %}
        movzwl  event_argument + EVTCHN_ALLOC_UNBOUND_dom, %eax
        call    event_domain_controlled
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movzwl  event_argument + EVTCHN_ALLOC_UNBOUND_remote_dom, %ecx
        cmpl    $DOMID_SELF, %ecx
        jne     {{ L("have_remote") }}
        movl    VCPU_domain(%ebp), %ecx
        movl    DOMAIN_id(%ecx), %ecx
{{ L("have_remote") }}:
        call    port_alloc_unbound
        testl   %eax, %eax
        js      {{ L("refused") }}
        movl    %eax, event_argument + EVTCHN_ALLOC_UNBOUND_port
        call    event_made
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("port_alloc_unbound") %}
# port_alloc_unbound(domain, remote): a port that waits for a domain to bind to it.
#
# in:    %ebx = DOMAIN, %ecx = number of the domain that may bind
# out:   %eax = port, or -ENOSPC
# clob:  %edx
# errs:  -ENOSPC
{% call routine("port_alloc_unbound") %}
        call    port_alloc
        testl   %eax, %eax
        js      {{ L("none") }}
        movb    $EVTCHNSTAT_unbound, PORT_state(%edx)
        movl    %ecx, PORT_remote(%edx)
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("event_op_bind_interdomain") %}
# event_op_bind_interdomain(): a port of the caller, with an unbound one of another domain as its other end.
#
# in:    event_argument: EVTCHN_BIND_INTERDOMAIN; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ESRCH, -ENOSPC, -EINVAL: the other port does not wait for the caller
# why:   what was sent to nobody is not lost: the new port begins with an event
{% call routine("event_op_bind_interdomain") %}
        movzwl  event_argument + EVTCHN_BIND_INTERDOMAIN_remote_dom, %eax
        call    event_domain
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    %ebx, %esi                      # the other domain
        movl    VCPU_domain(%ebp), %ebx
        call    port_alloc
        testl   %eax, %eax
        js      {{ L("refused") }}
        movl    %eax, %ecx
        movl    %edx, %edi                      # the caller's port
        xchgl   %esi, %ebx
        movl    event_argument + EVTCHN_BIND_INTERDOMAIN_remote_port, %eax
        call    port_find                       # %edx = the other one
        testl   %edx, %edx
        jz      {{ L("bad_port") }}
        cmpb    $EVTCHNSTAT_unbound, PORT_state(%edx)
        jne     {{ L("bad_port") }}
        movl    DOMAIN_id(%esi), %eax
        cmpl    %eax, PORT_remote(%edx)
        jne     {{ L("bad_port") }}
        movb    $EVTCHNSTAT_interdomain, PORT_state(%edx)
        movw    %cx, PORT_remote_port(%edx)
        movl    %esi, PORT_remote(%edx)
        movb    $EVTCHNSTAT_interdomain, PORT_state(%edi)
        movl    event_argument + EVTCHN_BIND_INTERDOMAIN_remote_port, %eax
        movw    %ax, PORT_remote_port(%edi)
        movl    %ebx, PORT_remote(%edi)
        movl    %esi, %ebx
        movl    %ecx, %eax
        movl    %eax, event_argument + EVTCHN_BIND_INTERDOMAIN_local_port
        call    event_made
        call    event_pending
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{{ L("bad_port") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("event_op_bind_virq") %}
# event_op_bind_virq(): a port for a virtual interrupt.
#
# in:    event_argument: EVTCHN_BIND_VIRQ; %ebx = the caller's DOMAIN
# out:   %eax = 0 or an error
# clob:  %ecx, %edx
# errs:  -EINVAL (no such interrupt; one that is about the machine, on another vcpu than 0), -ENOENT (vcpu),
#        -EEXIST (bound already), -ENOSPC
{% call routine("event_op_bind_virq") %}
        movl    event_argument + EVTCHN_BIND_VIRQ_virq, %ecx
        movl    $-EINVAL, %eax
        cmpl    $NR_VIRQS, %ecx
        jae     {{ L("refused") }}
        cmpl    $0, event_argument + EVTCHN_BIND_VIRQ_vcpu
        je      {{ L("vcpu_ok") }}
        btl     %ecx, virqs_per_vcpu
        jnc     {{ L("refused") }}
        movl    $-ENOENT, %eax
        jmp     {{ L("refused") }}
{{ L("vcpu_ok") }}:
        movl    $-EEXIST, %eax
        cmpw    $0, DOMAIN_virqs(%ebx,%ecx,2)
        jne     {{ L("refused") }}
        call    port_alloc
        testl   %eax, %eax
        js      {{ L("refused") }}
        movb    $EVTCHNSTAT_virq, PORT_state(%edx)
        movb    %cl, PORT_virq(%edx)
        movw    %ax, DOMAIN_virqs(%ebx,%ecx,2)
        movl    %eax, event_argument + EVTCHN_BIND_VIRQ_port
        call    event_made
        call    periodic_virq_bound
        call    console_virq_bound
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("event_op_bind_pirq") %}
# event_op_bind_pirq(): a port for an interrupt of a device: nobody has any, the devices are ours.
#
# in:    event_argument: EVTCHN_BIND_PIRQ
# out:   %eax = an error
# clob:  none
# errs:  -EINVAL (no such interrupt), -EPERM
{% call routine("event_op_bind_pirq") %}
        movl    $-EINVAL, %eax
        cmpl    $EVENT_PIRQS, event_argument + EVTCHN_BIND_PIRQ_pirq
        jae     {{ L("refused") }}
        movl    $-EPERM, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("event_op_bind_ipi") %}
# event_op_bind_ipi(): a port whose other end it is itself.
#
# in:    event_argument: EVTCHN_BIND_IPI; %ebx = the caller's DOMAIN
# out:   %eax = 0 or an error
# clob:  %edx
# errs:  -ENOENT (vcpu), -ENOSPC
{% call routine("event_op_bind_ipi") %}
        movl    $-ENOENT, %eax
        cmpl    $0, event_argument + EVTCHN_BIND_IPI_vcpu
        jne     {{ L("refused") }}
        call    port_alloc
        testl   %eax, %eax
        js      {{ L("refused") }}
        movb    $EVTCHNSTAT_ipi, PORT_state(%edx)
        movw    %ax, PORT_remote_port(%edx)
        movl    %ebx, PORT_remote(%edx)
        movl    %eax, event_argument + EVTCHN_BIND_IPI_port
        call    event_made
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("event_op_bind_vcpu") %}
# event_op_bind_vcpu(): moves a port to a vcpu: it is on the only one there is.
#
# in:    event_argument: EVTCHN_BIND_VCPU; %ebx = the caller's DOMAIN
# out:   %eax = 0 or an error
# clob:  %ecx, %edx
# errs:  -ENOENT (vcpu), -EINVAL: the port is not in use, or its vcpu is fixed
{% call routine("event_op_bind_vcpu") %}
        movl    $-ENOENT, %eax
        cmpl    $0, event_argument + EVTCHN_BIND_VCPU_vcpu
        jne     {{ L("refused") }}
        movl    event_argument + EVTCHN_BIND_VCPU_port, %eax
        call    port_find
        movl    $-EINVAL, %eax
        testl   %edx, %edx
        jz      {{ L("refused") }}
        movzbl  PORT_state(%edx), %ecx
        cmpl    $EVTCHNSTAT_closed, %ecx
        je      {{ L("refused") }}
        cmpl    $EVTCHNSTAT_ipi, %ecx
        je      {{ L("refused") }}
        cmpl    $EVTCHNSTAT_virq, %ecx
        jne     {{ L("movable") }}
        movzbl  PORT_virq(%edx), %ecx
        btl     %ecx, virqs_per_vcpu
        jc      {{ L("refused") }}
{{ L("movable") }}:
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

        .section .rodata
# The virtual interrupts that are about a vcpu. All others are about the machine, and for domain 0.
{% call object("virqs_per_vcpu") %}
        .long   1 << VIRQ_TIMER | 1 << VIRQ_DEBUG | 1 << VIRQ_XENOPROF | 1 << VIRQ_XENPMU
{% endcall %}
