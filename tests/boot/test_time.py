"""Time: how fast the TSC is found to be, and what guests are told of it (ABI 4.3, 4.4).

Invariants
  - What system time must be is computed here from the ABI's formula; the hypervisor's routine is not asked.
  - Under icount a TSC tick is a nanosecond, by QEMU's definition of shift=0.
"""

from __future__ import annotations

import calendar
import re
import time
from dataclasses import dataclass

import pytest

from tests.boot.harness import TREE, Booter, GuestMaker
from xengen.abi.shared import SharedInfo, VcpuTimeInfo
from xengen.machine.machine import Ending, Machine

SECOND = 10**9

# Domain 0 maps its shared_info, yields many times, and looks at the time that each turn begins with.
WATCH = r"""
        .text
# start: looks at the time after each yield.
{% call routine("start") %}
        movl    $shared_page, %ebx
        movl    START_INFO_shared_info(%esi), %ecx
        orl     $(PTE_P | PTE_RW | PTE_A), %ecx
        xorl    %edx, %edx
        movl    $UVMF_INVLPG, %esi
        {{ hypercall("update_va_mapping") }}
        movl    $200, %ebp
next_turn:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        testl   $1, time + VCPU_TIME_INFO_version
        jnz     wrong
        rdtsc                                   # the hypervisor published an earlier moment than now
        subl    time + VCPU_TIME_INFO_tsc_timestamp, %eax
        sbbl    time + VCPU_TIME_INFO_tsc_timestamp + 4, %edx
        jb      wrong
        movl    time + VCPU_TIME_INFO_system_time, %eax
        movl    time + VCPU_TIME_INFO_system_time + 4, %edx
        movl    %eax, %ecx
        movl    %edx, %edi
        subl    last, %eax
        sbbl    last + 4, %edx
        jb      wrong
        orl     %eax, %edx
        jz      same
        incl    advanced
same:
        movl    %ecx, last
        movl    %edi, last + 4
        decl    %ebp
        jnz     next_turn
{{ print("time advanced %u times\\n", "advanced") }}
        jmp     off
wrong:
{{ print("wrong in turn %u\\n", "%ebp") }}
off:
        movl    $SCHEDOP_shutdown, %ebx
        movl    $argument, %ecx
        {{ hypercall("sched_op") }}
        ud2
{% endcall %}

        .set    time, shared_page + SHARED_INFO_vcpu_info + VCPU_INFO_time
{{ space("shared_page", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("last", 8) }}
{{ space("advanced", 4) }}
{{ space("argument", 4) }}
"""

# Yields for ever.
YIELDS = r"""
        .text
# start: never more than one turn.
{% call routine("start") %}
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        jmp     start
{% endcall %}
"""


@dataclass(frozen=True)
class Clock:
    """What a machine's domain 0 was told of the time, and where the hypervisor's TSC began."""

    shared: SharedInfo
    tsc_boot: int

    @property
    def info(self) -> VcpuTimeInfo:
        """The first vcpu's record."""
        return self.shared.vcpu_info[0].time  # type: ignore[no-any-return]

    def nanoseconds(self, ticks: int) -> int:
        """Return what a guest makes of `ticks` (ABI 4.3)."""
        shift = self.info.tsc_shift
        ticks = ticks << shift if shift >= 0 else ticks >> -shift
        return int(ticks * self.info.tsc_to_system_mul >> 32)


def clock_of(machine: Machine) -> Clock:
    """Return domain 0's clock after `hello` has told where its shared_info is, and the machine is off."""
    assert machine.wait(20) is Ending.POWEROFF
    match = re.search(r"shared_info at machine address (0x\w+)", machine.transcript.text(0))
    assert match is not None
    shared = SharedInfo.from_buffer_copy(machine.memory.view(int(match[1], 16), 4096))
    assert machine.symbols is not None
    tsc_boot = int.from_bytes(machine.read_virtual(machine.symbols.address("tsc_boot"), 8), "little")
    return Clock(shared, tsc_boot)


def tsc_khz(machine: Machine) -> int:
    """Return the frequency that the hypervisor has logged."""
    match = machine.console.expect(r"TSC: (\d+) kHz")
    return int(match[1])


def test_the_tsc_is_found_to_count_nanoseconds_when_it_does(boot: Booter) -> None:
    assert tsc_khz(boot("hello", icount=True)) == pytest.approx(1_000_000, rel=5e-6)


def test_machines_that_disturb_each_other_measure_the_same_frequency(boot: Booter) -> None:
    machines = [boot("hello") for _ in range(4)]
    frequencies = [tsc_khz(machine) for machine in machines]
    assert max(frequencies) == pytest.approx(min(frequencies), rel=5e-4)


@pytest.mark.parametrize("icount", [True, False], ids=["icount", "host time"])
def test_the_published_scale_is_that_of_the_frequency(boot: Booter, icount: bool) -> None:
    machine = boot("hello", icount=icount)
    khz = tsc_khz(machine)
    assert clock_of(machine).nanoseconds(khz * 1000) == pytest.approx(SECOND, rel=2e-6)


def test_the_published_multiplier_uses_all_its_bits(boot: Booter) -> None:
    assert clock_of(boot("hello")).info.tsc_to_system_mul >= 1 << 31


@pytest.mark.parametrize("icount", [True, False], ids=["icount", "host time"])
def test_published_system_time_is_that_of_the_published_tick(boot: Booter, icount: bool) -> None:
    clock = clock_of(boot("hello", icount=icount))
    assert clock.info.system_time == clock.nanoseconds(clock.info.tsc_timestamp - clock.tsc_boot)
    assert 0 < clock.info.system_time < 10 * SECOND


def test_the_records_of_time_are_complete_when_a_guest_can_see_them(boot: Booter) -> None:
    clock = clock_of(boot("hello"))
    for version in (clock.info.version, clock.shared.wc_version):
        assert version > 0 and version % 2 == 0


def test_time_is_the_same_in_every_deterministic_run(boot: Booter) -> None:
    first, second = (clock_of(boot("hello", icount=True)) for _ in range(2))
    assert bytes(first.info) == bytes(second.info)


def test_system_time_never_goes_backwards_when_domains_take_turns(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(guest(WATCH), guest(YIELDS))
    assert machine.wait(20) is Ending.POWEROFF
    assert machine.transcript.text(0) == "time advanced 200 times\n"


def test_the_wall_clock_is_the_hosts(boot: Booter) -> None:
    before = time.time()
    clock = clock_of(boot("hello"))
    after = time.time()
    wall = clock.shared.wc_sec + clock.shared.wc_nsec / SECOND
    # The hardware clock has whole seconds, of which up to one has passed when it is read.
    assert before - 2 <= wall <= after + 1
    assert clock.shared.arch.wc_sec_hi == 0


# Prints rtc_seconds of some dates: rtc.s is the hypervisor's file, of which the guest calls what needs no ports.
DATES_GUEST = r"""
        .text
# start: the seconds of each date.
{% call routine("start") %}
{% for fields in DATES %}
{% for name, value in fields.items() %}
        movl    ${{ value }}, rtc_fields + RTC_FIELD_{{ name }}
{% endfor %}
        call    rtc_seconds
{{ print("%u\\n", "%eax") }}
{% endfor %}
        movl    $SCHEDOP_shutdown, %ebx
        movl    $log_level, %ecx                # that is 0, for SHUTDOWN_poweroff
        {{ hypercall("sched_op") }}
        ud2
{% endcall %}
{{ space("log_level", 4) }}
"""
DATES = ("1970-01-01 00:00:00", "2000-02-29 23:59:59", "2024-03-01 00:00:00", "2026-12-31 12:34:56",
         "2100-02-28 01:02:03", "2100-03-01 00:00:00", "2106-02-07 06:28:15")  # fmt: skip
FIELDS = ("year", "month", "day", "hour", "minute", "second")


def test_dates_of_the_hardware_clock_are_counted_in_seconds_since_1970(boot: Booter, guest: GuestMaker) -> None:
    moments = [time.strptime(date, "%Y-%m-%d %H:%M:%S") for date in DATES]
    dates = [dict(zip(FIELDS, moment, strict=False)) for moment in moments]
    rtc = (TREE / "asm/hypervisor/drivers/rtc.s").read_text(encoding="utf-8")
    machine = boot(guest(rtc + DATES_GUEST.replace("DATES", repr(dates))))
    assert machine.wait(20) is Ending.POWEROFF
    assert machine.transcript.text(0).split() == [str(calendar.timegm(moment)) for moment in moments]
