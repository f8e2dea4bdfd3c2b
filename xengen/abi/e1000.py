"""Intel's 82540EM, the network interface that emulators call e1000: its registers and descriptors.

Invariants
  - Names are the manual's, with E1000_ before them. Addresses in descriptors are physical, of 64 bits.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint8, c_uint16, c_uint32

from xengen.abi.structure import Constant, Declaration

SDM = "Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453)"


class E1000Rx(LittleEndianStructure):
    """A receive descriptor (section 3.2.3): where a packet may go, and what has come. status, errors: E1000_RX_*."""

    _pack_ = 4
    _fields_ = [
        ("address", c_uint32),
        ("address_high", c_uint32),
        ("bytes", c_uint16),
        ("checksum", c_uint16),
        ("status", c_uint8),
        ("errors", c_uint8),
        ("special", c_uint16),
    ]


class E1000Tx(LittleEndianStructure):
    """A legacy transmit descriptor (section 3.3.3).

    command: the length, and E1000_TX_* above it. status: E1000_TX_DD.
    """

    _pack_ = 4
    _fields_ = [
        ("address", c_uint32),
        ("address_high", c_uint32),
        ("command", c_uint32),
        ("status", c_uint32),
    ]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("E1000_RX", "receive descriptor", E1000Rx, SDM),
    Declaration("E1000_TX", "transmit descriptor", E1000Tx, SDM),
)


def _group(group: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, SDM) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "82540EM, registers",
        E1000_CTRL=0x0000, E1000_STATUS=0x0008, E1000_EERD=0x0014, E1000_FCAL=0x0028, E1000_FCAH=0x002C,
        E1000_FCT=0x0030, E1000_ICR=0x00C0, E1000_ICS=0x00C8, E1000_IMS=0x00D0, E1000_IMC=0x00D8, E1000_RCTL=0x0100,
        E1000_FCTTV=0x0170, E1000_TCTL=0x0400, E1000_TIPG=0x0410, E1000_RDBAL=0x2800, E1000_RDBAH=0x2804,
        E1000_RDLEN=0x2808, E1000_RDH=0x2810, E1000_RDT=0x2818, E1000_RDTR=0x2820, E1000_TDBAL=0x3800,
        E1000_TDBAH=0x3804, E1000_TDLEN=0x3808, E1000_TDH=0x3810, E1000_TDT=0x3818, E1000_TIDV=0x3820,
        E1000_MPC=0x4010, E1000_MTA=0x5200, E1000_RAL=0x5400, E1000_RAH=0x5404, E1000_REGISTERS=0x6000,
    ),
    *_group(
        "82540EM, bits of registers",
        E1000_CTRL_ASDE=1 << 5, E1000_CTRL_SLU=1 << 6, E1000_CTRL_RST=1 << 26, E1000_STATUS_LU=1 << 1,
        E1000_EERD_START=1, E1000_EERD_DONE=1 << 4, E1000_RAH_AV=1 << 31,
        E1000_INT_TXDW=1 << 0, E1000_INT_LSC=1 << 2, E1000_INT_RXDMT=1 << 4, E1000_INT_RXO=1 << 6,
        E1000_INT_RXT=1 << 7,
        E1000_RCTL_EN=1 << 1, E1000_RCTL_UPE=1 << 3, E1000_RCTL_MPE=1 << 4, E1000_RCTL_BAM=1 << 15,
        E1000_RCTL_SECRC=1 << 26, E1000_TCTL_EN=1 << 1, E1000_TCTL_PSP=1 << 3, E1000_TCTL_CT=15 << 4,
        E1000_TCTL_COLD=0x40 << 12, E1000_TIPG_COPPER=10 | 8 << 10 | 6 << 20,
    ),
    *_group(
        "82540EM, descriptors",
        E1000_RX_DD=1 << 0, E1000_RX_EOP=1 << 1, E1000_TX_EOP=1 << 24, E1000_TX_IFCS=1 << 25, E1000_TX_RS=1 << 27,
        E1000_TX_DD=1 << 0,
    ),
    *_group("82540EM, on PCI", E1000_PCI_ID=0x100E8086),
)
