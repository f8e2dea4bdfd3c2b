# The hypercall domctl: domain 0 makes, builds, stops, ends and looks at domains.
#
# Invariants
#   - A command finds its domain in %ebx; a domain that is dying is none, but to destroy and to info.

        .text

# do_domctl(op, begun): carries out a command.
#
# in:    %ebx = address of a DOMCTL, %ecx = CONTROL_BEGUN when the call is continued; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EPERM (not domain 0), -EFAULT, -EACCES (another version), -ENOSYS (cmd), and what the command says
{% call routine("do_domctl") %}
        movl    $domctl_call, %edx
        jmp     control_call
{% endcall %}

        .section .rodata
{% call object("domctl_commands") %}
{% for command in ["create", "destroy", "pause", "unpause", "info", "max_mem", "scheduler", "resume", "build",
                   "hypercalls"] %}
        .long   DOMCTL_{{ command }}, domctl_{{ command }}
{% endfor %}
        .long   0, 0
{% endcall %}
{% call object("domctl_call") %}
        .long   HYPERCALL_domctl, domctl, DOMCTL_size, domctl_commands, 0
{% endcall %}

{{ space("domctl", "DOMCTL_size") }}
