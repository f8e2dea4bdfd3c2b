# What domctl and sysctl have in common: the argument, the command, and what goes back.
#
# Invariants
#   - Domain 0 only. The argument is copied in once; what a command answers goes back in the same structure.
#   - A long command returns -ERESTART, and is made again with `begun` = CONTROL_BEGUN: it finds out itself how far it
#     is, or changes its argument, which goes back then. Commands get 1 or 0 in the place of `begun`.
#   - In a list of calls each one waits for a stretch of its own (work.s).

        .text

{% set L = labels("control_call") %}
# control_call(op, begun, call): carries out a command.
#
# in:    %ebx = address of the argument, %ecx = CONTROL_BEGUN when the call is continued; %edx = CONTROL_CALL;
#        %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EPERM (not domain 0), -EFAULT, -EACCES (another version), -ENOSYS (cmd), and what the command says
{% call routine("control_call") %}
        cmpl    $0, work_done
        jne     {{ L("later") }}
        call    stretch_begin
        pushl   %edx
        call    control_carry_out
        popl    %edx
        movl    CONTROL_CALL_argument(%edx), %edx
        movl    DOMCTL_cmd(%edx), %edx
        jmp     stretch_end
{{ L("later") }}:
        movl    CONTROL_CALL_number(%edx), %eax
        jmp     hypercall_continue
{% endcall %}

{% set L = labels("control_carry_out") %}
# control_carry_out(op, begun, call): the call itself.
#
# in:    %ebx = address of the argument, %ecx = CONTROL_BEGUN when the call is continued; %edx = CONTROL_CALL;
#        %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  as control_call
# calls: domctl_*, sysctl_*
# why:   what stands where a domctl has its domain is looked up for a sysctl, too: none of its commands looks at it
{% call routine("control_carry_out") %}
        pushl   %edx
        pushl   %ebx
        movl    VCPU_domain(%ebp), %eax
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%eax)
        movl    $-EPERM, %eax
        jz      {{ L("done") }}
        movl    CONTROL_CALL_argument(%edx), %edi
        pushl   %ecx
        movl    %ebx, %esi
        movl    CONTROL_CALL_bytes(%edx), %ecx
        call    copy_from_guest
        popl    %ecx
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-EACCES, %eax
        cmpl    $CONTROL_VERSION, DOMCTL_interface_version(%edi)
        jne     {{ L("done") }}
        movzwl  DOMCTL_domain(%edi), %eax
        call    control_domain
        movl    DOMCTL_cmd(%edi), %eax
        movl    CONTROL_CALL_commands(%edx), %esi
        call    control_find
        testl   %eax, %eax
        jz      {{ L("unknown") }}
        cmpl    $CONTROL_BEGUN, %ecx
        movl    $0, %ecx
        sete    %cl
        call    *%eax
        popl    %ebx
        popl    %edx
        cmpl    $-ERESTART, %eax
        je      {{ L("again") }}
        testl   %eax, %eax
        jz      control_give_back
        ret
{{ L("again") }}:
        cmpl    $0, CONTROL_CALL_goes_back(%edx)
        je      {{ L("as_it_was") }}
        call    control_give_back
        testl   %eax, %eax
        jnz     {{ L("cannot_be_stored") }}
{{ L("as_it_was") }}:
        movl    $CONTROL_BEGUN, %ecx
        movl    CONTROL_CALL_number(%edx), %eax
        jmp     hypercall_continue
{{ L("unknown") }}:
        movl    $-ENOSYS, %eax
{{ L("done") }}:
        popl    %ebx
        popl    %edx
{{ L("cannot_be_stored") }}:
        ret
{% endcall %}

# control_give_back(op, call): the argument, as it is now, goes back to the guest.
#
# in:    %ebx = its address, %edx = CONTROL_CALL
# out:   %eax = 0 or -EFAULT
# clob:  %ecx, %esi, %edi
# errs:  -EFAULT
{% call routine("control_give_back") %}
        movl    %ebx, %edi
        movl    CONTROL_CALL_argument(%edx), %esi
        movl    CONTROL_CALL_bytes(%edx), %ecx
        jmp     copy_to_guest
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
