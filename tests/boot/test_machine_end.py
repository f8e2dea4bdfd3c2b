"""How a machine ends: domain 0's shutdown for each reason, and that nobody else's ends it.

Invariants
  - Each test reads the ending from QEMU and the reason from the hypervisor's own words.
"""

from __future__ import annotations

import pytest

from tests.boot.harness import Booter, GuestMaker
from xengen.machine.machine import Ending
from xengen.machine.transcript import DomainEnd, domain_ends

# Shuts its domain down for a reason.
ENDS = r"""
        .text
# start: the end.
{%% call routine("start") %%}
        movl    $SCHEDOP_shutdown, %%ebx
        movl    $argument, %%ecx
        {{ hypercall("sched_op") }}
        ud2
{%% endcall %%}

        .section .rodata
argument:
        .long   %s
"""

# Lets the others run thirty times, says so, and switches the machine off.
WAITS = r"""
        .text
# start: first the others.
{% call routine("start") %}
        movl    $30, %ebp
1:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        decl    %ebp
        jnz     1b
{{ print("still here\\n") }}
        movl    $SCHEDOP_shutdown, %ebx
        movl    $argument, %ecx
        {{ hypercall("sched_op") }}
        ud2
{% endcall %}

        .section .rodata
argument:
        .long   SHUTDOWN_poweroff
"""


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "release"])
def test_the_machine_is_switched_off_when_domain_0_says_so(boot: Booter, guest: GuestMaker, debug: bool) -> None:
    machine = boot(guest(ENDS % "SHUTDOWN_poweroff"), debug=debug)
    assert machine.wait(20) is Ending.POWEROFF
    assert domain_ends(machine.transcript.hypervisor) == (DomainEnd(0, "poweroff", died=False),)


def test_the_machine_is_reset_when_domain_0_asks_for_a_reboot(boot: Booter, guest: GuestMaker) -> None:
    # By the keyboard controller: the triple fault that would follow is an exception of Machine.wait.
    machine = boot(guest(ENDS % "SHUTDOWN_reboot"))
    assert machine.wait(20) is Ending.REBOOT
    assert domain_ends(machine.transcript.hypervisor) == (DomainEnd(0, "reboot", died=False),)


def test_the_machine_stops_with_a_status_of_its_own_when_domain_0_says_that_it_crashed(
    boot: Booter, guest: GuestMaker
) -> None:
    machine = boot(guest(ENDS % "SHUTDOWN_crash"))
    assert machine.wait(20) is Ending.DOM0_DIED
    assert domain_ends(machine.transcript.hypervisor) == (DomainEnd(0, "crash", died=True),)


def test_the_machine_stops_with_a_status_of_its_own_when_domain_0_dies(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(guest('        .text\n{% call routine("start") %}\n        ud2\n{% endcall %}\n'))
    assert machine.wait(20) is Ending.DOM0_DIED
    assert [(end.domain, end.died) for end in domain_ends(machine.transcript.hypervisor)] == [(0, True)]


@pytest.mark.parametrize("reason", ["poweroff", "reboot", "crash"])
def test_another_domains_end_is_its_own_affair(boot: Booter, guest: GuestMaker, reason: str) -> None:
    machine = boot(guest(WAITS), guest(ENDS % f"SHUTDOWN_{reason}"), icount=True)
    assert machine.wait(20) is Ending.POWEROFF
    assert machine.transcript.text(0) == "still here\n"
    ends = domain_ends(machine.transcript.hypervisor)
    assert ends == (DomainEnd(1, reason, died=reason == "crash"), DomainEnd(0, "poweroff", died=False))


def test_a_domain_that_dies_does_not_take_others_with_it(boot: Booter, guest: GuestMaker) -> None:
    dying = guest('        .text\n{% call routine("start") %}\n        ud2\n{% endcall %}\n')
    machine = boot(guest(WAITS), dying, "hello", icount=True)
    assert machine.wait(20) is Ending.POWEROFF
    assert machine.transcript.text(0) == "still here\n"
    assert machine.transcript.text(2).startswith("hello from ring 1")
    died = [(end.domain, end.died) for end in domain_ends(machine.transcript.hypervisor)]
    assert died == [(1, True), (2, False), (0, False)]
