"""What the checker reports: which rule is broken, by which frame and domain, and by which way through the tables.

Invariants
  - A violation is one line that a person can act on. Its rule is a name that tests can hold it against.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """What must hold at any moment at which a guest runs."""

    STRUCTURE = "structure"  # the hypervisor's own records can be followed
    OWNER = "owner"  # the owner of a frame is a domain
    NR_PAGES = "nr-pages"  # a domain's nr_pages is the number of its frames
    FREE_LIST = "free-list"  # a frame is in the bitmap exactly when its record is empty; only RAM is
    FREE_COUNT = "free-count"  # free_frames counts the bitmap
    FREE_TREE = "free-tree"  # the tree above the bitmap says which blocks are wholly free
    HAND = "hand"  # what memory_op has in hand for a vcpu is nobody's
    FREE_FRAME = "free-frame"  # nothing leads to a free frame
    LEAK = "leak"  # a frame that is not free has a use
    REFERENCE_COUNT = "reference-count"  # FRAME_count is the number of references found
    TYPE = "type"  # FRAME_type has the type that the uses need
    TYPE_COUNT = "type-count"  # and as many references to it as there are uses
    NOT_VALIDATED = "not-validated"  # a type in use, or pinned, is validated
    PARTIAL_TABLE = "partial-table"  # a table that is partly validated is in nobody's use
    STALE_TYPE = "stale-type"  # no page table is validated with nothing that needs it
    PIN = "pin"  # only page tables are pinned
    STRAY_TABLE = "stray-table"  # each page table hangs on a base pointer or a pin
    TWO_ROLES = "two-roles"  # no frame is two kinds of table
    TABLE_TARGET = "table-target"  # a table leads to tables of the same domain
    TABLE_BITS = "table-bits"  # no entry has a bit that a guest may not set
    SLOT_3 = "slot-3"  # each L3 has an L2 in slot 3 that no other L3 has
    LINEAR_CHAIN = "linear-chain"  # an L2 that another L2 leads to leads to no other itself
    LINEAR_BALANCE = "linear-balance"  # FRAME_link of an L2 is how often it is led to, or minus how often it leads
    LINEAR_WRITABLE = "linear-writable"  # an L2 is never a writable L1
    WRITABLE_TABLE = "writable-table"  # no table or descriptor frame is mapped writable
    HYPERVISOR_FRAME = "hypervisor-frame"  # no frame of the hypervisor's is mapped
    FOREIGN_FRAME = "foreign-frame"  # no other domain's frame is mapped without a grant of the right, or permission
    GRANT = "grant"  # a grant is in use as often as there are handles of it, and each is of a frame of its domain
    IO_FRAME = "io-frame"  # what is no RAM is for privileged domains, the local APIC for none
    RESERVED_SLOT = "reserved-slot"  # the hypervisor's entries of an L2 of slot 3 are as they should be
    ALIAS_SLOT = "alias-slot"  # those of the M2P alias as well
    BASE_POINTER = "base-pointer"  # a vcpu's guest_table, l3 and cr3 belong together
    M2P = "m2p"  # the M2P table is invalid for what nobody owns
    DESCRIPTOR = "descriptor"  # no descriptor reaches into the private part, or ring 0
    DESCRIPTOR_WINDOW = "descriptor-window"  # the per-domain window shows descriptor frames of the domain only
    GATE = "gate"  # the IDT's gates lead where they should, and may be used by whom they should
    PORT = "port"  # an event channel port is what its record says, and bound to what there is
    CHANNEL = "channel"  # the two ends of an event channel name each other, or a port and a virtual device
    DEVICE = "device"  # a virtual device is a domain's, has a port while it is connected, and is queued once
    RING = "ring"  # a VBD's requests are in the lists that they say, as many as its ring has unanswered
    INTERFACE = "interface"  # a VIF is on its wire, waits as it says, and its packets are counted; so are their frames
    NIC = "nic"  # a NIC's frames are the hypervisor's, each in one place, and its rings hold what it says
    EXTENT = "extent"  # a VBD's extents are on a disk, and are its sectors
    TIMER = "timer"  # the heap of timers has those that are set, in order, and the alarm is not later than any
    RUN_QUEUE = "run-queue"  # the scheduler's heaps have those that wait, in order, and each knows its place
    RUN_STATE = "run-state"  # who may run runs or waits, as its state says, and is not behind the others' time
    PLAIN = "plain"  # who is taken for a plain vcpu has nothing that a short switch would leave out
    REGION = "region"  # the hypervisor's own mappings are of its own frames
    PERMISSIONS = "permissions"  # and nothing of them is writable and executable, or open to ring 3
    REGISTERS = "registers"  # the processor's control registers agree with the current vcpu


@dataclass(frozen=True)
class Step:
    """One entry on the way through page tables: the table's level, its frame, and the index of the entry."""

    level: int
    mfn: int
    index: int

    def __str__(self) -> str:
        return f"L{self.level} {self.mfn:#x}[{self.index}]"


@dataclass(frozen=True)
class Violation:
    """One broken rule.

    `frame` is the machine frame that it is about and `domain` the id of the domain, None where there is none. `path`
    leads to the offending entry from an L3; it is shorter where a pinned table begins it.
    """

    rule: Rule
    detail: str
    frame: int | None = None
    domain: int | None = None
    path: tuple[Step, ...] = ()

    def __str__(self) -> str:
        subject = [f"frame {self.frame:#x}"] if self.frame is not None else []
        subject += [f"domain {self.domain}"] if self.domain is not None else []
        way = " -> ".join(str(step) for step in self.path)
        return ": ".join(part for part in (self.rule.value, ", ".join(subject), way, self.detail) if part)
