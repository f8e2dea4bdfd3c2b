"""CPUID with the forced-emulation prefix: what a PV guest is shown of its processor (ABI 6.11, 3.2).

Invariants
  - Bits are counted as in the processor's manual. A plain CPUID tells what the processor itself says: it does not trap.
"""

from __future__ import annotations

import pytest

from tests.boot.privilege import run
from xengen.agent.agent import Agent, completed
from xengen.agent.names import UD, value
from xengen.agent.outcome import Fault

FORCED = ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2"


def cpuid(agent: Agent, leaf: int, ring: int = 1) -> tuple[int, int, int, int]:
    """The four registers of the forced form."""
    after = completed(run(agent, ring, FORCED, eax=leaf, ecx=0))
    return after.eax, after.ebx, after.ecx, after.edx


@pytest.mark.parametrize("ring", [1, 3])
def test_the_hypervisor_names_itself(agent: Agent, ring: int) -> None:
    leaf, *name = cpuid(agent, 0x40000000, ring)
    assert leaf == 0x40000002
    assert b"".join(word.to_bytes(4, "little") for word in name) == b"XenVMMXenVMM"
    assert cpuid(agent, 0x40000001, ring)[0] == value("XENGEN_MAJOR") << 16 | value("XENGEN_MINOR")
    assert cpuid(agent, 0x40000002, ring)[:3] == (1, 0x40000000, 1)


@pytest.mark.parametrize("leaf", [0x40000003, 0x40000100, 0x4000FF00, 5, 0xA, 0xD])
def test_a_leaf_that_guests_have_no_use_for_is_empty(agent: Agent, leaf: int) -> None:
    assert cpuid(agent, leaf) == (0, 0, 0, 0)


def test_features_that_a_guest_cannot_use_are_not_shown(agent: Agent) -> None:
    real = completed(agent.ring1("cpuid", eax=1, ecx=0))
    _, _, ecx, edx = cpuid(agent, 1)
    hidden = sum(1 << bit for bit in (1, 3, 11, 12, 13, 17, 21, 22, 29, 31))
    assert edx == real.edx & ~hidden
    assert ecx >> 31 == 1
    assert not ecx & (1 << 3 | 1 << 5 | 1 << 6 | 1 << 13 | 1 << 21 | 1 << 26 | 1 << 27 | 1 << 28)


def test_features_that_a_guest_needs_are_shown(agent: Agent) -> None:
    edx = cpuid(agent, 1)[3]
    assert all(edx & 1 << bit for bit in (0, 4, 6, 8, 15, 24, 25))  # FPU, TSC, PAE, CX8, CMOV, FXSR, SSE
    assert cpuid(agent, 0x80000001)[3] & 1 << 20  # NX
    assert not cpuid(agent, 0x80000001)[3] & (1 << 11 | 1 << 29)


@pytest.mark.parametrize("wrong", range(5))
def test_another_byte_makes_it_an_undefined_instruction(agent: Agent, wrong: int) -> None:
    code = bytearray(bytes.fromhex("0f0b78656e0fa2"))
    code[2 + wrong] ^= 1
    text = ".byte " + ", ".join(f"{byte:#x}" for byte in code)
    assert agent.ring1(text) == Fault(UD)
    assert agent.ring3(text) == Fault(UD)


def test_a_prefix_that_ends_where_memory_ends_is_an_undefined_instruction(agent: Agent) -> None:
    code = bytes.fromhex("0f0b78656e0fa2")
    for length in range(2, 7):
        agent.write(agent.edge - length, code[:length])
        assert agent.ring1(f"jmp {agent.edge - length:#x}") == Fault(UD)
