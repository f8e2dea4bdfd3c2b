"""The hypercall table: complete, in order, and with as many arguments as the ABI says."""

from __future__ import annotations

import pytest

from xengen.abi.hypercalls import HYPERCALLS, Entry, by_name, by_number
from xengen.abi.symbols import assembler_symbols

# Number, name and count of argument registers, as the table of ABI 3.3 has them ("-": none).
ABI_TABLE = """
0 set_trap_table 1      15 set_timer_op 2                   30 callback_op 2
1 mmu_update 4          16 event_channel_op_compat 1        31 xenoprof_op 2
2 set_gdt 2             17 xen_version 2                    32 event_channel_op 2
3 stack_switch 2        18 console_io 3                     33 physdev_op 2
4 set_callbacks 4       19 physdev_op_compat 1              34 hvm_op 2
5 fpu_taskswitch 1      20 grant_table_op 3                 35 sysctl 1
6 sched_op_compat 2     21 vm_assist 2                      36 domctl 1
7 platform_op 1         22 update_va_mapping_otherdomain 5  37 kexec_op 2
8 set_debugreg 2        23 iret 0                           38 tmem_op 1
9 get_debugreg 1        24 vcpu_op 3                        39 argo_op 5
10 update_descriptor 4  25 set_segment_base 0               40 xenpmu_op 2
12 memory_op 2          26 mmuext_op 4                      41 dm_op 3
13 multicall 2          27 xsm_op 1                         42 hypfs_op 5
14 update_va_mapping 4  28 nmi_op 2                         48 arch_0 1
49 arch_1 0 50 arch_2 0 51 arch_3 0 52 arch_4 0 53 arch_5 0 54 arch_6 0 55 io_op 1
29 sched_op 2
"""
WORDS = ABI_TABLE.split()
ROWS = [(int(number), name, int(count)) for number, name, count in zip(*[iter(WORDS)] * 3, strict=True)]
DONE = [
    "set_trap_table", "stack_switch", "set_callbacks", "sched_op_compat", "multicall", "xen_version", "console_io",
    "vm_assist", "iret", "sched_op", "callback_op",
]


def test_the_table_has_the_numbers_of_the_abi_and_no_others() -> None:
    assert [call.number for call in HYPERCALLS] == sorted(number for number, *_ in ROWS)


@pytest.mark.parametrize("number, name, count", ROWS)
def test_a_hypercall_has_the_name_and_the_argument_count_of_the_abi(number: int, name: str, count: int) -> None:
    call = by_number(number)
    assert call is not None
    assert (call.name, len(call.arguments)) == (name, count)
    assert by_name(name) is call


@pytest.mark.parametrize("number", [11, 43, 47, 56, 63, 64, -1])
def test_a_number_that_the_abi_leaves_out_has_no_hypercall(number: int) -> None:
    assert by_number(number) is None


def test_a_name_that_is_no_hypercall_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        by_name("set_trap_tables")


def test_arguments_are_in_register_order() -> None:
    assert by_name("update_va_mapping_otherdomain").registers == (
        ("ebx", "va"), ("ecx", "pte_low"), ("edx", "pte_high"), ("esi", "flags"), ("edi", "domid"),
    )


def test_no_hypercall_names_an_argument_twice() -> None:
    assert [call.name for call in HYPERCALLS if len(set(call.arguments)) != len(call.arguments)] == []


def test_every_error_in_the_table_is_an_error_of_the_abi() -> None:
    named = {error for call in HYPERCALLS for error in call.errors}
    assert named - set(assembler_symbols()) == set()


def test_no_hypercall_gives_an_error_that_is_internal_to_a_hypervisor() -> None:
    assert [call.name for call in HYPERCALLS if {"EINTR", "ERESTART"} & set(call.errors)] == []


@pytest.mark.parametrize("name", DONE)
def test_a_hypercall_that_every_guest_needs_has_a_handler(name: str) -> None:
    assert by_name(name).entry is not None


def test_the_null_hypercall_and_the_stack_switch_do_not_save_a_frame() -> None:
    assert by_name("stack_switch").entry is Entry.BARE
    assert by_name("xen_version").entry in (Entry.BARE, Entry.SPLIT)


@pytest.mark.parametrize("call", HYPERCALLS, ids=lambda call: call.name)
def test_the_symbol_of_a_hypercall_is_its_number(call: object) -> None:
    named = next(row for row in HYPERCALLS if row is call)
    assert assembler_symbols()[f"HYPERCALL_{named.name}"] == named.number


def test_a_handler_is_named_after_its_hypercall() -> None:
    assert by_name("console_io").handler == "do_console_io"
