"""Virtual devices: what a VBD and a VIF have in common, and the hypercall by which domain 0 decides about them.

Invariants
  - A VIRTUAL_DEVICE is the head of a VBD or a VIF; its index in io_devices is what a port that leads to it names.
  - The back end's part of the store's handshake is the toolstack's; ring and port reach the hypervisor by io_op.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint8, c_uint16, c_uint32

from xengen.abi.structure import Constant, Declaration

OURS = "xengen"


class VirtualDevice(LittleEndianStructure):
    """The head of a VBD or VIF. One heap block; `index` is where io_devices names it.

    kind: IO_VBD or IO_VIF. domain: the DOMAIN that it is for. handle: the number that the domain knows it by. port: its
    port in the domain, 0 when none is bound. state: IO_STATE_*. reason: IO_REASON_*, why it was shut. events: how often
    the domain was notified; kicks: how often it notified us.
    """

    _pack_ = 4
    _fields_ = [
        ("kind", c_uint32),
        ("index", c_uint32),
        ("domain", c_uint32),
        ("handle", c_uint32),
        ("port", c_uint32),
        ("state", c_uint32),
        ("reason", c_uint32),
        ("events", c_uint32),
        ("kicks", c_uint32),
    ]


class IoOp(LittleEndianStructure):
    """The argument of the hypercall io_op: command IO_OP_*, the domain and handle of the device that it is about.

    argument: the command's own structure, by its address; bytes: its size, which must be the one we know.
    """

    _pack_ = 4
    _fields_ = [
        ("cmd", c_uint32),
        ("interface_version", c_uint32),
        ("domain", c_uint16),
        ("_pad", c_uint8 * 2),
        ("handle", c_uint32),
        ("argument", c_uint32),
        ("bytes", c_uint32),
    ]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("VIRTUAL_DEVICE", "virtual_device", VirtualDevice, OURS),
    Declaration("IO_OP", "io_op", IoOp, OURS),
)


def _group(group: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, OURS) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group("kinds of virtual devices", IO_VBD=1, IO_VIF=2),
    *_group(
        "states of virtual devices",
        IO_STATE_CREATED=0, IO_STATE_CONNECTED=1, IO_STATE_SHUT=2,
    ),
    *_group("io_op", IO_VERSION=1),
)
