# How long control calls keep interrupts off, in ticks of the TSC; under QEMU's icount in instructions.
#
# Invariants
#   - stretch_longest is the longest time that one call, or one part of one that is continued, has taken so far, and
#     stretch_command the command that took it. stretch_total is the sum. What is before and behind a call in the
#     hypervisor is in none of them.

        .text

# stretch_begin(): a control call begins.
#
# in:    -
# out:   stretch_began
# clob:  none
# errs:  none
{% call routine("stretch_begin") %}
        pushl   %eax
        pushl   %edx
        rdtsc
        movl    %eax, stretch_began
        popl    %edx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("stretch_end") %}
# stretch_end(command): it is complete, or goes back to the guest to be continued.
#
# in:    %edx = DOMCTL_* or SYSCTL_*
# out:   stretch_longest, stretch_command, stretch_total; work_done: nothing else has room in the same stretch
# clob:  %ecx, %edx
# errs:  none
{% call routine("stretch_end") %}
        pushl   %eax
        movl    %edx, %ecx
        rdtsc
        subl    stretch_began, %eax
        addl    %eax, stretch_total
        adcl    $0, stretch_total + 4
        cmpl    stretch_longest, %eax
        jbe     {{ L("not_longer") }}
        movl    %eax, stretch_longest
        movl    %ecx, stretch_command
{{ L("not_longer") }}:
        addl    $WORK_PIECE, work_done
        popl    %eax
        ret
{% endcall %}

        .data
{% for name in ["stretch_began", "stretch_longest", "stretch_command"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("stretch_total", "8") }}
