# The ports of a domain: where the record of each is, and which one is free (ABI 9.1).
#
# Invariants
#   - A port is a PORT. Those of one word of the bitmaps, 32 of them, are a block of the heap, which is there once one
#     of them has been asked for: DOMAIN_ports has an address for each word, or 0.
#   - A free port is a PORT of zeroes. Port 0 is always free, and never given out.
#   - An interdomain port names DOMAIN and port of the other end, which names it. An IPI names itself. So whoever sends
#     finds the receiver in the same place, and no other state has the address of a DOMAIN there: an unbound port has
#     the number of the domain that may bind to it, and one that leads to a virtual device its index (io/ports.s).

        .text

{% set L = labels("port_find") %}
# port_find(domain, port): the record of a port.
#
# in:    %ebx = DOMAIN, %eax = port, any number
# out:   %edx = PORT, or 0: there is no such port, or it has never been used
# clob:  none
# errs:  0
{% call routine("port_find") %}
        xorl    %edx, %edx
        cmpl    $EVTCHN_2L_NR_CHANNELS, %eax
        jae     {{ L("done") }}
        pushl   %eax
        movl    %eax, %edx
        shrl    $PORT_BLOCK_SHIFT, %edx
        movl    DOMAIN_ports(%ebx,%edx,4), %edx
        testl   %edx, %edx
        jz      {{ L("no_block") }}
        andl    $(PORTS_PER_BLOCK - 1), %eax
        leal    (%edx,%eax,8), %edx
{{ L("no_block") }}:
        popl    %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("port_alloc") %}
# port_alloc(domain): the lowest free port. It stays free until its state is set.
#
# in:    %ebx = DOMAIN
# out:   %eax = port and %edx = PORT, or %eax = -ENOSPC
# clob:  none
# errs:  -ENOSPC: all are in use, or there is no memory for more
{% call routine("port_alloc") %}
        pushl   %ecx
        xorl    %ecx, %ecx                      # the block
{{ L("next_block") }}:
        movl    DOMAIN_ports(%ebx,%ecx,4), %edx
        testl   %edx, %edx
        jz      {{ L("new_block") }}
        xorl    %eax, %eax
        testl   %ecx, %ecx
        jnz     {{ L("next_port") }}
        incl    %eax                            # not port 0
{{ L("next_port") }}:
        cmpb    $EVTCHNSTAT_closed, PORT_state(%edx,%eax,8)
        je      {{ L("found") }}
        incl    %eax
        cmpl    $PORTS_PER_BLOCK, %eax
        jb      {{ L("next_port") }}
        addl    $WORK_OF_A_PORT_SEARCH, work_done
        incl    %ecx
        cmpl    $PORT_BLOCKS, %ecx
        jb      {{ L("next_block") }}
{{ L("none") }}:
        movl    $-ENOSPC, %eax
        popl    %ecx
        ret
{{ L("new_block") }}:
        pushl   %ecx
        movl    $PORT_BLOCK_BYTES, %ecx
        call    heap_alloc
        popl    %ecx
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, DOMAIN_ports(%ebx,%ecx,4)
        jmp     {{ L("next_block") }}
{{ L("found") }}:
        leal    (%edx,%eax,8), %edx
        shll    $PORT_BLOCK_SHIFT, %ecx
        addl    %ecx, %eax
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("event_domain") %}
# event_domain(domid): the domain that a channel may lead to: any that is not about to go.
#
# in:    %eax = domid, or DOMID_SELF; %ebp = current vcpu
# out:   %eax = 0 and %ebx = DOMAIN, or %eax = -ESRCH
# clob:  %ebx
# errs:  -ESRCH
{% call routine("event_domain") %}
        call    domain_living
        movl    $0, %eax                        # which leaves carry
        jnc     {{ L("found") }}
        movl    $-ESRCH, %eax
{{ L("found") }}:
        ret
{% endcall %}

{% set L = labels("event_domain_controlled") %}
# event_domain_controlled(domid): the domain whose ports the caller may change or see: its own, or any for domain 0.
#
# in:    %eax = domid, or DOMID_SELF; %ebp = current vcpu
# out:   %eax = 0 and %ebx = DOMAIN, or %eax = an error
# clob:  %ebx, %edx
# errs:  -ESRCH, -EPERM (another one's, without privilege)
{% call routine("event_domain_controlled") %}
        call    event_domain
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    VCPU_domain(%ebp), %edx
        cmpl    %edx, %ebx
        je      {{ L("done") }}
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        jnz     {{ L("done") }}
        movl    $-EPERM, %eax
{{ L("done") }}:
        ret
{% endcall %}
