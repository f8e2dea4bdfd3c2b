"""IDE disks behind a bus master (PIIX and what is like it), and what our driver keeps of them.

Invariants
  - A channel has up to two drives and does one request at a time.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint32

from xengen.abi.structure import Constant, Declaration

OURS = "xengen"
ATA = "ATA/ATAPI-6"
MASTER = "Programming Interface for Bus Master IDE Controller 1.0"


class IdeChannel(LittleEndianStructure):
    """A channel. One heap block. command, control, master: its ports. table, physical: the bus master's table.

    input: of the 8259s. first, last: the DISK_REQUESTs that it has, in their order; the first one is being done.
    """

    _pack_ = 4
    _fields_ = [
        ("command", c_uint32),
        ("control", c_uint32),
        ("master", c_uint32),
        ("input", c_uint32),
        ("table", c_uint32),
        ("physical", c_uint32),
        ("first", c_uint32),
        ("last", c_uint32),
    ]


class IdeDrive(LittleEndianStructure):
    """State of an IDE disk: the IDE_CHANNEL that it is at, and the byte that selects it there."""

    _pack_ = 4
    _fields_ = [("channel", c_uint32), ("select", c_uint32)]


class IdePiece(LittleEndianStructure):
    """A row of the bus master's table (physical region descriptor). bytes: 16 bits, and IDE_LAST_PIECE."""

    _pack_ = 4
    _fields_ = [("address", c_uint32), ("bytes", c_uint32)]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("IDE_CHANNEL", "ide_channel", IdeChannel, OURS),
    Declaration("IDE_DRIVE", "ide_drive", IdeDrive, OURS),
    Declaration("IDE_PIECE", "physical region descriptor", IdePiece, MASTER),
)


def _group(group: str, source: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, source) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "IDE registers", ATA,
        IDE_COUNT=2, IDE_SECTOR=3, IDE_SELECT=6, IDE_STATUS=7, IDE_PORTS=8, IDE_BUSY=0x80, IDE_FAULT=0x20,
        IDE_DATA_READY=8, IDE_ERROR=1, IDE_CONTROL_SILENT=2, IDE_CONTROL_RESET=4, IDE_SELECT_LBA=0xE0,
        IDE_SELECT_SECOND=0x10,
        IDE_IDENTIFY=0xEC, IDE_READ=0xC8, IDE_WRITE=0xCA, IDE_FLUSH=0xE7, IDE_READ_WIDE=0x25, IDE_WRITE_WIDE=0x35,
        IDE_FLUSH_WIDE=0xEA, IDE_WIDE_FROM=1 << 28,
    ),
    *_group(
        "what an IDE drive says of itself", ATA,
        IDENTIFY_BYTES=512, IDENTIFY_SERIAL=20, IDENTIFY_CAPABILITIES=98, IDENTIFY_SECTORS=120, IDENTIFY_COMMANDS=166,
        IDENTIFY_SECTORS_WIDE=200, IDENTIFY_DMA=1 << 8, IDENTIFY_LBA=1 << 9, IDENTIFY_WIDE=1 << 10,
        IDENTIFY_SERIAL_BYTES=20,
    ),
    *_group(
        "bus master", MASTER,
        IDE_MASTER_STATUS=2, IDE_MASTER_TABLE=4, IDE_MASTER_CHANNEL=8, IDE_MASTER_START=1,
        IDE_MASTER_TO_MEMORY=8, IDE_MASTER_ACTIVE=1, IDE_MASTER_ERROR=2, IDE_MASTER_INTERRUPT=4,
        IDE_LAST_PIECE=1 << 31, PCI_IDE_MASTER=1 << 15,
    ),
    *_group("IDE disks of the hypervisor", OURS, IDE_ROOM=8, IDE_LOOKS=1_000_000, IDE_SELECT_LOOKS=1000),
)
