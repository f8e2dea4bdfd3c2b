"""Grants as the hypervisor records them: tables, uses of entries, and what each domain has mapped, by handle.

Invariants
  - A view of what is in memory, and the rules about it. What a domain writes into its own entries is its own affair:
    the rules are about the hypervisor's records, and `granted` about what a mapping needs.
  - A mapping of a grant is accounted for twice: by the entry of the L1, and by the use that its handle holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from ctypes import sizeof
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from xengen.abi.granting import GRANT_FRAMES, MAPTRACK_PAGES, GrantActive, GrantTable, Maptrack
from xengen.abi.symbols import assembler_symbols
from xengen.inspect import layout
from xengen.inspect.views import BadStructure, Domain, Hypervisor
from xengen.inspect.violation import Rule, Violation

if TYPE_CHECKING:
    from xengen.inspect.survey import Survey

RecordT = TypeVar("RecordT", Maptrack, GrantActive)

_VALUES = assembler_symbols()
PER_PAGE = _VALUES["MAPTRACK_PER_PAGE"]
ENTRIES = _VALUES["GRANT_ENTRIES_V1_PER_PAGE"]
HOST, DEVICE, READ_ONLY = (_VALUES[f"GNTMAP_{name}"] for name in ("host_map", "device_map", "readonly"))
CONTAINS_PTE, NO_HANDLE = _VALUES["GNTMAP_contains_pte"], _VALUES["NO_HANDLE"]


@dataclass(frozen=True)
class Handle:
    """One handle of `mapper` that is in use: which entry of whose, the frame, and the flags of the record."""

    mapper: Domain
    number: int
    granter: int
    ref: int
    mfn: int
    flags: int

    @property
    def writable(self) -> bool:
        """Whether it may write."""
        return not self.flags & READ_ONLY

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"handle {self.number} of domain {self.mapper.id}"


@dataclass(frozen=True)
class Grants:
    """A domain's GRANT_TABLE. `uses[ref]`: (readers, writers) of each entry that is in use; `free`: handles, in order
    of their chain.
    """

    domain: Domain
    record: GrantTable
    uses: dict[int, tuple[int, int]]
    handles: tuple[Handle, ...]
    free: tuple[int, ...]

    @property
    def frames(self) -> Sequence[int]:
        """The frames of entries, which the domain writes."""
        return tuple(self.record.frames[: self.record.nr_frames])

    @property
    def hidden(self) -> Sequence[int]:
        """The frames of records that nobody else sees."""
        pages = self.record.maptrack[: self.record.maptrack_pages]
        return (*self.record.active[: self.record.nr_frames], *pages)


def grants_of(hypervisor: Hypervisor, domain: Domain) -> Grants | None:
    """Return a domain's grants, None when it has no GRANT_TABLE. Raises BadStructure when that cannot be followed."""
    address = int(domain.record.grants)
    if not address:
        return None
    record = hypervisor.structure(GrantTable, address)
    if record.nr_frames > GRANT_FRAMES or record.maptrack_pages > MAPTRACK_PAGES:
        raise BadStructure(f"the grant table of domain {domain.id} is larger than it can be")
    if record.next_handle > record.maptrack_pages * PER_PAGE:
        raise BadStructure(f"domain {domain.id} has more handles than room for them")
    records = [_page(hypervisor, mfn, Maptrack) for mfn in record.maptrack[: record.maptrack_pages]]
    all_handles = [one for page in records for one in page][: record.next_handle]
    handles = tuple(
        Handle(domain, number, one.granter, one.ref, one.frame, one.flags)
        for number, one in enumerate(all_handles)
        if one.granter
    )
    uses = {}
    for index, mfn in enumerate(record.active[: record.nr_frames]):
        for ref, one in enumerate(_page(hypervisor, mfn, GrantActive), index * ENTRIES):
            if one.readers or one.writers:
                uses[ref] = int(one.readers), int(one.writers)
    return Grants(domain, record, uses, handles, _free_handles(domain, record, all_handles))


def records(survey: Survey) -> Iterator[Violation]:
    """Uses of entries are as many as there are handles and virtual devices for them; each is of a frame that its
    granter owns.
    """
    found: dict[tuple[int, int], list[int]] = {}
    owners = {domain.address: domain for domain in survey.domains}
    for grants in survey.grants:
        for handle in grants.handles:
            granter = owners.get(handle.granter)
            detail = "" if granter else f"{handle.name} is of a domain that is not there"
            if granter and survey.domain_of(handle.mfn) != granter.id:
                detail = f"{handle.name} has a frame that is not domain {granter.id}'s"
            elif not handle.flags & (HOST | DEVICE) or handle.flags & ~(HOST | DEVICE | READ_ONLY | CONTAINS_PTE):
                detail = f"{handle.name} has flags {handle.flags:#x}"
            if detail:
                yield Violation(Rule.GRANT, detail, handle.mfn, grants.domain.id)
            found.setdefault((handle.granter, handle.ref), [0, 0])[int(handle.writable)] += 1
        free = len(grants.free)
        if free + len(grants.handles) != grants.record.next_handle and not grants.domain.is_dying:
            said = f"{grants.record.next_handle} handles were given out"
            detail = f"{said}, {len(grants.handles)} are in use, {free} free"
            yield Violation(Rule.GRANT, detail, domain=grants.domain.id)
    for use in survey.device_uses:
        granter = owners.get(use.granter)
        if granter is None or survey.domain_of(use.mfn) != granter.id:
            yield Violation(Rule.GRANT, f"{use.what} uses a frame that is not its domain's", use.mfn)
        found.setdefault((use.granter, use.ref), [0, 0])[int(use.writable)] += 1
    for grants in survey.grants:
        for ref, counted in grants.uses.items():
            handles = found.pop((grants.domain.address, ref), [0, 0])
            if counted != tuple(handles):
                yield _miscounted(grants.domain.id, ref, counted, handles)
    for (address, ref), handles in found.items():
        if address in owners:
            yield _miscounted(owners[address].id, ref, (0, 0), handles)


def granted(survey: Survey) -> Counter[tuple[int, int, bool]]:
    """How many mappings each domain may have of others' frames: (its id, frame, writable)."""
    return Counter(
        (grants.domain.id, handle.mfn, handle.writable)
        for grants in survey.grants
        for handle in grants.handles
        if handle.flags & HOST
    )


def _miscounted(domain: int, ref: int, counted: tuple[int, int], handles: Sequence[int]) -> Violation:
    said = f"entry {ref} has {counted[0]} readers and {counted[1]} writers"
    detail = f"{said}, but there are handles and devices for {handles[0]} and {handles[1]}"
    return Violation(Rule.GRANT, detail, domain=domain)


def _free_handles(domain: Domain, record: GrantTable, handles: Sequence[Maptrack]) -> tuple[int, ...]:
    found: list[int] = []
    number = int(record.free_handle)
    while number != NO_HANDLE:
        if number >= len(handles) or handles[number].granter or len(found) >= len(handles):
            raise BadStructure(f"the free handles of domain {domain.id} lead to {number}, which is none")
        found.append(number)
        number = int(handles[number].ref)
    return tuple(found)


def _page(hypervisor: Hypervisor, mfn: int, kind: type[RecordT]) -> Sequence[RecordT]:
    data = hypervisor.bytes[mfn * layout.PAGE_SIZE : (mfn + 1) * layout.PAGE_SIZE].tobytes()
    if len(data) < layout.PAGE_SIZE:
        raise BadStructure(f"a record of grants is in frame {mfn:#x}, where there is no memory")
    return tuple((kind * (layout.PAGE_SIZE // sizeof(kind))).from_buffer_copy(data))
