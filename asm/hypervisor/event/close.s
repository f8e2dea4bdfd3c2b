# Closing ports: one, all of a domain that wants none of them any more, and all of one that ends (ABI 9.2).
#
# Invariants
#   - The other end of an interdomain port becomes unbound, for the domain that has closed: it keeps its number, and an
#     event that is pending on it. It gets none for the closing. A virtual device at the other end is shut.
#   - A port that is closed is not pending any more, whatever it is bound to next. Its mask stays as the guest set it.
#   - All ports of a domain are closed block by block, in pieces: what is done is done, and a block that is gone costs
#     nothing the next time. So whoever has to go on calls again with the same arguments.

        .text

{% set L = labels("port_close") %}
# port_close(domain, port): makes a port free.
#
# in:    %ebx = DOMAIN, %eax = number of the port, %edx = its PORT, not free
# out:   -
# clob:  %ecx
# errs:  none
{% call routine("port_close") %}
        movzbl  PORT_state(%edx), %ecx
        cmpl    $EVTCHNSTAT_interdomain, %ecx
        je      {{ L("interdomain") }}
        cmpl    $EVTCHNSTAT_hypervisor, %ecx
        je      {{ L("device") }}
        cmpl    $EVTCHNSTAT_virq, %ecx
        jne     {{ L("free") }}
        movzbl  PORT_virq(%edx), %ecx
        movw    $0, DOMAIN_virqs(%ebx,%ecx,2)
        jmp     {{ L("free") }}
{{ L("device") }}:
        movl    PORT_remote(%edx), %ecx
        call    device_port_closed
        jmp     {{ L("free") }}
{{ L("interdomain") }}:
        pushl   %eax
        pushl   %ebx
        pushl   %edx
        movl    DOMAIN_id(%ebx), %ecx
        movl    PORT_remote(%edx), %ebx
        movzwl  PORT_remote_port(%edx), %eax
        call    port_find
        movl    $EVTCHNSTAT_unbound, PORT_state(%edx)   # with no virq, and no port
        movl    %ecx, PORT_remote(%edx)
        popl    %edx
        popl    %ebx
        popl    %eax
{{ L("free") }}:
        movl    $0, PORT_state(%edx)
        movl    $0, PORT_remote(%edx)
        movl    DOMAIN_shared_info(%ebx), %ecx
        btrl    %eax, SHARED_INFO_evtchn_pending(%ecx)
        ret
{% endcall %}

{% set L = labels("events_close_all") %}
# events_close_all(domain): closes a piece of the domain's ports, and gives up their blocks.
#
# in:    %ebx = DOMAIN
# out:   %eax = 0 when no port is left, or -ERESTART: there are more
# clob:  none
# errs:  -ERESTART
{% call routine("events_close_all") %}
        pushl   %ecx
        pushl   %esi
        pushl   %edi
        movl    $PORT_CLOSE_BLOCKS, %edi        # in this piece
        xorl    %esi, %esi
{{ L("next_block") }}:
        cmpl    $0, DOMAIN_ports(%ebx,%esi,4)
        je      {{ L("no_block") }}
        movl    $-ERESTART, %eax
        decl    %edi
        js      {{ L("done") }}
        call    port_block_close
{{ L("no_block") }}:
        incl    %esi
        cmpl    $PORT_BLOCKS, %esi
        jb      {{ L("next_block") }}
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edi
        popl    %esi
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("port_block_close") %}
# port_block_close(domain, block): closes the ports of a block, and frees it.
#
# in:    %ebx = DOMAIN, %esi = number of a block that is there
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("port_block_close") %}
        pushl   %edx
        movl    DOMAIN_ports(%ebx,%esi,4), %edx
        movl    %esi, %eax
        shll    $PORT_BLOCK_SHIFT, %eax
{{ L("next_port") }}:
        cmpb    $EVTCHNSTAT_closed, PORT_state(%edx)
        je      {{ L("free") }}
        call    port_close
{{ L("free") }}:
        addl    $PORT_size, %edx
        incl    %eax
        testl   $(PORTS_PER_BLOCK - 1), %eax
        jnz     {{ L("next_port") }}
        movl    DOMAIN_ports(%ebx,%esi,4), %eax
        movl    $PORT_BLOCK_BYTES, %ecx
        call    heap_free
        movl    $0, DOMAIN_ports(%ebx,%esi,4)
        addl    $WORK_OF_A_PORT_BLOCK, work_done
        popl    %edx
        ret
{% endcall %}
