"""Structures of drivers: what the devices' manuals say of their layout, and what the assembly's scales rely on."""

from __future__ import annotations

import pytest

from xengen.abi.symbols import assembler_symbols

SYMBOLS = assembler_symbols()


@pytest.mark.parametrize("name, wanted", [
    # Virtio 1.0, 2.4: descriptors, available and used rings; 5.2.6: the head of a request and its status byte.
    ("VIRTQ_DESCRIPTOR_size", 16), ("VIRTQ_DESCRIPTOR_bytes", 8), ("VIRTQ_DESCRIPTOR_flags", 12),
    ("VIRTQ_DESCRIPTOR_next", 14), ("VIRTQ_AVAILABLE_index", 2), ("VIRTQ_AVAILABLE_ring", 4), ("VIRTQ_USED_index", 2),
    ("VIRTQ_USED_ring", 4), ("VIRTQ_USED_ELEMENT_size", 8), ("VIRTIO_SLOT_sector", 8), ("VIRTIO_SLOT_HEAD_BYTES", 16),
    # Bus master IDE 1.0, 1.2: a row of its table.
    ("IDE_PIECE_size", 8), ("IDE_PIECE_bytes", 4),
])  # fmt: skip
def test_what_a_device_reads_is_laid_out_as_its_manual_says(name: str, wanted: int) -> None:
    assert SYMBOLS[name] == wanted


@pytest.mark.parametrize("name, scale", [("VIRTQ_CHAIN", 8), ("VIRTQ_USED_ELEMENT", 8), ("PIECE", 8), ("IDE_PIECE", 8)])
def test_what_is_indexed_by_a_scale_has_that_size(name: str, scale: int) -> None:
    assert SYMBOLS[f"{name}_size"] == scale


def test_the_slots_of_a_virtio_disk_are_a_power_of_two_in_one_page() -> None:
    size = SYMBOLS["VIRTIO_SLOTS"] * SYMBOLS["VIRTIO_SLOT_size"]
    assert size & (size - 1) == 0 and size <= SYMBOLS["PAGE_SIZE"]


def test_a_serial_number_fits_into_the_slot_that_it_is_read_into() -> None:
    assert SYMBOLS["VIRTIO_BLK_ID_BYTES"] <= SYMBOLS["VIRTIO_SLOT_request"]


def test_a_request_of_a_ring_fits_into_one_of_a_disk() -> None:
    assert SYMBOLS["DISK_SEGMENTS"] == SYMBOLS["BLKIF_MAX_SEGMENTS_PER_REQUEST"]


def test_registers_of_devices_are_shown_between_the_apic_and_the_linear_tables() -> None:
    assert SYMBOLS["FIXMAP_APIC"] < SYMBOLS["DEVICE_WINDOW"] < SYMBOLS["DEVICE_WINDOW_END"] <= SYMBOLS["LINEAR_TABLES"]
