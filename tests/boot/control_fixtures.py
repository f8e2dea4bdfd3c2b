"""Fixtures that give a test a domain 0 with control of its machine, and images to build domains from.

Invariants
  - Every test begins with domain 0 alone, and the images AGENT, SPIN and HELLO, which were boot modules.
  - After every test all other domains are destroyed and uploaded images removed; then as much memory must be free as
    before, and the checker must find nothing wrong: else the test has an error, and the next one gets a new machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.boot.harness import BOOTER, Booter, Images
from xengen.abi.control import Domctl, DomctlInfo
from xengen.agent.agent import Agent
from xengen.agent.names import value
from xengen.agent.outcome import EVENT, Fault, Result
from xengen.control.calls import Control, Image
from xengen.control.reach import Near
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Machine
from xengen.machine.spec import MIB, Module

NAMES = ("agent", "spin", "hello")
STATES = ("dying", "shutdown", "paused", "blocked", "running", "crashed", "unbuilt")


@dataclass(frozen=True)
class Toolstack:
    """Domain 0's agent, its control calls, and the boot modules that were kept, by their guests' names."""

    agent: Agent
    control: Control
    images: dict[str, Image]

    @property
    def machine(self) -> Machine:
        """The machine."""
        return self.agent.machine

    @property
    def free_pages(self) -> int:
        """How many frames are free, by the hypervisor's own count."""
        return hypervisor_of(self.machine).word("free_frames")

    def domctl(self, command: str, domain: int, **fields: object) -> tuple[Result, Domctl]:
        """Make the hypercall; fields are those of the command's part. Return its result and what it answered."""
        argument = Domctl(value(f"DOMCTL_{command}"), value("CONTROL_VERSION"), domain)
        for name, given in fields.items():
            setattr(getattr(argument.u, command), name, given)
        return self.agent.hypercall("domctl", argument), argument

    def created(self, number: int = 0, **fields: object) -> int:
        """Create a domain, of that number or any, and return its number."""
        result, answer = self.domctl("create", number, **fields)
        assert result == 0
        return int(answer.domain)

    def built(self, guest: str = "spin", pages: int = 1024, command_line: str = "") -> int:
        """Create a domain, build `guest` in it, and return its number; it is paused, and preserved when it ends."""
        domain = self.created(flags=value("DOMCTL_CREATE_preserve"))
        self.control.build(domain, self.images[guest], pages, command_line)
        return domain

    def about(self, domain: int) -> DomctlInfo:
        """Return what is known of a domain."""
        result, answer = self.domctl("info", domain)
        assert (result, answer.domain) == (0, domain)
        return DomctlInfo.from_buffer_copy(answer.u.info)

    def state(self, domain: int) -> set[str]:
        """Return the names of a domain's states."""
        flags = self.about(domain).flags
        return {name for name in STATES if flags & value(f"DOMINF_{name}")}

    def numbers(self) -> list[int]:
        """Return the numbers of all domains."""
        return [int(info.domain) for info in self.control.domains()]


def begin_build(toolstack: Toolstack, domain: int, pages: int = 1024) -> None:
    """Begin a build, or go on with it, to its next pause: an event comes there, and its handler does not go back."""
    agent = toolstack.agent
    argument = Domctl(value("DOMCTL_build"), value("CONTROL_VERSION"), domain)
    build = argument.u.build
    build.image, build.initrd, build.pages = toolstack.images["spin"].number, value("IMAGE_NONE"), pages
    info = agent.address("agent_shared_info")
    with agent.action(EVENT, value("AGENT_ABORT")):
        outcome = agent.ring1(
            f"movb $1, {info}\nmovb $0, {info + 1}\nint $0x82",
            eax=value("HYPERCALL_domctl"), ebx=agent.put(argument),
        )  # fmt: skip
    assert isinstance(outcome, Fault)
    assert outcome.vector == EVENT
    agent.shared_info.vcpu_info[0].evtchn_upcall_pending = 0
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 0


class ControlHost:
    """A machine with the agent as domain 0, made when it is first asked for."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self.booter = Booter(images)
        self._toolstack: Toolstack | None = None
        self._free = 0

    def toolstack(self) -> Toolstack:
        """Return the toolstack; a new machine's when there is none that works."""
        if self._toolstack is None:
            modules = [Module(self._images.guest(name), "--image") for name in NAMES]
            machine = self.booter("agent", *modules, append="dom0_mem=16M", memory=96 * MIB, trace=False)
            agent = Agent(machine, alone=True)
            control = Control(Near(agent))
            images = {image.name.removesuffix(".elf"): image for image in control.images()}
            self._toolstack = Toolstack(agent, control, images)
            self._free = self._toolstack.free_pages + int(control.machine().heap_pages)
        return self._toolstack

    def settle(self) -> None:
        """Leave domain 0 alone, and have the checker look at the machine; raises when memory is not as it was."""
        toolstack, self._toolstack = self._toolstack, None
        if toolstack is None:
            return
        try:
            self._settle(toolstack)
        except BaseException:
            toolstack.agent.close()
            raise
        self._toolstack = toolstack

    def _settle(self, toolstack: Toolstack) -> None:
        toolstack.agent.reset()
        for number in toolstack.numbers()[1:]:
            # One that has ended may go by itself meanwhile.
            assert toolstack.domctl("destroy", number)[0] in (0, -value("ESRCH"))
        for image in list(toolstack.control.images())[len(NAMES) :]:
            toolstack.control.remove_image(image)
        violations = check_machine(toolstack.machine)
        assert violations == [], "\n".join(str(violation) for violation in violations)
        # What the heap has grown by is the hypervisor's for good.
        assert toolstack.free_pages + int(toolstack.control.machine().heap_pages) == self._free

    def close(self) -> None:
        """End the machine."""
        if self._toolstack is not None:
            self._toolstack.agent.close()
        self.booter.close()


@pytest.fixture(scope="module")
def control_host(images: Images) -> Iterator[ControlHost]:
    """The machine that `toolstack` is on."""
    host = ControlHost(images)
    yield host
    host.close()


@pytest.fixture
def toolstack(request: pytest.FixtureRequest, control_host: ControlHost) -> Iterator[Toolstack]:
    """Domain 0 in control of a machine that it has for itself."""
    request.node.stash[BOOTER] = control_host.booter
    yield control_host.toolstack()
    control_host.settle()
