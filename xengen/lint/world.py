"""The routines of one image: their symbols, contracts and addresses, and what each can jump to or call.

Invariants
  - A routine is a symbol of type function. Every address belongs to at most one of them.
  - What an instruction can lead to is decided by the instruction, the image's tables and the contract alone. (Where
    the state tells a jump's target, `flow` asks for `exits_to` instead.)
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from xengen.lint.decode import Decoder, Flow, Immediate, Instruction, Memory
from xengen.lint.findings import Finding
from xengen.lint.header import Header
from xengen.lint.sources import Source
from xengen.toolchain.image import Image, Origin, Statement, Symbol, SymbolKind

FIXUPS = ("__ex_table_start", "__ex_table_end")
"""The symbols around the exception table: pairs of words, an instruction and where it goes on when it faults."""

HYPERCALL_PAGE = "hypercall_page"


@dataclass(frozen=True, eq=False)
class Routine:
    """A function of the image: [start, end), its contract, and the place where its code begins."""

    name: str
    start: int
    end: int
    header: Header
    origin: Origin

    def __contains__(self, address: int) -> bool:
        return self.start <= address < self.end


@dataclass
class Exits:
    """What an instruction can lead to.

    `inside` are addresses to explore, `fixup` one that is reached as if the instruction had done nothing, `callees`
    come back behind the instruction, `tails` are left to by a jump; `problems` are clauses about the routine.
    """

    inside: list[int] = field(default_factory=list)
    fixup: int | None = None
    callees: list[Routine] = field(default_factory=list)
    tails: list[Routine] = field(default_factory=list)
    hypercall: bool = False
    unknown_call: bool = False
    returns: bool = False
    problems: list[str] = field(default_factory=list)


class World:
    """One image with the contracts of its routines."""

    def __init__(self, image: Image, sources: dict[str, Source]) -> None:
        self.image = image
        self.decoder = Decoder(image)
        self.findings: list[Finding] = []
        symbols = sorted(
            (symbol for symbol in image.symbols if symbol.kind is SymbolKind.FUNCTION and symbol.size),
            key=lambda symbol: symbol.address,
        )
        self.routines = [self._routine(symbol, sources) for symbol in symbols]
        self._starts = [routine.start for routine in self.routines]
        self._written = [statement.address for statement in image.statements]
        self._names = {symbol.address: symbol.name for symbol in image.symbols}
        self._fixups = dict(self._read_fixups())

    def _routine(self, symbol: Symbol, sources: dict[str, Source]) -> Routine:
        statement = self.image.statement_at(symbol.address)
        origin = statement.origin if statement is not None else Origin(self.image.name, 0)
        source = sources.get(origin.file)
        block = source.block(symbol.name, origin.line) if source is not None else None
        if block is None:
            header = Header(symbol.name, origin.file, origin.line)
            message = "has no header: it is not made by routine() or entry()"
            self.findings.append(Finding(origin.file, origin.line, symbol.name, message))
        else:
            header = block.header
        return Routine(symbol.name, symbol.address, symbol.address + symbol.size, header, origin)

    def _read_fixups(self) -> list[tuple[int, int]]:
        """Return (instruction, way out) for each entry of the exception table; none when the image has no table."""
        try:
            start, end = (self.image.symbol(name).address for name in FIXUPS)
        except KeyError:
            return []
        words = self.words(start, (end - start) // 4)
        return list(zip(words[0::2], words[1::2], strict=True))

    def words(self, address: int, count: int) -> list[int]:
        """Return `count` words of contents at `address`, fewer where the section ends."""
        for section in self.image.sections:
            if section.has_contents and section.address <= address < section.address + section.size:
                start = address - section.address
                data = section.data[start : start + 4 * count]
                return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data) - 3, 4)]
        return []

    def routine_at(self, address: int) -> Routine | None:
        """Return the routine that holds `address`, or None."""
        index = bisect_right(self._starts, address) - 1
        return self.routines[index] if index >= 0 and address in self.routines[index] else None

    def origin(self, address: int) -> Origin:
        """Return the template line of the instruction at `address`."""
        statement = self.image.statement_at(address)
        return statement.origin if statement is not None else Origin(self.image.name, 0)

    def statements(self, routine: Routine) -> list[Statement]:
        """Return the instructions written between a routine's first and last byte, without directives."""
        first = bisect_right(self._written, routine.start - 1)
        last = bisect_right(self._written, routine.end - 1)
        found = self.image.statements[first:last]
        return [statement for statement in found if statement.size and not statement.text.lstrip().startswith(".")]

    def popped(self, routine: Routine) -> int:
        """Return how many bytes of arguments the routine's `ret $n` takes off its caller's stack."""
        most = 0
        for statement in self.statements(routine):
            instruction = self.decoder.at(statement.address)
            if instruction is not None and instruction.flow is Flow.RETURN:
                most = max(most, returned_bytes(instruction))
        return most

    def name_at(self, address: int) -> str:
        """Return the symbol at `address`, or the address in hex."""
        return self._names.get(address, f"{address:#x}")

    def exits(self, routine: Routine, instruction: Instruction) -> Exits:
        """Return what `instruction` of `routine` can lead to."""
        exits = Exits()
        flow = instruction.flow
        if instruction.address in self._fixups:
            way_out = self._fixups[instruction.address]
            before = len(exits.inside)
            self._jump(routine, way_out, exits)
            if len(exits.inside) > before:
                exits.fixup = exits.inside.pop()
        if flow is Flow.CALL:
            self._call(routine, instruction, exits)
        elif flow is Flow.RETURN:
            exits.returns = True
        elif flow is Flow.LEAVE:
            if routine.header.returns:
                exits.problems.append("leaves by an instruction that is no ret, though its header says that it returns")
        elif flow in (Flow.JUMP, Flow.BRANCH):
            target = instruction.target
            if target is not None:
                self._jump(routine, target, exits)
            else:
                self._indirect_jump(routine, instruction, exits)
        if flow in (Flow.NEXT, Flow.BRANCH):
            self._fall(routine, instruction, exits)
        return exits

    def exits_to(self, routine: Routine, target: int) -> Exits:
        """Return what a jump of `routine` to the known address `target` can lead to."""
        exits = Exits()
        self._jump(routine, target, exits)
        return exits

    def _jump(self, routine: Routine, target: int, exits: Exits) -> None:
        other = self.routine_at(target)
        if other is None or other is routine:
            exits.inside.append(target)
        elif target == other.start or not other.header.returns:
            exits.tails.append(other)
        else:
            exits.problems.append(f"jumps into the middle of {other.name}")

    def _fall(self, routine: Routine, instruction: Instruction, exits: Exits) -> None:
        following = instruction.end
        other = self.routine_at(following)
        if other is routine or (other is None and instruction.address not in routine):
            exits.inside.append(following)
        elif other is not None and following == other.start and not routine.header.returns:
            exits.tails.append(other)
        elif other is not None:
            exits.problems.append(f"runs on into {other.name}: end it with a jump or ret")
        else:
            exits.problems.append("runs off its end: end it with a jump or ret")

    def _call(self, routine: Routine, instruction: Instruction, exits: Exits) -> None:
        target = instruction.target
        if target is None:
            self._indirect_call(routine, instruction, exits)
        elif self._in_hypercall_page(target):
            exits.hypercall = True
        else:
            callee = self.routine_at(target)
            if callee is None or callee.start != target:
                exits.problems.append(f"calls {self.name_at(target)}, which is no routine")
                exits.unknown_call = True
            else:
                exits.callees.append(callee)
        comes_back = exits.hypercall or exits.unknown_call or any(callee.header.returns for callee in exits.callees)
        if comes_back:
            self._fall(routine, instruction, exits)

    def _in_hypercall_page(self, address: int) -> bool:
        try:
            start = self.image.symbol(HYPERCALL_PAGE).address
        except KeyError:
            return False
        return start <= address < start + 4096

    def _declared(self, routine: Routine) -> list[Routine]:
        return [other for other in self.routines if routine.header.may_call(other.name)]

    def _table(self, instruction: Instruction) -> list[int]:
        """Return the words of the constant table that an indirect jump or call goes through; none when not known."""
        operand = instruction.operands[0]
        if not isinstance(operand, Memory) or operand.base is not None or operand.index is None:
            return []
        address = operand.displacement & 0xFFFFFFFF
        for section in self.image.sections:
            if section.address <= address < section.address + section.size and section.writable:
                return []
        for symbol in self.image.symbols:
            if symbol.address == address and symbol.kind is SymbolKind.OBJECT and symbol.size:
                return self.words(address, symbol.size // 4)
        return []

    def _through(self, routine: Routine, table: list[int], exits: Exits) -> list[Routine]:
        """Return what an indirect jump or call may reach: the table's routines if it is known, else what is declared.

        Either way the header must name them: what is in a table today is not what its reader must expect.
        """
        declared = self._declared(routine)
        targets = {word: self.routine_at(word) for word in table if word}
        held = [other for word, other in targets.items() if other is not None and other.start == word]
        if not targets or len(held) < len(targets) or not declared:
            return declared
        for other in held:
            if other not in declared:
                exits.problems.append(f"goes through a table that holds {other.name}, which its line `calls:` omits")
        return held

    def _indirect_jump(self, routine: Routine, instruction: Instruction, exits: Exits) -> None:
        table = self._table(instruction)
        if table and all(word in routine for word in table):
            exits.inside.extend(sorted(set(table)))
            return
        exits.tails.extend(self._through(routine, table, exits))
        if not exits.tails and routine.header.returns:
            exits.problems.append("jumps through a pointer: name where to in its header, in a line `calls:`")

    def _indirect_call(self, routine: Routine, instruction: Instruction, exits: Exits) -> None:
        exits.callees.extend(self._through(routine, self._table(instruction), exits))
        if not exits.callees:
            exits.unknown_call = True
            exits.problems.append("calls through a pointer: name the routines in its header, in a line `calls:`")


def returned_bytes(instruction: Instruction) -> int:
    """Return the n of `ret $n`."""
    first = instruction.operands[0] if instruction.operands else None
    return first.value if isinstance(first, Immediate) else 0
