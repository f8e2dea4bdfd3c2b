"""Walks a routine along every path, from its first instruction to its exits, with the state at each instruction.

Invariants
  - The walk ends: values only lose meaning where paths meet, and the stack pointer of the first path stays.
  - Where a routine does not return, meeting paths keep the deeper stack, but not for ever: a loop that pushes is
    uneven. Whatever the walk has not reached is walked too, as code that something else jumps to.
  - Nothing is reported here: `contract` and `depth` read the result.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from capstone import x86

from xengen.lint.decode import Flow, Immediate, Instruction, Register
from xengen.lint.state import CONSTANT, FRESH, State, Value, entry_state, inside_state, interrupted, join, step
from xengen.lint.world import Exits, Routine, World

MAX_DEEPENINGS = 8
STACK, STACK_TOP = "hypervisor_stack", "hypervisor_stack_top"


@dataclass
class Walk:
    """The walk of one routine: for each instruction that is reached, its state and what it can lead to.

    `uneven` has the addresses where paths meet with stacks of different depth: (bytes by one way, by another).
    `stray` are addresses that hold no instruction, with the instruction that leads there; `from_outside` are those
    walked only because nothing in the routine leads there.
    """

    routine: Routine
    before: dict[int, State] = field(default_factory=dict)
    after: dict[int, State] = field(default_factory=dict)
    instructions: dict[int, Instruction] = field(default_factory=dict)
    exits: dict[int, Exits] = field(default_factory=dict)
    uneven: dict[int, tuple[int, int]] = field(default_factory=dict)
    stray: dict[int, int] = field(default_factory=dict)
    from_outside: set[int] = field(default_factory=set)
    unreached: list[int] = field(default_factory=list)


def walk(world: World, routine: Routine) -> Walk:
    """Walk `routine` of `world`."""
    walker = _Walker(world, routine)
    walker.run({routine.start: entry_state()})
    reached = set(walker.result.before)
    for statement in world.statements(routine):
        if statement.address in walker.result.before:
            continue
        if routine.header.returns:
            walker.result.unreached.append(statement.address)
        else:
            walker.run({statement.address: inside_state(routine.header.frame)})
    walker.result.from_outside = set(walker.result.before) - reached
    return walker.result


class _Walker:
    def __init__(self, world: World, routine: Routine) -> None:
        self._world = world
        self._routine = routine
        self._deepenings: dict[int, int] = {}
        self.result = Walk(routine)

    def run(self, starts: dict[int, State]) -> None:
        pending: list[int] = []
        for address, state in starts.items():
            self._reach(address, state, pending, address)
        while pending:
            address = pending.pop()
            instruction = self._world.decoder.at(address)
            assert instruction is not None  # _reach admits no other address
            self.result.instructions[address] = instruction
            if address not in self.result.exits or instruction.flow in (Flow.JUMP, Flow.LEAVE):
                self.result.exits[address] = self._exits(instruction, self.result.before[address])
            exits = self.result.exits[address]
            before = self.result.before[address]
            after = self._after(instruction, exits, before)
            self.result.after[address] = after
            for following in exits.inside:
                self._reach(following, after, pending, address)
            if exits.fixup is not None:
                self._reach(exits.fixup, interrupted(instruction, before), pending, address)

    def _exits(self, instruction: Instruction, before: State) -> Exits:
        """Return the exits; a jump to a constant in a register and a far return to a constant are direct jumps."""
        target: Value | None = None
        operand = instruction.operands[0] if instruction.operands else None
        if instruction.code == x86.X86_INS_RETF:
            target = before.top
        elif instruction.flow is Flow.JUMP and isinstance(operand, Register):
            target = before.registers[operand.whole]
        if target is not None and target.base == CONSTANT:
            return self._world.exits_to(self._routine, target.offset & 0xFFFFFFFF)
        return self._world.exits(self._routine, instruction)

    def _after(self, instruction: Instruction, exits: Exits, before: State) -> State:
        if instruction.flow is Flow.CALL:
            return self._after_call(instruction, exits, before)
        if instruction.flow is Flow.RETURN:
            return before
        after = step(instruction, before)
        if not after.esp.is_stack and not self._routine.header.returns:
            registers = after.registers | {"esp": self._fresh_stack(instruction)}
            after = State(registers, {})
        return after

    def _after_call(self, instruction: Instruction, exits: Exits, before: State) -> State:
        outputs: set[str] = set()
        clobbers: set[str] = set()
        if exits.hypercall:
            outputs.add("eax")
        if exits.unknown_call:
            return before
        popped = 0
        for callee in exits.callees:
            if callee.header.returns:
                outputs |= callee.header.out
                clobbers |= callee.header.clobbers
                popped = max(popped, self._world.popped(callee))
        return before.after_call(outputs, clobbers - outputs, popped, instruction.address)

    def _fresh_stack(self, instruction: Instruction) -> Value:
        """Return the new stack pointer: measured from the hypervisor's stack's top when it is set to a place in it."""
        operand = instruction.operands[-1] if instruction.operands else None
        if isinstance(operand, Immediate):
            try:
                bottom, top = (self._world.image.symbol(name).address for name in (STACK, STACK_TOP))
            except KeyError:
                return Value(FRESH, 0, instruction.address)
            for value in (operand.value, operand.value + self._world.image.load_offset):
                if bottom <= value <= top:
                    return Value(FRESH, value - top, instruction.address)
        return Value(FRESH, 0, instruction.address)

    def _reach(self, address: int, state: State, pending: list[int], source: int) -> None:
        if self._world.decoder.at(address) is None:
            self.result.stray[address] = source
            return
        known = self.result.before.get(address)
        if known is None:
            self.result.before[address] = state
            pending.append(address)
            return
        if known.esp != state.esp:
            known = self._meet_unevenly(address, known, state)
        joined = join(known, state)
        if joined != self.result.before[address]:
            self.result.before[address] = joined
            pending.append(address)

    def _meet_unevenly(self, address: int, known: State, state: State) -> State:
        if self._routine.header.returns:
            if known.esp.is_stack and state.esp.is_stack:
                self.result.uneven.setdefault(address, (-known.esp.offset, -state.esp.offset))
            return known
        if not state.esp.is_stack or state.esp.offset >= known.esp.offset:
            return known
        self._deepenings[address] = self._deepenings.get(address, 0) + 1
        if self._deepenings[address] > MAX_DEEPENINGS:
            self.result.uneven[address] = (-known.esp.offset, -state.esp.offset)
            return known
        return State(known.registers | {"esp": state.esp}, known.slots)
