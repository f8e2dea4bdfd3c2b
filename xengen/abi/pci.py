"""PCI, virtio and IDE as the hardware has them, and what our drivers keep beside it.

Invariants
  - A PCI address is bus << 8 | device << 3 | function; a register is the offset of a word of its configuration.
  - Virtio is the legacy interface: registers in I/O space, one queue in one piece of memory, no MSI.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint16, c_uint32, c_uint64

from xengen.abi.structure import Constant, Declaration

OURS = "xengen"
PCI = "PCI Local Bus Specification 3.0"
VIRTIO = "Virtio 1.0, legacy interface"
IDE = "ATA/ATAPI-6, Intel 82371SB (PIIX3) datasheet"


class Driver(LittleEndianStructure):
    """One row of the table of drivers: whom it is for, and the routine that is called for each such function.

    It is for a function whose configuration word at `register`, under `mask`, is `value`. probe: %eax = PCI address.
    """

    _pack_ = 4
    _fields_ = [("register", c_uint32), ("mask", c_uint32), ("value", c_uint32), ("probe", c_uint32)]


class InterruptClaim(LittleEndianStructure):
    """A device at an input of the 8259s: `routine` is called with %edx = argument. next: another one at that input."""

    _pack_ = 4
    _fields_ = [("next", c_uint32), ("routine", c_uint32), ("argument", c_uint32)]


class VirtqDescriptor(LittleEndianStructure):
    """A piece of memory in a queue (virtq_desc). flags: VIRTQ_*; next: of the chain, or of those that are free."""

    _pack_ = 4
    _fields_ = [("address", c_uint64), ("bytes", c_uint32), ("flags", c_uint16), ("next", c_uint16)]


class VirtqAvailable(LittleEndianStructure):
    """What the device may take (virtq_avail): heads of chains, `index` of them so far, modulo 65536."""

    _pack_ = 4
    _fields_ = [("flags", c_uint16), ("index", c_uint16), ("ring", c_uint16 * 1)]


class VirtqUsedElement(LittleEndianStructure):
    """A chain that the device is through with: its head, and how many bytes it has written."""

    _pack_ = 4
    _fields_ = [("id", c_uint32), ("bytes", c_uint32)]


class VirtqUsed(LittleEndianStructure):
    """What the device is through with (virtq_used). flags: VIRTQ_NO_NOTIFY."""

    _pack_ = 4
    _fields_ = [("flags", c_uint16), ("index", c_uint16), ("ring", VirtqUsedElement * 1)]


class VirtqChain(LittleEndianStructure):
    """What we remember of a chain, at the number of its head: whose it is (0: nobody's), its last piece, its length."""

    _pack_ = 4
    _fields_ = [("owner", c_uint32), ("last", c_uint16), ("pieces", c_uint16)]


class Virtqueue(LittleEndianStructure):
    """A queue of a virtio device. One heap block.

    port: the device's first register. descriptors, available, used: what the device knows of; chains: ours.
    free: first free descriptor; room: how many are free. first, last, pieces: the chain that is being made.
    available_index, used_index: how many chains were put and got, modulo 65536.
    """

    _pack_ = 4
    _fields_ = [
        ("port", c_uint32),
        ("number", c_uint32),
        ("size", c_uint32),
        ("mask", c_uint32),
        ("descriptors", c_uint32),
        ("available", c_uint32),
        ("used", c_uint32),
        ("chains", c_uint32),
        ("free", c_uint32),
        ("room", c_uint32),
        ("first", c_uint32),
        ("last", c_uint32),
        ("pieces", c_uint32),
        ("available_index", c_uint32),
        ("used_index", c_uint32),
    ]


class VirtioDisk(LittleEndianStructure):
    """State of a virtio disk. slots: VIRTIO_SLOTs, one for each request in flight; free: the first free one, or 0;
    free_slots: how many there are.

    physical: what is to be added to the address of a slot to get its physical one. queue: VIRTQUEUE.
    """

    _pack_ = 4
    _fields_ = [
        ("port", c_uint32),
        ("queue", c_uint32),
        ("slots", c_uint32),
        ("physical", c_uint32),
        ("free", c_uint32),
        ("free_slots", c_uint32),
    ]


class VirtioSlot(LittleEndianStructure):
    """What the device reads and writes of a request beside its pieces: the head (virtio_blk_req), and the status.

    request: the DISK_REQUEST, or 0; next: the next free slot, or 0.
    """

    _pack_ = 4
    _fields_ = [
        ("type", c_uint32),
        ("reserved", c_uint32),
        ("sector", c_uint64),
        ("status", c_uint32),
        ("request", c_uint32),
        ("next", c_uint32),
        ("_pad", c_uint32),
    ]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("DRIVER", "driver", Driver, OURS),
    Declaration("INTERRUPT_CLAIM", "interrupt_claim", InterruptClaim, OURS),
    Declaration("VIRTQ_DESCRIPTOR", "virtq_desc", VirtqDescriptor, VIRTIO),
    Declaration("VIRTQ_AVAILABLE", "virtq_avail", VirtqAvailable, VIRTIO),
    Declaration("VIRTQ_USED_ELEMENT", "virtq_used_elem", VirtqUsedElement, VIRTIO),
    Declaration("VIRTQ_USED", "virtq_used", VirtqUsed, VIRTIO),
    Declaration("VIRTQ_CHAIN", "virtq_chain", VirtqChain, OURS),
    Declaration("VIRTQUEUE", "virtqueue", Virtqueue, OURS),
    Declaration("VIRTIO_DISK", "virtio_disk", VirtioDisk, OURS),
    Declaration("VIRTIO_SLOT", "virtio_slot", VirtioSlot, OURS),
)


def _group(group: str, source: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, source) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "PCI configuration", PCI,
        PCI_ENABLE=1 << 31, PCI_NOBODY=0xFFFFFFFF, PCI_BUSES=256, PCI_FUNCTIONS=256, PCI_FUNCTION_MASK=7,
        PCI_ID=0x00, PCI_COMMAND=0x04, PCI_CLASS=0x08, PCI_HEADER=0x0C, PCI_BAR_0=0x10, PCI_BAR_4=0x20,
        PCI_BUS_NUMBERS=0x18, PCI_INTERRUPT=0x3C,
        PCI_COMMAND_IO=1, PCI_COMMAND_MEMORY=2, PCI_COMMAND_MASTER=4, PCI_COMMAND_NO_INTERRUPT=1 << 10,
        PCI_HEADER_KIND=0x7F << 16, PCI_HEADER_BRIDGE=1 << 16, PCI_HEADER_MANY=1 << 23,
        PCI_BARS_END=0x28, PCI_BAR_IO=1, PCI_BAR_NO_ADDRESS_IO=3, PCI_BAR_WIDE=4, PCI_BAR_IO_MASK=0xFFFC,
        PCI_BAR_MEMORY_MASK=0xFFFFFFF0,
        PCI_CLASS_MASK=0xFFFF0000, PCI_CLASS_IDE=0x01010000,
    ),
    *_group(
        "8259 interrupt controllers", "Intel 8259A datasheet, Intel 82371SB (PIIX3) datasheet",
        PIC_INPUTS=16, PIC_CASCADE=2, PIC_READ_SERVICE=0x0B, PIC_EOI_OF_INPUT=0x60, PIC_TRIGGERS=0x4D0,
    ),
    *_group("local APIC, for the 8259s", "Intel SDM volume 3", APIC_LVT_EXTERNAL=0x700),
    *_group(
        "virtio registers", VIRTIO,
        VIRTIO_DEVICE_FEATURES=0, VIRTIO_DRIVER_FEATURES=4, VIRTIO_QUEUE_ADDRESS=8, VIRTIO_QUEUE_SIZE=12,
        VIRTIO_QUEUE_SELECT=14, VIRTIO_QUEUE_NOTIFY=16, VIRTIO_STATUS=18, VIRTIO_INTERRUPT=19, VIRTIO_CONFIGURATION=20,
        VIRTIO_ACKNOWLEDGE=1, VIRTIO_DRIVER=2, VIRTIO_DRIVER_OK=4, VIRTIO_FAILED=128,
        VIRTIO_ID_NET=0x10001AF4, VIRTIO_ID_BLOCK=0x10011AF4,
        VIRTIO_INTERRUPT_QUEUE=1,
        VIRTIO_BLK_SEG_MAX=1 << 2, VIRTIO_BLK_RO=1 << 5, VIRTIO_BLK_FLUSH=1 << 9, VIRTIO_BLK_IN=0, VIRTIO_BLK_OUT=1,
        VIRTIO_BLK_T_FLUSH=4, VIRTIO_BLK_GET_ID=8, VIRTIO_BLK_ID_BYTES=20, VIRTIO_BLK_CAPACITY=0,
        VIRTIO_BLK_SEGMENTS=12, VIRTIO_SLOT_HEAD_BYTES=16,
        VIRTQ_NEXT=1, VIRTQ_WRITE=2, VIRTQ_NO_NOTIFY=1, VIRTQ_USED_ALIGN=4096,
    ),
    *_group(
        "devices of the hypervisor", OURS,
        DEVICE_WINDOW=0xFD801000, DEVICE_WINDOW_END=0xFDA00000, VIRTQUEUE_LARGEST=1024, OWN_FUNCTIONS=32,
        VIRTIO_SLOTS=32, OWN_RANGES=64,
    ),
)
