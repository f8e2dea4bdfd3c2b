"""The machine's memory, live: a mapping of the file that QEMU has its guest's memory in.

Invariants
  - Reading stops nothing and copies only what is returned; what is read can change while it is read.
  - Addresses are physical. A PC keeps the range from `below_4g` to 4 GiB for devices; memory beyond continues at 4 GiB.
  - An address without memory behind it is a `NoMemory`, never zeros.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
from typing import TYPE_CHECKING, Any

from xengen.errors import XengenError

if TYPE_CHECKING:
    import numpy

FOUR_GIB = 1 << 32
# QEMU's pc machine: all memory below 3.5 GiB, and with more than that only 3 GiB of it (hw/i386/pc_piix.c).
MOST_BELOW_4G = 0xE0000000
SPLIT_BELOW_4G = 0xC0000000


class NoMemory(XengenError):
    """There is no memory at the physical address that was asked for."""


def below_4g(size: int) -> int:
    """Return how many of `size` bytes of memory lie below 4 GiB."""
    return size if size < MOST_BELOW_4G else SPLIT_BELOW_4G


class PhysicalMemory:
    """`size` bytes of guest memory in the file behind `descriptor` (which the caller keeps open or closes)."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.size = size
        self._below = below_4g(size)
        self._map = mmap.mmap(descriptor, size)
        self._view = memoryview(self._map)

    def close(self) -> None:
        """Let the mapping go. Views that are still in use keep it until they are dropped."""
        self._view.release()
        with contextlib.suppress(BufferError):
            self._map.close()

    def view(self, address: int, size: int) -> memoryview:
        """Return the `size` bytes at `address` themselves, writable; NoMemory when they are not all there."""
        start = address
        end = self._below
        if address >= FOUR_GIB:
            start = address - FOUR_GIB + self._below
            end = self.size
        if size < 0 or start < 0 or start + size > end:
            raise NoMemory(f"no memory at physical address {address:#x} ({size} bytes)")
        return self._view[start : start + size]

    def read(self, address: int, size: int) -> bytes:
        """Return a copy of the `size` bytes at `address`."""
        with self.view(address, size) as view:
            return bytes(view)

    def write(self, address: int, data: bytes) -> None:
        """Put `data` at `address`."""
        with self.view(address, len(data)) as view:
            view[:] = data

    def u8(self, address: int) -> int:
        """Return the byte at `address`."""
        return self.read(address, 1)[0]

    def u16(self, address: int) -> int:
        """Return the little-endian 16-bit word at `address`."""
        return int.from_bytes(self.read(address, 2), "little")

    def u32(self, address: int) -> int:
        """Return the little-endian 32-bit word at `address`."""
        return int.from_bytes(self.read(address, 4), "little")

    def u64(self, address: int) -> int:
        """Return the little-endian 64-bit word at `address`."""
        return int.from_bytes(self.read(address, 8), "little")

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """Return `count` little-endian 32-bit words from `address` on."""
        return struct.unpack(f"<{count}I", self.read(address, 4 * count))

    def array(self, address: int, count: int, dtype: str = "<u4") -> numpy.ndarray[Any, Any]:
        """Return `count` items at `address` as a numpy array over the live memory itself."""
        import numpy

        return numpy.frombuffer(self.view(address, count * numpy.dtype(dtype).itemsize), dtype=dtype)
