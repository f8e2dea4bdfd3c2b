# Measuring: rounds of many calls of an operation, less as many of nothing.
#
# Invariants
#   - The least of all rounds counts: whatever disturbs one (a timer of the hypervisor's) is not in it.
#   - What is subtracted was measured with the same number of calls, by the same loop.
#   - An operation that answers -ENOSYS is not there. Any other error, of whichever call, is said instead of a number.

        .text

        .set    ROUNDS, 3
{# One row of the table `operations` (main.s). #}
{% for name in ["name", "body", "prepare", "baseline", "calls", "units", "answers", "size"] %}
        .set    OPERATION_{{ name }}, {{ 4 * loop.index0 }}
{% endfor %}

{% set L = labels("operations_measure") %}
# operations_measure(table): measures one operation after the other, and prints a line about each.
#
# in:    %esi = rows, the last one with a name of 0; %ebp = start_info
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  an operation that fails is said
# calls: *_prepare, stack_set, bench_*
{% call routine("operations_measure") %}
{{ L("next_operation") }}:
        cmpl    $0, OPERATION_name(%esi)
        je      {{ L("done") }}
        pushl   %esi
        call    *OPERATION_prepare(%esi)
        popl    %esi
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        pushl   %esi
        call    *OPERATION_body(%esi)           # once, to see whether it is there, and to warm up
        popl    %esi
        cmpl    $0, OPERATION_answers(%esi)
        je      {{ L("there") }}
        testl   %eax, %eax
        js      {{ L("refused") }}
{{ L("there") }}:
        movl    OPERATION_baseline(%esi), %ebx
        call    rounds_measure
        movl    %eax, %edi
        movl    OPERATION_body(%esi), %ebx
        call    rounds_measure
        subl    %edi, %eax
        cmpl    $0, OPERATION_answers(%esi)
        je      {{ L("all_well") }}
        cmpl    $0, measure_answers
        jl      {{ L("failed_later") }}
{{ L("all_well") }}:
        movl    OPERATION_calls(%esi), %ecx
        imull   OPERATION_units(%esi), %ecx
        movl    %ecx, %edx
        shrl    $1, %edx
        addl    %edx, %eax                      # to the nearest
        xorl    %edx, %edx
        divl    %ecx
{{ print("bench %s %u instructions\\n", "OPERATION_name(%esi)", "%eax") }}
{{ L("said") }}:
        addl    $OPERATION_size, %esi
        jmp     {{ L("next_operation") }}
{{ L("failed_later") }}:
        movl    measure_answers, %eax
{{ L("refused") }}:
        cmpl    $-ENOSYS, %eax
        je      {{ L("not_there") }}
{{ print("bench %s error %d\\n", "OPERATION_name(%esi)", "%eax") }}
        jmp     {{ L("said") }}
{{ L("not_there") }}:
{{ print("bench %s not there\\n", "OPERATION_name(%esi)") }}
        jmp     {{ L("said") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("rounds_measure") %}
# rounds_measure(operation, body): the instructions of OPERATION_calls calls, the least of all rounds.
#
# in:    %esi = row, %ebx = routine to call
# out:   %eax = instructions; measure_answers = what the calls have left in %eax, all of it in one word
# clob:  %ebx, %ecx, %edx
# errs:  none
# calls: bench_*
{% call routine("rounds_measure") %}
        pushl   %esi
        pushl   %edi
        movl    %ebx, measure_body
        movl    $-1, measure_least
        movl    $ROUNDS, measure_rounds
        movl    OPERATION_calls(%esi), %eax
        movl    %eax, measure_calls
        movl    $0, measure_answers
{{ L("next_round") }}:
        movl    measure_calls, %eax
        movl    %eax, measure_left
        rdtsc
        movl    %eax, measure_start
{{ L("next_call") }}:
        call    *measure_body
        orl     %eax, measure_answers           # negative if one is
        decl    measure_left
        jnz     {{ L("next_call") }}
        rdtsc
        subl    measure_start, %eax
        cmpl    measure_least, %eax
        jae     {{ L("not_less") }}
        movl    %eax, measure_least
{{ L("not_less") }}:
        decl    measure_rounds
        jnz     {{ L("next_round") }}
        movl    measure_least, %eax
        popl    %edi
        popl    %esi
        ret
{% endcall %}

# bench_nothing(): what is subtracted from operations that are called.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("bench_nothing") %}
        ret
{% endcall %}

# nothing_prepare(): for operations that need nothing.
#
# in:    -
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("nothing_prepare") %}
        xorl    %eax, %eax
        ret
{% endcall %}

        .data
{% for name in ["body", "least", "rounds", "calls", "left", "start", "answers"] %}
{% call object("measure_" ~ name) %}
        .long   0
{% endcall %}
{% endfor %}
