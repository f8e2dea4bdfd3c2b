# What became of an attempt, as one line.
#
# Invariants
#   - attempts_out counts the lines that end with GOT OUT.

        .text

        .set    NEAR, 64                        # places within so many bytes are told from the attempt

{% set L = labels("outcome_say") %}
# outcome_say(row): the line about the attempt that is over.
#
# in:    %esi = row; outcome_*
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("outcome_say") %}
{{ print("escape %s: ", "ATTEMPT_name(%esi)") }}
        movl    ATTEMPT_stops(%esi), %edx       # whether running through means that it got out
        movl    outcome_vector, %eax
        cmpl    $VECTOR_DONE, %eax
        je      {{ L("ran_through") }}
        cmpl    $VECTOR_VALUE, %eax
        je      {{ L("value") }}
        xorl    %edx, %edx
        cmpl    $VECTOR_FAILSAFE, %eax
        je      {{ L("failsafe") }}
        call    exception_say
        jmp     {{ L("said") }}
{{ L("ran_through") }}:
{{ print("done") }}
        jmp     {{ L("said") }}
{{ L("failsafe") }}:
{{ print("failsafe") }}
        jmp     {{ L("said") }}
{{ L("value") }}:
        movl    outcome_value, %eax
        call    value_say                       # %ecx = whether it is an error
        testl   %ecx, %ecx
        jz      {{ L("said") }}
        xorl    %edx, %edx
{{ L("said") }}:
        testl   %edx, %edx
        jz      {{ L("contained") }}
        incl    attempts_out
{{ print(": GOT OUT") }}
{{ L("contained") }}:
{{ print("\\n") }}
        ret
{% endcall %}

{% set L = labels("exception_say") %}
# exception_say(row): which exception, with its error code and address, and where it was if that is not as it should be.
#
# in:    %esi = row, %eax = vector; outcome_*
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("exception_say") %}
{{ print("#%s", "exception_names(,%eax,4)") }}
        btl     %eax, vectors_with_error_code
        jnc     {{ L("no_code") }}
{{ print(" 0x%x", "outcome_error") }}
{{ L("no_code") }}:
        cmpl    $VECTOR_PF, %eax
        jne     {{ L("no_address") }}
        movl    shared_info, %ecx
{{ print(" 0x%x", "VCPU_INFO_arch_cr2(%ecx)") }}
{{ L("no_address") }}:
        movl    outcome_eip, %eax
        subl    ATTEMPT_at(%esi), %eax
        jz      {{ L("at_the_attempt") }}
        leal    NEAR(%eax), %ecx
        cmpl    $2 * NEAR, %ecx
        jae     {{ L("elsewhere") }}
        testl   %eax, %eax
        js      {{ L("before") }}
{{ print(" +%u", "%eax") }}
        jmp     {{ L("at_the_attempt") }}
{{ L("before") }}:
{{ print(" %d", "%eax") }}
        jmp     {{ L("at_the_attempt") }}
{{ L("elsewhere") }}:
{{ print(" eip 0x%x", "outcome_eip") }}
{{ L("at_the_attempt") }}:
        movl    outcome_cs, %eax
        movl    $FLAT_KERNEL_CS, %ecx
        cmpl    $3, ATTEMPT_ring(%esi)
        jne     {{ L("ring_1") }}
        movl    $FLAT_USER_CS, %ecx
{{ L("ring_1") }}:
        cmpl    %ecx, %eax
        je      {{ L("done") }}
{{ print(" cs 0x%x", "%eax") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("value_say") %}
# value_say(value): an error by its name, another value in hex.
#
# in:    %eax = value
# out:   %ecx = 1 if it is an error, else 0
# clob:  none
# errs:  none
{% call routine("value_say") %}
        pushl   %esi
        movl    $error_table, %esi
{{ L("next_error") }}:
        movl    (%esi), %ecx
        testl   %ecx, %ecx
        jz      {{ L("no_error") }}
        cmpl    %ecx, %eax
        je      {{ L("error") }}
        addl    $8, %esi
        jmp     {{ L("next_error") }}
{{ L("no_error") }}:
{{ print("0x%x", "%eax") }}
        jmp     {{ L("done") }}
{{ L("error") }}:
{{ print("-%s", "4(%esi)") }}
        movl    $1, %ecx
{{ L("done") }}:
        popl    %esi
        ret
{% endcall %}

        .section .rodata
{% set errors = ["EPERM", "ENOENT", "ESRCH", "ENXIO", "ENOMEM", "EACCES", "EFAULT", "EBUSY", "EEXIST", "EINVAL",
                 "ENOSYS", "EOPNOTSUPP"] %}
{% call object("error_table") %}
{% for name in errors %}
        .long   -{{ name }}, error_name_{{ name }}
{% endfor %}
        .long   0
{% endcall %}
{% for name in errors %}
{{ text("error_name_" ~ name, name) }}
{% endfor %}
{% set exceptions = ["DE", "DB", "NMI", "BP", "OF", "BR", "UD", "NM", "DF", "9", "TS", "NP", "SS", "GP", "PF", "15",
                     "MF", "AC", "MC", "XM"] %}
{% call object("exception_names") %}
{% for name in exceptions %}
        .long   exception_name_{{ loop.index0 }}
{% endfor %}
{% endcall %}
{% for name in exceptions %}
{{ text("exception_name_" ~ loop.index0, name) }}
{% endfor %}
{% call object("vectors_with_error_code") %}
        .long   1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17
{% endcall %}
