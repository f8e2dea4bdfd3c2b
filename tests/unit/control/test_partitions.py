"""Partition tables, good and damaged (partitions.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.disk_images import gpt
from xengen.control.partitions import Partition, Table, make_mbr, table_of_file

SECTORS = 4096


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


def test_a_gpt_is_read_with_its_names(tmp_path: Path) -> None:
    path = disk(tmp_path, *gpt([(34, 133, "root"), (200, 299, "größer")], SECTORS))
    assert table_of_file(path) == Table(
        "gpt", (Partition(1, 34, 100, "Linux", "root"), Partition(2, 200, 100, "Linux", "größer"))
    )


def test_an_entry_of_a_gpt_that_cannot_be_is_left_out(tmp_path: Path) -> None:
    path = disk(tmp_path, *gpt([(34, SECTORS, "beyond"), (40, 39, "backwards"), (40, 49, "good")], SECTORS))
    assert table_of_file(path).partitions == (Partition(3, 40, 10, "Linux", "good"),)


@pytest.mark.parametrize("byte", [0, 12, 16, 72, 80, 84, 88])
def test_a_damaged_gpt_is_not_believed(tmp_path: Path, byte: int) -> None:
    path = disk(tmp_path, *gpt([(34, 133, "root")], SECTORS, spoil=byte))
    assert table_of_file(path) == Table("mbr", (Partition(1, 1, SECTORS - 1, "type ee"),))


@pytest.mark.parametrize("size", [512, 1024, 4096])
def test_a_short_disk_is_read_as_far_as_it_goes(tmp_path: Path, size: int) -> None:
    path = disk(tmp_path, *gpt([(34, 133, "root")], SECTORS))
    with path.open("r+b") as file:
        file.truncate(size)
    assert table_of_file(path).scheme == "mbr"
