# The hypercall domctl: domain 0 makes, builds, stops, ends and looks at domains.
#
# Invariants
#   - Domain 0 only. The argument is copied in once; what a command answers goes back in the same structure.
#   - A command finds its domain in %ebx; a domain that is dying is none, but to destroy and to info.
#   - A long command returns -ERESTART, and is made again with `begun` = CONTROL_BEGUN: it finds out itself how far it
#     is. Commands get 1 or 0 in its place.

        .text

{% set L = labels("do_domctl") %}
# do_domctl(op, begun): carries out a command.
#
# in:    %ebx = address of a DOMCTL, %ecx = CONTROL_BEGUN when the call is continued; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EPERM (not domain 0), -EFAULT, -EACCES (another version), -ENOSYS (cmd), and what the command says
# why:   in a list each one waits for a stretch of its own (work.s)
{% call routine("do_domctl") %}
        cmpl    $0, work_done
        jne     {{ L("later") }}
        call    stretch_begin
        call    control_domctl
        movl    domctl + DOMCTL_cmd, %edx
        jmp     stretch_end
{{ L("later") }}:
        movl    $HYPERCALL_domctl, %eax
        jmp     hypercall_continue
{% endcall %}

{% set L = labels("control_domctl") %}
# control_domctl(op, begun): the call itself.
#
# in:    %ebx = address of a DOMCTL, %ecx = CONTROL_BEGUN when the call is continued; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EPERM (not domain 0), -EFAULT, -EACCES (another version), -ENOSYS (cmd), and what the command says
# calls: domctl_*
{% call routine("control_domctl") %}
        pushl   %ebx
        movl    VCPU_domain(%ebp), %eax
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%eax)
        jz      {{ L("not_allowed") }}
        xorl    %edx, %edx
        cmpl    $CONTROL_BEGUN, %ecx
        sete    %dl
        movl    %ebx, %esi
        movl    $domctl, %edi
        movl    $DOMCTL_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-EACCES, %eax
        cmpl    $CONTROL_VERSION, domctl + DOMCTL_interface_version
        jne     {{ L("done") }}
        movzwl  domctl + DOMCTL_domain, %eax
        call    control_domain
        movl    domctl + DOMCTL_cmd, %eax
        movl    $domctl_commands, %esi
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
        movl    $domctl, %esi
        movl    $DOMCTL_size, %ecx
        jmp     copy_to_guest
{{ L("again") }}:
        popl    %ebx
        movl    $CONTROL_BEGUN, %ecx
        movl    $HYPERCALL_domctl, %eax
        jmp     hypercall_continue
{{ L("unknown") }}:
        movl    $-ENOSYS, %eax
        jmp     {{ L("done") }}
{{ L("not_allowed") }}:
        movl    $-EPERM, %eax
{{ L("done") }}:
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("control_domain") %}
# control_domain(number): the domain of that number, dying or not.
#
# in:    %eax = number
# out:   %ebx = DOMAIN, or 0
# clob:  none
# errs:  0
{% call routine("control_domain") %}
        movl    domain_list, %ebx
{{ L("next_domain") }}:
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        cmpl    %eax, DOMAIN_id(%ebx)
        je      {{ L("done") }}
        movl    DOMAIN_next(%ebx), %ebx
        jmp     {{ L("next_domain") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("control_find") %}
# control_find(command, list): the routine of a command.
#
# in:    %eax = command, %esi = list of pairs (command, routine) that ends with routine 0
# out:   %eax = routine, or 0
# clob:  %esi
# errs:  0
{% call routine("control_find") %}
{{ L("next_command") }}:
        cmpl    $0, 4(%esi)
        je      {{ L("found") }}
        cmpl    (%esi), %eax
        je      {{ L("found") }}
        addl    $8, %esi
        jmp     {{ L("next_command") }}
{{ L("found") }}:
        movl    4(%esi), %eax
        ret
{% endcall %}

        .section .rodata
{% call object("domctl_commands") %}
{% for command in ["create", "destroy", "pause", "unpause", "info", "max_mem", "scheduler", "resume", "build",
                   "hypercalls"] %}
        .long   DOMCTL_{{ command }}, domctl_{{ command }}
{% endfor %}
        .long   0, 0
{% endcall %}

{{ space("domctl", "DOMCTL_size") }}
