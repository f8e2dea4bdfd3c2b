"""What a domain is at its first instruction: memory, tables, start_info, registers, each as the ABI says (1.6 to 1.10).

Invariants
  - The guests (tests/support/built_domains.py) spin at their first instruction. All of them are on one machine.
  - Accessed bits may be set by the processor in what domain 0 uses; they are set from the start, so nothing is masked.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.harness import Booter, Images
from tests.support.built_domains import (
    ENTRY,
    GUESTS,
    INITRD,
    M2P_ALIAS,
    OTHERS,
    OUR_START,
    Built,
)
from tests.support.elf_images import write_image
from tests.support.initial_layout import PAGE
from xengen.abi.start import Dom0VgaConsoleInfo
from xengen.inspect import layout
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Machine
from xengen.machine.registers import Registers
from xengen.machine.spec import MIB

RING_1_CS, RING_1_DS = 0xE019, 0xE021
EXTENDED_CR3 = 1 << 3
PATIENCE = 20.0


@pytest.fixture(scope="module")
def machine(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine with all guests, stopped where domain 0 spins at its first instruction: the others do so, too."""
    folder = tmp_path_factory.mktemp("images")
    modules: list[tuple[Path, str]] = []
    memory = ""
    for index, one in enumerate(GUESTS):
        modules.append((write_image(folder, one.name, one.image), one.command_line))
        memory += f" dom{index}_mem={one.pages * PAGE}"
        if one.initrd:
            path = folder / f"{one.name}.initrd"
            path.write_bytes(one.initrd)
            modules.append((path, ""))
    booter = Booter(images)
    try:
        made = booter(*modules, append=memory, trace=False)
        made.console.expect("entering domain 0")
        made.pause()
        while made.registers().eip != ENTRY:
            assert made.ending() is None
            made.resume()
            made.pause()
        yield made
    finally:
        booter.close()


@pytest.fixture(params=range(len(GUESTS)), ids=[str(one) for one in GUESTS])
def built(request: pytest.FixtureRequest, machine: Machine) -> Built:
    """Each of the domains."""
    return Built(machine, request.param)


@pytest.fixture
def first(machine: Machine) -> Built:
    """Domain 0."""
    return Built(machine, 0)


@pytest.fixture(params=range(1, len(GUESTS)), ids=[str(one) for one in OTHERS])
def other(request: pytest.FixtureRequest, machine: Machine) -> Built:
    """Each of the domains but domain 0."""
    return Built(machine, request.param)


# Memory.


def test_the_checker_finds_every_count_type_and_descriptor_right(machine: Machine) -> None:
    assert check_machine(machine) == []


def test_domains_are_listed_in_the_order_of_their_numbers(machine: Machine) -> None:
    assert [domain.id for domain in hypervisor_of(machine).domains()] == list(range(len(GUESTS)))


def test_a_domain_has_the_pages_that_the_command_line_gives_it(built: Built) -> None:
    assert built.domain.record.nr_pages == built.guest.pages


def test_only_domain_0_may_have_more(built: Built) -> None:
    # Xen 4.2 and 4.17 answer domain 0 so (observed: maximum_reservation).
    assert built.domain.record.max_pages == (0x7FFFFFFF if built.number == 0 else built.guest.pages)


def test_the_p2m_list_names_each_frame_of_the_domain_once(built: Built) -> None:
    owners = built.hypervisor.frames["owner"]
    owned = {int(mfn) for mfn in (owners == built.domain.address).nonzero()[0]} - {built.domain.record.shared_info_mfn}
    assert len(built.p2m) == len(set(built.p2m))
    assert set(built.p2m) == owned


def test_the_m2p_table_is_the_inverse_of_the_p2m_list(built: Built) -> None:
    m2p = built.hypervisor.m2p
    assert [int(m2p[mfn]) for mfn in built.p2m] == list(range(built.guest.pages))


def test_the_initial_area_is_one_run_of_frames(built: Built) -> None:
    area = built.p2m[: built.layout.pages]
    assert area == tuple(range(area[0], area[0] + built.layout.pages))


def test_segments_are_copied_and_the_rest_of_them_is_zero(built: Built) -> None:
    for address, data in built.guest.loaded:
        assert built.read(address, len(data)) == data


def test_what_nobody_writes_of_the_initial_area_is_zero(built: Built) -> None:
    where = built.layout
    kernel = min(address for address, _ in built.guest.loaded)
    assert not any(built.read(where.virt_base, kernel - where.virt_base))
    assert not any(built.read(where.stack, where.end - where.stack))


@pytest.mark.parametrize("index", [0, 2])
def test_a_mapped_initrd_stands_behind_the_kernel_and_zeroes_fill_its_last_page(machine: Machine, index: int) -> None:
    built = Built(machine, index)
    assert built.read(built.layout.initrd_start, 3 * PAGE) == INITRD + bytes(3 * PAGE - len(INITRD))


def test_an_initrd_for_mod_start_pfn_is_in_the_frames_behind_the_initial_area(machine: Machine) -> None:
    built = Built(machine, 3)
    frames = built.p2m[built.layout.pages : built.layout.pages + 3]
    assert b"".join(built.machine.memory.read(mfn * PAGE, PAGE) for mfn in frames)[: len(INITRD)] == INITRD


def test_the_hypercall_page_has_a_stub_for_each_number(built: Built) -> None:
    if built.guest.hypercall_page is None:
        assert b"\xcd\x82\xc3" not in built.read(built.layout.virt_base, built.layout.p2m - built.layout.virt_base)
        return
    stubs = []
    for index in range(128):
        code = b"\xb8" + index.to_bytes(4, "little") + b"\xcd\x82"
        stubs.append((b"\x50" + code if index == 23 else code + b"\xc3").ljust(32, b"\xcc"))
    assert built.read(built.guest.hypercall_page, PAGE) == b"".join(stubs)


# Page tables.


def test_the_l3_is_the_first_table_and_the_base_pointer(built: Built) -> None:
    assert built.vcpu.record.guest_table == built.mfn(built.layout.page_tables)


def test_the_l3_has_all_four_l2s_behind_it(built: Built) -> None:
    first = built.mfn(built.layout.page_tables)
    assert built.table(0) == tuple((first + slot + 1) << 12 | 1 for slot in range(4)) + (0,) * 508


def test_what_the_processor_walks_is_a_copy_of_the_l3_in_the_vcpu(built: Built) -> None:
    where = built.hypervisor.physical(built.vcpu.address) + type(built.vcpu.record).l3.offset
    assert built.vcpu.record.cr3 == where
    assert where % 32 == 0
    assert tuple(entry & ~layout.PTE_A for entry in built.vcpu.l3) == built.table(0)[:4]


def test_the_l2s_have_an_l1_for_every_2_mb_of_the_initial_area_and_no_more(built: Built) -> None:
    where = built.layout
    first = where.virt_base >> 21
    count = (where.end >> 21) - first
    table = built.mfn(where.page_tables) + 5
    expected = {first + index: (table + index) << 12 | 0x067 for index in range(count)}
    entries = [entry for index in range(1, 5) for entry in built.table(index)]
    found = {index: entry for index, entry in enumerate(entries[: built.guest.virt_start >> 21]) if entry}
    assert found == expected


def test_the_initial_area_is_mapped_in_order_writable_but_for_the_tables(built: Built) -> None:
    where = built.layout
    entries = [entry for index in range(5, where.nr_pt_frames) for entry in built.table(index)]
    tables = range(where.page_tables, where.stack)
    skipped = (where.virt_base >> 12) % 512
    expected = [0] * skipped
    for address in range(where.virt_base, where.end, PAGE):
        expected.append(built.mfn(address) << 12 | (0x021 if address in tables else 0x023))
    # The processor sets D where it writes; a guest that only jumps writes nowhere.
    assert entries == expected


def test_only_the_l3_is_pinned(built: Built) -> None:
    types = built.hypervisor.frames["type"]
    pinned = [mfn for mfn in built.p2m if types[mfn] & layout.FRAME_PINNED]
    assert pinned == [built.mfn(built.layout.page_tables)]


def test_tables_have_their_types_and_all_other_mapped_frames_are_writable(built: Built) -> None:
    where = built.layout
    kinds = (built.hypervisor.frames["type"] & layout.FRAME_TYPE_MASK) >> layout.TYPE_SHIFT
    upper = (layout.L3, layout.L2, layout.L2, layout.L2, layout.L2_RESERVED)
    tables = {where.page_tables + index * PAGE: kind for index, kind in enumerate(upper)}
    tables |= dict.fromkeys(range(where.page_tables + 5 * PAGE, where.stack, PAGE), layout.L1)
    for address in range(where.virt_base, where.end, PAGE):
        assert kinds[built.mfn(address)] == tables.get(address, layout.WRITABLE), hex(address)
    assert {int(kinds[mfn]) for mfn in built.p2m[where.pages :]} == {layout.NONE}


def test_the_m2p_table_can_be_read_at_its_old_address_unless_the_guest_knows_better(built: Built) -> None:
    cr3 = built.vcpu.record.cr3
    mfn = built.p2m[1]
    if built.guest.virt_start == OUR_START:
        assert built.machine.walk(M2P_ALIAS + 4 * mfn, cr3).physical is None
    else:
        assert built.read(M2P_ALIAS + 4 * mfn, 4) == (1).to_bytes(4, "little")
        assert built.read(M2P_ALIAS + 4 * MIB, 16) == built.read(M2P_ALIAS + 16 * MIB - 16, 16) == b"\xff" * 16
    for address in (M2P_ALIAS, M2P_ALIAS + 4 * MIB, OUR_START):
        assert not built.machine.walk(address, cr3).writable
        assert not built.machine.walk(address, cr3).user


# start_info.


def test_start_info_says_what_the_domain_is_and_has(built: Built) -> None:
    found, where = built.start_info, built.layout
    assert found.magic == b"xen-3.0-x86_32p"
    assert found.nr_pages == built.guest.pages
    assert found.shared_info == built.domain.record.shared_info_mfn * PAGE
    assert found.flags == (3 if built.number == 0 else 0) | (8 if built.guest.unmapped_initrd else 0)
    assert (found.pt_base, found.nr_pt_frames) == (where.page_tables, where.nr_pt_frames)
    assert found.mfn_list == where.p2m
    assert (found.first_p2m_pfn, found.nr_p2m_frames) == (where.pfn(where.p2m), where.nr_p2m_frames)


def test_start_info_has_the_command_line_without_the_files_name(built: Built) -> None:
    assert built.start_info.cmd_line == built.guest.command_line.encode("ascii")


def test_start_info_says_where_the_initrd_is_and_how_long(built: Built) -> None:
    found, where = built.start_info, built.layout
    if not built.guest.initrd:
        assert (found.mod_start, found.mod_len) == (0, 0)
        return
    assert found.mod_start == (where.pages if built.guest.unmapped_initrd else where.initrd_start)
    # The domain 0 builder of Xen says the length, its tools whole pages (ABI 1.7).
    assert found.mod_len == (len(INITRD) if built.number == 0 else 3 * PAGE)


def test_domain_0_is_told_of_the_text_screen_and_of_no_rings(first: Built) -> None:
    found = first.start_info
    assert (found.store_mfn, found.store_evtchn) == (0, 0)
    assert (found.console.dom0.info_off, found.console.dom0.info_size) == (1112, 40)
    screen = Dom0VgaConsoleInfo.from_buffer_copy(first.read(first.layout.start_info + 1112, 40))
    mode = screen.u.text_mode_3
    assert (screen.video_type, mode.font_height, mode.rows, mode.columns) == (3, 16, 25, 80)
    assert not any(first.read(first.layout.start_info + 1152, PAGE - 1152))


def test_other_domains_are_told_of_their_empty_console_and_xenstore_pages(other: Built) -> None:
    found, where = other.start_info, other.layout
    assert (found.store_mfn, found.console.domU.mfn) == (other.mfn(where.store), other.mfn(where.console))
    assert (found.store_evtchn, found.console.domU.evtchn) == (1, 2)
    assert not any(other.read(where.store, 2 * PAGE))
    assert not any(other.read(where.start_info + 1112, PAGE - 1112))


# shared_info.


def test_shared_info_is_the_domains_and_mapped_nowhere(built: Built) -> None:
    mfn = built.domain.record.shared_info_mfn
    assert built.hypervisor.frames["owner"][mfn] == built.domain.address
    assert mfn not in built.p2m
    assert built.hypervisor.m2p[mfn] == 0xFFFFFFFF


def test_all_upcalls_are_masked_and_no_event_is_pending_or_masked(built: Built) -> None:
    found = built.shared_info
    assert [one.evtchn_upcall_mask for one in found.vcpu_info] == [1] * 32
    assert [one.evtchn_upcall_pending for one in found.vcpu_info] == [0] * 32
    assert not any(found.evtchn_pending) and not any(found.evtchn_mask)


def test_time_is_there_before_the_first_instruction(built: Built) -> None:
    found = built.shared_info
    assert found.vcpu_info[0].time.tsc_to_system_mul != 0
    assert found.vcpu_info[0].time.version % 2 == 0
    assert found.wc_sec != 0


# The vcpu.


def registers_of(built: Built) -> Registers:
    """Let the machine run until it stops in this domain, which does nothing; return the registers."""
    deadline = time.monotonic() + PATIENCE
    found = built.machine.registers()
    while found.cpl == 0 or hypervisor_of(built.machine).word("current_vcpu") != built.vcpu.address:
        assert time.monotonic() < deadline, "it does not run"
        built.machine.resume()
        time.sleep(0.002)
        built.machine.pause()
        found = built.machine.registers()
    return found


def test_domain_0_starts_with_exactly_its_registers(first: Built) -> None:
    found = registers_of(first)
    zero = (found.eax, found.ebx, found.ecx, found.edx, found.edi, found.ebp)
    assert zero == (0,) * 6
    assert (found.eip, found.esp, found.esi) == (ENTRY, first.layout.stack + PAGE, first.layout.start_info)
    assert found.cs.selector == RING_1_CS
    assert {one.selector for one in (found.ds, found.es, found.fs, found.gs, found.ss)} == {RING_1_DS}
    assert (found.eflags, found.cpl) == (0x202, 1)


def test_other_domains_will_start_with_exactly_their_registers(other: Built) -> None:
    frame, record = other.vcpu.record.frame, other.vcpu.record
    assert [getattr(frame, name) for name in ("eax", "ebx", "ecx", "edx", "edi", "ebp")] == [0] * 6
    assert (frame.eip, frame.esp, frame.esi) == (
        other.guest.entry, other.layout.stack + PAGE, other.layout.start_info,
    )  # fmt: skip
    assert (frame.cs, frame.eflags) == (RING_1_CS, 0x202)
    assert {frame.ds, frame.es, frame.ss, record.fs, record.gs} == {RING_1_DS}


def test_a_trap_from_ring_3_would_use_the_boot_stack(built: Built) -> None:
    record = built.vcpu.record
    assert (record.kernel_ss, record.kernel_sp) == (RING_1_DS, built.layout.stack + PAGE)


def test_there_are_no_handlers_and_no_descriptor_tables(built: Built) -> None:
    record = built.vcpu.record
    assert not any(bytes(record.traps))
    assert (record.event_eip, record.failsafe_eip) == (0, 0)
    assert (record.gdt_entries, record.ldt_entries) == (0, 0)
    # The ABI gives the callbacks' segment to domain 0 only (1.9).
    assert {record.event_cs, record.failsafe_cs} == {RING_1_CS if built.number == 0 else 0}


def test_debug_registers_and_floating_point_are_as_after_a_reset(built: Built) -> None:
    record = built.vcpu.record
    assert tuple(record.debugreg) == (0, 0, 0, 0, 0, 0, 0xFFFF0FF0, 0x400)
    control, status, tag, mxcsr = (
        *struct.unpack_from("<HHB", bytes(record.fpu)), *struct.unpack_from("<I", bytes(record.fpu), 24),
    )  # fmt: skip
    assert (control, status, tag, mxcsr) == (0x37F, 0, 0, 0x1F80)


def test_a_guest_is_told_where_the_hypervisor_begins_by_what_it_can_take(built: Built) -> None:
    assert built.domain.record.virt_start == built.guest.virt_start


def test_extended_cr3_is_on_unless_the_guest_has_plain_pae(built: Built) -> None:
    assert built.domain.record.vm_assist == (EXTENDED_CR3 if built.guest.extended_cr3 else 0)


def test_only_domain_0_is_privileged(built: Built) -> None:
    assert built.domain.is_privileged == (built.number == 0)
