# What the traffic generator says: into the store now and then, and on the console in the end.
#
# Invariants
#   - data/lost is written last, so whoever waits for it finds the others complete.

        .text

{{ text("data_folder", "data") }}
{{ text("sent_name", "sent") }}
{{ text("answered_name", "answered") }}
{{ text("nanoseconds_name", "nanoseconds") }}
{{ text("lost_name", "lost") }}

{% set L = labels("traffic_report") %}
# traffic_report(): writes into the store how far it is, as often as it was told and not after the end.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  none
{% call routine("traffic_report") %}
        cmpl    $0, traffic_ended
        jne     {{ L("done") }}
        cmpl    $0, traffic_report_every
        je      {{ L("done") }}
        call    system_time
        movl    %eax, %ebx
        movl    %edx, %ecx
        subl    traffic_report_due, %eax
        sbbl    traffic_report_due + 4, %edx
        js      {{ L("done") }}
        imull   $TRAFFIC_SECOND / 1000, traffic_report_every, %eax
        addl    %eax, %ebx
        adcl    $0, %ecx
        movl    %ebx, traffic_report_due
        movl    %ecx, traffic_report_due + 4
        call    traffic_write
{{ L("done") }}:
        ret
{% endcall %}

# traffic_write(): the counters, and what an answer has taken on the average, into the store.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  none
{% call routine("traffic_write") %}
        movl    $data_folder, %ebx
        movl    $sent_name, %esi
        movl    traffic_sent, %eax
        call    store_write_number
        movl    $answered_name, %esi
        movl    traffic_answered, %eax
        call    store_write_number
        movl    $nanoseconds_name, %esi
        call    traffic_average
        jmp     store_write_number
{% endcall %}

# traffic_average(): how long an answer took.
#
# in:    -
# out:   %eax = ns, 0 when there was none
# clob:  %ecx, %edx
# errs:  none: the sum has a lower word for each answer, so the quotient fits
{% call routine("traffic_average") %}
        xorl    %eax, %eax
        movl    traffic_answered, %ecx
        jecxz   1f
        movl    traffic_times, %eax
        movl    traffic_times + 4, %edx
        divl    %ecx
1:
        ret
{% endcall %}

# traffic_say(): the end: on the console and in the store.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  none
{% call routine("traffic_say") %}
        call    traffic_average
        xorl    %edx, %edx
        movl    $1000, %ecx
        divl    %ecx
        movl    traffic_sent, %ecx
        subl    traffic_answered, %ecx
        movl    %eax, %edx
{% set format = "traffic: %u sent, %u answered, %u lost, %u microseconds each\\n" %}
{{ print(format, "traffic_sent", "traffic_answered", "%ecx", "%edx") }}
        pushl   %ecx
        call    traffic_write
        popl    %eax
        movl    $data_folder, %ebx
        movl    $lost_name, %esi
        jmp     store_write_number
{% endcall %}
