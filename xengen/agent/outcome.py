"""What can come of a command of the agent: a result, registers, or a fault; and what a handler recorded of a trap.

Invariants
  - All are values. A `Fault` is compared by vector and error code alone, and printed as `#GP[0000]`.
  - A `Result` is an integer; its repr names the error that a negative one stands for.
  - Layout of frames: ABI 5.5 (traps), 5.7 (failsafe).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xengen.abi.agent import AgentRegisters, AgentTrap
from xengen.abi.errno import errno_name
from xengen.abi.symbols import assembler_symbols
from xengen.errors import XengenError

_VALUES = assembler_symbols()

EVENT = _VALUES["AGENT_EVENT"]
FAILSAFE = _VALUES["AGENT_FAILSAFE"]
MNEMONICS = {
    value: name.removeprefix("VECTOR_") for name, value in _VALUES.items() if name.startswith("VECTOR_")
} | {EVENT: "event", FAILSAFE: "failsafe"}  # fmt: skip
WITH_ERROR_CODE = frozenset({8, 10, 11, 12, 13, 14, 17})
EXCEPTIONS = 32


class Result(int):
    """What a hypercall returned, as a signed number."""

    def __repr__(self) -> str:
        if -4096 < self < 0:
            try:
                return f"-{errno_name(self)}"
            except KeyError:
                return f"{int(self)} (no error of the ABI)"
        return f"{int(self):#x}"

    __str__ = __repr__


@dataclass(frozen=True)
class Registers:
    """The general registers after a command that came to its end."""

    eax: int
    ebx: int
    ecx: int
    edx: int
    esi: int
    edi: int
    ebp: int

    @classmethod
    def of(cls, values: AgentRegisters) -> Registers:
        """Take the registers out of a command."""
        return cls(values.eax, values.ebx, values.ecx, values.edx, values.esi, values.edi, values.ebp)

    @property
    def result(self) -> Result:
        """eax as a signed number."""
        return Result(self.eax - (1 << 32) if self.eax >> 31 else self.eax)


@dataclass(frozen=True)
class Trap:
    """What a handler found. `error_code` is None where the ABI has none; `esp` and `ss` are None within ring 1.

    vector: 0 to 255, EVENT or FAILSAFE. saved_mask: the byte above cs. stack: where the frame begins (the address of
    its lowest word). handler_ss, handler_mask: %ss and the event mask in the handler. selectors: ds, es, fs, gs as the
    handler found them; failed: as a failsafe frame has them. words: the stack from the frame's start on.
    """

    vector: int
    error_code: int | None
    eip: int
    cs: int
    saved_mask: int
    eflags: int
    esp: int | None
    ss: int | None
    cr2: int
    stack: int
    handler_ss: int
    handler_mask: int
    handler_eflags: int
    selectors: tuple[int, int, int, int]
    failed: tuple[int, int, int, int] | None
    registers: Registers
    words: tuple[int, ...]
    command: int

    @classmethod
    def of(cls, record: AgentTrap) -> Trap:
        """Decode a record."""
        words = tuple(record.words)
        vector = record.vector
        below = 1 if vector in WITH_ERROR_CODE else 4 if vector == FAILSAFE else 0
        eip, cs, eflags, esp, ss = words[below : below + 5]
        outer = bool(cs & 2)
        return cls(
            vector=vector,
            error_code=words[0] if below == 1 else None,
            eip=eip,
            cs=cs & 0xFFFF,
            saved_mask=cs >> 16,
            eflags=eflags,
            esp=esp if outer else None,
            ss=ss & 0xFFFF if outer else None,
            cr2=record.cr2,
            stack=record.stack + 4,
            handler_ss=record.ss & 0xFFFF,
            handler_mask=record.mask,
            handler_eflags=record.eflags,
            selectors=(record.ds & 0xFFFF, record.es & 0xFFFF, record.fs & 0xFFFF, record.gs & 0xFFFF),
            failed=(words[0], words[1], words[2], words[3]) if below == 4 else None,
            registers=Registers(
                record.eax, record.ebx, record.ecx, record.edx, record.esi, record.edi, record.ebp
            ),
            words=words,
            command=record.command,
        )  # fmt: skip


@dataclass(frozen=True, repr=False)
class Fault:
    """A trap that ended a command. Two are equal when vector and error code are."""

    vector: int
    error_code: int | None = None
    trap: Trap | None = field(default=None, compare=False)

    @classmethod
    def of(cls, trap: Trap) -> Fault:
        """Make the value of a recorded trap."""
        return cls(trap.vector, trap.error_code, trap)

    def __repr__(self) -> str:
        known = MNEMONICS.get(self.vector)
        name = f"int {self.vector:#x}" if known is None else known if self.vector >= EXCEPTIONS else f"#{known}"
        return name if self.error_code is None else f"{name}[{self.error_code:04x}]"

    @property
    def details(self) -> Trap:
        """The recorded trap; XengenError for a fault that was only written down to be compared with."""
        if self.trap is None:
            raise XengenError(f"{self!r} was not recorded: it has no frame")
        return self.trap


Outcome = Registers | Fault


class UnexpectedFault(XengenError):
    """A command that was to come to its end was trapped."""

    def __init__(self, what: str, fault: Fault) -> None:
        trap = fault.details
        super().__init__(f"{what} raised {fault!r} at {trap.cs:04x}:{trap.eip:08x}, cr2 {trap.cr2:08x}")
        self.fault = fault


def completed(outcome: Outcome, what: str = "the command") -> Registers:
    """Return the registers of a command that came to its end; UnexpectedFault when it did not."""
    if isinstance(outcome, Fault):
        raise UnexpectedFault(what, outcome)
    return outcome
