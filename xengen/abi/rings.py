"""Shared pages of an ordinary domain (ABI 11.1 to 11.4, 11.7): console, xenstore, and what all device rings share.

Invariants
  - Counters run freely through 32 bits; a slot is a counter modulo the power of two that is the ring's size.
  - Each counter has one writer: the producer or the consumer that it is named after.
"""

from __future__ import annotations

from ctypes import c_char, c_uint8, c_uint32

from xengen.abi.structure import AbiStructure, Constant, Declaration, constants, declare


class XenconsInterface(AbiStructure):
    """The console page: `in` is from backend to guest."""

    _fields_ = (
        ("in_", c_char * 1024),
        ("out", c_char * 2048),
        ("in_cons", c_uint32),
        ("in_prod", c_uint32),
        ("out_cons", c_uint32),
        ("out_prod", c_uint32),
    )


class XenstoreDomainInterface(AbiStructure):
    """The xenstore page: a byte stream each way."""

    _fields_ = (
        ("req", c_char * 1024),
        ("rsp", c_char * 1024),
        ("req_cons", c_uint32),
        ("req_prod", c_uint32),
        ("rsp_cons", c_uint32),
        ("rsp_prod", c_uint32),
        ("server_features", c_uint32),
        ("connection", c_uint32),
        ("error", c_uint32),
    )


class XsdSockmsg(AbiStructure):
    """The head of each xenstore message; `len` bytes of payload follow."""

    _fields_ = (("type", c_uint32), ("req_id", c_uint32), ("tx_id", c_uint32), ("len", c_uint32))


class SringHeader(AbiStructure):
    """The head of a shared device ring, 64 bytes; the entries follow."""

    _fields_ = (
        ("req_prod", c_uint32),
        ("req_event", c_uint32),
        ("rsp_prod", c_uint32),
        ("rsp_event", c_uint32),
        ("pvt", c_uint32),
        ("_pad", c_uint8 * 44),
    )


def ring_entries(entry_size: int, page_size: int = 4096) -> int:
    """How many entries of `entry_size` bytes a ring of one page has: the largest power of two (ABI 11.4)."""
    return 1 << ((page_size - 64) // entry_size).bit_length() - 1


STRUCTURES: tuple[Declaration, ...] = (
    declare("xencons_interface", XenconsInterface, "ABI 11.1"),
    declare("xenstore_domain_interface", XenstoreDomainInterface, "ABI 11.2"),
    declare("xsd_sockmsg", XsdSockmsg, "ABI 11.3"),
    declare("sring_header", SringHeader, "ABI 11.4"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants("console_io commands", "ABI 10.6", CONSOLEIO_write=0, CONSOLEIO_read=1),
    *constants(
        "xenstore messages", "ABI 11.3",
        XS_CONTROL=0, XS_DIRECTORY=1, XS_READ=2, XS_GET_PERMS=3, XS_WATCH=4, XS_UNWATCH=5, XS_TRANSACTION_START=6,
        XS_TRANSACTION_END=7, XS_INTRODUCE=8, XS_RELEASE=9, XS_GET_DOMAIN_PATH=10, XS_WRITE=11, XS_MKDIR=12, XS_RM=13,
        XS_SET_PERMS=14, XS_WATCH_EVENT=15, XS_ERROR=16, XS_IS_DOMAIN_INTRODUCED=17, XS_RESUME=18, XS_SET_TARGET=19,
        XS_RESET_WATCHES=21, XS_DIRECTORY_PART=22, XS_INVALID=0xFFFF,
    ),
    *constants(
        "xenstore limits", "ABI 11.3",
        XENSTORE_PAYLOAD_MAX=4096, XENSTORE_ABS_PATH_MAX=3072, XENSTORE_REL_PATH_MAX=2048,
    ),
    *constants(
        "xenstore page", "ABI 11.2",
        XENSTORE_SERVER_FEATURE_RECONNECTION=1, XENSTORE_SERVER_FEATURE_ERROR=2, XENSTORE_CONNECTED=0,
        XENSTORE_RECONNECT=1,
    ),
    *constants(
        "xenbus states", "ABI 11.7",
        XenbusStateUnknown=0, XenbusStateInitialising=1, XenbusStateInitWait=2, XenbusStateInitialised=3,
        XenbusStateConnected=4, XenbusStateClosing=5, XenbusStateClosed=6, XenbusStateReconfiguring=7,
        XenbusStateReconfigured=8,
    ),
)
