"""Whether a file is one that a multiboot loader takes.

Invariants
  - Decided as the specification says (Multiboot 0.6.96, section 3.1): by a header in the first 8 KiB, on 4 bytes.
  - QEMU takes a file without one for an old Linux kernel and boots into nothing, so the harness looks first.
"""

from __future__ import annotations

import struct

MAGIC = 0x1BADB002
SEARCHED = 8192


def has_multiboot_header(data: bytes) -> bool:
    """Return whether `data` (a file's bytes, unpacked) has a multiboot header with a checksum that is right."""
    magic = struct.pack("<I", MAGIC)
    at = data.find(magic, 0, SEARCHED)
    while at >= 0:
        if at % 4 == 0 and at + 12 <= min(len(data), SEARCHED):
            _, flags, checksum = struct.unpack_from("<III", data, at)
            if (MAGIC + flags + checksum) & 0xFFFFFFFF == 0:
                return True
        at = data.find(magic, at + 1, SEARCHED)
    return False
