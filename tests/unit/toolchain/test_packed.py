"""Compressed kernels and bzImages (packed.py)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable

import pytest

from xengen.errors import UserError
from xengen.toolchain.packed import unpacked

KERNEL = b"\x7fELF" + bytes(range(256)) * 64
SIZE = struct.pack("<I", len(KERNEL))
LINUX_XZ = {"format": lzma.FORMAT_XZ, "check": lzma.CHECK_CRC32}

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, **LINUX_XZ),  # type: ignore[arg-type]
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
}


def bzimage(payload: bytes, version: int = 0x20F, sectors: int = 2, offset: int = 32) -> bytes:
    """Return a bzImage with this payload, `offset` bytes into its protected-mode part."""
    image = bytearray((sectors + 1) * 512 + offset)
    image[0x1F1] = sectors
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, version)
    struct.pack_into("<II", image, 0x248, offset, len(payload))
    return bytes(image) + payload + b"the end of the image"


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_compressed_kernel_is_unpacked(compression: str) -> None:
    assert unpacked(COMPRESSIONS[compression](KERNEL), "kernel") == KERNEL


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_kernel_in_a_bzimage_is_unpacked(compression: str) -> None:
    assert unpacked(bzimage(COMPRESSIONS[compression](KERNEL) + SIZE), "vmlinuz") == KERNEL


def test_a_kernel_in_a_bzimage_may_be_there_as_it_is() -> None:
    assert unpacked(bzimage(KERNEL), "vmlinuz") == KERNEL


@pytest.mark.parametrize("data", [KERNEL, b"", b"text", bytes(0x300)])
def test_what_is_not_packed_stays_as_it_is(data: bytes) -> None:
    assert unpacked(data, "file") == data


PACKED = gzip.compress(KERNEL)
DAMAGED = {
    "cut off": (PACKED[:-20], "kernel cannot be unpacked: what is compressed in it is cut off"),
    "damaged": (PACKED[:20] + bytes(20) + PACKED[40:], "kernel cannot be unpacked: it is damaged"),
    "image cut off": (bzimage(PACKED)[: -len(PACKED)], "kernel is cut off: its kernel ends at byte"),
    "old image": (bzimage(PACKED, version=0x204), "kernel is a Linux image of an old kind"),
    "zstd": (bzimage(b"\x28\xb5\x2f\xfd" + bytes(64)), "kernel is compressed by Zstandard, which is not understood"),
    "unknown": (bzimage(b"unknown"), "the kernel in kernel is compressed in a way that is not understood"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_cannot_be_unpacked_is_named_with_the_reason(case: str) -> None:
    data, sentence = DAMAGED[case]
    with pytest.raises(UserError, match=sentence):
        unpacked(data, "kernel")
