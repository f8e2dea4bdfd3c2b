# The short way of event_channel_op (ABI 9.2): an event for somebody who is awake, and a port unmasked.
#
# Invariants
#   - As in all bare handlers the guest's %ds is in place: all memory is reached through %ss.
#   - Nobody has to be woken: whoever sleeps is left to the long way, before anything has changed. The caller is awake,
#     and the way out looks whether its own upcall is due.

        .text

{% set L = labels("fast_event_channel_op") %}
# fast_event_channel_op(cmd, argument): sends an event to a domain that is awake, or unmasks a port.
#
# in:    %ebx = EVTCHNOP_*, %ecx = address of the argument; %ebp = current vcpu
# out:   no carry: %eax = 0; carry: another cmd, a receiver that sleeps, or a port or argument that is no good
# clob:  none
# errs:  carry
# why:   PORT_remote is the address of a DOMAIN, which is in the heap, for channels and IPIs alone
{% call routine("fast_event_channel_op") %}
        cmpl    $HV_PRIVATE_START - EVTCHN_SEND_size, %ecx
        ja      {{ L("long_way") }}
        cmpl    $EVTCHNOP_send, %ebx
        jne     {{ L("not_send") }}
        {{ user("movl %ss:EVTCHN_SEND_port(%ecx), %eax", fail=L("long_way")) }}
        cmpl    $EVTCHN_2L_NR_CHANNELS, %eax
        jae     {{ L("long_way") }}
        pushl   %edx
        pushl   %esi
        movl    VCPU_domain(%ebp), %esi
        movl    %eax, %edx
        shrl    $PORT_BLOCK_SHIFT, %edx
        movl    %ss:DOMAIN_ports(%esi,%edx,4), %edx
        testl   %edx, %edx
        jz      {{ L("another") }}
        andl    $(PORTS_PER_BLOCK - 1), %eax
        movl    %ss:PORT_remote(%edx,%eax,8), %esi
        cmpl    $HEAP_START, %esi
        jb      {{ L("another") }}
        movzwl  %ss:PORT_remote_port(%edx,%eax,8), %eax
        movl    %ss:DOMAIN_vcpu(%esi), %edx
        cmpl    $SLEEP_NONE, %ss:VCPU_sched_sleeps(%edx)
        jne     {{ L("asleep") }}
        movl    %ss:DOMAIN_shared_info(%esi), %esi
        btsl    %eax, %ss:SHARED_INFO_evtchn_pending(%esi)
        jc      {{ L("done") }}
        btl     %eax, %ss:SHARED_INFO_evtchn_mask(%esi)
        jc      {{ L("done") }}
{{ L("select") }}:
        shrl    $PORT_BLOCK_SHIFT, %eax
        movl    %ss:VCPU_info(%edx), %edx
        btsl    %eax, %ss:VCPU_INFO_evtchn_pending_sel(%edx)
        jc      {{ L("done") }}
        movb    $1, %ss:VCPU_INFO_evtchn_upcall_pending(%edx)
{{ L("done") }}:
        popl    %esi
        popl    %edx
        xorl    %eax, %eax                      # and carry is clear
        ret
{{ L("asleep") }}:
        cmpl    $SLEEP_EVENT, %ss:VCPU_sched_sleeps(%edx)
        jne     {{ L("another") }}
        cmpl    $PLAIN_FLAT, %ss:VCPU_plain(%edx)
        jne     {{ L("another") }}
        cmpl    $0, %ss:run_queue_count
        jne     {{ L("another") }}
{{ unless_easy_to_leave(L("another"), 8) }}
        movl    %ss:DOMAIN_shared_info(%esi), %esi
        btsl    %eax, %ss:SHARED_INFO_evtchn_pending(%esi)
        jc      {{ L("done") }}
        btl     %eax, %ss:SHARED_INFO_evtchn_mask(%esi)
        jc      {{ L("done") }}
        shrl    $PORT_BLOCK_SHIFT, %eax
        movl    %ss:VCPU_info(%edx), %esi
        btsl    %eax, %ss:VCPU_INFO_evtchn_pending_sel(%esi)
        jc      {{ L("done") }}
        movb    $1, %ss:VCPU_INFO_evtchn_upcall_pending(%esi)
        cmpb    $0, %ss:VCPU_INFO_evtchn_upcall_mask(%esi)
        je      hand_over_wake
        jmp     {{ L("done") }}
{{ L("not_send") }}:
        cmpl    $EVTCHNOP_unmask, %ebx
        jne     {{ L("long_way") }}
        {{ user("movl %ss:EVTCHN_UNMASK_port(%ecx), %eax", fail=L("long_way")) }}
        cmpl    $EVTCHN_2L_NR_CHANNELS, %eax
        jae     {{ L("long_way") }}
        pushl   %edx
        pushl   %esi
        movl    %ebp, %edx
        movl    VCPU_domain(%ebp), %esi
        movl    %ss:DOMAIN_shared_info(%esi), %esi
        btrl    %eax, %ss:SHARED_INFO_evtchn_mask(%esi)
        jnc     {{ L("done") }}
        btl     %eax, %ss:SHARED_INFO_evtchn_pending(%esi)
        jc      {{ L("select") }}
        jmp     {{ L("done") }}
{{ L("another") }}:
        popl    %esi
        popl    %edx
{{ L("long_way") }}:
        stc
        ret
{% endcall %}
