# How an event arrives: the bits in shared_info and vcpu_info, and whoever waits for them (ABI 9.4).
#
# Invariants
#   - A domain's one vcpu is the one that all its ports are bound to.
#   - shared_info and vcpu_info are at addresses of ours (domain/vcpu_info.s): whose address space is in place does not
#     matter. Nobody writes them but us and the guest, which does not run meanwhile: one instruction is atomic.
#   - A bit that is set already changes nothing: the guest has yet to see it, and will see this event with it.

        .text

{% set L = labels("event_pending") %}
# event_pending(domain, port): the port has an event.
#
# in:    %ebx = DOMAIN, %eax = port of it
# out:   -
# clob:  none
# errs:  none
{% call routine("event_pending") %}
        pushl   %edx
        movl    DOMAIN_shared_info(%ebx), %edx
        btsl    %eax, SHARED_INFO_evtchn_pending(%edx)
        jc      {{ L("known") }}
        pushl   %ebp
        movl    DOMAIN_vcpu(%ebx), %ebp
        btl     %eax, SHARED_INFO_evtchn_mask(%edx)
        jc      {{ L("masked") }}
        call    event_select
{{ L("masked") }}:
        call    vcpu_poll_wake                  # a vcpu may wait for a masked port
        popl    %ebp
{{ L("known") }}:
        popl    %edx
        ret
{% endcall %}

{% set L = labels("event_select") %}
# event_select(vcpu, port): points the vcpu at the port's word, and if it was not there yet has it look.
#
# in:    %ebp = VCPU, %eax = port, which is pending and not masked
# out:   -
# clob:  none
# errs:  none
{% call routine("event_select") %}
        pushl   %eax
        pushl   %edx
        shrl    $PORT_BLOCK_SHIFT, %eax
        movl    VCPU_info(%ebp), %edx
        btsl    %eax, VCPU_INFO_evtchn_pending_sel(%edx)
        jc      {{ L("known") }}
        call    event_upcall
{{ L("known") }}:
        popl    %edx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("event_upcall") %}
# event_upcall(vcpu): the vcpu has something to look at: its upcall comes when it runs and does not mask it.
#
# in:    %ebp = VCPU
# out:   -
# clob:  none
# errs:  none
{% call routine("event_upcall") %}
        pushl   %edx
        movl    VCPU_info(%ebp), %edx
        cmpb    $0, VCPU_INFO_evtchn_upcall_pending(%edx)
        jne     {{ L("known") }}
        movb    $1, VCPU_INFO_evtchn_upcall_pending(%edx)
        call    vcpu_event_wake
{{ L("known") }}:
        popl    %edx
        ret
{% endcall %}

{% set L = labels("event_virq") %}
# event_virq(domain, virq): a virtual interrupt, for the port that is bound to it.
#
# in:    %ebx = DOMAIN, %eax = VIRQ_*
# out:   -
# clob:  none
# errs:  none; one that is not bound is dropped
{% call routine("event_virq") %}
        pushl   %eax
        movzwl  DOMAIN_virqs(%ebx,%eax,2), %eax
        testl   %eax, %eax
        jz      {{ L("not_bound") }}
        call    event_pending
{{ L("not_bound") }}:
        popl    %eax
        ret
{% endcall %}

{% set L = labels("event_virq_global") %}
# event_virq_global(virq): a virtual interrupt that is about the machine: for domain 0.
#
# in:    %eax = VIRQ_*
# out:   -
# clob:  none
# errs:  none; dropped when domain 0 has not bound it
{% call routine("event_virq_global") %}
        pushl   %ebx
        movl    domain_list, %ebx               # domain 0 is the first
        testl   %ebx, %ebx
        jz      {{ L("nobody") }}
        call    event_virq
{{ L("nobody") }}:
        popl    %ebx
        ret
{% endcall %}
