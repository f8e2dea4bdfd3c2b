"""Booting a machine and watching its console until it ends: what `xengen run` does, as a function.

Invariants
  - Every way of ending becomes one `Outcome`; nothing is raised for what a machine does, only for a wrong request.
  - When several statuses would fit, what was asked for counts first (--until), then a panic, a domain 0
    that was refused, a guest's death, the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from xengen.cli.status import ExitStatus
from xengen.control.local import LOOK_SECONDS, LocalServices
from xengen.errors import UserError
from xengen.machine.console import WINDOW
from xengen.machine.machine import Ending, Machine
from xengen.machine.mixer import Mixer
from xengen.machine.postmortem import Hang, HypervisorPanic, MachineError, TripleFault
from xengen.machine.spec import MachineSpec
from xengen.machine.transcript import OTHER, DomainEnd, Piece, Transcript, domain_ends, no_domain_0, panic_reason


class Reason(Enum):
    """Why a run ended."""

    SHUTDOWN = "shutdown"
    REBOOT = "reboot"
    SEEN = "seen"
    REFUSED = "refused"
    GUEST_DIED = "guest-died"
    PANIC = "panic"
    TRIPLE_FAULT = "triple-fault"
    TIME_OUT = "time-out"
    QEMU_DIED = "qemu-died"


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `message` is one sentence; `report` the machine's last state where something went wrong.

    `domains` holds (number, exact console text); `ends` what the hypervisor said of domains' ends.
    """

    status: ExitStatus
    reason: Reason
    message: str
    seconds: float
    hypervisor: str
    other: str
    domains: tuple[tuple[int, str], ...]
    ends: tuple[DomainEnd, ...]
    report: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the object that --json prints."""
        return {
            "reason": self.reason.value,
            "exit_status": int(self.status),
            "message": self.message,
            "seconds": round(self.seconds, 3),
            "domains": {str(number): text for number, text in self.domains},
            "ends": [{"domain": end.domain, "reason": end.reason, "died": end.died} for end in self.ends],
            "hypervisor": self.hypervisor,
            "other": self.other,
            "report": self.report,
        }


@dataclass
class Watch:
    """Looks for a pattern in what comes: on the wire (with prefixes), and in each domain's own text."""

    expression: re.Pattern[str]
    wire: bytearray = field(default_factory=bytearray)

    def seen(self, fresh: bytes, transcript: Transcript) -> bool:
        """Return whether the pattern is in what is there now that `fresh` has come."""
        self.wire += fresh
        texts = [bytes(self.wire).replace(b"\r\n", b"\n"), *(transcript.raw(number) for number in transcript.domains)]
        tails = (text[-WINDOW - len(fresh) :].decode("utf-8", "backslashreplace") for text in texts)
        return any(self.expression.search(tail) for tail in tails)


def watch_for(pattern: str) -> Watch:
    """Return a watch for the regular expression `pattern` (MULTILINE); UserError when it is none."""
    try:
        return Watch(re.compile(pattern, re.MULTILINE))
    except re.error as error:
        raise UserError(f"--until {pattern!r} is not a regular expression: {error}") from error


def boot(
    spec: MachineSpec,
    show: Callable[[list[Piece]], None],
    *,
    watch: Watch | None = None,
    timeout: float | None = None,
    serve: bool = False,
) -> Outcome:
    """Boot `spec`, give its console to `show` piece by piece, and return how it ended.

    `watch` (from `watch_for`) ends the run when it has seen its pattern. `timeout` is in seconds of wall-clock time;
    None waits for ever. `serve`: domains beside domain 0 have a console and a store (xengen/control/local.py).
    """
    transcript = Transcript()
    failure: MachineError | None = None
    ending: Ending | None = None
    seen = False
    with Machine(spec) as machine:
        try:
            for fresh in _stream(machine, timeout, LocalServices(machine) if serve else None):
                show(transcript.feed(fresh))
                if watch is not None and watch.seen(fresh, transcript):
                    seen = True
                    break
            else:
                ending = machine.ending()
        except MachineError as error:
            failure = error
        seconds = machine.seconds
    show(transcript.finish())
    ends = domain_ends(transcript.hypervisor)
    status, reason, message = _verdict(transcript, ends, ending, failure, watch, seen)
    return Outcome(
        status,
        reason,
        message,
        seconds,
        transcript.hypervisor,
        transcript.text(OTHER),
        tuple((number, transcript.text(number)) for number in transcript.domains),
        ends,
        failure.report.render(console=False) if failure is not None else "",
    )


def _stream(machine: Machine, timeout: float | None, services: LocalServices | None) -> Iterator[bytes]:
    """Yield what is said, on COM1 and in the rings that `services` serves, until the machine has ended."""
    if services is None:
        yield from machine.console.follow(timeout)
        return
    mixer = Mixer()
    failure: MachineError | None = None
    try:
        for fresh in machine.console.follow(timeout, LOOK_SECONDS):
            # What a domain wrote comes before the news of its end.
            mixed = b"".join(mixer.ring(domain, text) for domain, text in services.look()) + mixer.wire(fresh)
            if mixed:
                yield mixed
    except MachineError as error:
        failure = error
    rest = b"".join(mixer.ring(domain, text) for domain, text in services.look()) + mixer.finish()
    if rest:
        yield rest
    if failure is not None:
        raise failure


def _verdict(
    transcript: Transcript,
    ends: tuple[DomainEnd, ...],
    ending: Ending | None,
    failure: MachineError | None,
    watch: Watch | None,
    seen: bool,
) -> tuple[ExitStatus, Reason, str]:
    pattern = watch.expression.pattern if watch is not None else None
    if seen:
        return ExitStatus.YES, Reason.SEEN, f"{pattern!r} was seen"
    if isinstance(failure, TripleFault):
        return ExitStatus.PANIC, Reason.TRIPLE_FAULT, failure.headline
    panic = panic_reason(transcript.hypervisor)
    if panic is not None or isinstance(failure, HypervisorPanic):
        return ExitStatus.PANIC, Reason.PANIC, f"the hypervisor panicked: {panic or 'no reason given'}"
    if ending is Ending.NO_DOM0:
        why = no_domain_0(transcript.hypervisor) or "the hypervisor did not say why"
        return ExitStatus.MISUSE, Reason.REFUSED, f"there is no domain 0: {why}"
    deaths = [end for end in ends if end.died]
    if deaths:
        return ExitStatus.GUEST_DIED, Reason.GUEST_DIED, f"domain {deaths[0].domain} died: {deaths[0].reason}"
    if ending is Ending.DOM0_DIED:
        return ExitStatus.GUEST_DIED, Reason.GUEST_DIED, "domain 0 died, and the hypervisor did not say why"
    if isinstance(failure, Hang):
        return ExitStatus.TIME_OUT, Reason.TIME_OUT, failure.headline
    if failure is not None:
        return ExitStatus.NO, Reason.QEMU_DIED, failure.headline
    rebooted = ending is Ending.REBOOT
    reason, message = (Reason.REBOOT, "reboot asked for") if rebooted else (Reason.SHUTDOWN, "shut down in order")
    if watch is not None:
        return ExitStatus.NO, reason, f"{pattern!r} was not seen before the machine ended ({message})"
    return ExitStatus.YES, reason, message
