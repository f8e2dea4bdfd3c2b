"""io_op disk_scan: a disk is read for nobody, while domains have it, too.

Invariants
  - What a scan takes it has given back behind each test: the checker looks.
"""

from __future__ import annotations

import pytest

from tests.boot.rings import io_op, until
from tests.boot.vbds import DiskHost, expected
from xengen.abi.vbd import DiskScan
from xengen.agent.names import value

EINVAL, ENOENT, EBUSY = (-value(name) for name in ("EINVAL", "ENOENT", "EBUSY"))


def told(host: DiskHost) -> DiskScan:
    """How the scan goes."""
    found = DiskScan()
    assert io_op(host.agents[0], "disk_scan", found) == 0
    return found


def begun(host: DiskHost, **fields: int) -> int:
    """Begin a scan."""
    wanted = {"begin": 1, "depth": 4, "chunk": 88, "sectors": 880} | fields
    return int(io_op(host.agents[0], "disk_scan", DiskScan(**wanted)))


def ended(host: DiskHost) -> DiskScan:
    """Wait for its end."""
    until(lambda: told(host).in_flight == 0, "a scan to end")
    return told(host)


@pytest.mark.parametrize("depth, chunk, sectors", [(1, 8, 8), (1, 88, 880), (4, 8, 800), (32, 88, 8800), (32, 8, 16)])
def test_a_scan_reads_all_that_it_was_told_to(disk_host: DiskHost, depth: int, chunk: int, sectors: int) -> None:
    before = disk_host.disk()
    assert begun(disk_host, depth=depth, chunk=chunk, sectors=sectors, start=1000) == 0
    end = ended(disk_host)
    after = disk_host.disk()
    assert (end.left, end.errors, end.start) == (0, 0, 1000 + sectors)
    assert end.ns > 0
    assert after.reads - before.reads == sectors // chunk
    assert after.sectors_moved - before.sectors_moved == sectors


@pytest.mark.parametrize("fields", [
    {"depth": 0}, {"depth": 33}, {"chunk": 0}, {"chunk": 4}, {"chunk": 96}, {"sectors": 0}, {"sectors": 8},
    {"sectors": 1 << 32}, {"start": 16384}, {"start": 16384 - 879}, {"start": 1 << 32}, {"start": (1 << 32) - 88},
    {"depth": 0xFFFFFFFF}, {"chunk": 0xFFFFFFF8},
])  # fmt: skip
def test_a_scan_that_makes_no_sense_is_refused(disk_host: DiskHost, fields: dict[str, int]) -> None:
    reads = disk_host.disk().reads
    assert begun(disk_host, **fields) == EINVAL
    assert disk_host.disk().reads == reads


def test_a_disk_that_is_none_is_not_scanned(disk_host: DiskHost) -> None:
    assert begun(disk_host, disk=1) == ENOENT


def test_one_scan_at_a_time_and_domains_are_served_meanwhile(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=64, sectors=64)
    page = front.page()
    assert begun(disk_host, sectors=16368, chunk=8, depth=32) == 0
    assert front.read(0, 8, page) == expected(64, 8)
    while told(disk_host).in_flight:
        assert begun(disk_host) in (EBUSY, 0)
    end = ended(disk_host)
    assert (end.left, end.errors) == (0, 0)
