"""`Agent`: one domain's agent guest, and everything one can have it do.

Invariants
  - Each method that has the guest do something returns when it has been done, or raises (mailbox.py).
  - What a command raised is a value where it was the point (`ring1`, `ring3`, `load`, `store`), else UnexpectedFault.
  - The page tables that Python walks are those at `space.l3`: `switch_base` keeps that true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import sizeof
from types import TracebackType
from typing import Self

from xengen.abi.agent import AgentCommand
from xengen.abi.mmu import MmuextArg1, MmuextOp
from xengen.abi.symbols import assembler_symbols
from xengen.abi.traps import TrapInfo
from xengen.agent.command import Argument, Command, Placed, hypercall_command
from xengen.agent.mailbox import CAPACITY
from xengen.agent.memory import AgentMemory
from xengen.agent.outcome import Fault, Outcome, Registers, Result, Trap, UnexpectedFault, completed
from xengen.agent.pool import Pool
from xengen.agent.snippet import SnippetAssembler
from xengen.agent.space import PAGE, Page
from xengen.errors import XengenError
from xengen.machine.machine import Machine

_VALUES = assembler_symbols()
RETURN = _VALUES["AGENT_RETURN"]
COMMAND_WORDS = sizeof(AgentCommand) // 4
STATUS_WORD = AgentCommand.status.offset // 4
EAX_WORD = AgentCommand.after.offset // 4

# What snippets may name of the agent's.
OWN_NAMES = (
    "agent_code", "agent_code_stack_top", "agent_edge_end", "agent_kernel_done", "agent_pool", "agent_scratch",
    "agent_shared_info", "agent_user_code", "agent_user_data", "agent_user_stack_top",
)  # fmt: skip

Call = tuple[Argument | str, ...]


class Agent(AgentMemory):
    """The agent in domain `domain` of `machine`, whose boot module of that number is the agent's ELF file.

    `alone`: no other domain waits for the processor, so the agent need not yield (then an exception trace shows the
    tests' traps and nothing else). Default: whether the machine has one module.
    """

    def __init__(self, machine: Machine, domain: int = 0, *, alone: bool | None = None) -> None:
        super().__init__(machine, domain)
        self._pool = Pool(self.address("agent_pool"), _VALUES["AGENT_POOL_PAGES"])
        self._snippets = SnippetAssembler(_VALUES | self._own_names())
        if len(machine.spec.modules) == 1 if alone is None else alone:
            self.mailbox.spins = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the assembler; the guest runs on."""
        self._snippets.close()

    # Hypercalls.

    def hypercall(self, call: str | int, *arguments: Argument) -> Result:
        """Make a hypercall by name or number and return its result; see command.py for what arguments may be."""
        return self.registers_of_hypercall(call, *arguments).result

    def registers_of_hypercall(self, call: str | int, *arguments: Argument) -> Registers:
        """Make a hypercall and return the registers behind it."""
        command, placed = hypercall_command(call, arguments, self.put_bytes)
        registers = completed(self.do(command), f"hypercall {call}")
        self._refresh(placed)
        return registers

    def batch(self, calls: Sequence[Call]) -> list[Result]:
        """Make many hypercalls in one request (or several, of CAPACITY each): (name or number, arguments...)."""
        results: list[Result] = []
        for start in range(0, len(calls), CAPACITY):
            commands: list[Command] = []
            placed: list[Placed] = []
            for call, *arguments in calls[start : start + CAPACITY]:
                if not isinstance(call, (str, int)):
                    raise TypeError(f"a call begins with a hypercall's name or number, not {call!r}")
                checked = [argument for argument in arguments if not isinstance(argument, str)]
                command, found = hypercall_command(call, checked, self.put_bytes)
                commands.append(command)
                placed += found
            results += self._results(commands)
            self._refresh(placed)
        return results

    # Code and memory accesses of the guest.

    def ring1(self, text: str, **registers: int) -> Outcome:
        """Run assembly in ring 1, with general registers as given, on a stack of its own (one page)."""
        return self._run("AGENT_KERNEL", "agent_code", text + "\njmp agent_kernel_done", registers)

    def ring3(self, text: str, **registers: int) -> Outcome:
        """Run assembly in ring 3. Memory of ring 3: agent_user_data, two pages, and the stack, one page."""
        return self._run("AGENT_USER", "agent_user_code", text + "\nint $AGENT_DONE_VECTOR", registers)

    def load(self, va: int) -> Outcome:
        """Have ring 1 read the word at `va`; it is in eax then."""
        return self.do(Command(_VALUES["AGENT_LOAD"], (0, va)))

    def store(self, va: int, value: int) -> Outcome:
        """Have ring 1 write a word to `va`."""
        return self.do(Command(_VALUES["AGENT_STORE"], (value, va)))

    def copy(self, to: int, source: int, size: int) -> Outcome:
        """Have ring 1 copy bytes."""
        return self.do(Command(_VALUES["AGENT_COPY"], (0, 0, size, 0, source, to)))

    def read(self, va: int, size: int) -> bytes:
        """Have ring 1 read `size` bytes at `va`; UnexpectedFault when it cannot."""
        buffer = self.allocate(size)
        completed(self.copy(buffer, va, size), f"a read of {size} bytes at {va:#x}")
        return self.space.read_linear(buffer, size)

    def write(self, va: int, data: bytes) -> None:
        """Have ring 1 write `data` to `va`; UnexpectedFault when it cannot."""
        completed(self.copy(va, self.put(data), len(data)), f"a write of {len(data)} bytes at {va:#x}")

    def do(self, command: Command) -> Outcome:
        """Carry out one command."""
        return self.do_all((command,))[0]

    def do_all(self, commands: Sequence[Command]) -> list[Outcome]:
        """Carry out commands, CAPACITY at most, in one request; one that is trapped does not stop those behind it."""
        data = b"".join(command.encode() for command in commands)
        answer = self.mailbox.submit(data, len(commands))
        records = (AgentCommand * len(commands)).from_buffer_copy(answer)
        return [self._outcome(record) for record in records]

    # Traps.

    @property
    def traps(self) -> Sequence[Trap]:
        """The traps of the last request, those that ended a command and those that did not."""
        return self.mailbox.traps()

    @contextmanager
    def action(self, vector: int, action: int = RETURN) -> Iterator[None]:
        """Inside the block handlers of `vector` end with `action`: RETURN, or an address to go on at."""
        before = self.mailbox.actions[vector]
        self.mailbox.actions[vector] = action
        try:
            yield
        finally:
            self.mailbox.actions[vector] = before

    def trap_table(self, handlers: Mapping[int, int]) -> Result:
        """Register the agent's handlers for vectors, each with its flags (DPL | TI_MASK_EVENTS)."""
        entries = [
            TrapInfo(vector, flags, _VALUES["FLAT_KERNEL_CS"], self.address(f"trap_stub_{vector}"))
            for vector, flags in handlers.items()
        ]
        return self.hypercall("set_trap_table", [*entries, TrapInfo()])

    def reset(self) -> None:
        """Put handlers, callbacks, the stack for ring 3 and the descriptor tables back to how the agent set them up."""
        table = self.address("trap_table")
        event, failsafe = (self.address(f"trap_stub_{_VALUES[name]}") for name in ("AGENT_EVENT", "AGENT_FAILSAFE"))
        kernel = _VALUES["FLAT_KERNEL_CS"]
        no_ldt = MmuextOp(cmd=_VALUES["MMUEXT_SET_LDT"])
        self.batch([
            ("set_trap_table", 0),
            ("set_trap_table", table),
            ("set_callbacks", kernel, event, kernel, failsafe),
            ("stack_switch", _VALUES["FLAT_KERNEL_SS"], self.address("agent_trap_stack_top")),
            ("mmuext_op", no_ldt, 1, 0, _VALUES["DOMID_SELF"]),
            ("set_gdt", 0, 0),
        ])  # fmt: skip
        self.mailbox.actions[:] = memoryview(bytes(4 * len(self.mailbox.actions))).cast("I")
        self.mailbox.actions[_VALUES["AGENT_EVENT"]] = RETURN

    # Memory.

    def page(self) -> Page:
        """Return a spare page: mapped writable in the initial mapping, zeroed."""
        page = self.space.page(self._pool.take())
        self.space.memory.write(page.machine, bytes(PAGE))
        return page

    def pages(self, count: int) -> list[Page]:
        """Return `count` spare pages."""
        return [self.page() for _ in range(count)]

    def give_back(self, *pages: Page) -> None:
        """Take spare pages back; each is made writable again. XengenError when the hypervisor refuses that."""
        for page in pages:
            entry = page.machine | _VALUES["PTE_P"] | _VALUES["PTE_RW"] | _VALUES["PTE_A"] | _VALUES["PTE_D"]
            result = self.map(page.va, entry)
            if result != 0:
                raise XengenError(f"the page at {page.va:#x} cannot be made writable again: {result!r}")
            self._pool.take_back(page.va)

    def map(self, va: int, entry: int, flags: int = _VALUES["UVMF_INVLPG"]) -> Result:
        """update_va_mapping with a 64-bit entry."""
        return self.hypercall("update_va_mapping", va, entry & 0xFFFFFFFF, entry >> 32, flags)

    def switch_base(self, mfn: int) -> Result:
        """MMUEXT_NEW_BASEPTR; Python follows when it succeeds."""
        operation = MmuextOp(cmd=_VALUES["MMUEXT_NEW_BASEPTR"], arg1=MmuextArg1(mfn=mfn))
        result = self.hypercall("mmuext_op", operation, 1, 0, _VALUES["DOMID_SELF"])
        if result == 0:
            self.space.l3 = mfn
        return result

    # How it is done.

    def _run(self, verb: str, area: str, text: str, registers: Mapping[str, int]) -> Outcome:
        code = self._snippets.assemble(text, self.address(area))
        order = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp")
        unknown = set(registers) - set(order)
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))} cannot be set: only {', '.join(order)} can")
        # The guest itself puts the code in place: QEMU keeps what it translated until the guest writes there.
        install = Command(_VALUES["AGENT_COPY"], (0, 0, len(code), 0, self.put_bytes(code), self.address(area)))
        run = Command(_VALUES[verb], tuple(registers.get(name, 0) for name in order))
        installed, outcome = self.do_all((install, run))
        completed(installed, "putting a snippet in place")
        return outcome

    def _results(self, commands: Sequence[Command]) -> list[Result]:
        """Carry out hypercalls and return eax of each; UnexpectedFault when one was trapped."""
        answer = self.mailbox.submit(b"".join(command.encode() for command in commands), len(commands))
        words = answer.cast("I")
        if any(words[STATUS_WORD::COMMAND_WORDS].tolist()):
            records = (AgentCommand * len(commands)).from_buffer_copy(answer)
            return [completed(self._outcome(record), "a hypercall of a batch").result for record in records]
        return [Result(eax - (1 << 32) if eax >> 31 else eax) for eax in words[EAX_WORD::COMMAND_WORDS].tolist()]

    def _outcome(self, record: AgentCommand) -> Outcome:
        if record.status == 0:
            return Registers.of(record.after)
        if record.status == _VALUES["AGENT_STATUS_UNKNOWN"]:
            raise XengenError(f"the agent knows no verb {record.verb}")
        traps = self.mailbox.traps()
        return Fault.of(traps[min(record.status, len(traps)) - 1])

    def _refresh(self, placed: Sequence[Placed]) -> None:
        for item in placed:
            item.refresh(self.space.read_linear)

    def _own_names(self) -> dict[str, int]:
        return {name: self.address(name) for name in OWN_NAMES}


__all__ = ["RETURN", "Agent", "Fault", "Outcome", "Page", "Registers", "Result", "Trap", "UnexpectedFault", "completed"]
