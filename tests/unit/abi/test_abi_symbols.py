"""How declarations become assembler symbols, and how the same classes lie over bytes."""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint8, c_uint16, c_uint32, c_uint64
from dataclasses import dataclass

import pytest

from xengen.abi.errno import errno_name
from xengen.abi.mmu import cr3_of_frame, frame_of_cr3
from xengen.abi.shared import SharedInfo
from xengen.abi.structure import AbiStructure, AbiUnion, Constant, Declaration, constants, declare, offsets, prefix_of
from xengen.abi.symbols import HARDWARE_MODULES, MODULES, OWN_MODULES, PUBLIC_MODULES, assembler_symbols, merge_symbols
from xengen.abi.traps import CpuUserRegs, TrapInfo
from xengen.abi.version import XenCompileInfo
from xengen.errors import XengenError


@dataclass(frozen=True)
class Module:
    """Stands for one module of the model."""

    STRUCTURES: tuple[Declaration, ...] = ()
    CONSTANTS: tuple[Constant, ...] = ()


class Inner(AbiStructure):
    _fields_ = (("low", c_uint32), ("size", c_uint32))


class Choice(AbiUnion):
    _fields_ = (("pair", Inner), ("wide", c_uint64))


class Outer(AbiStructure):
    _fields_ = (
        ("kind", c_uint8),
        ("_pad", c_uint8 * 3),
        ("in_", Inner),
        ("list", Inner * 2),
        ("u", Choice),
        ("size", c_uint16),
    )


def test_a_trap_info_is_laid_out_as_the_abi_says() -> None:
    assert list(offsets("TRAP_INFO", TrapInfo)) == [
        ("TRAP_INFO_vector", 0),
        ("TRAP_INFO_flags", 1),
        ("TRAP_INFO_cs", 2),
        ("TRAP_INFO_address", 4),
        ("TRAP_INFO_size", 8),
    ]


def test_offsets_go_into_structures_and_unions_and_not_into_arrays_or_padding() -> None:
    assert list(offsets("OUTER", Outer)) == [
        ("OUTER_kind", 0),
        ("OUTER_in", 4),
        ("OUTER_in_low", 4),
        ("OUTER_in_size_field", 8),
        ("OUTER_list", 12),
        ("OUTER_u", 28),
        ("OUTER_u_pair", 28),
        ("OUTER_u_pair_low", 28),
        ("OUTER_u_pair_size_field", 32),
        ("OUTER_u_wide", 28),
        ("OUTER_u_wide_high", 32),
        ("OUTER_size_field", 36),
        ("OUTER_size", 40),
    ]


@pytest.mark.parametrize("c_name, prefix", [
    ("start_info", "START_INFO"),
    ("xen_memory_reservation", "MEMORY_RESERVATION"),
    ("xen_extraversion_t", "EXTRAVERSION"),
    ("xennmi_callback", "XENNMI_CALLBACK"),
    ("union grant_entry_v2", "GRANT_ENTRY_V2"),
])
def test_a_prefix_is_the_public_name_in_capitals_without_its_decoration(c_name: str, prefix: str) -> None:
    assert prefix_of(c_name) == prefix


def test_one_name_with_two_values_is_an_error_that_names_it_and_both_values() -> None:
    modules = (
        Module(CONSTANTS=constants("one", "here", OUTER_kind=7)),
        Module(STRUCTURES=(declare("outer", Outer, "here"),)),
    )
    with pytest.raises(XengenError, match=r"gives OUTER_kind two values, 0x7 and 0x0: rename one"):
        merge_symbols(modules)


def test_one_name_with_one_value_may_be_declared_twice() -> None:
    twice = (Module(CONSTANTS=constants("one", "here", SAME=7)), Module(CONSTANTS=constants("two", "there", SAME=7)))
    assert merge_symbols(twice) == {"SAME": 7}


def test_the_whole_model_gives_each_symbol_one_value() -> None:
    symbols = assembler_symbols()
    declared = [constant.name for module in MODULES for constant in module.CONSTANTS]
    assert set(declared) <= set(symbols)


def test_every_module_is_public_or_hardware_or_our_own() -> None:
    named = (*PUBLIC_MODULES, *HARDWARE_MODULES, *OWN_MODULES)
    assert len(MODULES) == len(named) == len({id(module) for module in MODULES} & {id(module) for module in named})


def test_every_symbol_is_a_name_that_the_assembler_and_templates_take() -> None:
    assert [name for name in assembler_symbols() if not (name.isascii() and name.isidentifier())] == []


def test_every_symbol_fits_into_32_bits() -> None:
    assert {name: value for name, value in assembler_symbols().items() if not -(1 << 31) <= value < 1 << 32} == {}


def test_no_two_structures_share_a_prefix() -> None:
    prefixes = [declaration.prefix for module in MODULES for declaration in module.STRUCTURES]
    assert sorted(prefixes) == sorted(set(prefixes))


def test_every_structure_of_the_model_is_packed_to_4_bytes_and_little_endian() -> None:
    loose = [
        declaration.c_name
        for module in MODULES
        for declaration in module.STRUCTURES
        if getattr(declaration.struct, "_pack_", None) != 4
        or not issubclass(declaration.struct, LittleEndianStructure | AbiUnion)
    ]
    assert loose == []


def test_every_structure_and_constant_names_its_source() -> None:
    sourceless = [
        *(declaration.c_name for module in MODULES for declaration in module.STRUCTURES if not declaration.source),
        *(constant.name for module in MODULES for constant in module.CONSTANTS if not constant.source),
    ]
    assert sourceless == []


@pytest.mark.parametrize("symbol, value", [
    ("START_INFO_magic", 0),
    ("START_INFO_console_domU_mfn", 52),
    ("START_INFO_console_dom0_info_size", 56),
    ("VCPU_INFO_arch_cr2", 8),
    ("VCPU_INFO_time_system_time_high", 52),
    ("SHARED_INFO_arch_max_pfn", 0x90C),
    ("SHARED_INFO_size", 2344),
    ("MEMORY_EXCHANGE_in_domid", 16),
    ("ADD_TO_PHYSMAP_size", 16),
    ("ADD_TO_PHYSMAP_size_field", 2),
    ("HYPERCALL_xen_version", 17),
    ("EINVAL", 22),
    ("GNTST_bad_page", -9),
])
def test_templates_find_a_symbol_under_the_name_that_the_rules_give_it(symbol: str, value: int) -> None:
    assert assembler_symbols()[symbol] == value


@pytest.mark.parametrize("number, name", [(38, "ENOSYS"), (-14, "EFAULT"), (11, "EAGAIN")])
def test_an_error_number_has_one_name_whatever_its_sign(number: int, name: str) -> None:
    assert errno_name(number) == name


def test_a_number_that_is_no_error_has_no_name() -> None:
    with pytest.raises(KeyError):
        errno_name(-4095)


def test_a_view_reads_and_writes_the_bytes_that_it_lies_over() -> None:
    page = bytearray(4096)
    page[2 * 64 + 8 : 2 * 64 + 12] = (0xDEADBEEF).to_bytes(4, "little")
    view = SharedInfo.from_buffer(page)
    assert view.vcpu_info[2].arch.cr2 == 0xDEADBEEF
    view.arch.max_pfn = 0x01020304
    assert page[0x90C:0x910] == b"\x04\x03\x02\x01"


def test_a_view_shows_a_text_up_to_its_first_zero_byte() -> None:
    view = XenCompileInfo.from_buffer(bytearray(b"gas 2.40\0junk".ljust(144, b"\0")))
    assert view.compiler == b"gas 2.40"


def test_a_view_of_registers_separates_the_selector_from_the_mask_beside_it() -> None:
    data = bytearray(68)
    data[36:40] = b"\x19\xe0\x01\x00"
    view = CpuUserRegs.from_buffer(data)
    assert (view.cs, view.saved_upcall_mask) == (0xE019, 1)


@pytest.mark.parametrize("mfn, cr3", [(0x12345, 0x12345000), (0x100000, 0x00000001), (0x3FFFFF, 0xFFFFF003)])
def test_a_cr3_value_folds_the_upper_bits_of_the_frame_into_its_low_ones(mfn: int, cr3: int) -> None:
    assert cr3_of_frame(mfn) == cr3
    assert frame_of_cr3(cr3) == mfn
