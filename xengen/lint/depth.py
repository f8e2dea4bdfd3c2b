"""How deep the stack can get: the greatest depth of every routine over the call graph, and the deepest chain.

Invariants
  - The depth of a routine is in bytes below its %esp at entry (its return address not counted), its callees included.
  - A circle of jumps that leaves the stack as it was is a loop, and costs nothing.
  - A routine that calls itself, by whatever way, is an error, unless one of the routines of the circle says in its
    header how often it may be active at once (`depth: N`); then the N-th activation's way into the circle is cut.
  - Roots are the routines that do not return: they begin with their header's `frame` bytes on the stack, or on a
    fresh stack where they load %esp.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xengen.lint.findings import Finding
from xengen.lint.flow import STACK, STACK_TOP, Walk
from xengen.lint.state import FRESH
from xengen.lint.world import Routine, World

RETURN_ADDRESS = 4


@dataclass(frozen=True)
class Chain:
    """A way to the greatest depth: `bytes` in all, and each routine with the bytes on the stack when it begins."""

    bytes: int
    routines: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return " > ".join(f"{name} ({at})" for name, at in self.routines)


@dataclass(frozen=True)
class StackUse:
    """What an image needs of its stack, in bytes.

    `deepest` is the deepest chain of calls; `fault` the deepest chain that begins where the processor interrupts, which
    may come on top of it once (an access of guest memory that faults). `size` is the hypervisor's stack, else None.
    """

    deepest: Chain
    fault: Chain
    size: int | None

    @property
    def needed(self) -> int:
        """The two together."""
        return self.deepest.bytes + self.fault.bytes


@dataclass(frozen=True)
class _Edge:
    """A call, or a jump to another routine: the bytes on the stack when that begins, and the instruction's address."""

    to: Routine
    is_call: bool
    depth: int
    address: int


@dataclass
class _Edges:
    """The stack use of one routine's own instructions in bytes, and for each other routine its deepest edges."""

    own: int = 0
    deepest: dict[tuple[Routine, bool], _Edge] = field(default_factory=dict)

    def add(self, edge: _Edge) -> None:
        key = (edge.to, edge.is_call)
        if key not in self.deepest or self.deepest[key].depth < edge.depth:
            self.deepest[key] = edge


_Used = tuple[tuple[str, int], ...]


class Depths:
    """The greatest stack depth of every routine of one image."""

    def __init__(self, world: World, walks: dict[str, Walk]) -> None:
        self._world = world
        self._walks = walks
        self._relative: dict[str, _Edges] = {}
        self._fresh: dict[str, _Edges] = {}
        self._memo: dict[tuple[str, _Used], Chain] = {}
        self._active: list[tuple[str, _Used]] = []
        self._edges: list[_Edge] = []
        self.findings: list[Finding] = []
        for name, walked in walks.items():
            self._collect(name, walked)

    def _collect(self, name: str, walked: Walk) -> None:
        relative, fresh = _Edges(), _Edges()
        for address, exits in walked.exits.items():
            after, before = walked.after[address].esp, walked.before[address].esp
            for esp in (before, after):
                edges = fresh if esp.base == FRESH else relative
                if esp.is_stack:
                    edges.own = max(edges.own, -esp.offset)
            edges = fresh if before.base == FRESH else relative
            depth = -before.offset if before.is_stack else 0
            for callee in exits.callees:
                edges.own = max(edges.own, depth + RETURN_ADDRESS)
                edges.add(_Edge(callee, True, depth + RETURN_ADDRESS, address))
            for other in exits.tails:
                edges.add(_Edge(other, False, depth, address))
        self._relative[name], self._fresh[name] = relative, fresh

    def of(self, name: str) -> Chain:
        """Return the deepest chain from the routine `name`, counted from its %esp at entry."""
        return self._depth(name, ())

    def _depth(self, name: str, used: _Used) -> Chain:
        limit = self._walks[name].routine.header.depth
        if limit is not None:
            counts = dict(used)
            counts[name] = counts.get(name, 0) + 1
            used = tuple(sorted(counts.items()))
        key = (name, used)
        if key not in self._memo:
            self._active.append(key)
            self._memo[key] = self._over(name, self._relative[name], used)
            self._active.pop()
        return self._memo[key]

    def _over(self, name: str, edges: _Edges, used: _Used) -> Chain:
        best = Chain(edges.own, ((name, 0),))
        for edge in edges.deepest.values():
            callee = edge.to
            limit = callee.header.depth
            if limit is not None and dict(used).get(callee.name, 0) >= limit:
                continue
            self._edges.append(edge)
            if limit is None and (callee.name, used) in self._active:
                self._circle(name, (callee.name, used))
            else:
                below = self._depth(callee.name, used)
                if edge.depth + below.bytes > best.bytes:
                    shifted = tuple((routine, edge.depth + at) for routine, at in below.routines)
                    best = Chain(edge.depth + below.bytes, ((name, 0), *shifted))
            self._edges.pop()
        return best

    def _circle(self, name: str, key: tuple[str, _Used]) -> None:
        """Report the circle that the last edge, out of `name`, closes at `key`, unless it is a loop of jumps."""
        start = len(self._active) - 1 - self._active[::-1].index(key)
        edges = self._edges[-(len(self._active) - start) :]
        if not any(edge.is_call for edge in edges) and sum(edge.depth for edge in edges) <= 0:
            return
        circle = " > ".join((*(active[0] for active in self._active[start:]), key[0]))
        origin = self._world.origin(edges[-1].address)
        message = f"calls itself ({circle}): say in a header of the circle how often it may be active (`depth: N`)"
        self.findings.append(Finding(origin.file, origin.line, name, message))

    def stack_use(self) -> StackUse:
        """Return the image's deepest chains; a finding when the hypervisor's stack is too small for them."""
        deepest = fault = Chain(0, ())
        for name, walked in self._walks.items():
            below = self.of(name)
            header = walked.routine.header
            if header.returns:
                continue
            entered = Chain(
                header.frame + below.bytes, tuple((routine, header.frame + at) for routine, at in below.routines)
            )
            fresh = self._over(name, self._fresh[name], ())
            fault = max(fault, entered, key=lambda chain: chain.bytes)
            deepest = max(deepest, entered, fresh, key=lambda chain: chain.bytes)
        size = self._size()
        use = StackUse(deepest, fault, size)
        if size is not None and use.needed > size:
            origin = next(iter(self._walks.values())).routine.origin
            for walked in self._walks.values():
                if use.deepest.routines and walked.routine.name == use.deepest.routines[0][0]:
                    origin = walked.routine.origin
            message = f"{STACK} has {size} bytes, and {use.needed} are needed: {use.deepest}, then a fault: {use.fault}"
            self.findings.append(Finding(origin.file, origin.line, None, message))
        return use

    def _size(self) -> int | None:
        try:
            return self._world.image.symbol(STACK_TOP).address - self._world.image.symbol(STACK).address
        except KeyError:
            return None
