"""Devices that lack something: a line in the log, nothing kept for them, and a machine that goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.changed import Change, ChangedImages
from tests.boot.harness import Booter
from tests.boot.nics import with_cable
from xengen.agent.agent import Agent
from xengen.inspect.devices import nics
from xengen.inspect.live import check_machine, hypervisor_of

NO_BLOCK = "xorl    %eax, %eax"
E1000, VIRTIO, NIC = "drivers/e1000_probe.s", "drivers/virtio_net_probe.s", "drivers/nic.s"
NO_MEMORY, NO_INTERRUPT = "there is no memory for it", "it is connected to no interrupt"
NO_REGISTERS = "its registers are not where they can be reached"
NO_EEPROM = "its EEPROM does not answer, or has no address for it"
NO_QUEUES = "its queues are missing or too small, or there is no memory for them"

FRAME = "        call    frame_alloc\n        movl    %eax, (%edx,%ecx,4)\n"
NO_FRAME = "        call    frame_alloc\n        cmpl    $100, %ecx\n        jb      1f\n        call    frame_free\n" \
    "        xorl    %eax, %eax\n1:\n        movl    %eax, (%edx,%ecx,4)\n"  # fmt: skip


@pytest.mark.parametrize(
    ("model", "change", "reason"),
    [
        ("e1000", Change(NIC, FRAME, NO_FRAME), NO_MEMORY),
        ("virtio", Change(NIC, FRAME, NO_FRAME), NO_MEMORY),
        ("e1000", Change(E1000, "call    heap_alloc\n        movl    %eax, NIC_state", f"{NO_BLOCK}\n"
                         "        movl    %eax, NIC_state"), NO_MEMORY),
        ("e1000", Change(E1000, "call    heap_alloc\n        movl    %eax, E1000_rx", f"{NO_BLOCK}\n"
                         "        movl    %eax, E1000_rx"), NO_MEMORY),
        ("e1000", Change(E1000, "call    heap_alloc\n        movl    %eax, E1000_tx", f"{NO_BLOCK}\n"
                         "        movl    %eax, E1000_tx"), NO_MEMORY),
        ("e1000", Change(E1000, "testl   $PCI_BAR_IO, %edx", "testl   $0xfffffff0, %edx"), NO_REGISTERS),
        ("e1000", Change(E1000, "call    pci_take", "stc"), NO_REGISTERS),
        ("e1000", Change(E1000, "call    device_map", NO_BLOCK), NO_REGISTERS),
        ("e1000", Change(E1000, "call    pci_input", "movl    $-1, %eax"), NO_INTERRUPT),
        ("e1000", Change(E1000, "testl   $E1000_EERD_DONE, %eax", "testl   $0, %eax"), NO_EEPROM),
        ("e1000", Change(E1000, "testb   $NIC_MAC_GROUP, NIC_mac(%ebx)", "testb   $0x52, NIC_mac(%ebx)"), NO_EEPROM),
        ("e1000", Change(E1000, "call    interrupt_claim", "stc"), NO_MEMORY),
        ("virtio", Change(VIRTIO, "testl   %edx, %edx", "testl   $0, %edx"),
         "it has no legacy interface, or there are too many devices"),
        ("virtio", Change(VIRTIO, "testl   $VIRTIO_NET_F_MAC, %ecx", "testl   $0, %ecx"), "it has no address"),
        ("virtio", Change(VIRTIO, "call    pci_input", "movl    $-1, %eax"), NO_INTERRUPT),
        ("virtio", Change(VIRTIO, "movl    $VIRTIO_NET_size, %ecx\n        call    heap_alloc\n        popl    %ecx",
                          f"{NO_BLOCK}\n        popl    %ecx"), NO_MEMORY),
        ("virtio", Change(VIRTIO, "call    virtqueue_make\n        movl    %eax, VIRTIO_NET_receive", f"{NO_BLOCK}\n"
                          "        movl    %eax, VIRTIO_NET_receive"), NO_QUEUES),
        ("virtio", Change(VIRTIO, "call    virtqueue_make\n        movl    %eax, VIRTIO_NET_send", f"{NO_BLOCK}\n"
                          "        movl    %eax, VIRTIO_NET_send"), NO_QUEUES),
        ("virtio", Change(VIRTIO, "shrl    $NIC_ROOM_SHIFT, %eax", "shrl    $31, %eax"), NO_QUEUES),
        ("virtio", Change(VIRTIO, "call    interrupt_claim", "stc"), NO_MEMORY),
    ],
    ids=[
        "e1000, no frame", "virtio, no frame", "e1000, no state", "e1000, no ring to receive", "e1000, no ring to send",
        "e1000, no registers", "e1000, too many devices", "e1000, no room for registers", "e1000, no input",
        "e1000, a silent EEPROM", "e1000, an address for many", "e1000, no claim", "virtio, no legacy interface",
        "virtio, no address", "virtio, no input", "virtio, no state", "virtio, no queue to receive",
        "virtio, no queue to send", "virtio, a queue too small", "virtio, no claim",
    ],
)  # fmt: skip
def test_a_device_is_left_alone_that_lacks_something(tmp_path: Path, model: str, change: Change, reason: str) -> None:
    booter = Booter(ChangedImages(tmp_path, (change,)))
    try:
        machine = booter("agent", nics=[with_cable(model)])
        machine.console.expect(f"not used: {reason}")
        with Agent(machine) as agent:
            machine.cables[0].send(bytes(60))
            assert agent.hypercall("xen_version", 0) == 0x40002
        assert nics(hypervisor_of(machine)) == ()
        assert check_machine(machine) == []
    finally:
        booter.close()
