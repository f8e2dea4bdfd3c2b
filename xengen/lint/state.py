"""What is known of registers and stack at one point of a routine, and what one instruction makes of it.

Invariants
  - A value is an entry value plus a constant, a constant, or not known. So a register counts as preserved exactly
    when it holds its own entry value again, by whatever way: pop, load from the frame, exchange, arithmetic undone.
  - `Value.where` is the instruction that last wrote the value; it serves messages and is no part of the comparison.
  - Stack slots are kept by their distance from the entry value of %esp (0 is the return address, negative is ours).
    Slots below %esp are forgotten at once: an interrupt may overwrite them.
  - Stores through pointers that are not known to point into the frame are taken not to hit it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from capstone import x86

from xengen.lint.decode import Immediate, Instruction, Memory, Register
from xengen.lint.registers import GENERAL, TRACKED

UNKNOWN = "unknown"
CONSTANT = "constant"
TRASH = "trash"
"""Left by a callee that says it clobbers the register: nobody may compute with it."""
FRESH = "fresh"
"""The top of a stack that a routine which does not return has switched to."""


@dataclass(frozen=True)
class Value:
    """The entry value of the register `base` plus `offset`; or base is CONSTANT, UNKNOWN, TRASH or FRESH."""

    base: str
    offset: int = 0
    where: int = field(default=0, compare=False)

    @property
    def is_stack(self) -> bool:
        """Whether it is an address at a known place of the stack."""
        return self.base in ("esp", FRESH)

    @property
    def is_known(self) -> bool:
        """Whether it tells anything."""
        return self.base not in (UNKNOWN, TRASH)

    def plus(self, amount: int, where: int) -> Value:
        """Return the value moved by `amount`, a 32-bit number in either sign; not known stays not known."""
        if not self.is_known:
            return Value(UNKNOWN, 0, where)
        return Value(self.base, (self.offset + amount + 0x80000000) % 0x100000000 - 0x80000000, where)


@dataclass(frozen=True)
class State:
    """The values of the tracked registers and of the stack's words by distance; treated as immutable."""

    registers: dict[str, Value]
    slots: dict[int, Value]

    @property
    def esp(self) -> Value:
        """The stack pointer."""
        return self.registers["esp"]

    @property
    def top(self) -> Value:
        """The word that %esp points to."""
        return self.slots.get(self.esp.offset, Value(UNKNOWN)) if self.esp.is_stack else Value(UNKNOWN)

    def is_preserved(self, register: str) -> bool:
        """Return whether `register` holds its entry value."""
        return self.registers[register] == Value(register)

    def after_call(self, outputs: Iterable[str], clobbers: Iterable[str], popped: int, where: int) -> State:
        """Return the state behind a call with that contract; `popped` is what the callee's `ret $n` takes."""
        registers = dict(self.registers)
        for name in clobbers:
            registers[name] = Value(TRASH, 0, where)
        for name in outputs:
            registers[name] = Value(UNKNOWN, 0, where)
        registers["esp"] = self.esp.plus(popped, where)
        return State(registers, _kept(self.slots, registers["esp"]))


def entry_state() -> State:
    """Return the state at a routine's first instruction: every register holds its own entry value."""
    return State({name: Value(name) for name in TRACKED}, {})


def inside_state(frame: int) -> State:
    """Return the state at a place where nothing is known but that `frame` bytes are on the stack."""
    registers = {name: Value(UNKNOWN) for name in TRACKED}
    registers["esp"] = Value(FRESH, -frame)
    return State(registers, {})


def join(first: State, second: State) -> State:
    """Return what holds whichever of the two is true; the stack pointer is that of `first`."""
    registers = {name: _either(value, second.registers[name]) for name, value in first.registers.items()}
    registers["esp"] = first.esp
    slots = {
        place: _either(value, second.slots[place]) for place, value in first.slots.items() if place in second.slots
    }
    return State(registers, slots)


def _either(first: Value, second: Value) -> Value:
    if first == second:
        return first
    for value in (first, second):
        if value.base == TRASH:
            return value
    for value in (first, second):
        if value.base == UNKNOWN:
            return value
    return Value(UNKNOWN, 0, max(first.where, second.where))


def _kept(slots: dict[int, Value], esp: Value) -> dict[int, Value]:
    return {place: value for place, value in slots.items() if esp.is_stack and place >= esp.offset}


class Step:
    """The effect of one instruction other than a call on a state."""

    def __init__(self, instruction: Instruction, before: State) -> None:
        self._instruction = instruction
        self._where = instruction.address
        self._registers = dict(before.registers)
        self._slots = dict(before.slots)

    def result(self) -> State:
        """Return the state behind the instruction."""
        self._run()
        return State(self._registers, _kept(self._slots, self._registers["esp"]))

    def _place(self, memory: Memory) -> int | None:
        """Return the distance of a memory operand in our frame, None when it is not known to be there."""
        if memory.base is None or memory.index is not None:
            return None
        base = self._registers[memory.base]
        return base.offset + memory.displacement if base.is_stack else None

    def _read(self, operand: object) -> Value:
        if isinstance(operand, Immediate):
            return Value(CONSTANT, operand.value, self._where)
        if isinstance(operand, Register) and (operand.size == 4 or operand.is_segment):
            value = self._registers[operand.whole]
            return Value(value.base, value.offset, self._where)
        if isinstance(operand, Memory) and operand.size == 4:
            place = self._place(operand)
            if place is not None and place in self._slots:
                value = self._slots[place]
                return Value(value.base, value.offset, self._where)
        return Value(UNKNOWN, 0, self._where)

    def _store(self, place: int, size: int, value: Value) -> None:
        for slot in [slot for slot in self._slots if place - 4 < slot < place + size]:
            self._slots[slot] = Value(UNKNOWN, 0, self._where)
        if size == 4:
            self._slots[place] = value

    def _write(self, operand: object, value: Value) -> None:
        if isinstance(operand, Register):
            whole = operand.size == 4 or operand.is_segment or value.base in ("es", "cs", "ss", "ds", "fs", "gs")
            self._registers[operand.whole] = value if whole else Value(UNKNOWN, 0, self._where)
        elif isinstance(operand, Memory):
            place = self._place(operand)
            if place is not None:
                self._store(place, operand.size, value)

    def _move_stack(self, amount: int) -> None:
        self._registers["esp"] = self._registers["esp"].plus(amount, self._where)

    def _push(self, value: Value, size: int = 4) -> None:
        self._move_stack(-size)
        esp = self._registers["esp"]
        if esp.is_stack:
            self._store(esp.offset, size, value)

    def _pop(self, size: int = 4) -> Value:
        esp = self._registers["esp"]
        value = self._slots.get(esp.offset) if esp.is_stack and size == 4 else None
        self._move_stack(size)
        if value is None:
            return Value(UNKNOWN, 0, self._where)
        return Value(value.base, value.offset, self._where)

    def _run(self) -> None:
        code, operands = self._instruction.code, self._instruction.operands
        size = 2 if self._instruction.word else 4
        if code == x86.X86_INS_PUSH:
            self._push(self._read(operands[0]), size)
        elif code == x86.X86_INS_POP:
            value = self._pop(size)
            self._write(operands[0], value)
        elif code in (x86.X86_INS_PUSHF, x86.X86_INS_PUSHFD):
            self._push(Value(UNKNOWN, 0, self._where), size)
        elif code in (x86.X86_INS_POPF, x86.X86_INS_POPFD):
            self._pop(size)
        elif code == x86.X86_INS_PUSHAL:
            values = [self._registers[name] for name in GENERAL]
            for value in values:
                self._push(value)
        elif code == x86.X86_INS_POPAL:
            for name in reversed(GENERAL):
                value = self._pop()
                if name != "esp":
                    self._registers[name] = value
        elif code == x86.X86_INS_RETF:
            self._move_stack(8)
        elif code == x86.X86_INS_LEAVE:
            self._registers["esp"] = self._read(Register("ebp", 4))
            self._registers["ebp"] = self._pop()
        elif code == x86.X86_INS_ENTER and isinstance(operands[0], Immediate):
            self._push(self._registers["ebp"])
            self._registers["ebp"] = self._read(Register("esp", 4))
            self._move_stack(-operands[0].value)
        elif code == x86.X86_INS_XCHG:
            first, second = self._read(operands[0]), self._read(operands[1])
            self._write(operands[0], second)
            self._write(operands[1], first)
        elif not self._arithmetic(code):
            for name in self._instruction.writes:
                self._registers[name] = Value(UNKNOWN, 0, self._where)
            for memory in self._instruction.stores:
                self._write(memory, Value(UNKNOWN, 0, self._where))

    def _arithmetic(self, code: int) -> bool:
        """Carry out the instructions that leave an entry value plus a constant; return whether it was one."""
        operands = self._instruction.operands
        if code == x86.X86_INS_MOV:
            self._write(operands[0], self._read(operands[1]))
            return True
        if not operands or not isinstance(operands[0], Register) or operands[0].size != 4:
            return False
        name = operands[0].whole
        value = self._registers[name]
        if code in (x86.X86_INS_INC, x86.X86_INS_DEC):
            self._registers[name] = value.plus(1 if code == x86.X86_INS_INC else -1, self._where)
        elif code in (x86.X86_INS_ADD, x86.X86_INS_SUB) and isinstance(operands[1], Immediate):
            amount = operands[1].value
            self._registers[name] = value.plus(amount if code == x86.X86_INS_ADD else -amount, self._where)
        elif code == x86.X86_INS_LEA and isinstance(operands[1], Memory):
            source = operands[1]
            if source.base is None or source.index is not None:
                return False
            self._registers[name] = self._registers[source.base].plus(source.displacement, self._where)
        else:
            return False
        return True


def step(instruction: Instruction, before: State) -> State:
    """Return the state behind `instruction`, which must not be a call, when it begins in the state `before`."""
    return Step(instruction, before).result()


def interrupted(instruction: Instruction, before: State) -> State:
    """Return the state at the fix-up of an instruction that faulted: nothing happened, but a repeat went half way."""
    return step(instruction, before) if instruction.repeated else before
