# The 8254 timer: it tells how fast the TSC counts, and is the alarm of a machine without a local APIC.
#
# Channel 2 counts down PIT_SPAN ticks (10 ms) while the TSC runs. Its output, readable in PIT_GATE, rises at the end.
#
# Invariants
#   - Whatever goes wrong with a measurement (an interruption by firmware, by an emulator's host) makes it longer, since
#     it begins before the counter is started and ends after it was seen to have ended. So the shortest one counts, and
#     there are more until one agrees with it to PIT_AGREEMENT: two that were disturbed hardly do.
#   - The port is polled only for the last PIT_MARGIN ticks: a port access costs an emulator as much as a thousand
#     instructions, and under -icount shift=0 an instruction is a nanosecond.

        .section .init, "ax"

        .set    PIT_SPAN, 11932                 # ticks of PIT_FREQUENCY: 10.00015 ms
        .set    PIT_MARGIN, 64                  # ticks: 54 microseconds
        .set    PIT_TRIALS, 20                  # at the most
        .set    PIT_AGREEMENT, 13               # to 2^-13: 1.2 microseconds
        .set    PIT_SPIN, 512                   # rounds of waiting between two looks at the counter
        .set    PIT_LONGEST_WAIT, 0x400000      # looks, after which there seems to be no timer
        .set    PIT_2_ONE_SHOT, 0xb0            # command: channel 2, low byte then high byte, mode 0, binary
        .set    PIT_2_LATCH, 0x80               # command: keep the count of channel 2 for reading
        .set    PIT_GATE_2, 1                   # in PIT_GATE: channel 2 counts
        .set    PIT_SPEAKER, 2                  # in PIT_GATE: its output goes to the speaker
        .set    PIT_OUTPUT_2, 0x20              # in PIT_GATE: its output
        .set    HZ_PER_KHZ, 1000
        .set    NS_PER_SECOND, 1000000000
        .set    TWO_GHZ, 2000000000

{% set L = labels("tsc_calibrate") %}
# tsc_calibrate(): measures the frequency of the TSC.
#
# in:    -
# out:   tsc_khz, tsc_scale
# clob:  none
# errs:  no timer: panic
{% call routine("tsc_calibrate") %}
        pushal
        call    tsc_measure
        movl    %eax, %ebx                      # the shortest so far
        movl    $PIT_TRIALS, %esi
{{ L("next_trial") }}:
        call    tsc_measure
        movl    %eax, %edx
        subl    %ebx, %edx
        jns     {{ L("not_shorter") }}
        movl    %eax, %ebx
        negl    %edx
{{ L("not_shorter") }}:
        movl    %ebx, %ecx
        shrl    $PIT_AGREEMENT, %ecx
        cmpl    %ecx, %edx
        jbe     {{ L("agreed") }}
        decl    %esi
        jnz     {{ L("next_trial") }}
{{ L("agreed") }}:
        movl    $PIT_FREQUENCY, %eax            # frequency in Hz = TSC ticks * PIT_FREQUENCY / PIT_SPAN, in 64 bits
        mull    %ebx
        movl    $PIT_SPAN, %ebx
        movl    %eax, %ecx
        movl    %edx, %eax
        xorl    %edx, %edx
        divl    %ebx
        movl    %eax, %edi                      # the high half of the quotient
        movl    %ecx, %eax
        divl    %ebx
        movl    %edi, %edx
        call    tsc_scale_set
        movl    $HZ_PER_KHZ, %ebx
        divl    %ebx
        movl    %eax, tsc_khz
{{ log("LOG_INFO", "TSC: %u kHz\\n", "%eax") }}
        popal
        ret
{% endcall %}

{% set L = labels("tsc_measure") %}
# tsc_measure(): how far the TSC counts in PIT_SPAN ticks of the timer.
#
# in:    -
# out:   %eax = ticks of the TSC
# clob:  none
# errs:  no timer: panic
{% call routine("tsc_measure") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        inb     $PIT_GATE, %al
        andb    $~PIT_SPEAKER, %al
        orb     $PIT_GATE_2, %al
        outb    %al, $PIT_GATE
        movb    $PIT_2_ONE_SHOT, %al
        outb    %al, $PIT_COMMAND
        movb    $(PIT_SPAN & 0xff), %al
        outb    %al, $PIT_CHANNEL_2
        rdtsc
        movl    %eax, %ebx                      # the low half is enough for 10 ms
        movb    $(PIT_SPAN >> 8), %al
        outb    %al, $PIT_CHANNEL_2             # it counts from here
{{ L("far_from_end") }}:
        movl    $PIT_SPIN, %ecx
{{ L("spin") }}:
        decl    %ecx
        jnz     {{ L("spin") }}
        movb    $PIT_2_LATCH, %al
        outb    %al, $PIT_COMMAND
        inb     $PIT_CHANNEL_2, %al
        movzbl  %al, %ecx
        inb     $PIT_CHANNEL_2, %al
        movb    %al, %ch
        cmpl    $PIT_SPAN, %ecx
        ja      {{ L("near_end") }}             # it has passed 0 and counts on from 0xffff
        cmpl    $PIT_MARGIN, %ecx
        ja      {{ L("far_from_end") }}
{{ L("near_end") }}:
        movl    $PIT_LONGEST_WAIT, %ecx
{{ L("look") }}:
        decl    %ecx
        jz      {{ L("no_timer") }}
        inb     $PIT_GATE, %al
        testb   $PIT_OUTPUT_2, %al
        jz      {{ L("look") }}
        rdtsc
        subl    %ebx, %eax
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{{ L("no_timer") }}:
{{ panic("the timer (8254, channel 2) does not count") }}
{% endcall %}

{% set L = labels("tsc_scale_set") %}
# tsc_scale_set(frequency): chooses mul and shift so that ns = (ticks << shift) * mul >> 32 (ABI 4.3).
#
# in:    %edx:%eax = frequency in Hz
# out:   tsc_scale
# clob:  none
# errs:  none
# why:   with a frequency between 1 and 2 GHz mul has 32 significant bits
{% call routine("tsc_scale_set") %}
        pushal
        xorl    %ecx, %ecx                      # shift
{{ L("look_for_too_fast") }}:
        testl   %edx, %edx
        jnz     {{ L("too_fast") }}
        cmpl    $TWO_GHZ, %eax
        jbe     {{ L("look_for_too_slow") }}
{{ L("too_fast") }}:
        shrdl   $1, %edx, %eax
        shrl    $1, %edx
        decl    %ecx
        jmp     {{ L("look_for_too_fast") }}
{{ L("look_for_too_slow") }}:
        cmpl    $NS_PER_SECOND, %eax
        ja      {{ L("in_range") }}
        addl    %eax, %eax
        incl    %ecx
        jmp     {{ L("look_for_too_slow") }}
{{ L("in_range") }}:
        movl    %eax, %ebx
        movl    $NS_PER_SECOND, %edx
        xorl    %eax, %eax
        divl    %ebx
        movl    %eax, tsc_scale + TIME_SCALE_mul
        movl    %ecx, tsc_scale + TIME_SCALE_shift
        popal
        ret
{% endcall %}

{% set L = labels("pit_alarm_init") %}
# pit_alarm_init(): makes the 8254 the alarm, if there is no local APIC.
#
# in:    lapic_present
# out:   alarm_hardware
# clob:  none
# errs:  none
{% call routine("pit_alarm_init") %}
        cmpl    $0, lapic_present
        jne     {{ L("not_needed") }}
        pushl   %eax
        movl    $pit_alarm_set, alarm_hardware
        xorl    %eax, %eax                      # it is at input 0
        call    pic_open
{{ log("LOG_INFO", "8254: timers run by it\\n") }}
        popl    %eax
{{ L("not_needed") }}:
        ret
{% endcall %}

        .text

        .set    PIT_0_ONE_SHOT, 0x30            # command: channel 0, low byte then high byte, mode 0, binary
        .set    PIT_RATE, 5124678               # ticks in a nanosecond, in units of 2^-32
        .set    PIT_LONGEST, 0xffff             # ticks: 55 ms

{% set L = labels("pit_alarm_set") %}
# pit_alarm_set(span): an interrupt after a time, in place of the one that was set before; at the latest after 55 ms.
#
# in:    %eax = ns
# out:   -
# clob:  %eax, %edx
# errs:  none
# why:   the tick under way when it begins does not count, hence one more
{% call routine("pit_alarm_set") %}
        movl    $PIT_RATE, %edx
        mull    %edx
        incl    %edx
        cmpl    $PIT_LONGEST, %edx
        jbe     {{ L("in_range") }}
        movl    $PIT_LONGEST, %edx
{{ L("in_range") }}:
        movb    $PIT_0_ONE_SHOT, %al
        outb    %al, $PIT_COMMAND
        movb    %dl, %al
        outb    %al, $PIT_CHANNEL_0
        movb    %dh, %al
        outb    %al, $PIT_CHANNEL_0
        ret
{% endcall %}

        .data
{% call object("tsc_khz") %}
        .long   0
{% endcall %}
{{ space("tsc_scale", "TIME_SCALE_size") }}
