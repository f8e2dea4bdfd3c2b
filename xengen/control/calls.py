"""Domain 0's control hypercalls as Python calls: each is made by the agent, and its error is an exception.

Invariants
  - Only `domctl` and `sysctl` with the structures of xengen/abi/control.py go out; nothing is read from memory here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xengen.abi.control import Domctl, DomctlInfo, Sysctl, SysctlPhysinfo
from xengen.abi.errno import errno_name
from xengen.abi.hypercalls import HYPERCALLS
from xengen.abi.symbols import assembler_symbols
from xengen.control.reach import Reach
from xengen.errors import UserError

_VALUES = assembler_symbols()
_NUMBERS = _VALUES["NR_HYPERCALLS"]
VERSION = _VALUES["CONTROL_VERSION"]
UPLOAD_PIECE = 32 << 10
WEIGHT_UNIT = 10_000
"""A domain of weight w is charged WEIGHT_UNIT / w for each MCU that it runs."""
MCU_MS = 0.1
NS_PER_MS = 1_000_000
REASON_BYTES = 128

_SENTENCES = {
    "ENOMEM": "the host has not enough memory",
    "ESRCH": "there is no such domain",
    "EBUSY": "the host is busy with another domain",
    "ENOSPC": "the host has no room for another",
}


class Refused(UserError):
    """The hypervisor has refused a call; `name` is the error's name."""

    def __init__(self, what: str, name: str, reason: str = "") -> None:
        super().__init__(f"{what}: {reason or _SENTENCES.get(name, name)}")
        self.name = name


@dataclass(frozen=True)
class Image:
    """A kernel or initrd that the hypervisor keeps."""

    number: int
    name: str
    size: int


@dataclass(frozen=True)
class Scheduling:
    """How a domain shares the processor (ABI 12).

    weight: its share, relative to others'. warp_ms: how far it runs ahead of them when it wakes, in ms of its own
    running; 0: not at all. warp_limit_ms: the longest that it runs so, 0: no limit; unwarp_ms: the pause after that.
    """

    weight: int
    warp_ms: float = 0.0
    warp_limit_ms: float = 0.0
    unwarp_ms: float = 0.0


@dataclass(frozen=True)
class Control:
    """The control hypercalls, made by the agent at the other end of `reach`."""

    reach: Reach

    # Domains.

    def create(self, name: str, handle: bytes, max_pages: int) -> int:
        """Make a domain without memory, paused, and return its number. It is kept when it dies, until `destroy`."""
        argument = self._domctl("create", 0)
        argument.u.create.flags = _VALUES["DOMCTL_CREATE_preserve"]
        argument.u.create.max_pages = max_pages
        argument.u.create.handle[:] = list(handle)
        argument.u.create.name = name.encode()
        self._do("domctl", argument, f"cannot create {name}")
        return int(argument.domain)

    def build(self, domain: int, image: Image, pages: int, command_line: str, initrd: Image | None = None) -> None:
        """Give the domain memory, and in it the kernel, as the boot does for its modules; Refused with the reason."""
        text = command_line.encode()
        reason = self.reach.put(bytes(REASON_BYTES))
        argument = self._domctl("build", domain)
        build = argument.u.build
        build.image, build.pages = image.number, pages
        build.initrd = _VALUES["IMAGE_NONE"] if initrd is None else initrd.number
        build.command_line, build.command_line_bytes = self.reach.put(text + b"\0"), len(text)
        build.reason, build.reason_bytes = reason, REASON_BYTES
        result = self.reach.hypercall("domctl", argument)
        if result < 0:
            said = self.reach.read(reason, REASON_BYTES).split(b"\0")[0].decode("ascii", "replace")
            raise Refused(f"{image.name} cannot be started", _name(result), said)

    def pause(self, domain: int) -> None:
        """Stop a domain; pauses are counted."""
        self._simple("pause", domain)

    def unpause(self, domain: int) -> None:
        """Take back a pause."""
        self._simple("unpause", domain)

    def destroy(self, domain: int) -> None:
        """End a domain, whatever its state."""
        self._simple("destroy", domain)

    def set_max_pages(self, domain: int, pages: int) -> None:
        """Set the most pages that a domain may have."""
        argument = self._domctl("max_mem", domain)
        argument.u.max_mem.max_pages = pages
        self._do("domctl", argument, f"cannot limit domain {domain}")

    def scheduling(self, domain: int) -> Scheduling:
        """Return how a domain shares the processor."""
        argument = self._domctl("scheduler", domain)
        argument.u.scheduler.direction = _VALUES["SCHEDULER_get"]
        self._do("domctl", argument, f"cannot ask for the share of domain {domain}")
        bvt = argument.u.scheduler.bvt
        warp = bvt.warpvalue * MCU_MS / bvt.mcu_adv if bvt.warpback else 0.0
        return Scheduling(round(WEIGHT_UNIT / bvt.mcu_adv), warp, bvt.warpl / NS_PER_MS, bvt.warpu / NS_PER_MS)

    def schedule(self, domain: int, wanted: Scheduling) -> None:
        """Set how a domain shares the processor."""
        if not 1 <= wanted.weight <= WEIGHT_UNIT:
            raise UserError(f"a weight is a number from 1 to {WEIGHT_UNIT}, not {wanted.weight}")
        argument = self._domctl("scheduler", domain)
        argument.u.scheduler.direction = _VALUES["SCHEDULER_put"]
        bvt = argument.u.scheduler.bvt
        bvt.mcu_adv = round(WEIGHT_UNIT / wanted.weight)
        bvt.warpback = int(wanted.warp_ms > 0)
        bvt.warpvalue = round(wanted.warp_ms / MCU_MS * bvt.mcu_adv)
        bvt.warpl, bvt.warpu = round(wanted.warp_limit_ms), round(wanted.unwarp_ms)
        self._do("domctl", argument, f"cannot set the share of domain {domain}")

    def hypercall_counts(self, domain: int) -> dict[str, int]:
        """Return how often a domain made each hypercall, by name; without those that it never made."""
        buffer = self.reach.put(bytes(4 * _NUMBERS))
        argument = self._domctl("hypercalls", domain)
        argument.u.hypercalls.buffer, argument.u.hypercalls.count = buffer, _NUMBERS
        self._do("domctl", argument, f"cannot ask for the hypercalls of domain {domain}")
        counts = memoryview(self.reach.read(buffer, 4 * _NUMBERS)).cast("I")
        names = {call.number: call.name for call in HYPERCALLS}
        return {names.get(number, f"number {number}"): count for number, count in enumerate(counts) if count}

    def domains(self) -> Iterator[DomctlInfo]:
        """Yield what is known of each domain, in the order of their numbers."""
        number = 0
        while True:
            argument = self._domctl("info", number)
            if self.reach.hypercall("domctl", argument) < 0:
                return
            info = DomctlInfo.from_buffer_copy(argument.u.info)
            yield info
            number = info.domain + 1

    # The machine.

    def machine(self) -> SysctlPhysinfo:
        """Return what is known of the machine."""
        argument = self._sysctl("physinfo")
        self._do("sysctl", argument, "cannot ask for the machine")
        return SysctlPhysinfo.from_buffer_copy(argument.u.physinfo)

    def images(self) -> Iterator[Image]:
        """Yield the images that the hypervisor keeps."""
        number = 0
        while True:
            argument = self._sysctl("image_info")
            argument.u.image.image = number
            if self.reach.hypercall("sysctl", argument) < 0:
                return
            image = argument.u.image
            yield Image(int(image.image), image.name.decode("ascii", "replace"), int(image.bytes))
            number = image.image + 1

    def add_image(self, name: str, size: int) -> Image:
        """Make room for an image."""
        argument = self._sysctl("image_add")
        argument.u.image.bytes, argument.u.image.name = size, name.encode()[:63]
        self._do("sysctl", argument, f"cannot upload {name}")
        return Image(int(argument.u.image.image), name, size)

    def write_image(self, image: Image, offset: int, data: bytes) -> None:
        """Store a piece of an image, UPLOAD_PIECE bytes at the most."""
        argument = self._sysctl("image_write")
        write = argument.u.image_write
        write.image, write.offset, write.bytes = image.number, offset, len(data)
        write.buffer = self.reach.put(data)
        self._do("sysctl", argument, f"cannot upload {image.name}")

    def remove_image(self, image: Image) -> None:
        """Give an image's memory back."""
        argument = self._sysctl("image_remove")
        argument.u.image.image = image.number
        self._do("sysctl", argument, f"cannot remove {image.name}")

    # How it is done.

    def _simple(self, command: str, domain: int) -> None:
        self._do("domctl", self._domctl(command, domain), f"cannot {command} domain {domain}")

    def _domctl(self, command: str, domain: int) -> Domctl:
        return Domctl(cmd=_VALUES[f"DOMCTL_{command}"], interface_version=VERSION, domain=domain)

    def _sysctl(self, command: str) -> Sysctl:
        return Sysctl(cmd=_VALUES[f"SYSCTL_{command}"], interface_version=VERSION)

    def _do(self, call: str, argument: Domctl | Sysctl, what: str) -> None:
        result = self.reach.hypercall(call, argument)
        if result < 0:
            raise Refused(what, _name(result))


def _name(result: int) -> str:
    return errno_name(result) if result < 0 else ""
