# The hypercall platform_op (ABI 10.11): domain 0 sets the wall clock; it has nothing else to do there.
#
# Invariants
#   - What is kept is the time of day at system time 0 (wall_clock). Every domain is told as soon as it changes.

        .text

{% set L = labels("do_platform_op") %}
# do_platform_op(op): sets the wall clock.
#
# in:    %ebx = address of an PLATFORM_OP; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EPERM (not domain 0), -EFAULT, -EACCES (another version of the interface), -ENOSYS (another cmd),
#        -EINVAL: a time before 1970 at system time 0
{% call routine("do_platform_op") %}
        movl    VCPU_domain(%ebp), %edx
        movl    $-EPERM, %eax
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        jz      {{ L("done") }}
        movl    %ebx, %esi
        movl    $platform_argument, %edi
        movl    $PLATFORM_OP_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-EACCES, %eax
        cmpl    $XENPF_INTERFACE_VERSION, platform_argument + PLATFORM_OP_interface_version
        jne     {{ L("done") }}
        movl    $-ENOSYS, %eax
        cmpl    $XENPF_settime, platform_argument + PLATFORM_OP_cmd
        je      wall_clock_set
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("wall_clock_set") %}
# wall_clock_set(): the time of day at a system time; every domain is told.
#
# in:    platform_argument: secs, nsecs, system_time
# out:   %eax = 0 or -EINVAL; wall_clock
# clob:  %ebx, %ecx, %edx
# errs:  -EINVAL
{% call routine("wall_clock_set") %}
        movl    $NS_PER_S, %ebx
        movl    platform_argument + PLATFORM_OP_secs, %eax
        mull    %ebx
        addl    platform_argument + PLATFORM_OP_nsecs, %eax
        adcl    $0, %edx
        subl    platform_argument + PLATFORM_OP_system_time, %eax
        sbbl    platform_argument + PLATFORM_OP_system_time_high, %edx
        jb      {{ L("before_1970") }}
        movl    %eax, %ecx                      # %edx:%eax / 10^9, in two steps
        movl    %edx, %eax
        xorl    %edx, %edx
        divl    %ebx
        movl    %eax, wall_clock + WALL_CLOCK_sec_high
        movl    %ecx, %eax
        divl    %ebx
        movl    %eax, wall_clock + WALL_CLOCK_sec
        movl    %edx, wall_clock + WALL_CLOCK_nsec
        pushl   %ebp
        movl    domain_list, %ecx
{{ L("next_domain") }}:
        movl    DOMAIN_vcpu(%ecx), %ebp
        call    clock_publish_wall
        movl    DOMAIN_next(%ecx), %ecx
        testl   %ecx, %ecx
        jnz     {{ L("next_domain") }}
        popl    %ebp
        xorl    %eax, %eax
        ret
{{ L("before_1970") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{{ space("platform_argument", "PLATFORM_OP_size") }}
