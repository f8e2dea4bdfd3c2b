"""Kernels as they are installed: an ELF file that is compressed, or inside of a Linux bzImage.

Invariants
  - What is no packed kernel is returned as it is: whoever reads it as ELF says what is wrong with it.
  - Nothing of the file is believed: a damaged one, or one that would fill the memory, is a `UserError` that names it.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Protocol

from xengen.errors import UserError

LARGEST_KERNEL = 512 << 20

# The header of a bzImage (Linux's boot protocol, 2.08 and later), by its offsets in the file.
_SECTORS, _MAGIC_AT, _MAGIC, _VERSION_AT, _PAYLOAD_AT = 0x1F1, 0x202, b"HdrS", 0x206, 0x248
_FIRST_VERSION_WITH_PAYLOAD = 0x208
_SECTOR = 512
_HEADER_BYTES = _PAYLOAD_AT + 8


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


_FORMATS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", lzma.LZMADecompressor),
    (b"\x5d\0\0", lzma.LZMADecompressor),
)
_UNREADABLE = {
    b"\x04\x22\x4d\x18": "LZ4", b"\x02\x21\x4c\x18": "LZ4", b"\x28\xb5\x2f\xfd": "Zstandard", b"\x89LZO": "LZO",
}  # fmt: skip


def unpacked(data: bytes, name: str) -> bytes:
    """Return the kernel that `data`, the contents of the file `name`, holds: gzip, bzip2, xz or LZMA, or a bzImage.

    UserError when it cannot be unpacked.
    """
    if data[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC and len(data) >= _HEADER_BYTES:
        return _decompressed(_payload(data, name), name, of_bzimage=True)
    return _decompressed(data, name, of_bzimage=False)


def _payload(data: bytes, name: str) -> bytes:
    (version,) = struct.unpack_from("<H", data, _VERSION_AT)
    if version < _FIRST_VERSION_WITH_PAYLOAD:
        raise UserError(f"{name} is a Linux image of an old kind, without a kernel for Xen in it: give its vmlinux")
    offset, length = struct.unpack_from("<II", data, _PAYLOAD_AT)
    start = ((data[_SECTORS] or 4) + 1) * _SECTOR + offset
    if start + length > len(data):
        raise UserError(f"{name} is cut off: its kernel ends at byte {start + length}, the file at {len(data)}")
    return data[start : start + length]


def _decompressed(data: bytes, name: str, *, of_bzimage: bool) -> bytes:
    for magic, method in _UNREADABLE.items():
        if data.startswith(magic):
            raise UserError(f"{name} is compressed by {method}, which is not understood: unpack it first")
    decompressor = next((new() for magic, new in _FORMATS if data.startswith(magic)), None)
    if decompressor is None:
        if of_bzimage and not data.startswith(b"\x7fELF"):
            raise UserError(f"the kernel in {name} is compressed in a way that is not understood: give its vmlinux")
        return data
    try:
        # What follows the stream (Linux puts the kernel's size there) is not its own.
        found = decompressor.decompress(data, LARGEST_KERNEL)
    except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
        raise UserError(f"{name} cannot be unpacked: it is damaged ({error})") from error
    if not decompressor.eof:
        reason = "is larger than any kernel" if len(found) >= LARGEST_KERNEL else "is cut off"
        raise UserError(f"{name} cannot be unpacked: what is compressed in it {reason}")
    return found
