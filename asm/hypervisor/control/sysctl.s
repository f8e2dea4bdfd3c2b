# The hypercall sysctl: what domain 0 asks of the hypervisor as a whole: its memory, all its domains, images (images.s).
#
# Invariants
#   - As domctl.s: domain 0 only, one argument, which is copied in once and goes back with what a command answers.

        .text

{% set L = labels("do_sysctl") %}
# do_sysctl(op, begun): carries out a command.
#
# in:    %ebx = address of a SYSCTL, %ecx = CONTROL_BEGUN when the call is continued; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EPERM (not domain 0), -EFAULT, -EACCES (another version), -ENOSYS (cmd), and what the command says
# why:   in a list each one waits for a stretch of its own (work.s)
{% call routine("do_sysctl") %}
        cmpl    $0, work_done
        jne     {{ L("later") }}
        call    stretch_begin
        call    control_sysctl
        movl    sysctl + SYSCTL_cmd, %edx
        jmp     stretch_end
{{ L("later") }}:
        movl    $HYPERCALL_sysctl, %eax
        jmp     hypercall_continue
{% endcall %}

{% set L = labels("control_sysctl") %}
# control_sysctl(op, begun): the call itself.
#
# in:    %ebx = address of a SYSCTL, %ecx = CONTROL_BEGUN when the call is continued; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EPERM (not domain 0), -EFAULT, -EACCES (another version), -ENOSYS (cmd), and what the command says
# calls: sysctl_*
{% call routine("control_sysctl") %}
        pushl   %ebx
        movl    VCPU_domain(%ebp), %eax
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%eax)
        jz      {{ L("not_allowed") }}
        xorl    %edx, %edx
        cmpl    $CONTROL_BEGUN, %ecx
        sete    %dl
        movl    %ebx, %esi
        movl    $sysctl, %edi
        movl    $SYSCTL_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-EACCES, %eax
        cmpl    $CONTROL_VERSION, sysctl + SYSCTL_interface_version
        jne     {{ L("done") }}
        movl    sysctl + SYSCTL_cmd, %eax
        movl    $sysctl_commands, %esi
        call    control_find
        testl   %eax, %eax
        jz      {{ L("unknown") }}
        movl    %edx, %ecx
        call    *%eax
        cmpl    $-ERESTART, %eax
        je      {{ L("again") }}
        testl   %eax, %eax
        jnz     {{ L("done") }}
        popl    %edi
        movl    $sysctl, %esi
        movl    $SYSCTL_size, %ecx
        jmp     copy_to_guest
{{ L("again") }}:
        popl    %ebx
        movl    %ebx, %edi                      # what is left of a write
        movl    $sysctl, %esi
        movl    $SYSCTL_size, %ecx
        call    copy_to_guest
        testl   %eax, %eax
        jnz     {{ L("fault") }}
        movl    $CONTROL_BEGUN, %ecx
        movl    $HYPERCALL_sysctl, %eax
        jmp     hypercall_continue
{{ L("fault") }}:
        ret
{{ L("unknown") }}:
        movl    $-ENOSYS, %eax
        jmp     {{ L("done") }}
{{ L("not_allowed") }}:
        movl    $-EPERM, %eax
{{ L("done") }}:
        popl    %ebx
        ret
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

{{ space("sysctl", "SYSCTL_size") }}
{{ space("domain_info", "DOMCTL_INFO_size") }}
