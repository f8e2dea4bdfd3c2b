# The local APIC: whether there is one, and where; its timer, which is the hypervisor's alarm.
#
# Invariants
#   - When lapic_present is 1, the registers are mapped uncached at FIXMAP_APIC in every address space, and the APIC is
#     enabled in its base register.
#   - What it delivers is its timer (TIMER_VECTOR, one-shot), spurious interrupts (SPURIOUS_VECTOR), what firmware has
#     put on LINT1: NMIs; and on LINT0 the 8259s, once a device has claimed an input of theirs. All else is masked.
#   - lapic_rate is how far its timer counts in a nanosecond, in units of 2^-24: measured against the TSC.

        .section .init, "ax"

        .set    APIC_BASE_MASK, ~PAGE_OFFSET_MASK
        .set    APIC_VERSION_MASK, 0xff
        .set    APIC_ID_SHIFT, 24

{% set L = labels("lapic_find") %}
# lapic_find(): finds, enables and maps the local APIC.
#
# in:    -
# out:   lapic_present
# clob:  none
# errs:  none; a processor without one, or whose firmware put it above 4 GB, is logged and goes without
{% call routine("lapic_find") %}
        pushal
        movl    $1, %eax
        cpuid
        testl   $CPUID_EDX_APIC, %edx
        jz      {{ L("none") }}
        movl    $MSR_APIC_BASE, %ecx
        rdmsr
        testl   %edx, %edx
        jnz     {{ L("none") }}
        testl   $APIC_BASE_ENABLE, %eax
        jnz     {{ L("enabled") }}
        orl     $APIC_BASE_ENABLE, %eax
        wrmsr
{{ L("enabled") }}:
        andl    $APIC_BASE_MASK, %eax
        movl    %eax, %ebx
        movl    %eax, %edx
        orl     $(PTE_P | PTE_RW | PTE_PCD | PTE_PWT | PTE_A | PTE_D), %edx
        movl    $FIXMAP_APIC, %eax
        call    hv_map_page_nx
        movl    $1, lapic_present
        movl    FIXMAP_APIC + APIC_ID, %ecx
        shrl    $APIC_ID_SHIFT, %ecx
        movl    FIXMAP_APIC + APIC_VERSION, %edx
        andl    $APIC_VERSION_MASK, %edx
{{ log("LOG_INFO", "local APIC: at %p, id %u, version 0x%x\\n", "%ebx", "%ecx", "%edx") }}
        popal
        ret
{{ L("none") }}:
{{ log("LOG_WARNING", "local APIC: there is none in reach\\n") }}
        popal
        ret
{% endcall %}

        .set    LAPIC_SAMPLE_TICKS, 16384       # of the TSC: a look at both clocks takes less, if nothing comes between
        .set    LAPIC_SAMPLES, 64
        .set    LAPIC_SHORTEST_TICKS, 1 << 24   # of the TSC: some milliseconds
        .set    LAPIC_RATE_SHIFT, 24

{% set L = labels("lapic_init") %}
# lapic_init(): enables the APIC, and has its timer count.
#
# in:    lapic_present
# out:   lapic_first_*, if there is an APIC
# clob:  none
# errs:  none
{% call routine("lapic_init") %}
        cmpl    $0, lapic_present
        je      {{ L("none") }}
        pushl   %eax
        pushl   %edx
{% for register, value in [
        ("APIC_SPURIOUS", "(APIC_ENABLE | SPURIOUS_VECTOR)"),
        ("APIC_TPR", "0"),
        ("APIC_LVT_LINT0", "APIC_LVT_MASKED"),
        ("APIC_LVT_PERFORMANCE", "APIC_LVT_MASKED"),
        ("APIC_LVT_ERROR", "APIC_LVT_MASKED"),
        ("APIC_LVT_TIMER", "TIMER_VECTOR"),
        ("APIC_DIVIDE", "APIC_DIVIDE_BY_1"),
] %}
        movl    ${{ value }}, FIXMAP_APIC + {{ register }}
{% endfor %}
        call    lapic_count
        popl    %edx
        popl    %eax
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("lapic_open") %}
# lapic_open(): lets the interrupts of the 8259s through, which come with vectors of their own.
#
# in:    lapic_present, lapic_init was called
# out:   -
# clob:  none
# errs:  none
{% call routine("lapic_open") %}
        cmpl    $0, lapic_present
        je      {{ L("none") }}
        movl    $APIC_LVT_EXTERNAL, FIXMAP_APIC + APIC_LVT_LINT0
{{ L("none") }}:
        ret
{% endcall %}

# lapic_count(): has the timer count from now on.
#
# in:    lapic_present
# out:   lapic_first_tsc, lapic_first_count
# clob:  %eax, %edx
# errs:  none
{% call routine("lapic_count") %}
        rdtsc                                   # before the sample: it is not later than that
        movl    %edx, lapic_first_tsc + 4
        movl    %eax, lapic_first_tsc
        movl    $-1, FIXMAP_APIC + APIC_INITIAL_COUNT
        call    lapic_sample
        movl    %eax, lapic_first_sample
        movl    %edx, lapic_first_count
        ret
{% endcall %}

{% set L = labels("lapic_calibrate") %}
# lapic_calibrate(): how fast the timer counts, from how far it has counted since lapic_count.
#
# in:    tsc_scale
# out:   lapic_rate
# clob:  none
# errs:  a timer that does not count, or a machine that stops for seconds again and again: panic
# why:   an emulator whose host is busy may have stood still for so long that the counts have wrapped: then once more
{% call routine("lapic_calibrate") %}
        cmpl    $0, lapic_present
        je      {{ L("none") }}
        pushal
        movl    $LAPIC_SAMPLES, %ebp
{{ L("again") }}:
        call    lapic_sample
        movl    %eax, %ebx
        movl    %edx, %esi
        call    lapic_counted_for
        testl   %eax, %eax
        js      {{ L("too_long") }}
        movl    $0, FIXMAP_APIC + APIC_INITIAL_COUNT
        movl    lapic_first_count, %eax
        subl    %esi, %eax
        jz      {{ L("stands_still") }}
        movl    %eax, %esi
        movl    %ebx, %eax
        subl    lapic_first_sample, %eax
        xorl    %edx, %edx
        call    ticks_to_ns
        movl    %eax, %ebx
        movl    %esi, %edx
        movl    %esi, %eax
        shrl    $(32 - LAPIC_RATE_SHIFT), %edx
        shll    $LAPIC_RATE_SHIFT, %eax
        cmpl    %ebx, %edx
        jae     {{ L("stands_still") }}
        divl    %ebx
        movl    %eax, lapic_rate
{{ log("LOG_INFO", "local APIC: its timer counts %u times in 2^24 ns\\n", "%eax") }}
        popal
{{ L("none") }}:
        ret
{{ L("too_long") }}:
        decl    %ebp
        jz      {{ L("stands_still") }}
        call    lapic_count
{{ L("wait") }}:
        call    lapic_counted_for
        cmpl    $LAPIC_SHORTEST_TICKS, %eax
        jb      {{ L("wait") }}
        jmp     {{ L("again") }}
{{ L("stands_still") }}:
{{ panic("the timer of the local APIC does not count") }}
{% endcall %}

{% set L = labels("lapic_counted_for") %}
# lapic_counted_for(): for how long the timer has counted.
#
# in:    lapic_first_tsc
# out:   %eax = ticks of the TSC; negative when they are 2^31 or more
# clob:  %edx
# errs:  none
{% call routine("lapic_counted_for") %}
        rdtsc
        subl    lapic_first_tsc, %eax
        sbbl    lapic_first_tsc + 4, %edx
        jz      {{ L("in_range") }}
        movl    $-1, %eax
{{ L("in_range") }}:
        ret
{% endcall %}

{% set L = labels("lapic_sample") %}
# lapic_sample(): where the TSC and the timer are at a moment.
#
# in:    lapic_present
# out:   %eax = TSC, its low half; %edx = count of the timer, which counts down
# clob:  none
# errs:  none; the last of LAPIC_SAMPLES tries counts, however long it took
{% call routine("lapic_sample") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %esi
        movl    $LAPIC_SAMPLES, %ecx
{{ L("again") }}:
        rdtsc
        movl    %eax, %ebx
        movl    FIXMAP_APIC + APIC_CURRENT_COUNT, %esi
        rdtsc
        subl    %ebx, %eax
        cmpl    $LAPIC_SAMPLE_TICKS, %eax
        jb      {{ L("undisturbed") }}
        decl    %ecx
        jnz     {{ L("again") }}
{{ L("undisturbed") }}:
        movl    %ebx, %eax
        movl    %esi, %edx
        popl    %esi
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}

        .text

# lapic_alarm_set(span): an interrupt after a time, in place of the one that was set before.
#
# in:    %eax = ns, 2^31 at the most
# out:   -
# clob:  %eax, %edx
# errs:  none
{% call routine("lapic_alarm_set") %}
        mull    lapic_rate
        shrdl   $LAPIC_RATE_SHIFT, %edx, %eax
        incl    %eax                            # never early; and 0 would be never
        movl    %eax, FIXMAP_APIC + APIC_INITIAL_COUNT
        ret
{% endcall %}

        .data
{% call object("lapic_present") %}
        .long   0
{% endcall %}
{{ space("lapic_rate", 4) }}
{{ space("lapic_first_tsc", 8) }}
{{ space("lapic_first_sample", 4) }}
{{ space("lapic_first_count", 4) }}
