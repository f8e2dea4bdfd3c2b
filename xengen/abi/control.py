"""Control of domains and of the hypervisor by domain 0: the hypercalls domctl and sysctl, in a form of our own.

The public layouts change with every release of Xen, and only its own tools use them (ABI 10.10). Commands that mean the
same have the public number; those that the public interface has not begin at 0x1000.

Invariants
  - Both calls take one structure: command, version of the interface, domain (domctl), and the command's own part.
  - A text that goes in is an address and a length; one that comes out is in the structure, or in a buffer of the
    caller's, and ends with NUL.
  - Memory is counted in pages of 4096 bytes, time in ns.
"""

from __future__ import annotations

from ctypes import c_char, c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.sched import SchedBvtDomain, SchedBvtGlobal
from xengen.abi.structure import AbiStructure, AbiUnion, Constant, Declaration

CONTROL = "xengen"


class DomctlCreate(AbiStructure):
    """DOMCTL_create: a domain without memory, paused. Domain 0 in the head: any free number; it is there afterwards.

    flags: DOMCTL_CREATE_*. max_pages: the most that it may have, 0: what the build gives it. name: up to 31 characters.
    """

    _fields_ = (("flags", c_uint32), ("max_pages", c_uint32), ("handle", c_uint8 * 16), ("name", c_char * 32))


class DomctlBuild(AbiStructure):
    """DOMCTL_build: memory, and in it a kernel from an image, as the boot does it for its modules.

    image, initrd: numbers of images (SYSCTL_image_info); initrd may be IMAGE_NONE. command_line, command_line_bytes:
    the guest's text without its NUL. reason, reason_bytes: where the sentence goes that says why it was refused.
    """

    _fields_ = (
        ("image", c_uint32),
        ("initrd", c_uint32),
        ("pages", c_uint32),
        ("command_line", c_uint32),
        ("command_line_bytes", c_uint32),
        ("reason", c_uint32),
        ("reason_bytes", c_uint32),
    )


class DomctlMaxMem(AbiStructure):
    """DOMCTL_max_mem: the most pages that the domain may have."""

    _fields_ = (("max_pages", c_uint32),)


class DomctlInfo(AbiStructure):
    """DOMCTL_info: the first domain whose number is not below the one asked for.

    flags: DOMINF_*, with the reason of a shutdown in bits 16 to 23. run_time: ns in each run state (RUNSTATE_*), up to
    now; the first is the CPU time. store_*, console_*: its page and its port, 0 for domain 0. upcalls: events
    delivered. hypercalls: how many it made. pauses: how often it is paused. reason: of a death, else empty.
    """

    _fields_ = (
        ("domain", c_uint32),
        ("flags", c_uint32),
        ("pages", c_uint32),
        ("max_pages", c_uint32),
        ("shared_info_mfn", c_uint32),
        ("pauses", c_uint32),
        ("run_time", c_uint64 * 4),
        ("upcalls", c_uint32),
        ("hypercalls", c_uint32),
        ("store_mfn", c_uint32),
        ("store_port", c_uint32),
        ("console_mfn", c_uint32),
        ("console_port", c_uint32),
        ("handle", c_uint8 * 16),
        ("name", c_char * 32),
        ("reason", c_char * 64),
    )


class DomctlHypercalls(AbiStructure):
    """DOMCTL_hypercalls: how often the domain made each hypercall: `count` words, by number, to `buffer`."""

    _fields_ = (("buffer", c_uint32), ("count", c_uint32))


class DomctlScheduler(AbiStructure):
    """DOMCTL_scheduler: puts (SCHEDULER_put) or gets (SCHEDULER_get) a domain's BVT parameters.

    scheduler: 0, BVT. Times in ms when they are put, in ns when they are got (ABI 12.5).
    """

    _fields_ = (("scheduler", c_uint32), ("direction", c_uint32), ("bvt", SchedBvtDomain))


class DomctlArgument(AbiUnion):
    """The command's part of a DOMCTL."""

    _fields_ = (
        ("create", DomctlCreate),
        ("build", DomctlBuild),
        ("max_mem", DomctlMaxMem),
        ("info", DomctlInfo),
        ("scheduler", DomctlScheduler),
        ("hypercalls", DomctlHypercalls),
    )


class Domctl(AbiStructure):
    """The argument of the hypercall domctl."""

    _fields_ = (
        ("cmd", c_uint32),
        ("interface_version", c_uint32),
        ("domain", c_uint16),
        ("_pad", c_uint16),
        ("u", DomctlArgument),
    )


class SysctlPhysinfo(AbiStructure):
    """SYSCTL_physinfo: pages of the machine, free ones, those of the hypervisor's heap; domains; speed of the TSC."""

    _fields_ = (
        ("total_pages", c_uint32),
        ("free_pages", c_uint32),
        ("heap_pages", c_uint32),
        ("domains", c_uint32),
        ("tsc_khz", c_uint32),
    )


class SysctlDomains(AbiStructure):
    """SYSCTL_domains: DOMCTL_INFO of the domains from number `first` on, up to `count` of them; `count`: how many."""

    _fields_ = (("first", c_uint32), ("count", c_uint32), ("buffer", c_uint32))


class SysctlImage(AbiStructure):
    """One image: an ELF kernel or an initrd in the hypervisor's memory, that domains can be built from.

    image_info: the first whose number is not below `image`; -ENOENT: there is none. image_add: room for one of `bytes`
    bytes, all zero; its number. flags: IMAGE_*. name: up to 63 characters.
    """

    _fields_ = (("image", c_uint32), ("flags", c_uint32), ("bytes", c_uint32), ("name", c_char * 64))


class SysctlImageWrite(AbiStructure):
    """SYSCTL_image_write: `bytes` bytes at `buffer` become those of the image from `offset` on."""

    _fields_ = (("image", c_uint32), ("offset", c_uint32), ("buffer", c_uint32), ("bytes", c_uint32))


class SysctlScheduler(AbiStructure):
    """SYSCTL_scheduler: puts (SCHEDULER_put) or gets (SCHEDULER_get) what all domains share: BVT's allowance in ns."""

    _fields_ = (("direction", c_uint32), ("bvt", SchedBvtGlobal))


class SysctlArgument(AbiUnion):
    """The command's part of a SYSCTL."""

    _fields_ = (
        ("physinfo", SysctlPhysinfo),
        ("domains", SysctlDomains),
        ("image", SysctlImage),
        ("image_write", SysctlImageWrite),
        ("scheduler", SysctlScheduler),
    )


class Sysctl(AbiStructure):
    """The argument of the hypercall sysctl."""

    _fields_ = (("cmd", c_uint32), ("interface_version", c_uint32), ("u", SysctlArgument))


class ControlCall(AbiStructure):
    """How one of the two hypercalls is carried out (control/call.s).

    number: its own. argument, bytes: where a copy of its structure is, and its size. commands: pairs (command,
    routine). goes_back: whether the structure goes back to the guest with each piece of a long command.
    """

    _fields_ = (
        ("number", c_uint32),
        ("argument", c_uint32),
        ("bytes", c_uint32),
        ("commands", c_uint32),
        ("goes_back", c_uint32),
    )


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("CONTROL_CALL", "control_call", ControlCall, CONTROL),
    Declaration("DOMCTL", "domctl", Domctl, CONTROL),
    Declaration("DOMCTL_INFO", "domctl_info", DomctlInfo, CONTROL),
    Declaration("SYSCTL", "sysctl", Sysctl, CONTROL),
)


def _group(group: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, CONTROL) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group("control of domain 0", CONTROL_VERSION=0x58000001),
    *_group(
        "commands of domctl",
        DOMCTL_create=1, DOMCTL_destroy=2, DOMCTL_pause=3, DOMCTL_unpause=4, DOMCTL_info=5, DOMCTL_max_mem=11,
        DOMCTL_scheduler=16, DOMCTL_resume=27,
        DOMCTL_build=0x1000, DOMCTL_hypercalls=0x1001,
    ),
    *_group(
        "commands of sysctl",
        SYSCTL_physinfo=3, SYSCTL_domains=6,
        SYSCTL_image_info=0x1000, SYSCTL_image_add=0x1001, SYSCTL_image_write=0x1002, SYSCTL_image_remove=0x1003,
        SYSCTL_scheduler=0x1004,
    ),
    *_group(
        "a domain's state",
        DOMINF_dying=1, DOMINF_shutdown=4, DOMINF_paused=8, DOMINF_blocked=16, DOMINF_running=32, DOMINF_crashed=64,
        DOMINF_unbuilt=128, DOMINF_shutdown_shift=16,
    ),
    *_group("directions of scheduler commands", SCHEDULER_put=0, SCHEDULER_get=1),
    *_group("flags of a new domain", DOMCTL_CREATE_preserve=1),
    *_group("images", IMAGE_NONE=0xFFFFFFFF, IMAGE_BOOT=1, IMAGE_UPLOADED=2, IMAGE_UNFINISHED=4, MAX_IMAGES=32),
)  # fmt: skip
