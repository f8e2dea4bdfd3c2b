"""How instructions that are emulated are read: prefixes, pages, ends (ABI 6.11).

Invariants
  - The instructions are IN, CLI and moves of CR2: what they do is tested elsewhere, here only that they are found.
"""

from __future__ import annotations

import pytest

from tests.boot.privilege import REFUSED, iopl, is_refused
from xengen.agent.agent import Agent, completed
from xengen.agent.names import DB, PF, UD, value
from xengen.agent.outcome import Fault

NOWHERE = 0xDEAD0000


def test_an_instruction_may_write_over_itself(agent: Agent) -> None:
    """Claim: what is carried out is what was decoded. Danger: bytes that are read twice may have become others."""
    code = agent.address("agent_code")
    with iopl(agent, 1):
        after = completed(agent.ring1("insb\nmovl $1, %ebx\nmovzbl (%esi), %ecx", edx=0x20, edi=code, esi=code))
    assert (after.edi, after.ebx, after.ecx) == (code + 1, 1, 0xFF)


def test_a_string_that_writes_over_itself_ends_as_on_the_bare_machine(agent: Agent) -> None:
    # After the piece that a trap carries out, the guest executes what is there now: 0xff, 0xff is no instruction.
    code = agent.address("agent_code")
    with iopl(agent, 1):
        outcome = agent.ring1("rep insb", edx=0x20, edi=code, ecx=4096)
    assert outcome == Fault(UD)
    assert isinstance(outcome, Fault) and outcome.details.eip == code


@pytest.mark.parametrize("prefixes", ["0x66", "0x66, 0x66", "0x2e, 0x3e, 0x66", "0xf2, 0x66", "0x67, 0x66"])
def test_prefixes_may_come_in_any_number_and_order(agent: Agent, prefixes: str) -> None:
    with iopl(agent, 1):
        outcome = agent.ring1(f".byte {prefixes}, 0xed", eax=0x12345678, edx=0x20)
    assert completed(outcome).eax == 0x1234FFFF


@pytest.mark.parametrize("count, good", [(14, True), (15, False)])
def test_an_instruction_has_fifteen_bytes_at_most(agent: Agent, count: int, good: bool) -> None:
    prefixes = ", ".join(["0x3e"] * count)
    with iopl(agent, 1):
        assert is_refused(agent.ring1(f".byte {prefixes}, 0xfa")) is not good


@pytest.mark.parametrize("code, length", [("e480", 2), ("0f20d0", 3), ("3e3eec", 3), ("66e580", 3)])
def test_an_instruction_may_lie_across_two_pages(agent: Agent, code: str, length: int) -> None:
    # The last page of a pair that is mapped: agent_code has two.
    border = agent.address("agent_code") + 4096
    with iopl(agent, 1):
        for before in range(1, length):
            agent.write(border - before, bytes.fromhex(code) + b"\xf4")
            outcome = agent.ring1(f"jmp {border - before:#x}", edx=0x20)
            assert outcome == REFUSED  # at the hlt behind it
            assert isinstance(outcome, Fault) and outcome.details.eip == border - before + length


def test_an_instruction_that_ends_in_a_missing_page_is_a_fault_of_the_fetch(agent: Agent) -> None:
    agent.write(agent.edge - 1, b"\xe4")
    with iopl(agent, 1):
        outcome = agent.ring1(f"jmp {agent.edge - 1:#x}")
    assert isinstance(outcome, Fault) and outcome.vector == PF
    assert outcome.details.cr2 == agent.edge


def test_a_step_over_an_emulated_instruction_is_taken(agent: Agent) -> None:
    assert agent.hypercall("set_debugreg", 6, 0) == 0
    with iopl(agent, 1):
        outcome = agent.ring1("pushfl\norl $EFLAGS_TF, (%esp)\npopfl\ncli\nnop")
        # The first step ends behind popfl's successor: the cli.
    assert outcome == Fault(DB)
    assert isinstance(outcome, Fault) and outcome.details.eip == agent.address("agent_code") + 10
    assert agent.hypercall("get_debugreg", 6) & value("DR6_BS")


def test_each_element_of_a_string_is_a_step(agent: Agent) -> None:
    buffer = agent.allocate(8)
    with iopl(agent, 1):
        outcome = agent.ring1("pushfl\norl $EFLAGS_TF, (%esp)\npopfl\nrep insb", edx=0x20, ecx=3, edi=buffer)
    assert outcome == Fault(DB)
    assert isinstance(outcome, Fault)
    assert (outcome.details.registers.ecx, outcome.details.eip) == (2, agent.address("agent_code") + 9)
