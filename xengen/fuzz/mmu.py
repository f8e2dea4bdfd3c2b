"""Operations of memory management: mmu_update, update_va_mapping, mmuext_op.

Invariants
  - An entry that an agent lives on gets other available bits, never another frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from xengen.abi.mmu import MmuextArg1, MmuextArg2, MmuextOp
from xengen.abi.mmu import MmuUpdate as Request
from xengen.agent.agent import Agent
from xengen.agent.names import DOMID_SELF, EFAULT, EINVAL, ENOSYS, HV_PRIVATE_START, PTE_P, UVMF_ALL
from xengen.fuzz.calls import OK, UNTOUCHED, Call, Prepared, counted, refusal, told
from xengen.fuzz.contents import ENTRIES
from xengen.fuzz.frame import Kind, Refused
from xengen.fuzz.places import Place, Value
from xengen.fuzz.spaces import Owners
from xengen.fuzz.world import World

ANOTHER_BIT = 0x200  # available to guests: a change that changes nothing
NOBODYS_TABLE = 0x100 << 12  # the hypervisor's own first frame

# Commands of mmuext_op by what they do; those that are not here do not exist for 32-bit guests.
PINS = {0: Kind.L1, 1: Kind.L2, 2: Kind.L3}
NOTHING = (3, 6, 7, 10, 11)
UNPIN, BASE, SET_LDT, CLEAR, COPY = 4, 5, 13, 16, 17
MASKED = (8, 9)
FLUSH_CACHE = (12, 18)


@dataclass(frozen=True)
class Store:
    """One request: `value` into an entry of the frame at `table`."""

    table: Place
    index: int
    value: Value
    command: int = 0


@dataclass(frozen=True)
class MmuUpdate(Call):
    """mmu_update. `foreign`: its last argument. `done`: whether it is to count."""

    stores: tuple[Store, ...]
    foreign: int = DOMID_SELF
    done: bool = True

    def prepare(self, world: World, domain: int) -> Prepared:
        """See Call."""
        agent, model = world.agents[domain], world.model
        expected, count, requests = OK, 0, []
        owners: Owners | None = None
        try:
            owners = model.owners(domain, self.foreign)
        except Refused as refused:
            expected = refused.codes
        for store in self.stores:
            mfn, value = world.mfn(store.table), world.value(store.value)
            pointer = mfn << 12 | store.index << 3 | store.command
            if store.command != 1 and world.needed(mfn, store.index):
                pointer, value = _harmless(world, mfn, store.index, pointer)
            requests.append(Request(pointer, value))
            if owners is not None and expected == OK:
                frame = model.frames.get(pointer >> 12)
                kind = "nobody's" if frame is None else frame.kind.name if frame.uses else "unused"
                expected = refusal(partial(model.store, owners, pointer, value))
                count += expected == OK
                world.outcomes["mmu_update", f"{store.command} {kind} {told(expected)}"] += 1
        done = agent.put([UNTOUCHED]) if self.done else 0
        arguments = (agent.put(requests), len(requests), done, self.foreign)
        if not self.done:
            return Prepared("mmu_update", arguments, expected)
        finish = counted(agent, done, UNTOUCHED if owners is None else count)
        return Prepared("mmu_update", arguments, expected, finish)


@dataclass(frozen=True)
class MapPage(Call):
    """update_va_mapping, with `owner` (a domid) the one for another domain's frames."""

    va: int | Place
    value: Value
    flags: int = 0
    owner: int | None = None

    def prepare(self, world: World, domain: int) -> Prepared | None:
        """See Call."""
        model = world.model
        va = address(world, domain, self.va)
        value = world.value(self.value)
        found = model.domains[domain]
        table = model.table_of(found, va) if va < found.virt_start else None
        if table is not None and world.needed(table, va >> 12 & 511):
            return None
        call = "update_va_mapping" if self.owner is None else "update_va_mapping_otherdomain"
        arguments = (va, value & 0xFFFFFFFF, value >> 32, self.flags)
        try:
            owner = domain if self.owner is None else model.foreign(domain, self.owner)
            model.map(domain, va, value, owner)
        except Refused as refused:
            return Prepared(call, arguments if self.owner is None else (*arguments, self.owner), refused.codes)
        bad_mask = self.flags & 3 and self.flags & ~3 > UVMF_ALL
        expected = frozenset({-EFAULT}) if bad_mask else OK
        return Prepared(call, arguments if self.owner is None else (*arguments, self.owner), expected)


@dataclass(frozen=True)
class Extend:
    """One operation of mmuext_op: frames are places, everything else numbers."""

    command: int
    first: Place | int = 0
    second: Place | int = 0


@dataclass(frozen=True)
class MmuExtended(Call):
    """mmuext_op."""

    operations: tuple[Extend, ...]
    foreign: int = DOMID_SELF
    done: bool = True

    def prepare(self, world: World, domain: int) -> Prepared:
        """See Call."""
        agent = world.agents[domain]
        expected, count, encoded = OK, 0, []
        owner: int | None = None
        try:
            owner = world.model.foreign(domain, self.foreign & 0xFFFF)
        except Refused as refused:
            expected = refused.codes
        for operation in self.operations:
            given = operation.first, operation.second
            first, second = (one if isinstance(one, int) else world.mfn(one) for one in given)
            if operation.command == SET_LDT:
                first = address(world, domain, operation.first)
            if not allowed(world, domain, operation.command, first):
                first = NOBODYS_TABLE >> 12
            if operation.command == COPY and world.restless(second):
                second = NOBODYS_TABLE >> 12
            command = MmuextOp(operation.command, MmuextArg1(mfn=first), MmuextArg2(nr_ents=second))
            encoded.append(command)
            if owner is not None and expected == OK:
                expected = refusal(partial(extend, world, domain, owner, operation.command, first, second))
                count += expected == OK
                world.outcomes["mmuext_op", f"{operation.command:#x} {told(expected)}"] += 1
        done = agent.put([UNTOUCHED]) if self.done else 0
        arguments = (agent.put(encoded), len(encoded), done, self.foreign)
        if not self.done:
            return Prepared("mmuext_op", arguments, expected)
        return Prepared("mmuext_op", arguments, expected, counted(agent, done, UNTOUCHED if owner is None else count))


def address(world: World, domain: int, va: int | Place) -> int:
    """Return an address: a number, or where a spare page of the domain's was in the beginning."""
    if isinstance(va, int):
        return va
    index = getattr(va, "index", 0)
    return world.spare(domain, index).va


def allowed(world: World, domain: int, command: int, first: int) -> bool:
    """Whether an agent survives an operation."""
    if command == BASE:
        frame = world.model.frames.get(first)
        usable = frame is not None and frame.owner == domain and (not frame.uses or frame.kind == Kind.L3)
        return not usable or world.could_live_on(domain, first)
    return command not in (CLEAR, COPY) or not world.needed(first, ENTRIES)


def extend(world: World, domain: int, owner: int, command: int, first: int, second: int) -> None:
    """Have the model do one operation of mmuext_op."""
    model, contents = world.model, world.contents
    if command in PINS:
        model.pin(first, PINS[command], owner)
    elif command == UNPIN:
        model.unpin(first, owner)
    elif command == BASE:
        model.set_base(domain, first)
    elif command == SET_LDT:
        model.set_ldt(domain, first, second)
    elif command == CLEAR:
        model.writable(first, owner)
        contents.fill(first, [0] * ENTRIES)
    elif command == COPY:
        if not model.frames.owned_by(second, owner):
            raise Refused(-EINVAL)
        model.writable(first, owner)
        contents.fill(first, contents.page(second))
    elif command in MASKED:
        if not _readable(world.agents[domain], second):
            raise Refused(-EINVAL)
    elif command in FLUSH_CACHE:
        if domain not in model.frames.privileged:
            raise Refused(-EINVAL)
    elif command not in NOTHING:
        raise Refused(-ENOSYS)


def _readable(agent: Agent, va: int) -> bool:
    """Whether a word at one of the addresses that are used for masks can be read: the agent's own, or nobody's."""
    start = agent.address("agent_scratch")
    return va < HV_PRIVATE_START and start <= va < start + 0x10000


def _harmless(world: World, mfn: int, index: int, pointer: int) -> tuple[int, int]:
    """Return a request in place of one that an agent would die of."""
    frame = world.model.frames[mfn]
    if frame.uses and frame.kind in (Kind.L1, Kind.TOP):
        entry = world.contents.page(mfn)[index]
        return pointer, entry ^ ANOTHER_BIT if entry & PTE_P else entry
    return NOBODYS_TABLE, 0
