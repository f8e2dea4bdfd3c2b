# How the two come together: domain 0 offers two ports, domain 1 binds to both, answers on one and works for the other.
#
# Invariants
#   - Domain 1 is only awake in its upcall. It answers before it looks whether there is work.

        .text

# upcall_set(address): where upcalls come.
#
# in:    %ecx = address
# out:   -
# clob:  %eax, %ebx, %edx, %esi
# errs:  none
{% call routine("upcall_set") %}
        movl    $FLAT_KERNEL_CS, %ebx
        movl    $FLAT_KERNEL_CS, %edx
        movl    %ecx, %esi
        {{ hypercall("set_callbacks") }}
        ret
{% endcall %}

# port_offer(argument): a port that domain 1 may bind to.
#
# in:    %ecx = EVTCHN_ALLOC_UNBOUND
# out:   its port
# clob:  %eax, %ebx
# errs:  none
{% call routine("port_offer") %}
        movl    $EVTCHNOP_alloc_unbound, %ebx
        {{ hypercall("event_channel_op") }}
        ret
{% endcall %}

# partner_await(): yields until domain 1 has bound to the second port, and sleeps.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx
# errs:  none
{% call routine("partner_await") %}
not_bound:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        movl    $EVTCHNOP_status, %ebx
        movl    $question, %ecx
        {{ hypercall("event_channel_op") }}
        cmpl    $EVTCHNSTAT_interdomain, question + EVTCHN_STATUS_status
        jne     not_bound
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        ret
{% endcall %}

# partner: domain 1: binds, and sleeps for ever.
#
# in:    -
# out:   does not return
# errs:  none
{% call routine("partner") %}
        movl    $partner_upcall, %ecx
        call    upcall_set
        movl    $binding, %ecx
        call    port_bind
        movl    binding + EVTCHN_BIND_INTERDOMAIN_local_port, %eax
        movl    %eax, port
        incl    binding + EVTCHN_BIND_INTERDOMAIN_remote_port
        call    port_bind
        movl    binding + EVTCHN_BIND_INTERDOMAIN_local_port, %ecx
        movl    $1, %eax
        shll    %cl, %eax
        movl    %eax, work_bit
partner_sleep:
        movl    $SCHEDOP_block, %ebx
        {{ hypercall("sched_op") }}
        jmp     partner_sleep
{% endcall %}

# port_bind(argument): binds to a port of domain 0's, when it is there.
#
# in:    %ecx = EVTCHN_BIND_INTERDOMAIN
# out:   its local_port
# clob:  %eax, %ebx
# errs:  none
{% call routine("port_bind") %}
not_offered:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        movl    $EVTCHNOP_bind_interdomain, %ebx
        {{ hypercall("event_channel_op") }}
        testl   %eax, %eax
        jnz     not_offered
        ret
{% endcall %}

# partner_upcall: domain 1's: answers, or works.
#
# in:    an upcall's frame
# out:   does not return
# errs:  none
{% call routine("partner_upcall") %}
        movb    $0, page + VCPU_INFO_evtchn_upcall_pending
        movl    $0, page + VCPU_INFO_evtchn_pending_sel
        movl    page + SHARED_INFO_evtchn_pending, %edx
        movl    $0, page + SHARED_INFO_evtchn_pending
        testl   work_bit, %edx
        jnz     partner_works
        movl    $EVTCHNOP_send, %ebx
        movl    $port, %ecx
        {{ hypercall("event_channel_op") }}
        movb    $0, page + VCPU_INFO_evtchn_upcall_mask
        iret
partner_works:
        movl    $WORK, %ecx
        call    spin
        movb    $0, page + VCPU_INFO_evtchn_upcall_mask
        iret
{% endcall %}

        .data
{% call object("binding") %}
        .word   0, 0                            # EVTCHN_BIND_INTERDOMAIN
        .long   1, 0
{% endcall %}
{% call object("question") %}
        .word   DOMID_SELF, 0                   # EVTCHN_STATUS
        .long   2, 0, 0, 0, 0
{% endcall %}
{{ space("work_bit", 4) }}
