# domctl: the life of a domain: create, pause, unpause, destroy, and what it may have.
#
# Invariants
#   - A domain is created paused, and without memory: nothing runs before it is built and unpaused.
#   - Domain 0 is never paused or destroyed: nobody could take that back.
#   - Destroying is ending it as a crash would, whatever it is doing, and then going on with its release (release.s)
#     until all that it can let go of is gone. What others still map of it stays until they let go.

        .text

{% set L = labels("domctl_create") %}
# domctl_create(): a new domain.
#
# in:    domctl, %ebx = the DOMAIN that has the number already, domain 0's when any will do
# out:   %eax = 0 or an error; DOMCTL_domain = its number
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EINVAL (flags, number), -EEXIST (the number is taken), -ENOMEM
{% call routine("domctl_create") %}
        movl    $-EINVAL, %eax
        testl   $~DOMCTL_CREATE_preserve, domctl + DOMCTL_u_create_flags
        jnz     {{ L("done") }}
        movzwl  domctl + DOMCTL_domain, %edx
        cmpl    $DOMID_FIRST_RESERVED, %edx
        jae     {{ L("done") }}
        testl   %edx, %edx
        jz      {{ L("any_number") }}
        movl    $-EEXIST, %eax
        testl   %ebx, %ebx
        jnz     {{ L("done") }}
        movl    %edx, %eax
        jmp     {{ L("create") }}
{{ L("any_number") }}:
        call    domain_number_choose
{{ L("create") }}:
        movl    %eax, %edx
        call    domain_create
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movw    %dx, domctl + DOMCTL_domain
        movl    domctl + DOMCTL_u_create_max_pages, %eax
        movl    %eax, DOMAIN_max_pages(%ebx)
        testl   $DOMCTL_CREATE_preserve, domctl + DOMCTL_u_create_flags
        jz      {{ L("goes_at_once") }}
        orl     $DOMAIN_PRESERVE, DOMAIN_flags(%ebx)
{{ L("goes_at_once") }}:
        movl    $domctl + DOMCTL_u_create_handle, %esi
        leal    DOMAIN_handle(%ebx), %edi
        movl    $16, %ecx
        call    memory_copy
        movl    $domctl + DOMCTL_u_create_name, %esi
        leal    DOMAIN_name(%ebx), %edi
        movl    $(DOMAIN_NAME_BYTES - 1), %ecx
        call    memory_copy
        movl    $1, DOMAIN_pause_count(%ebx)
        call    domain_add
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domain_number_choose") %}
# domain_number_choose(): a number that no domain has, and none had for long.
#
# in:    domain_number_last
# out:   %eax = number
# clob:  %ebx
# errs:  none: there are more numbers than there is memory for domains
{% call routine("domain_number_choose") %}
{{ L("next_number") }}:
        incl    domain_number_last
        cmpl    $DOMID_FIRST_RESERVED, domain_number_last
        jb      {{ L("in_range") }}
        movl    $1, domain_number_last
{{ L("in_range") }}:
        movl    domain_number_last, %eax
        call    control_domain
        testl   %ebx, %ebx
        jnz     {{ L("next_number") }}
        ret
{% endcall %}

{% set L = labels("control_target") %}
# control_target(domain): whether a domain can be told to do something: it is there, not dying, and not domain 0.
#
# in:    %ebx = DOMAIN, or 0
# out:   %eax = 0 or an error
# clob:  none
# errs:  -ESRCH, -EINVAL (domain 0)
{% call routine("control_target") %}
        movl    $-ESRCH, %eax
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        testl   $DOMAIN_DYING, DOMAIN_flags(%ebx)
        jnz     {{ L("done") }}
        movl    $-EINVAL, %eax
        cmpl    $0, DOMAIN_id(%ebx)
        je      {{ L("done") }}
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domctl_pause") %}
# domctl_pause(domain): the domain does not run, until it is unpaused as often as it was paused.
#
# in:    %ebx = DOMAIN or 0
# out:   %eax = 0 or an error
# clob:  none
# errs:  -ESRCH, -EINVAL (domain 0)
{% call routine("domctl_pause") %}
        call    control_target
        testl   %eax, %eax
        jnz     {{ L("done") }}
        call    domain_pause
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domctl_unpause") %}
# domctl_unpause(domain): takes one pause back.
#
# in:    %ebx = DOMAIN or 0
# out:   %eax = 0 or an error
# clob:  none
# errs:  -ESRCH, -EINVAL (domain 0, not paused, not built)
{% call routine("domctl_unpause") %}
        call    control_target
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-EINVAL, %eax
        cmpl    $0, DOMAIN_pause_count(%ebx)
        je      {{ L("done") }}
        testl   $DOMAIN_UNBUILT, DOMAIN_flags(%ebx)
        jnz     {{ L("done") }}
        call    domain_unpause
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domctl_resume") %}
# domctl_resume(domain): lets a suspended domain go on behind its call, as if nothing had been.
#
# in:    %ebx = DOMAIN or 0
# out:   %eax = 0 or an error
# clob:  none
# errs:  -ESRCH, -EINVAL (domain 0, not suspended)
{% call routine("domctl_resume") %}
        call    control_target
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-EINVAL, %eax
        testl   $DOMAIN_SUSPENDED, DOMAIN_flags(%ebx)
        jz      {{ L("done") }}
        call    domain_resume
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domctl_destroy") %}
# domctl_destroy(domain): ends a domain, and gives back what it has.
#
# in:    %ebx = DOMAIN or 0, %ecx = 1 when it was begun
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %esi
# errs:  -ESRCH, -EINVAL (domain 0), -ERESTART
{% call routine("domctl_destroy") %}
        testl   %ebx, %ebx
        jz      {{ L("no_domain") }}
        movl    $-EINVAL, %eax
        cmpl    $0, DOMAIN_id(%ebx)
        je      {{ L("done") }}
        testl   $DOMAIN_SHUTDOWN, DOMAIN_flags(%ebx)
        jnz     {{ L("ended_already") }}
        orl     $(DOMAIN_SHUTDOWN | DOMAIN_DESTROYED), DOMAIN_flags(%ebx)
        movl    $SHUTDOWN_crash, DOMAIN_shutdown_reason(%ebx)
        movl    $destroyed_text, DOMAIN_death(%ebx)
        call    domain_remove
        jmp     {{ L("release") }}
{{ L("ended_already") }}:
        call    domain_is_to_go
        je      {{ L("release") }}
        orl     $DOMAIN_DESTROYED, DOMAIN_flags(%ebx)
        incl    domains_ended                   # it was preserved
{{ L("release") }}:
        pushl   %ebp
        movl    DOMAIN_vcpu(%ebx), %ebp
        call    domain_release_piece
        popl    %ebp
        cmpl    $RELEASE_MORE, %eax
        movl    $-ERESTART, %eax
        je      {{ L("done") }}
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("no_domain") }}:
        movl    $-ESRCH, %eax
        jecxz   {{ L("done") }}
        xorl    %eax, %eax                      # the last of it went between two pieces
        ret
{% endcall %}

{% set L = labels("domctl_max_mem") %}
# domctl_max_mem(domain): the most pages that it may have; what it has already stays.
#
# in:    %ebx = DOMAIN or 0; domctl
# out:   %eax = 0 or an error
# clob:  %ecx
# errs:  -ESRCH, -EINVAL (domain 0)
{% call routine("domctl_max_mem") %}
        call    control_target
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    domctl + DOMCTL_u_max_mem_max_pages, %ecx
        movl    %ecx, DOMAIN_max_pages(%ebx)
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domctl_scheduler") %}
# domctl_scheduler(domain): its share of the processor, put or got.
#
# in:    %ebx = DOMAIN or 0; domctl
# out:   %eax = 0 or an error; domctl
# clob:  %ecx, %edx, %esi, %edi
# errs:  -ESRCH, -EINVAL (another scheduler, a direction or a parameter that is none)
{% call routine("domctl_scheduler") %}
        movl    $-ESRCH, %eax
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        movl    $-EINVAL, %eax
        cmpl    $0, domctl + DOMCTL_u_scheduler_scheduler
        jne     {{ L("done") }}
        cmpl    $SCHEDULER_put, domctl + DOMCTL_u_scheduler_direction
        je      {{ L("put") }}
        cmpl    $SCHEDULER_get, domctl + DOMCTL_u_scheduler_direction
        jne     {{ L("done") }}
        movl    $domctl + DOMCTL_u_scheduler_bvt, %edi
        call    sched_parameters_get
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("put") }}:
        movl    $domctl + DOMCTL_u_scheduler_bvt, %esi
        jmp     sched_parameters_set
{% endcall %}

{{ text("destroyed_text", "destroyed by domain 0") }}

        .data
{% call object("domain_number_last") %}
        .long   0
{% endcall %}
