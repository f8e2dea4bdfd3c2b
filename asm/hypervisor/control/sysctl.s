# The hypercall sysctl: what domain 0 asks of the hypervisor as a whole: its memory, all its domains, images (images.s).
#
# Invariants
#   - What is left of a long command stands in its argument, which goes back to the guest with each piece.

        .text

# do_sysctl(op, begun): carries out a command.
#
# in:    %ebx = address of a SYSCTL, %ecx = CONTROL_BEGUN when the call is continued; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EPERM (not domain 0), -EFAULT, -EACCES (another version), -ENOSYS (cmd), and what the command says
{% call routine("do_sysctl") %}
        movl    $sysctl_call, %edx
        jmp     control_call
{% endcall %}

{% set L = labels("sysctl_physinfo") %}
# sysctl_physinfo(): the machine's memory, and how much of it is used for what.
#
# in:    -
# out:   %eax = 0; sysctl
# clob:  %ecx
# errs:  none
{% call routine("sysctl_physinfo") %}
{% for field, value in [("total_pages", "max_frame"), ("free_pages", "free_frames"), ("tsc_khz", "tsc_khz")] %}
        movl    {{ value }}, %eax
        movl    %eax, sysctl + SYSCTL_u_physinfo_{{ field }}
{% endfor %}
        movl    heap_next, %eax
        subl    $HEAP_START, %eax
        shrl    $PAGE_SHIFT, %eax
        movl    %eax, sysctl + SYSCTL_u_physinfo_heap_pages
        xorl    %eax, %eax
        movl    domain_list, %ecx
{{ L("next_domain") }}:
        incl    %eax
        movl    DOMAIN_next(%ecx), %ecx
        testl   %ecx, %ecx
        jnz     {{ L("next_domain") }}
        movl    %eax, sysctl + SYSCTL_u_physinfo_domains
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("sysctl_domains") %}
# sysctl_domains(): what is known of many domains.
#
# in:    sysctl
# out:   %eax = 0 or -EFAULT; SYSCTL_u_domains_count: how many are in the buffer, DOMAINS_PIECE at the most
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT
{% call routine("sysctl_domains") %}
        pushl   $0                              # so many so far
        movl    sysctl + SYSCTL_u_domains_first, %eax
        call    domain_from_number
{{ L("next_domain") }}:
        testl   %ebx, %ebx
        jz      {{ L("complete") }}
        movl    (%esp), %eax
        cmpl    sysctl + SYSCTL_u_domains_count, %eax
        jae     {{ L("complete") }}
        cmpl    $DOMAINS_PIECE, %eax
        jae     {{ L("complete") }}
        movl    $domain_info, %edi
        call    domain_info_fill
        movl    $domain_info, %esi
        movl    sysctl + SYSCTL_u_domains_buffer, %edi
        movl    $DOMCTL_INFO_size, %ecx
        call    copy_to_guest
        testl   %eax, %eax
        jnz     {{ L("fault") }}
        addl    %ecx, sysctl + SYSCTL_u_domains_buffer
        incl    (%esp)
        movl    DOMAIN_next(%ebx), %ebx
        jmp     {{ L("next_domain") }}
{{ L("complete") }}:
        popl    sysctl + SYSCTL_u_domains_count
        xorl    %eax, %eax
        ret
{{ L("fault") }}:
        addl    $4, %esp
        ret
{% endcall %}

{% set L = labels("sysctl_scheduler") %}
# sysctl_scheduler(): the context switch allowance, put or got.
#
# in:    sysctl
# out:   %eax = 0 or -EINVAL; sysctl
# clob:  none
# errs:  -EINVAL: a direction that is none
{% call routine("sysctl_scheduler") %}
        cmpl    $SCHEDULER_put, sysctl + SYSCTL_u_scheduler_direction
        je      {{ L("put") }}
        cmpl    $SCHEDULER_get, sysctl + SYSCTL_u_scheduler_direction
        jne     {{ L("bad_direction") }}
        call    sched_allowance_get
        movl    %eax, sysctl + SYSCTL_u_scheduler_bvt_ctx_allow
        xorl    %eax, %eax
        ret
{{ L("put") }}:
        movl    sysctl + SYSCTL_u_scheduler_bvt_ctx_allow, %eax
        call    sched_allowance_set
        xorl    %eax, %eax
        ret
{{ L("bad_direction") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

        .section .rodata
{% call object("sysctl_commands") %}
{% for command in ["physinfo", "domains", "image_info", "image_add", "image_write", "image_remove",
                   "scheduler"] %}
        .long   SYSCTL_{{ command }}, sysctl_{{ command }}
{% endfor %}
        .long   0, 0
{% endcall %}
{% call object("sysctl_call") %}
        .long   HYPERCALL_sysctl, sysctl, SYSCTL_size, sysctl_commands, 1
{% endcall %}

{{ space("sysctl", "SYSCTL_size") }}
{{ space("domain_info", "DOMCTL_INFO_size") }}
