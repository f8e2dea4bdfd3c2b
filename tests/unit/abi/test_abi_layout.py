"""Structures and constants of the model, held against the values of the public ABI.

layout.json is what a compiler measured on the public headers, constants.json what the ABI's description says: two
sources that are independent of the model.
"""

from __future__ import annotations

import json
from ctypes import alignment, sizeof
from pathlib import Path
from typing import Any

import pytest

from xengen.abi.rings import ring_entries
from xengen.abi.structure import Declaration, fields, offsets
from xengen.abi.symbols import PUBLIC_MODULES

HERE = Path(__file__).parent
LAYOUT: dict[str, Any] = json.loads((HERE / "layout.json").read_text(encoding="utf-8"))
STRUCTURES: dict[str, Any] = LAYOUT["structures"]
DESCRIBED: dict[str, int] = json.loads((HERE / "constants.json").read_text(encoding="utf-8"))["constants"]

DECLARED: dict[str, Declaration] = {
    declaration.c_name: declaration for module in PUBLIC_MODULES for declaration in module.STRUCTURES
}
CONSTANTS = {constant.name: constant.value for module in PUBLIC_MODULES for constant in module.CONSTANTS}

# Structures that the public headers do not name: offsets as the sections of the ABI's description give them.
UNNAMED: dict[str, dict[str, int]] = {
    "trap_frame": {"eip": 0, "cs": 4, "saved_upcall_mask": 6, "eflags": 8, "esp": 12, "ss": 16, "size": 20},
    "error_frame": {
        "error_code": 0, "eip": 4, "cs": 8, "saved_upcall_mask": 10, "eflags": 12, "esp": 16, "ss": 20, "size": 24,
    },
    "failsafe_frame": {
        "ds": 0, "es": 4, "fs": 8, "gs": 12, "eip": 16, "cs": 20, "saved_upcall_mask": 22, "eflags": 24, "esp": 28,
        "ss": 32, "size": 36,
    },
    "e820_entry": {"addr": 0, "addr_high": 4, "size_field": 8, "size_field_high": 12, "type": 16, "size": 20},
    "xen_domain_handle_t": {"bytes": 0, "size": 16},
    "sched_bvt_global": {"ctx_allow": 0, "size": 4},
    "sched_bvt_domain": {
        "mcu_adv": 0, "warpback": 4, "warpvalue": 8, "warpl": 12, "warpl_high": 16, "warpu": 20, "warpu_high": 24,
        "size": 28,
    },
    "xen_platform_op": {
        "cmd": 0, "interface_version": 4, "secs": 8, "nsecs": 12, "system_time": 16, "system_time_high": 20, "size": 24,
    },
    "physdev_manage_pci": {"bus": 0, "devfn": 1, "size": 2},
    "sring_header": {"req_prod": 0, "req_event": 4, "rsp_prod": 8, "rsp_event": 12, "pvt": 16, "size": 64},
    "netif_rx_sring": {
        "req_prod": 0, "req_event": 4, "rsp_prod": 8, "rsp_event": 12, "pvt": 16, "ring": 64, "size": 72,
    },
}


@pytest.mark.parametrize("c_name", STRUCTURES)
def test_a_public_structure_has_the_size_and_alignment_that_a_compiler_measured(c_name: str) -> None:
    struct = DECLARED[c_name].struct
    assert (sizeof(struct), alignment(struct)) == (STRUCTURES[c_name]["size"], STRUCTURES[c_name]["align"])


@pytest.mark.parametrize("c_name", [name for name, measured in STRUCTURES.items() if measured["fields"]])
def test_a_public_structure_has_its_fields_where_a_compiler_measured_them(c_name: str) -> None:
    ours = {field.path: [field.offset, field.size] for field in fields(DECLARED[c_name].struct)}
    measured: dict[str, list[int]] = STRUCTURES[c_name]["fields"]
    assert {path: ours.get(path) for path in measured} == measured


@pytest.mark.parametrize("c_name", [name for name, measured in STRUCTURES.items() if measured["fields"]])
def test_what_a_compiler_did_not_measure_of_a_structure_lies_inside_of_it(c_name: str) -> None:
    size: int = STRUCTURES[c_name]["size"]
    assert [field.path for field in fields(DECLARED[c_name].struct) if field.offset + field.size > size] == []


@pytest.mark.parametrize("c_name", UNNAMED)
def test_a_structure_without_a_public_name_is_laid_out_as_the_abi_describes_it(c_name: str) -> None:
    declared = DECLARED[c_name]
    expected = {f"{declared.prefix}_{name}": value for name, value in UNNAMED[c_name].items()}
    assert dict(offsets(declared.prefix, declared.struct)) == expected


def test_every_structure_of_the_public_part_is_held_against_another_source() -> None:
    assert sorted(DECLARED) == sorted([*STRUCTURES, *UNNAMED])


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_constant_has_the_value_that_the_abi_gives_it(name: str) -> None:
    assert CONSTANTS[name] == DESCRIBED[name]


def test_every_public_constant_is_held_against_another_source() -> None:
    assert sorted(set(CONSTANTS) - set(DESCRIBED)) == []


@pytest.mark.parametrize("name", ["FIRST_RESERVED_GDT_ENTRY", "EVTCHN_2L_NR_CHANNELS", "MACH2PHYS_NR_ENTRIES_PAE"])
def test_a_measured_constant_has_the_value_that_a_compiler_gave(name: str) -> None:
    assert CONSTANTS[name] == LAYOUT["constants"][name]


@pytest.mark.parametrize("name, entry", [
    ("blkif", "union blkif_sring_entry"), ("netif_tx", "union netif_tx_sring_entry"),
    ("netif_rx", "union netif_rx_sring_entry"),
])
def test_a_ring_of_one_page_has_the_largest_power_of_two_of_entries_that_fits(name: str, entry: str) -> None:
    measured = LAYOUT["constants"][f"{name}_ring_entries_per_page"]
    assert ring_entries(sizeof(DECLARED[entry].struct)) == measured
    assert CONSTANTS[f"{name.upper()}_RING_ENTRIES"] == measured
