# The battery-backed clock of a PC (MC146818): what time it is when the machine starts.
#
# Invariants
#   - A reading counts only when the clock was not changing before it, and a second one says the same.
#   - Date and time are UTC, as the hardware clocks of servers and emulators are set.
#   - The index port's bit 7, which would block NMIs, is written as 0.

        .section .init, "ax"

        .set    RTC_REGISTER_A, 10
        .set    RTC_UPDATING, 0x80              # in register A
        .set    RTC_REGISTER_B, 11
        .set    RTC_24_HOURS, 2                 # in register B
        .set    RTC_BINARY, 4                   # in register B
        .set    RTC_PM, 0x80                    # in the hours, when they are 12
        .set    RTC_LONGEST_WAIT, 0x10000       # looks for the end of an update, which takes 2 ms
{# Where the fields stand in the clock; 50 is the century wherever firmware keeps one. #}
{% set fields = [("second", 0), ("minute", 2), ("hour", 4), ("day", 7), ("month", 8), ("year", 9), ("century", 50)] %}
{% for name, register in fields %}
        .set    RTC_FIELD_{{ name }}, {{ 4 * loop.index0 }}
{% endfor %}
        .set    RTC_FIELDS_size, {{ 4 * fields | length }}

{% set L = labels("rtc_read") %}
# rtc_read(): the time of day.
#
# in:    -
# out:   %eax = seconds since 1970-01-01 00:00 UTC; 0 when there is no clock
# clob:  none
# errs:  a clock that never stops changing is logged
{% call routine("rtc_read") %}
        pushl   %ecx
        pushl   %edx
        movl    $RTC_LONGEST_WAIT, %ecx
{{ L("again") }}:
        decl    %ecx
        jz      {{ L("no_clock") }}
        movb    $RTC_REGISTER_A, %al
        call    rtc_register
        testb   $RTC_UPDATING, %al
        jnz     {{ L("again") }}
        call    rtc_fields_read
        movl    %edx, %eax
        call    rtc_fields_read
        cmpl    %edx, %eax
        jne     {{ L("again") }}
        call    rtc_fields_decode
        call    rtc_seconds
        jmp     {{ L("done") }}
{{ L("no_clock") }}:
{{ log("LOG_WARNING", "real-time clock: there is none, so it is 1970\\n") }}
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

# rtc_register(index): one register of the clock.
#
# in:    %al = index
# out:   %eax = its value, 0 to 255
# clob:  none
# errs:  none
{% call routine("rtc_register") %}
        outb    %al, $RTC_INDEX
        inb     $RTC_DATA, %al
        movzbl  %al, %eax
        ret
{% endcall %}

# rtc_fields_read(): all fields, as the clock has them.
#
# in:    -
# out:   rtc_fields; %edx = what another moment would not have: day, hour, minute and second, a byte each
# clob:  none
# errs:  none
{% call routine("rtc_fields_read") %}
        pushl   %eax
        xorl    %edx, %edx
{% for name, register in fields | reverse %}
        movb    ${{ register }}, %al
        call    rtc_register
        movl    %eax, rtc_fields + RTC_FIELD_{{ name }}
        shll    $8, %edx
        orl     %eax, %edx
{% endfor %}
        popl    %eax
        ret
{% endcall %}

{% set L = labels("rtc_fields_decode") %}
# rtc_fields_decode(): the fields in binary, hours from 0 to 23, the year with its century.
#
# in:    rtc_fields, as the clock has them
# out:   rtc_fields
# clob:  %eax
# errs:  none; without a sensible century it is the 21st
{% call routine("rtc_fields_decode") %}
        pushl   %ecx
        pushl   %edx
        movl    rtc_fields + RTC_FIELD_hour, %ecx
        andl    $RTC_PM, %ecx
        andl    $~RTC_PM, rtc_fields + RTC_FIELD_hour
        movb    $RTC_REGISTER_B, %al
        call    rtc_register
        movl    %eax, %edx
        testb   $RTC_BINARY, %dl
        jnz     {{ L("binary") }}
{% for name, register in fields %}
        movl    rtc_fields + RTC_FIELD_{{ name }}, %eax
        call    bcd_to_binary
        movl    %eax, rtc_fields + RTC_FIELD_{{ name }}
{% endfor %}
{{ L("binary") }}:
        testb   $RTC_24_HOURS, %dl
        jnz     {{ L("hours_ok") }}
        cmpl    $12, rtc_fields + RTC_FIELD_hour
        jne     {{ L("not_twelve") }}
        movl    $0, rtc_fields + RTC_FIELD_hour
{{ L("not_twelve") }}:
        testl   %ecx, %ecx
        jz      {{ L("hours_ok") }}
        addl    $12, rtc_fields + RTC_FIELD_hour
{{ L("hours_ok") }}:
        movl    rtc_fields + RTC_FIELD_century, %eax
        leal    -19(%eax), %ecx
        cmpl    $2, %ecx
        jbe     {{ L("century_ok") }}
        movl    $20, %eax
{{ L("century_ok") }}:
        imull   $100, %eax, %eax
        addl    %eax, rtc_fields + RTC_FIELD_year
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

# bcd_to_binary(value): 0x59 becomes 59.
#
# in:    %eax = two decimal digits, four bits each
# out:   %eax = 0 to 99
# clob:  none
# errs:  none
{% call routine("bcd_to_binary") %}
        pushl   %ecx
        movl    %eax, %ecx
        andl    $0xf, %ecx
        shrl    $4, %eax
        imull   $10, %eax, %eax
        addl    %ecx, %eax
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("rtc_seconds") %}
# rtc_seconds(): a date and a time of day as seconds since 1970.
#
# in:    rtc_fields, decoded
# out:   %eax = seconds
# clob:  %ecx, %edx
# errs:  none
# why:   the year is taken to begin in March, so that a leap day is its last; then 367 * month / 12 counts the days of
#        the months before, up to a constant (Gauss)
{% call routine("rtc_seconds") %}
        pushl   %ebx
        pushl   %esi
        movl    rtc_fields + RTC_FIELD_year, %ebx
        movl    rtc_fields + RTC_FIELD_month, %esi
        subl    $2, %esi
        jg      {{ L("march_or_later") }}
        addl    $12, %esi
        decl    %ebx
{{ L("march_or_later") }}:
        imull   $367, %esi, %eax
        xorl    %edx, %edx
        movl    $12, %ecx
        divl    %ecx
        movl    %eax, %esi                      # days: those of the months
        addl    rtc_fields + RTC_FIELD_day, %esi
        imull   $365, %ebx, %eax
        addl    %eax, %esi
        movl    %ebx, %eax
        shrl    $2, %eax
        addl    %eax, %esi                      # leap days: every 4 years
        xorl    %edx, %edx
        movl    %ebx, %eax
        movl    $100, %ecx
        divl    %ecx
        subl    %eax, %esi                      # but not every 100
        shrl    $2, %eax
        addl    %eax, %esi                      # but every 400
        subl    $719499, %esi                   # what that sum is for 1970-01-01, and the day, which counts from 1
        imull   $24, %esi, %eax
        addl    rtc_fields + RTC_FIELD_hour, %eax
        imull   $60, %eax, %eax
        addl    rtc_fields + RTC_FIELD_minute, %eax
        imull   $60, %eax, %eax
        addl    rtc_fields + RTC_FIELD_second, %eax
        popl    %esi
        popl    %ebx
        ret
{% endcall %}

{{ space("rtc_fields", "RTC_FIELDS_size") }}
