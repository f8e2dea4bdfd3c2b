# Time: system time in ns since the hypervisor started, and how guests compute it for themselves (ABI 4.3, 4.4).
#
# Invariants
#   - System time is a function of the TSC: ((tsc - tsc_boot) << shift) * mul >> 32, with tsc_scale as it was measured
#     when we started. It never goes backwards.
#   - A guest that computes with what clock_publish wrote gets at most what clock_now gives, and never less than with
#     what was published before: rounding down twice gives no more than rounding down once.
#   - clock_last is the last reading of the clock: a moment by the TSC, and in system time.
#   - wall_clock is the time of day at system time 0.
#   - A record is written between an odd and an even version, so that a guest that is interrupted by us reads it again.

        .section .init, "ax"

# clock_init(): measures the TSC, reads the time of day, and begins system time.
#
# in:    -
# out:   tsc_khz, tsc_scale, tsc_boot, wall_clock
# clob:  none
# errs:  as tsc_calibrate and rtc_read
{% call routine("clock_init") %}
        pushl   %eax
        pushl   %edx
        call    lapic_init
        call    tsc_calibrate
        call    lapic_calibrate
        call    pit_alarm_init
        call    rtc_read
        movl    %eax, wall_clock + WALL_CLOCK_sec
        rdtsc
        movl    %eax, tsc_boot
        movl    %edx, tsc_boot + 4
{{ log("LOG_INFO", "system time 0 is %u seconds after 1970; scale: shift %d, mul %p\\n", "wall_clock",
       "tsc_scale + TIME_SCALE_shift", "tsc_scale + TIME_SCALE_mul") }}
        pushl   %edi
        call    clock_renew_later
        popl    %edi
        popl    %edx
        popl    %eax
        ret
{% endcall %}

        .text

{# The ns of %edx:%eax ticks of the TSC, in their place. Clobbers %ebx, %ecx. #}
{% macro ticks_become_ns(L) %}
        movl    tsc_scale + TIME_SCALE_shift, %ecx
        testl   %ecx, %ecx
        js      {{ L("shift_right") }}
        shldl   %cl, %eax, %edx
        shll    %cl, %eax
{{ L("shifted") }}:
        movl    %edx, %ebx                      # the product of 64 and 32 bits, without its lowest word
        mull    tsc_scale + TIME_SCALE_mul
        movl    %edx, %ecx
        movl    %ebx, %eax
        mull    tsc_scale + TIME_SCALE_mul
        addl    %ecx, %eax
        adcl    $0, %edx
{% endmacro %}
{# What is out of its way. #}
{% macro ticks_shift_right(L) %}
{{ L("shift_right") }}:
        negl    %ecx
        shrdl   %cl, %edx, %eax
        shrl    %cl, %edx
        jmp     {{ L("shifted") }}
{% endmacro %}
{% set L = labels("clock_now") %}
# clock_now(): the time.
#
# in:    -
# out:   %edx:%eax = system time in ns; clock_last
# clob:  none
# errs:  none
{% call routine("clock_now") %}
        pushl   %ebx
        pushl   %ecx
        rdtsc
        movl    %eax, clock_last + CLOCK_READING_tsc
        movl    %edx, clock_last + CLOCK_READING_tsc_high
        subl    tsc_boot, %eax
        sbbl    tsc_boot + 4, %edx
{{ ticks_become_ns(L) }}
        movl    %eax, clock_last + CLOCK_READING_ns
        movl    %edx, clock_last + CLOCK_READING_ns_high
        popl    %ecx
        popl    %ebx
        ret
{{ ticks_shift_right(L) }}
{% endcall %}

{% set L = labels("ticks_to_ns") %}
# ticks_to_ns(ticks): how long the TSC takes for them.
#
# in:    %edx:%eax = ticks
# out:   %edx:%eax = ns
# clob:  none
# errs:  none
{% call routine("ticks_to_ns") %}
        pushl   %ebx
        pushl   %ecx
{{ ticks_become_ns(L) }}
        popl    %ecx
        popl    %ebx
        ret
{{ ticks_shift_right(L) }}
{% endcall %}

{% set L = labels("clock_publish") %}
# clock_publish(vcpu): tells a vcpu what time it was when the clock was read last, and how to go on from there.
#
# in:    clock_last; %ebp = vcpu, whose address space is in place if it has a VCPU_time_area
# out:   the VCPU_TIME_INFO in its vcpu_info, and in that area
# clob:  none
# errs:  none
# why:   no vcpu runs between that reading and this, so none has seen a later time
{% call routine("clock_publish") %}
        pushl   %eax
        pushl   %ecx
        movl    VCPU_info(%ebp), %ecx
        addl    $VCPU_INFO_time, %ecx
        movl    VCPU_TIME_INFO_version(%ecx), %eax
        incl    %eax
        orl     $1, %eax
        movl    %eax, VCPU_TIME_INFO_version(%ecx)
{% for word, place in [("tsc", "tsc_timestamp"), ("ns", "system_time")] %}
        movl    clock_last + CLOCK_READING_{{ word }}, %eax
        movl    %eax, VCPU_TIME_INFO_{{ place }}(%ecx)
        movl    clock_last + CLOCK_READING_{{ word }}_high, %eax
        movl    %eax, VCPU_TIME_INFO_{{ place }}_high(%ecx)
{% endfor %}
        movl    tsc_scale + TIME_SCALE_mul, %eax
        movl    %eax, VCPU_TIME_INFO_tsc_to_system_mul(%ecx)
        movb    tsc_scale + TIME_SCALE_shift, %al
        movb    %al, VCPU_TIME_INFO_tsc_shift(%ecx)
        movb    $XEN_PVCLOCK_TSC_STABLE_BIT, VCPU_TIME_INFO_flags(%ecx)
        incl    VCPU_TIME_INFO_version(%ecx)
        cmpl    $0, VCPU_time_area(%ebp)
        jne     {{ L("copy") }}
{{ L("done") }}:
        popl    %ecx
        popl    %eax
        ret
{{ L("copy") }}:
        movl    VCPU_time_area(%ebp), %eax
        call    time_area_write
        jmp     {{ L("done") }}
{% endcall %}

# time_area_write(vcpu, area): copies the vcpu's VCPU_TIME_INFO to memory of the guest.
#
# in:    %ebp = vcpu, whose address space is in place; %eax = guest address
# out:   %eax = 0 or -EFAULT
# clob:  %ecx
# errs:  -EFAULT
{% call routine("time_area_write") %}
        pushl   %esi
        pushl   %edi
        movl    %eax, %edi
        movl    VCPU_info(%ebp), %esi
        addl    $VCPU_INFO_time, %esi
        movl    $VCPU_TIME_INFO_size, %ecx
        call    copy_to_guest
        popl    %edi
        popl    %esi
        ret
{% endcall %}

{% set L = labels("vcpuop_register_time_area") %}
# vcpuop_register_time_area(argument): where the guest wants a copy of its time record kept; 0: nowhere.
#
# in:    %esi = address of a VCPU_REGISTER_TIME_MEMORY_AREA; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %edi
# errs:  -EFAULT: the argument, or the area
{% call routine("vcpuop_register_time_area") %}
        movl    $vcpu_argument, %edi
        movl    $VCPU_REGISTER_TIME_MEMORY_AREA_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    vcpu_argument + VCPU_REGISTER_TIME_MEMORY_AREA_addr_v, %edx
        movl    %edx, %eax
        testl   %eax, %eax
        jz      {{ L("store") }}
        call    time_area_write
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ L("store") }}:
        movl    %edx, VCPU_time_area(%ebp)
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("clock_renew_due") %}
# clock_renew_due(timer): tells the vcpu that runs the time anew, once a second: how far it computes is bounded.
#
# in:    %edi = clock_renew, which is not set
# out:   -
# clob:  %eax, %edx, %edi, %ebp
# errs:  none
{% call routine("clock_renew_due") %}
        movl    current_vcpu, %ebp
        testl   %ebp, %ebp
        jz      clock_renew_later
        call    clock_publish
        jmp     clock_renew_later
{% endcall %}

# clock_renew_later(): sets the timer for that.
#
# in:    -
# out:   -
# clob:  %eax, %edx, %edi
# errs:  none
{% call routine("clock_renew_later") %}
        movl    $clock_renew, %edi
        call    clock_now
        addl    $CLOCK_RENEWAL, %eax
        adcl    $0, %edx
        jmp     timer_set
{% endcall %}

# clock_publish_wall(vcpu): tells a vcpu's domain what time of day system time 0 was.
#
# in:    %ebp = vcpu
# out:   the wc_ fields of its domain's shared_info
# clob:  none
# errs:  none
{% call routine("clock_publish_wall") %}
        pushl   %eax
        pushl   %ecx
        movl    VCPU_domain(%ebp), %ecx
        movl    DOMAIN_shared_info(%ecx), %ecx
        movl    SHARED_INFO_wc_version(%ecx), %eax
        incl    %eax
        orl     $1, %eax
        movl    %eax, SHARED_INFO_wc_version(%ecx)
        movl    wall_clock + WALL_CLOCK_sec, %eax
        movl    %eax, SHARED_INFO_wc_sec(%ecx)
        movl    wall_clock + WALL_CLOCK_sec_high, %eax
        movl    %eax, SHARED_INFO_arch_wc_sec_hi(%ecx)
        movl    wall_clock + WALL_CLOCK_nsec, %eax
        movl    %eax, SHARED_INFO_wc_nsec(%ecx)
        incl    SHARED_INFO_wc_version(%ecx)
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

        .data
{% call object("clock_renew") %}
        .long   0, 0, clock_renew_due, 0        # TIMER
{% endcall %}
{{ space("clock_last", "CLOCK_READING_size") }}
{{ space("tsc_boot", 8) }}
{{ space("wall_clock", "WALL_CLOCK_size") }}
