"""What the tests of grants are written with: a domain's entries, live, and each operation with its status.

Invariants
  - Entries are written by Python, as the domain would: frame and domid first, flags last.
  - A test uses refs of its own (`refs`), from 8 on: the lower ones are reserved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ctypes import Structure, sizeof
from dataclasses import dataclass
from itertools import count
from weakref import WeakKeyDictionary

from tests.boot.tables import frame
from xengen.abi.grant import (
    GnttabCopy,
    GnttabMapGrantRef,
    GnttabSetupTable,
    GnttabTransfer,
    GnttabUnmapAndReplace,
    GnttabUnmapGrantRef,
    GrantEntryV1,
)
from xengen.agent.agent import Agent, Page
from xengen.agent.names import DOMID_SELF, value
from xengen.agent.outcome import Result
from xengen.inspect.grants import Handle, grants_of
from xengen.inspect.live import hypervisor_of

HOST, DEVICE, READONLY, APPLICATION, PTE = (
    value(f"GNTMAP_{name}") for name in ("host_map", "device_map", "readonly", "application_map", "contains_pte")
)
PERMIT, ACCEPT, READ_ONLY_GRANT = (value(f"GTF_{name}") for name in ("permit_access", "accept_transfer", "readonly"))
READING, WRITING = value("GTF_reading"), value("GTF_writing")
SOURCE_GREF, DEST_GREF = value("GNTCOPY_source_gref"), value("GNTCOPY_dest_gref")
OKAY, GENERAL, BAD_DOMAIN, BAD_REF, BAD_HANDLE, BAD_VA, DENIED, BAD_PAGE, BAD_COPY = (
    value(f"GNTST_{name}")
    for name in (
        "okay", "general_error", "bad_domain", "bad_gntref", "bad_handle", "bad_virt_addr", "permission_denied",
        "bad_page", "bad_copy_arg",
    )
)  # fmt: skip
GRANT_FRAMES = value("GRANT_FRAMES")
ENTRIES = value("GRANT_ENTRIES_V1_PER_PAGE")
NOBODY = 0x123  # the number of no domain
UNTOUCHED = 0x5EAD

_refs: WeakKeyDictionary[Agent, Iterator[int]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Granted:
    """One entry of `owner`'s table, and the page that it shows."""

    owner: Agent
    ref: int
    page: Page

    @property
    def entry(self) -> GrantEntryV1:
        """The entry, live."""
        return entry(self.owner, self.ref)

    @property
    def marks(self) -> int:
        """Which of reading and writing stand in the entry."""
        return int(self.entry.flags) & (READING | WRITING)


def setup(agent: Agent, frames: int = 1, *, dom: int = DOMID_SELF) -> tuple[int, list[int]]:
    """setup_table; its status and the frames of the table."""
    address = agent.put([UNTOUCHED] * max(frames, 1)) if frames <= GRANT_FRAMES else agent.put([UNTOUCHED])
    argument = GnttabSetupTable(dom=dom, nr_frames=frames, status=UNTOUCHED, frame_list=address)
    assert operate(agent, "setup_table", argument) == 0
    listed = frames if frames <= GRANT_FRAMES else 1
    data = agent.space.read(address, 4 * listed)
    return argument.status, [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


def operate(agent: Agent, command: str, *elements: Structure) -> Result:
    """grant_table_op with a list; its result."""
    return agent.hypercall("grant_table_op", value(f"GNTTABOP_{command}"), elements, len(elements))


def entry(agent: Agent, ref: int) -> GrantEntryV1:
    """An entry of a domain's table, live."""
    status, frames = setup(agent, ref // ENTRIES + 1)
    assert status == OKAY
    view = agent.machine.memory.view(frames[-1] * 4096 + ref % ENTRIES * 8, sizeof(GrantEntryV1))
    return GrantEntryV1.from_buffer(view)


def new_ref(agent: Agent) -> int:
    """A ref that no test has used."""
    return next(_refs.setdefault(agent, count(value("GNTTAB_NR_RESERVED_ENTRIES"))))


def write_entry(agent: Agent, ref: int, mfn: int, to: int, flags: int = PERMIT) -> None:
    """Write an entry as a domain does."""
    one = entry(agent, ref)
    one.frame, one.domid = mfn, to
    one.flags = flags


def grant(owner: Agent, to: Agent, *, flags: int = PERMIT, page: Page | None = None) -> Granted:
    """Show a page of `owner`, a new one by default, to another domain."""
    shown = owner.page() if page is None else page
    ref = new_ref(owner)
    write_entry(owner, ref, shown.mfn, to.domain, flags)
    return Granted(owner, ref, shown)


def map_request(granted: Granted, where: int, flags: int = HOST) -> GnttabMapGrantRef:
    """The element that maps a grant."""
    return GnttabMapGrantRef(where, flags, granted.ref, granted.owner.domain, UNTOUCHED, UNTOUCHED, UNTOUCHED)


def map_grant(user: Agent, granted: Granted, where: int, flags: int = HOST) -> GnttabMapGrantRef:
    """map_grant_ref of one; the element with its answers."""
    element = map_request(granted, where, flags)
    assert operate(user, "map_grant_ref", element) == 0
    return element


def mapped(user: Agent, granted: Granted, where: int, flags: int = HOST) -> int:
    """Map a grant; its handle."""
    element = map_grant(user, granted, where, flags)
    assert element.status == OKAY
    return int(element.handle)


def unmap(user: Agent, handle: int, where: int, bus: int = 0) -> int:
    """unmap_grant_ref of one; its status."""
    element = GnttabUnmapGrantRef(where, bus, handle, UNTOUCHED)
    assert operate(user, "unmap_grant_ref", element) == 0
    return int(element.status)


def replace(user: Agent, handle: int, where: int, new: int) -> int:
    """unmap_and_replace of one; its status."""
    element = GnttabUnmapAndReplace(where, new, handle, UNTOUCHED)
    assert operate(user, "unmap_and_replace", element) == 0
    return int(element.status)


def transfer(agent: Agent, mfn: int, to: int, ref: int) -> int:
    """transfer of one frame; its status."""
    element = GnttabTransfer(mfn=mfn, domid=to, ref=ref, status=UNTOUCHED)
    assert operate(agent, "transfer", element) == 0
    return int(element.status)


def copy(
    agent: Agent, source: Granted | int, dest: Granted | int, length: int = 4, *, at: int = 0, to: int = 0
) -> int:
    """copy of `length` bytes from a grant or an own frame to another; its status."""
    element = GnttabCopy(len=length, status=UNTOUCHED)
    for side, what, offset, flag in (
        (element.source, source, at, SOURCE_GREF),
        (element.dest, dest, to, DEST_GREF),
    ):
        side.offset = offset
        if isinstance(what, Granted):
            side.u.ref, side.domid = what.ref, what.owner.domain
            element.flags |= flag
        else:
            side.u.gmfn, side.domid = what, DOMID_SELF
    assert operate(agent, "copy", element) == 0
    return int(element.status)


def uses(granted: Granted) -> tuple[str, int, int]:
    """Type, type count and references of the frame that is granted."""
    return frame(granted.owner, granted.page.mfn)[:3]


def handles_of(agent: Agent) -> Sequence[Handle]:
    """The handles of a domain that are in use, by the hypervisor's own account."""
    hypervisor = hypervisor_of(agent.machine)
    found = grants_of(hypervisor, hypervisor.domains()[agent.domain])
    return () if found is None else found.handles
