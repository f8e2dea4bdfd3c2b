"""VBDs: what is read and written, on the disk's file as the host sees it.

Invariants
  - A new disk's sectors have their own numbers in them (`pattern`), so that each says where it is from.
"""

from __future__ import annotations

from tests.boot.vbds import DiskHost, pattern


def test_a_page_is_read_from_where_the_extent_is(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=4096, sectors=64)
    page = front.page()
    assert front.read(8, 8, page) == b"".join(pattern(4096 + 8 + index) for index in range(8))
