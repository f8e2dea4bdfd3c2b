"""Control of the machine by domain 0 (ABI 10.11): platform_op, of which only the wall clock is there.

Invariants
  - Sizes are those of what settime has; the public structure is longer, for other operations.
"""

from __future__ import annotations

from ctypes import c_uint32, c_uint64

from xengen.abi.structure import AbiStructure, Constant, Declaration, constants, declare


class XenPlatformOp(AbiStructure):
    """XENPF_settime: at `system_time` ns it is `secs` and `nsecs` after the beginning of 1970."""

    _fields_ = (
        ("cmd", c_uint32),
        ("interface_version", c_uint32),
        ("secs", c_uint32),
        ("nsecs", c_uint32),
        ("system_time", c_uint64),
    )


STRUCTURES: tuple[Declaration, ...] = (declare("xen_platform_op", XenPlatformOp, "ABI 10.11"),)

CONSTANTS: tuple[Constant, ...] = (
    *constants("platform_op commands", "ABI 10.11", XENPF_settime=17, XENPF_INTERFACE_VERSION=0x03000000),
)
