"""What a domain is given of a disk, as one writes it (shares.py)."""

from __future__ import annotations

import pytest

from xengen.control.shares import DiskShare, Range, device_name, device_number, parse_share, sectors
from xengen.errors import UserError

MEG = 2048  # sectors

SHARES = [
    ("web.img:0-64M:rw", DiskShare("web.img", (Range(0, 64 * MEG),), writable=True)),
    ("web.img:0-64:r", DiskShare("web.img", (Range(0, 64 * MEG),))),
    ("web.img", DiskShare("web.img")),
    ("web.img:rw", DiskShare("web.img", writable=True)),
    ("1", DiskShare("1")),
    ("xvdb=web.img:2048s-4096s", DiskShare("web.img", (Range(2048, 2048),), device="xvdb")),
    ("51712=web.img:4M+512k:w", DiskShare("web.img", (Range(4 * MEG, 1024),), writable=True, device="51712")),
    ("web.img:64M-:rw", DiskShare("web.img", (Range(64 * MEG),), writable=True)),
    ("web.img:p2", DiskShare("web.img", (Range(partition=2),))),
    ("web.img:0-1M,p1,8M-", DiskShare("web.img", (Range(0, MEG), Range(partition=1), Range(8 * MEG)))),
    ("/a:b/web.img:0-1G", DiskShare("/a:b/web.img", (Range(0, 1024 * MEG),))),
    ("a=b.img:r", DiskShare("a=b.img")),
]


@pytest.mark.parametrize(("text", "share"), SHARES)
def test_a_share_is_a_disk_ranges_of_it_and_a_right(text: str, share: DiskShare) -> None:
    assert parse_share(text) == share


REFUSALS = [
    ("", "--disk wants [DEVICE=]DISK[:START-END][:r|rw], not ''"),
    ("web.img:64M-0:rw", "'64M-0' in 'web.img:64M-0:rw' is empty: it ends where it begins, or before"),
    ("web.img:1M-1M", "'1M-1M' in 'web.img:1M-1M' is empty: it ends where it begins, or before"),
    ("web.img:64M:rw",
     "'64M' in 'web.img:64M:rw' is no range: write START-END, START+SIZE, START- or pN, such as 0-64M"),
    ("web.img:0-64X",
     "'0-64X' in 'web.img:0-64X' is no range: write START-END, START+SIZE, START- or pN, such as 0-64M"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), REFUSALS)
def test_what_is_no_share_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_share(text)
    assert str(caught.value) == sentence


def test_a_size_is_a_number_of_sectors() -> None:
    assert [sectors(text) for text in ("0", "1", "1k", "8s", "1MiB", "2g", "1T")] == [
        0, 2048, 2, 8, 2048, 2 << 21, 1 << 31,
    ]  # fmt: skip
    with pytest.raises(UserError, match="'big' is no size"):
        sectors("big")


NUMBERS = [("xvda", 51712), ("xvdb", 51728), ("xvdp", 51952), ("sda", 2048), ("sdb", 2064), ("hda", 768), ("hdb", 832),
           ("hdc", 5632), ("hdd", 5696), ("7", 7)]  # fmt: skip


@pytest.mark.parametrize(("name", "number"), NUMBERS)
def test_a_device_has_the_number_that_front_ends_know(name: str, number: int) -> None:
    assert device_number(name) == number


@pytest.mark.parametrize("name", ["xvdq", "xvd", "hde", "nvme0", ""])
def test_what_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="is no disk of a domain"):
        device_number(name)


def test_devices_without_a_name_are_called_in_order() -> None:
    assert [device_name(place) for place in range(3)] == ["xvda", "xvdb", "xvdc"]
