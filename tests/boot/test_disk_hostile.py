"""A disk that reports nonsense: this process writes into its queue what only the device should, and has it interrupt.

The hypervisor does not listen to it. It waits for the device in vain, gives it up, and goes on.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.boot.disk_machines import DiskBooter, image
from tests.boot.rings import until
from tests.boot.vbds import ERROR, OKAY, READ, Segment
from xengen.abi.devices import Disk
from xengen.abi.pci import VirtioDisk, Virtqueue, VirtqUsed, VirtqUsedElement
from xengen.inspect.live import hypervisor_of
from xengen.machine.disks import SECTOR, DiskSpec
from xengen.machine.machine import Machine


def report(machine: Machine, chain: int) -> None:
    """Have the first disk say that it is through with `chain`, and interrupt: its size changes."""
    memory = hypervisor_of(machine)
    disk = memory.structure(Disk, memory.word("disk_list"))
    queue = memory.structure(Virtqueue, memory.structure(VirtioDisk, disk.state).queue)
    index = queue.used_index & 0xFFFF
    slot = VirtqUsed.ring.offset + (index & queue.mask) * VirtqUsedElement.bytes.offset * 2
    machine.memory.write(memory.physical(queue.used + slot), struct.pack("<II", chain, SECTOR))
    machine.memory.write(memory.physical(queue.used + VirtqUsed.index.offset), struct.pack("<H", index + 1 & 0xFFFF))
    machine.qmp("block_resize", node_name="disk0", size=2 << 20)


@pytest.mark.parametrize("chain", [0, 3, 255, 256, 0x80000000, 0xFFFFFFFF])
def test_a_request_that_the_device_does_not_have_is_not_done(
    boot_disks: DiskBooter, tmp_path: Path, chain: int
) -> None:
    machine = boot_disks([DiskSpec(image(tmp_path))], append="disk_timeout=1")
    front = machine.front("disk0")
    page = front.page()
    assert front.do(READ, 0, [Segment(page.ref)]) == OKAY
    report(machine.machine, chain)
    assert machine.disks()["disk0"].reads == 1
    assert front.do(READ, 0, [Segment(page.ref)]) == ERROR
    until(lambda: "disk 0 does not answer: it is given up" in machine.machine.transcript.hypervisor, "the log")
