# domctl and sysctl: what is known of domains.
#
# Invariants
#   - Times are up to now: the present run state's is added. Numbers are read at one moment, for interrupts are off.

        .text

{% set L = labels("domctl_info") %}
# domctl_info(): the first domain whose number is not below the one asked for.
#
# in:    domctl
# out:   %eax = 0 or an error; DOMCTL_u_info, DOMCTL_domain
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ESRCH: there is none
{% call routine("domctl_info") %}
        movzwl  domctl + DOMCTL_domain, %eax
        call    domain_from_number
        movl    $-ESRCH, %eax
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        movl    DOMAIN_id(%ebx), %eax
        movw    %ax, domctl + DOMCTL_domain
        movl    $domctl + DOMCTL_u_info, %edi
        call    domain_info_fill
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domain_from_number") %}
# domain_from_number(number): the first domain whose number is not below.
#
# in:    %eax = number
# out:   %ebx = DOMAIN, or 0
# clob:  none
# errs:  0
{% call routine("domain_from_number") %}
        movl    domain_list, %ebx
{{ L("next_domain") }}:
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        cmpl    %eax, DOMAIN_id(%ebx)
        jae     {{ L("done") }}
        movl    DOMAIN_next(%ebx), %ebx
        jmp     {{ L("next_domain") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domain_info_fill") %}
# domain_info_fill(domain, info): what is known of a domain.
#
# in:    %ebx = DOMAIN, %edi = DOMCTL_INFO of ours
# out:   -
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("domain_info_fill") %}
        pushl   %ebp
        movl    DOMAIN_vcpu(%ebx), %ebp
        movl    $DOMCTL_INFO_size, %ecx
        call    memory_zero
{% for field, source in [("domain", "id"), ("pages", "nr_pages"), ("max_pages", "max_pages"),
                         ("shared_info_mfn", "shared_info_mfn"), ("pauses", "pause_count"),
                         ("store_mfn", "store_mfn"), ("store_port", "store_port"),
                         ("console_mfn", "console_mfn"), ("console_port", "console_port")] %}
        movl    DOMAIN_{{ source }}(%ebx), %eax
        movl    %eax, DOMCTL_INFO_{{ field }}(%edi)
{% endfor %}
        call    domain_state
        movl    %eax, DOMCTL_INFO_flags(%edi)
        movl    VCPU_upcalls(%ebp), %eax
        movl    %eax, DOMCTL_INFO_upcalls(%edi)
        call    hypercalls_count
        movl    %eax, DOMCTL_INFO_hypercalls(%edi)
        pushl   %edi
        leal    VCPU_runstate_time(%ebp), %esi
        addl    $DOMCTL_INFO_run_time, %edi
        movl    $32, %ecx
        call    memory_copy
        call    clock_now
        call    runstate_since
        movl    VCPU_runstate_state(%ebp), %ecx
        addl    %eax, (%edi,%ecx,8)
        adcl    %edx, 4(%edi,%ecx,8)
        leal    DOMAIN_handle(%ebx), %esi
        leal    DOMCTL_INFO_handle - DOMCTL_INFO_run_time(%edi), %edi
        movl    $16, %ecx
        call    memory_copy
        leal    DOMAIN_name(%ebx), %esi
        leal    DOMCTL_INFO_name - DOMCTL_INFO_handle(%edi), %edi
        movl    $DOMAIN_NAME_BYTES, %ecx
        call    memory_copy
        movl    DOMAIN_death(%ebx), %esi
        testl   %esi, %esi
        jz      {{ L("alive") }}
        leal    DOMCTL_INFO_reason - DOMCTL_INFO_name(%edi), %edi
        movl    $(DOMCTL_INFO_size - DOMCTL_INFO_reason - 1), %ecx
        call    text_copy
{{ L("alive") }}:
        popl    %edi
        popl    %ebp
        ret
{% endcall %}

{% set L = labels("domain_state") %}
# domain_state(domain, vcpu): its state in the public form.
#
# in:    %ebx = DOMAIN, %ebp = VCPU
# out:   %eax = DOMINF_*
# clob:  %ecx, %edx
# errs:  none
{% call routine("domain_state") %}
        xorl    %eax, %eax
        movl    DOMAIN_flags(%ebx), %edx
{% for bit, state in [("DYING", "dying"), ("CRASHED", "crashed"), ("UNBUILT", "unbuilt")] %}
        testl   $DOMAIN_{{ bit }}, %edx
        jz      {{ L("not_" ~ state) }}
        orl     $DOMINF_{{ state }}, %eax
{{ L("not_" ~ state) }}:
{% endfor %}
        cmpl    $0, DOMAIN_pause_count(%ebx)
        je      {{ L("not_paused") }}
        orl     $DOMINF_paused, %eax
{{ L("not_paused") }}:
        testl   $(DOMAIN_SHUTDOWN | DOMAIN_SUSPENDED), %edx
        jz      {{ L("runs") }}
        movl    DOMAIN_shutdown_reason(%ebx), %ecx
        andl    $0xff, %ecx
        shll    $DOMINF_shutdown_shift, %ecx
        orl     %ecx, %eax
        orl     $DOMINF_shutdown, %eax
        ret
{{ L("runs") }}:
        cmpl    $RUNSTATE_running, VCPU_runstate_state(%ebp)
        jne     {{ L("not_running") }}
        orl     $DOMINF_running, %eax
{{ L("not_running") }}:
        cmpl    $RUNSTATE_blocked, VCPU_runstate_state(%ebp)
        jne     {{ L("not_blocked") }}
        orl     $DOMINF_blocked, %eax
{{ L("not_blocked") }}:
        ret
{% endcall %}

{% set L = labels("hypercalls_count") %}
# hypercalls_count(vcpu): how many hypercalls it made.
#
# in:    %ebp = VCPU
# out:   %eax = number
# clob:  %ecx
# errs:  none; it wraps around after 2^32
{% call routine("hypercalls_count") %}
        xorl    %eax, %eax
        movl    $NR_HYPERCALLS, %ecx
{{ L("next_number") }}:
        addl    VCPU_hypercalls - 4(%ebp,%ecx,4), %eax
        decl    %ecx
        jnz     {{ L("next_number") }}
        ret
{% endcall %}

{% set L = labels("text_copy") %}
# text_copy(to, from, most): copies a text without its NUL, as far as there is room.
#
# in:    %edi = to, %esi = from, %ecx = most characters
# out:   %edi = behind the last one
# clob:  %eax, %ecx, %esi
# errs:  none: what is too long is cut
{% call routine("text_copy") %}
{{ L("next_character") }}:
        jecxz   {{ L("done") }}
        movb    (%esi), %al
        testb   %al, %al
        jz      {{ L("done") }}
        movb    %al, (%edi)
        incl    %esi
        incl    %edi
        decl    %ecx
        jmp     {{ L("next_character") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domctl_hypercalls") %}
# domctl_hypercalls(domain): how often it made each hypercall.
#
# in:    %ebx = DOMAIN or 0; domctl
# out:   %eax = 0 or an error
# clob:  %ecx, %esi, %edi
# errs:  -ESRCH, -EINVAL (more than there are), -EFAULT
{% call routine("domctl_hypercalls") %}
        movl    $-ESRCH, %eax
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        movl    $-EINVAL, %eax
        movl    domctl + DOMCTL_u_hypercalls_count, %ecx
        cmpl    $NR_HYPERCALLS, %ecx
        ja      {{ L("done") }}
        shll    $2, %ecx
        movl    DOMAIN_vcpu(%ebx), %esi
        addl    $VCPU_hypercalls, %esi
        movl    domctl + DOMCTL_u_hypercalls_buffer, %edi
        jmp     copy_to_guest
{{ L("done") }}:
        ret
{% endcall %}
