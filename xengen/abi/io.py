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
    port in the domain, 0 when none is bound. state: IO_STATE_*. reason: IO_REASON_*, why it was shut. flags: IO_GOING.
    in_flight: requests that hold something, so that it cannot go. queued: whether it is in its kind's IO_QUEUE, and
    next: what is behind it there. events: how often the domain was notified; kicks: how often it notified us.
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
        ("flags", c_uint32),
        ("in_flight", c_uint32),
        ("queued", c_uint32),
        ("next", c_uint32),
        ("events", c_uint32),
        ("kicks", c_uint32),
    ]


class IoQueue(LittleEndianStructure):
    """The devices of a kind that have work, in the order of their turns: the first and the last, or 0."""

    _pack_ = 4
    _fields_ = [("first", c_uint32), ("last", c_uint32)]


class IoRing(LittleEndianStructure):
    """A ring page of a domain's, held by a use of its grant `ref`. mfn: 0 when there is none.

    req_cons, rsp_prod: our private counters, which nobody else sees; pushed: the rsp_prod that the domain sees.
    """

    _pack_ = 4
    _fields_ = [
        ("mfn", c_uint32),
        ("ref", c_uint32),
        ("req_cons", c_uint32),
        ("rsp_prod", c_uint32),
        ("pushed", c_uint32),
    ]


class IoKind(LittleEndianStructure):
    """What differs between kinds of devices. settle: nothing is in flight, the rings go; free: so does the block."""

    _pack_ = 4
    _fields_ = [("settle", c_uint32), ("free", c_uint32)]


class IoCommand(LittleEndianStructure):
    """A command of io_op: its number, the bytes of its argument, its routine, and IO_NEEDS_DOMAIN, IO_ANSWERS.

    kind: of the device that it is about, or 0.
    """

    _pack_ = 4
    _fields_ = [
        ("cmd", c_uint32),
        ("bytes", c_uint32),
        ("routine", c_uint32),
        ("flags", c_uint32),
        ("kind", c_uint32),
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
    Declaration("IO_QUEUE", "io_queue", IoQueue, OURS),
    Declaration("IO_RING", "io_ring", IoRing, OURS),
    Declaration("IO_KIND", "io_kind", IoKind, OURS),
    Declaration("IO_COMMAND", "io_command", IoCommand, OURS),
    Declaration("IO_OP", "io_op", IoOp, OURS),
)


def _group(group: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, OURS) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "virtual devices",
        IO_DEVICES=256, IO_VBD=1, IO_VIF=2, IO_KINDS=2, IO_GOING=1, IO_PAUSE_NS=10_000,
    ),
    *_group(
        "states of virtual devices",
        IO_STATE_CREATED=0, IO_STATE_CONNECTED=1, IO_STATE_SHUT=2,
    ),
    *_group(
        "why a virtual device was shut",
        IO_REASON_NONE=0, IO_REASON_DISCONNECTED=1, IO_REASON_PORT_CLOSED=2, IO_REASON_DOMAIN_ENDED=3,
        IO_REASON_PRODUCER=4,
    ),
    *_group(
        "io_op",
        HYPERCALL_io_op=55, IO_VERSION=1, IO_ARGUMENT_BYTES=256, IO_NEEDS_DOMAIN=1, IO_ANSWERS=2,
        WORK_OF_AN_IO_OP=64,
    ),
)
