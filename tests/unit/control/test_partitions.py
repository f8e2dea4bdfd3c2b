"""Partition tables, good and damaged (partitions.py)."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from uuid import UUID

import pytest

from xengen.control.partitions import Partition, Table, make_mbr, table_of_file

SECTORS = 4096
LINUX = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


def disk(folder: Path, *pieces: tuple[int, bytes]) -> Path:
    """Make a disk of SECTORS sectors with these bytes at those sectors."""
    path = folder / "disk.img"
    with path.open("wb") as file:
        file.truncate(SECTORS * 512)
        for sector, data in pieces:
            file.seek(sector * 512)
            file.write(data)
    return path


def test_an_mbr_that_was_made_is_read(tmp_path: Path) -> None:
    path = disk(tmp_path, (0, make_mbr([(0x0C, 63, 1000), (0x83, 2048, 2048)])))
    assert table_of_file(path) == Table("mbr", (Partition(1, 63, 1000, "FAT32"), Partition(2, 2048, 2048, "Linux")))


def test_an_mbr_is_laid_out_as_every_pc_reads_it() -> None:
    sector = make_mbr([(0x83, 0x0102, 0x0304)])
    assert (len(sector), sector[510:]) == (512, b"\x55\xaa")
    assert sector[446:462] == bytes.fromhex("00 feffff 83 feffff 02010000 04030000")
    with pytest.raises(ValueError, match="an MBR has 4 entries, not 5"):
        make_mbr([(0x83, 1, 1)] * 5)


def test_a_disk_without_a_table_has_none(tmp_path: Path) -> None:
    assert table_of_file(disk(tmp_path)) == Table("")


def test_logical_partitions_are_numbered_from_5(tmp_path: Path) -> None:
    path = disk(
        tmp_path,
        (0, make_mbr([(0x83, 8, 8), (0x05, 1000, 2000)])),
        (1000, make_mbr([(0x83, 2, 100), (0x05, 500, 500)])),
        (1500, make_mbr([(0x82, 2, 200)])),
    )
    assert table_of_file(path).partitions == (
        Partition(1, 8, 8, "Linux"), Partition(2, 1000, 2000, "extended"), Partition(5, 1002, 100, "Linux"),
        Partition(6, 1502, 200, "swap"),
    )  # fmt: skip


def test_a_circle_of_logical_partitions_has_an_end(tmp_path: Path) -> None:
    path = disk(tmp_path, (0, make_mbr([(0x05, 1000, 2000)])), (1000, make_mbr([(0x83, 2, 10), (0x05, 0, 1)])))
    assert len(table_of_file(path).partitions) == 2
    path = disk(
        tmp_path,
        (0, make_mbr([(0x05, 1000, 2000)])),
        (1000, make_mbr([(0x83, 2, 10), (0x05, 500, 1)])),
        (1500, make_mbr([(0x83, 2, 10), (0x05, 500, 1)])),
    )
    assert 3 <= len(table_of_file(path).partitions) <= 65


def test_an_entry_beyond_the_end_of_the_disk_is_left_out(tmp_path: Path) -> None:
    path = disk(tmp_path, (0, make_mbr([(0x83, 1, SECTORS), (0x83, SECTORS + 1, 1), (0x83, 0, 8), (0x83, 1, 8)])))
    assert table_of_file(path).partitions == (Partition(4, 1, 8, "Linux"),)


def gpt(entries: list[tuple[int, int, str]], *, count: int = 128, spoil: int | None = None) -> list[tuple[int, bytes]]:
    """Return the pieces of a disk with a GPT (UEFI 2.10, 5.3); `spoil`: the byte of the header that is wrong."""
    table = b"".join(
        struct.pack("<16s16sQQQ72s", LINUX.bytes_le, bytes([number] * 16), first, last, 0, name.encode("utf-16-le"))
        for number, (first, last, name) in enumerate(entries, 1)
    ).ljust(count * 128, b"\0")
    fields = (b"EFI PART", 0x10000, 92, 0, 0, 1, SECTORS - 1, 34, SECTORS - 34, bytes(16), 2, count, 128)
    header = bytearray(struct.pack("<8sIIIIQQQQ16sQIII", *fields, zlib.crc32(table)))
    header[16:20] = zlib.crc32(header).to_bytes(4, "little")
    if spoil is not None:
        header[spoil] ^= 1
    return [(0, make_mbr([(0xEE, 1, SECTORS - 1)])), (1, bytes(header)), (2, table)]


def test_a_gpt_is_read_with_its_names(tmp_path: Path) -> None:
    path = disk(tmp_path, *gpt([(34, 133, "root"), (200, 299, "größer")]))
    assert table_of_file(path) == Table(
        "gpt", (Partition(1, 34, 100, "Linux", "root"), Partition(2, 200, 100, "Linux", "größer"))
    )


def test_an_entry_of_a_gpt_that_cannot_be_is_left_out(tmp_path: Path) -> None:
    path = disk(tmp_path, *gpt([(34, SECTORS, "beyond"), (40, 39, "backwards"), (40, 49, "good")]))
    assert table_of_file(path).partitions == (Partition(3, 40, 10, "Linux", "good"),)


@pytest.mark.parametrize("byte", [0, 12, 16, 72, 80, 84, 88])
def test_a_damaged_gpt_is_not_believed(tmp_path: Path, byte: int) -> None:
    path = disk(tmp_path, *gpt([(34, 133, "root")], spoil=byte))
    assert table_of_file(path) == Table("mbr", (Partition(1, 1, SECTORS - 1, "type ee"),))


@pytest.mark.parametrize("size", [512, 1024, 4096])
def test_a_short_disk_is_read_as_far_as_it_goes(tmp_path: Path, size: int) -> None:
    path = disk(tmp_path, *gpt([(34, 133, "root")]))
    with path.open("r+b") as file:
        file.truncate(size)
    assert table_of_file(path).scheme == "mbr"
