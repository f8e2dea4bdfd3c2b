# The time of day of a guest: system time from the TSC and what the hypervisor has published (ABI 4.3).
#
# The guest says with `.set vcpu_time, ADDRESS` where its vcpu's VCPU_TIME_INFO is mapped.
#
# Invariants
#   - A reading counts only when the record did not change meanwhile: its version is even, and the same afterwards.

        .text

{% set L = labels("system_time") %}
# system_time(): the time since the hypervisor started.
#
# in:    vcpu_time is mapped
# out:   %edx:%eax = ns
# clob:  none
# errs:  none
{% call routine("system_time") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %esi
{{ L("again") }}:
        movl    vcpu_time + VCPU_TIME_INFO_version, %esi
        testl   $1, %esi
        jnz     {{ L("again") }}
        rdtsc
        subl    vcpu_time + VCPU_TIME_INFO_tsc_timestamp, %eax
        sbbl    vcpu_time + VCPU_TIME_INFO_tsc_timestamp + 4, %edx
        movsbl  vcpu_time + VCPU_TIME_INFO_tsc_shift, %ecx
        testl   %ecx, %ecx
        js      {{ L("shift_right") }}
        shldl   %cl, %eax, %edx
        shll    %cl, %eax
        jmp     {{ L("shifted") }}
{{ L("shift_right") }}:
        negl    %ecx
        shrdl   %cl, %edx, %eax
        shrl    %cl, %edx
{{ L("shifted") }}:
        movl    %edx, %ebx                      # the product of 64 and 32 bits, without its lowest word
        mull    vcpu_time + VCPU_TIME_INFO_tsc_to_system_mul
        movl    %edx, %ecx
        movl    %ebx, %eax
        mull    vcpu_time + VCPU_TIME_INFO_tsc_to_system_mul
        addl    %ecx, %eax
        adcl    $0, %edx
        addl    vcpu_time + VCPU_TIME_INFO_system_time, %eax
        adcl    vcpu_time + VCPU_TIME_INFO_system_time + 4, %edx
        cmpl    vcpu_time + VCPU_TIME_INFO_version, %esi
        jne     {{ L("again") }}
        popl    %esi
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}
