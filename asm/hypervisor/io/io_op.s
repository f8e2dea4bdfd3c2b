# The hypercall io_op: domain 0 decides which virtual devices domains have, and looks at them.
#
# Invariants
#   - Domain 0 only. IO_OP and the command's argument are copied in once; the argument goes back where it has answers.
#   - A routine finds what its command is about: %edx = VIRTUAL_DEVICE, or for a new one %ebx = DOMAIN and %ecx = its
#     handle; %esi = the argument. It leaves nothing behind when it fails. One that returns -ERESTART is called again,
#     with its argument as it has left it.

        .text

{# The commands: name, structure of the argument, what it is about ("": it says itself), whether it has answers. #}
{% set commands = [
        ("disk_info", "DISK_INFO", "", true), ("disk_scan", "DISK_SCAN", "", true), ("nic_info", "NIC_INFO", "", true),
        ("vbd_create", "VBD_CREATE", "domain", false), ("vbd_extent", "VBD_EXTENT", "vbd", false),
        ("vbd_connect", "VBD_CONNECT", "vbd", false), ("vbd_disconnect", "VBD_NOTHING", "vbd", false),
        ("vbd_destroy", "VBD_NOTHING", "vbd", false), ("vbd_info", "VBD_INFO", "vbd", true),
        ("vbd_extent_info", "VBD_EXTENT", "vbd", true), ("vif_create", "VIF_CREATE", "domain", false),
        ("vif_connect", "VIF_CONNECT", "vif", false), ("vif_disconnect", "VBD_NOTHING", "vif", false),
        ("vif_destroy", "VBD_NOTHING", "vif", false), ("vif_info", "VIF_INFO", "vif", true),
        ("vif_rule_add", "VIF_RULE", "vif", true), ("vif_rule_remove", "VIF_RULE", "vif", false),
        ("vif_rules", "VIF_RULE", "vif", true), ("vif_policy", "VIF_POLICY", "vif", false),
        ("vif_credit", "VIF_CREDIT", "vif", false),
] %}
{# What means the same for devices of all kinds. #}
{% set of_all_kinds = {
        "vbd_disconnect": "device_disconnect", "vif_disconnect": "device_disconnect",
        "vbd_destroy": "device_destroy", "vif_destroy": "device_destroy",
} %}

{% set L = labels("do_io_op") %}
# do_io_op(op): carries out a command.
#
# in:    %ebx = address of an IO_OP; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EPERM (not domain 0), -EFAULT, -EACCES (another version), -ENOSYS (cmd), -EINVAL (bytes), -ESRCH (domain),
#        -ENOENT (device), and what the command says
# calls: io_op_*, device_disconnect, device_destroy
{% call routine("do_io_op") %}
        movl    VCPU_domain(%ebp), %eax
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%eax)
        jz      {{ L("not_allowed") }}
        addl    $WORK_OF_AN_IO_OP, work_done
        movl    %ebx, %esi
        movl    $io_op, %edi
        movl    $IO_OP_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        call    io_op_row
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    io_op + IO_OP_argument, %esi
        movl    $io_argument, %edi
        movl    IO_COMMAND_bytes(%edx), %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        pushl   %ebx
        pushl   %edx
        movl    IO_COMMAND_routine(%edx), %edi
        call    io_op_subject
        testl   %eax, %eax
        jnz     {{ L("failed") }}
        movl    io_op + IO_OP_handle, %ecx
        movl    $io_argument, %esi
        call    *%edi
        cmpl    $-ERESTART, %eax
        je      {{ L("again") }}
        testl   %eax, %eax
        jnz     {{ L("failed") }}
        popl    %edx
        popl    %ebx
        testl   $IO_ANSWERS, IO_COMMAND_flags(%edx)
        jnz     io_op_answer
{{ L("done") }}:
        ret
{{ L("again") }}:
        popl    %edx
        popl    %ebx
        call    io_op_answer
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $HYPERCALL_io_op, %eax
        jmp     hypercall_continue
{{ L("failed") }}:
        popl    %edx
        popl    %ebx
        ret
{{ L("not_allowed") }}:
        movl    $-EPERM, %eax
        ret
{% endcall %}

{% set L = labels("io_op_row") %}
# io_op_row(): the row of a command, if it is asked for as it should be.
#
# in:    io_op
# out:   %eax = 0 and %edx = IO_COMMAND, or %eax = an error
# clob:  %edx
# errs:  -EACCES, -ENOSYS, -EINVAL
{% call routine("io_op_row") %}
        movl    $-EACCES, %eax
        cmpl    $IO_VERSION, io_op + IO_OP_interface_version
        jne     {{ L("done") }}
        movl    io_op + IO_OP_cmd, %eax
        movl    $io_commands, %edx
{{ L("next_command") }}:
        cmpl    %eax, IO_COMMAND_cmd(%edx)
        je      {{ L("found") }}
        addl    $IO_COMMAND_size, %edx
        cmpl    $io_commands_end, %edx
        jb      {{ L("next_command") }}
        movl    $-ENOSYS, %eax
        ret
{{ L("found") }}:
        movl    io_op + IO_OP_bytes, %eax
        cmpl    %eax, IO_COMMAND_bytes(%edx)
        movl    $-EINVAL, %eax
        jne     {{ L("done") }}
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("io_op_subject") %}
# io_op_subject(command): the domain and the device that it is about.
#
# in:    %edx = IO_COMMAND; io_op
# out:   %eax = 0, %ebx = DOMAIN or 0, %edx = VIRTUAL_DEVICE or 0; or %eax = an error
# clob:  %ebx, %ecx, %edx
# errs:  -ESRCH (domain), -ENOENT (device)
{% call routine("io_op_subject") %}
        xorl    %ebx, %ebx
        testl   $IO_NEEDS_DOMAIN, IO_COMMAND_flags(%edx)
        jz      {{ L("no_device") }}
        movl    IO_COMMAND_kind(%edx), %ecx
        movzwl  io_op + IO_OP_domain, %eax
        call    domain_living
        movl    $-ESRCH, %eax
        jc      {{ L("done") }}
        testl   %ecx, %ecx
        jz      {{ L("no_device") }}
        movl    io_op + IO_OP_handle, %eax
        call    device_find
        movl    $-ENOENT, %eax
        testl   %edx, %edx
        jz      {{ L("done") }}
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("no_device") }}:
        xorl    %edx, %edx
        xorl    %eax, %eax
        ret
{% endcall %}

# io_op_answer(command): copies the argument back.
#
# in:    %edx = IO_COMMAND
# out:   %eax = 0 or -EFAULT
# clob:  %ecx, %esi, %edi
# errs:  -EFAULT
{% call routine("io_op_answer") %}
        movl    $io_argument, %esi
        movl    io_op + IO_OP_argument, %edi
        movl    IO_COMMAND_bytes(%edx), %ecx
        jmp     copy_to_guest
{% endcall %}

        .section .rodata
{% call object("io_commands") %}
{% for name, structure, subject, answers in commands %}
        .long   IO_OP_{{ name }}, {{ structure }}_size, {{ of_all_kinds.get(name, "io_op_" ~ name) }}
        .long   {{ "IO_NEEDS_DOMAIN" if subject else "0" }} | {{ "IO_ANSWERS" if answers else "0" }}
        .long   {{ {"vbd": "IO_VBD", "vif": "IO_VIF"}.get(subject, "0") }}
{% endfor %}
{% endcall %}
io_commands_end:

{{ space("io_op", "IO_OP_size") }}
{{ space("io_argument", "IO_ARGUMENT_BYTES") }}
