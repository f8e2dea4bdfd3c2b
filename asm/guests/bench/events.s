# Operations of time and events: the timer set, and an event that the domain sends to itself.
#
# Invariants
#   - Events are masked but while the event operation is measured, and one port is used.
#   - The port is an IPI of the domain to itself: sent by the hypercall, it arrives on the way out of it.

        .text

# timer_prepare(): a time far ahead, so that the timer never fires here.
#
# in:    shared_info
# out:   %eax = 0; timer_high
# clob:  none
# errs:  none
{% call routine("timer_prepare") %}
        movl    shared_info + VCPU_INFO_time_system_time_high, %eax
        addl    $0x100, %eax                    # 2**40 ns, which are 18 minutes
        movl    %eax, timer_high
        xorl    %eax, %eax
        ret
{% endcall %}

# bench_set_timer_op(): the one-shot timer set.
#
# in:    timer_high
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  what the hypervisor says
{% call routine("bench_set_timer_op") %}
set_timer_op_begin:
        xorl    %ebx, %ebx
        movl    timer_high, %ecx
        {{ hypercall("set_timer_op") }}
set_timer_op_end:
        ret
{% endcall %}

{% set L = labels("event_prepare") %}
# event_prepare(): a port to ourselves, a callback, and events let in.
#
# in:    shared_info
# out:   %eax = 0 or an error; event_port
# clob:  %ebx, %ecx, %edx, %esi
# errs:  what the hypervisor says
{% call routine("event_prepare") %}
        movl    $EVTCHNOP_bind_ipi, %ebx
        movl    $event_binding, %ecx
        {{ hypercall("event_channel_op") }}
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $FLAT_KERNEL_CS, %ebx
        movl    $upcall, %ecx
        movl    $FLAT_KERNEL_CS, %edx
        movl    $failsafe, %esi
        {{ hypercall("set_callbacks") }}
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    event_binding + EVTCHN_BIND_IPI_port, %eax
        movl    %eax, event_port
        btrl    %eax, shared_info + SHARED_INFO_evtchn_mask
        movb    $0, shared_info + VCPU_INFO_evtchn_upcall_mask
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

# bench_event(): an event sent; the upcall comes before the hypercall is back.
#
# in:    event_port
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  what the hypervisor says
{% call routine("bench_event") %}
event_begin:
        movl    $EVTCHNOP_send, %ebx
        movl    $event_port, %ecx               # EVTCHN_SEND has this one field
        {{ hypercall("event_channel_op") }}
event_end:
        ret
{% endcall %}

# upcall: takes the one event that there is.
#
# in:    stack: eip, cs, eflags; events are masked
# out:   does not return
# errs:  none
# why:   the order is the ABI's: pending, then the selector, then the port, and the mask at the very end
{% call routine("upcall") %}
        movb    $0, shared_info + VCPU_INFO_evtchn_upcall_pending
        movl    $0, shared_info + VCPU_INFO_evtchn_pending_sel
        movl    $0, shared_info + SHARED_INFO_evtchn_pending
        movb    $0, shared_info + VCPU_INFO_evtchn_upcall_mask
        iret
{% endcall %}

# failsafe: selectors that cannot be loaded: that is no operation of this guest.
#
# in:    stack: ds, es, fs, gs, eip, cs, eflags
# out:   does not return
# errs:  the domain ends as crashed
{% call routine("failsafe") %}
        movl    $SHUTDOWN_crash, %eax
        jmp     shut_down
{% endcall %}

        .data
{% call object("event_binding") %}
        .long   0, 0                            # EVTCHN_BIND_IPI: vcpu 0, and the port
{% endcall %}
{{ space("event_port", 4) }}
{{ space("timer_high", 4) }}
