"""Model-specific registers before a guest has a trap table (ABI 6.11): what it would die of reads as 0."""

from __future__ import annotations

import re

import pytest

from tests.boot.harness import Booter, GuestMaker
from tests.boot.snippets import doing
from xengen.agent.names import value
from xengen.machine.machine import Ending

SYSENTER_CS = 0x174


def reading(register: int) -> str:
    """A guest that reads a register and says what it found, with no handler for anything."""
    return doing(f"""
        movl    ${register:#x}, %ecx
        movl    $0x1234, %eax
        movl    $0x5678, %edx
        rdmsr
{{{{ print("read 0x%x 0x%x\\\\n", "%edx", "%eax") }}}}
""")


def test_a_register_that_is_not_for_guests_reads_as_zero_while_there_is_no_handler(
    boot: Booter, guest: GuestMaker
) -> None:
    """Kernels look at registers before they have a trap table: each one that the table lacks was their death."""
    machine = boot(guest(reading(SYSENTER_CS)))
    assert machine.wait(20) is Ending.POWEROFF
    assert machine.transcript.text(0) == "read 0x0 0x0\n"


@pytest.mark.parametrize("register", [0x40000001, 0x4000FFFF])
def test_a_register_of_the_hypervisors_own_range_is_no_such_register(
    boot: Booter, guest: GuestMaker, register: int
) -> None:
    machine = boot(guest(reading(register)))
    assert machine.wait(20) is Ending.DOM0_DIED
    assert re.search(rf"^exception {value('VECTOR_GP')} ", machine.transcript.hypervisor, re.MULTILINE)
