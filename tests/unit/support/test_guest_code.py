"""The code of a guest made of data, as a disassembler reads it."""

from __future__ import annotations

from ctypes import sizeof

import capstone
import pytest

from tests.support.guest_code import Found, Probe

CODE, FOUND, STUBS = 0xC0100000, 0xC0101000, 0xC0102000
PROBE = Probe(FOUND, 0xF5800000, read=(0xF5C00000, 0xF67FFFFC))


def listing(probe: Probe) -> list[str]:
    """Return the instructions of `probe`, all bytes of it."""
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
    code = probe.code()
    found = list(engine.disasm(code, CODE))
    assert sum(one.size for one in found) == len(code)
    return [f"{one.mnemonic} {one.op_str}".strip() for one in found]


def where(name: str) -> str:
    return f"dword ptr [{FOUND + getattr(Found, name).offset:#x}]"


@pytest.mark.parametrize(("index", "name"), list(enumerate(("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"))))
def test_it_begins_with_writing_down_each_register(index: int, name: str) -> None:
    assert listing(PROBE)[index] == f"mov {where(name)}, {name}"


@pytest.mark.parametrize(("index", "name"), list(enumerate(("es", "cs", "ss", "ds", "fs", "gs"))))
def test_then_it_writes_down_each_selector(index: int, name: str) -> None:
    assert listing(PROBE)[8 + 2 * index : 10 + 2 * index] == [f"mov eax, {name}", f"mov {where(name)}, eax"]


def test_it_reads_what_it_is_to_read() -> None:
    found = listing(PROBE)
    for index, address in enumerate(PROBE.read):
        at = found.index(f"mov eax, dword ptr [{address:#x}]")
        assert found[at + 1] == f"mov dword ptr [{FOUND + Found.read.offset + 4 * index:#x}], eax"


def test_it_ends_in_a_loop_that_counts_and_yields() -> None:
    *_, count, first, second, call, trap, back = listing(PROBE)
    assert count == f"inc {where('turns')}"
    assert (first, second, call, trap) == ("mov ebx, 0", "mov ecx, 0", "mov eax, 0x1d", "int 0x82")
    assert back == f"jmp {CODE + len(PROBE.code()) - 2 - 24 + 1:#x}"


def test_with_a_hypercall_page_it_calls_the_stubs_and_makes_no_call_itself() -> None:
    found = listing(Probe(FOUND, 0xF5800000, stubs=STUBS))
    assert f"mov edx, {STUBS + 29 * 32:#x}" in found
    assert found.count("call edx") == 2
    assert "int 0x82" not in found


def test_what_it_writes_fits_into_a_page() -> None:
    assert sizeof(Found) < 4096
