"""Holds the header of a routine against its instructions.

Invariants
  - A routine that returns keeps every register that its header does not name in `out` or `clob`, leaves the stack as
    it found it, and has no instruction that no path reaches.
  - It computes only with what its line `in` names, what it has set itself, and what a callee gives back.
  - What a callee clobbers counts as written by the call, by the callee's header and not by its body: each body is
    held against its own header.
  - A routine that does not return (an entry) has no caller to keep anything for: only its way of ending is checked,
    and that it does not compute with what a callee has clobbered.
"""

from __future__ import annotations

from capstone import x86

from xengen.lint.decode import Instruction, Memory, Register
from xengen.lint.findings import Finding
from xengen.lint.flow import Walk
from xengen.lint.registers import CONTRACT, GENERAL, TRACKED, named
from xengen.lint.state import TRASH, State, Value
from xengen.lint.world import Exits, Routine, World, returned_bytes

_SAVES = frozenset((x86.X86_INS_PUSH, x86.X86_INS_PUSHAL))


def check_routine(world: World, walk: Walk) -> list[Finding]:
    """Return what is wrong with the walked routine, each finding once."""
    return _Check(world, walk).run()


def _names(registers: set[str]) -> str:
    return ", ".join(f"%{name}" for name in sorted(registers))


class _Check:
    def __init__(self, world: World, walk: Walk) -> None:
        self._world = world
        self._walk = walk
        self._routine = walk.routine
        self._header = walk.routine.header
        self._findings: list[Finding] = []
        self._changed: dict[str, Value] = {}
        self._kept: set[str] = set(CONTRACT)
        self._exits = 0

    def run(self) -> list[Finding]:
        for address in sorted(self._walk.instructions):
            instruction, exits = self._walk.instructions[address], self._walk.exits[address]
            for problem in exits.problems:
                self._say(address, problem)
            self._check_trash(instruction)
            self._check_stack_pointer(instruction)
            if exits.returns:
                self._check_return(instruction)
            for other in exits.tails:
                if other.header.returns:
                    self._check_tail(instruction, other)
        for target, source in self._walk.stray.items():
            self._say(source, f"leads to {self._world.name_at(target)}, where no instruction is")
        if self._header.returns:
            self._check_inputs()
            self._check_whole()
        return self._findings

    def _say(self, address: int, message: str) -> None:
        origin = self._world.origin(address)
        self._findings.append(Finding(origin.file, origin.line, self._routine.name, message))

    def _check_trash(self, instruction: Instruction) -> None:
        before = self._walk.before[instruction.address]
        exits = self._walk.exits[instruction.address]
        trash = {name: value for name, value in before.registers.items() if value.base == TRASH}
        for name in sorted(self._uses(instruction) & trash.keys()):
            self._say(instruction.address, f"uses %{name}, which {self._writer(trash[name])} clobbers")
        for callee in exits.callees:
            for name in sorted(callee.header.takes & trash.keys()):
                writer = self._writer(trash[name])
                self._say(instruction.address, f"gives {callee.name} %{name}, which {writer} clobbers")

    @staticmethod
    def _uses(instruction: Instruction) -> frozenset[str]:
        """Return the registers that the instruction computes with; to save or exchange one is no use of it."""
        is_swap = instruction.code == x86.X86_INS_XCHG and all(
            isinstance(operand, Register) for operand in instruction.operands
        )
        return frozenset() if is_swap or instruction.code in _SAVES else instruction.reads

    def _check_inputs(self) -> None:
        """Find the first use of each entry value that `in` does not name. To copy one is no use of it."""
        known = named(self._header.fields.get("in", "")) | {"esp"}
        if any(exits.unknown_call for exits in self._walk.exits.values()):
            return
        for address in sorted(self._walk.instructions):
            instruction, before = self._walk.instructions[address], self._walk.before[address]
            if instruction.code == x86.X86_INS_MOV and self._is_kept(instruction, address):
                continue
            for name in sorted(self._uses(instruction)):
                base = before.registers[name].base
                if base in GENERAL and base not in known:
                    known |= {base}
                    self._say(address, f"uses %{base}, which it has not set and its line `in:` does not name")

    def _is_kept(self, instruction: Instruction, address: int) -> bool:
        """Return whether a move puts a register into another one or into the frame, where it can be followed."""
        target = instruction.operands[0]
        if isinstance(target, Memory):
            base = target.base
            return base is not None and target.index is None and self._walk.before[address].registers[base].is_stack
        return isinstance(target, Register) and not target.is_segment and isinstance(instruction.operands[1], Register)

    def _writer(self, value: Value) -> str:
        exits = self._walk.exits.get(value.where)
        names = [callee.name for callee in exits.callees] if exits is not None else []
        line = self._world.origin(value.where).line
        return f"the call of {names[0]} in line {line}" if len(names) == 1 else f"the call in line {line}"

    def _check_stack_pointer(self, instruction: Instruction) -> None:
        before = self._walk.before[instruction.address].esp
        if self._header.returns and before.is_stack and not self._walk.after[instruction.address].esp.is_stack:
            self._say(instruction.address, "loads %esp with a value that cannot be followed")
        uneven = self._walk.uneven.get(instruction.address)
        if uneven is not None:
            one, other = sorted(uneven)
            self._say(instruction.address, f"reaches this line with {one} and with {other} bytes on the stack")

    def _check_return(self, instruction: Instruction) -> None:
        state = self._walk.before[instruction.address]
        if not self._header.returns:
            if state.esp == Value("esp") and instruction.address not in self._walk.from_outside:
                self._say(instruction.address, "returns, though its header says that it does not")
            return
        self._check_balance(instruction, state, "returns")
        if returned_bytes(instruction) != self._world.popped(self._routine):
            self._say(instruction.address, "takes different numbers of argument bytes off the stack at its returns")
        self._leave_with(state)

    def _check_tail(self, instruction: Instruction, other: Routine) -> None:
        if not self._header.returns:
            return
        state = self._walk.after[instruction.address]
        self._check_balance(instruction, state, f"leaves for {other.name}")
        header = other.header
        self._leave_with(state.after_call(header.out, header.clobbers - header.out, 0, instruction.address))

    def _check_balance(self, instruction: Instruction, state: State, what: str) -> None:
        esp = state.esp
        if not esp.is_stack or esp.offset == 0:
            return
        if esp.offset < 0:
            self._say(instruction.address, f"{what} with {-esp.offset} bytes left on the stack")
        else:
            self._say(instruction.address, f"{what} with {esp.offset} bytes taken off the stack that it did not push")

    def _leave_with(self, state: State) -> None:
        self._exits += 1
        for name in CONTRACT:
            if state.is_preserved(name):
                continue
            self._kept.discard(name)
            value = state.registers[name]
            if name not in self._changed or value.where < self._changed[name].where:
                self._changed[name] = value

    def _check_whole(self) -> None:
        place = (self._header.file, self._header.line, self._routine.name)
        for name, value in self._changed.items():
            if name not in self._header.changes:
                self._say(value.where, self._broken(name, value))
        if self._walk.unreached:
            self._say(self._walk.unreached[0], "holds an instruction that no path reaches")
        if self._findings:
            return  # what was not followed might have returned, or written
        if not self._exits:
            self._findings.append(Finding(*place, "has no path to a return, though its header says that it returns"))
            return
        idle = set(self._header.out) & self._kept
        if idle:
            self._findings.append(Finding(*place, f"names {_names(idle)} in its line `out:`, but no path writes it"))

    def _broken(self, name: str, value: Value) -> str:
        exits = self._walk.exits.get(value.where)
        if exits is not None and name in self._clobbered_by(exits):
            verb = "calls" if exits.callees or exits.hypercall else "jumps to"
            return f"{verb} {self._callees(exits)}, which changes %{name}: its header does not name it"
        if value.base in TRACKED and value.base != name:
            return f"gives back the caller's %{value.base} in %{name}, which its header does not name"
        return f"writes %{name}, which its header does not name"

    @staticmethod
    def _clobbered_by(exits: Exits) -> set[str]:
        changed = {"eax"} if exits.hypercall else set()
        for callee in (*exits.callees, *exits.tails):
            changed |= callee.header.changes
        return changed

    @staticmethod
    def _callees(exits: Exits) -> str:
        names = [callee.name for callee in (*exits.callees, *exits.tails)] or ["the hypercall page"]
        return names[0] if len(names) == 1 else "through a pointer what may be " + " or ".join(names[:3])
