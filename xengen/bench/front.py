"""A block front end on an agent's memory, for measurements: its requests and loops are as short as they can be.

Invariants
  - Domain 0's agent is its own customer: it makes a VBD for its own domain, so that nobody has to be switched to.
  - Loops run in the agent, in ring 1. What they execute themselves is counted by them, or known from their text.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from ctypes import Structure, addressof, memmove, sizeof
from dataclasses import dataclass

from xengen.abi.blkif import BlkifRequest, BlkifSringEntry
from xengen.abi.event import EvtchnAllocUnbound, EvtchnSend
from xengen.abi.grant import GnttabSetupTable, GrantEntryV1
from xengen.abi.io import IoOp
from xengen.abi.rings import SringHeader, ring_entries
from xengen.abi.symbols import assembler_symbols
from xengen.abi.vbd import VbdConnect, VbdCreate, VbdExtent, VbdInfo
from xengen.agent.agent import Agent, Page, completed
from xengen.errors import XengenError

_VALUES = assembler_symbols()
SLOTS = ring_entries(sizeof(BlkifSringEntry))
SEGMENTS = _VALUES["BLKIF_MAX_SEGMENTS_PER_REQUEST"]
PAGE_SECTORS = 8
HANDLE = 51712
PATIENCE_SECONDS = 60.0
FIRST_REF = _VALUES["GNTTAB_NR_RESERVED_ENTRIES"]

# %esi: the ring; %edi: the producer to show; %ecx: an EVTCHN_SEND. %eax: ticks until all is answered; %edx: how often
# the loop of three instructions went round. ONCE_OWN more are the front end's own.
ONCE = """
    rdtsc
    movl %eax, %ebp
    movl %edi, SRING_HEADER_req_prod(%esi)
    movl $HYPERCALL_event_channel_op, %eax
    movl $EVTCHNOP_send, %ebx
    int $0x82
    xorl %edx, %edx
again:
    incl %edx
    cmpl %edi, SRING_HEADER_rsp_prod(%esi)
    jne again
    movl %edx, %ebx
    rdtsc
    subl %ebp, %eax
    movl %ebx, %edx
"""

# %esi, %edi, %ecx as in ONCE. %eax: ticks of the kick alone: the event, and the run of work that it leads to.
KICK = """
    rdtsc
    movl %eax, %ebp
    movl %edi, SRING_HEADER_req_prod(%esi)
    movl $HYPERCALL_event_channel_op, %eax
    movl $EVTCHNOP_send, %ebx
    int $0x82
    rdtsc
    subl %ebp, %eax
"""
ONCE_OWN = 7  # movl, movl, movl, movl, xorl; movl, rdtsc: `int` is the hypervisor's
ONCE_LOOP = 3

# The words that STREAM has its parameters in, by their offsets.
START, END, DEPTH, STRIDE, OPERATION, PENDING, PORT = range(0, 28, 4)

# %esi: the ring; %edi: the parameters; %ecx: an EVTCHN_SEND. As a front end does it: sleeps until an event (here it
# looks at the pending bit of its port), takes all responses, asks as much again, and wants to hear of the next
# response. %eax, %edx: ticks; %ebx: the responses that were no success.
STREAM = f"""
    movl {START}(%edi), %ebp        # rsp_cons
    pushl $0                        # errors
    rdtsc
    pushl %eax
    pushl %edx
    movl {DEPTH}(%edi), %edx        # req_prod_pvt
    addl %ebp, %edx
    movl %edx, SRING_HEADER_req_prod(%esi)
kick:
    movl $HYPERCALL_event_channel_op, %eax
    movl $EVTCHNOP_send, %ebx
    int $0x82
asleep:
    movl {PENDING}(%edi), %ebx
    movl {PORT}(%edi), %eax
    lock btrl %eax, (%ebx)
    jnc asleep
more:
    cmpl %ebp, SRING_HEADER_rsp_prod(%esi)
    je none_left
    movl %ebp, %eax
    andl $(BLKIF_RING_ENTRIES - 1), %eax
    imull $BLKIF_SRING_ENTRY_size, %eax, %eax
    cmpw $0, SRING_HEADER_size + BLKIF_RESPONSE_status(%esi,%eax)
    je success
    incl 8(%esp)
success:
    incl %ebp
    cmpl {END}(%edi), %edx
    je more
    movl %edx, %eax
    andl $(BLKIF_RING_ENTRIES - 1), %eax
    imull $BLKIF_SRING_ENTRY_size, %eax, %eax
    leal SRING_HEADER_size(%esi,%eax), %eax
    movl {OPERATION}(%edi), %ebx
    movl %ebx, BLKIF_REQUEST_operation(%eax)
    movl %edx, BLKIF_REQUEST_id(%eax)
    movl %edx, %ebx
    subl {START}(%edi), %ebx
    imull {STRIDE}(%edi), %ebx
    movl %ebx, BLKIF_REQUEST_sector_number(%eax)
    incl %edx
    jmp more
none_left:
    leal 1(%ebp), %eax
    movl %eax, SRING_HEADER_rsp_event(%esi)
    cmpl %ebp, SRING_HEADER_rsp_prod(%esi)
    jne more
    cmpl {END}(%edi), %ebp
    je over
    movl SRING_HEADER_req_prod(%esi), %ebx
    movl %edx, SRING_HEADER_req_prod(%esi)
    movl %edx, %eax
    subl %ebx, %eax                 # so many are new
    movl %edx, %ebx
    subl SRING_HEADER_req_event(%esi), %ebx
    cmpl %eax, %ebx
    jb kick
    jmp asleep
over:
    rdtsc
    popl %ecx
    popl %ebp
    subl %ebp, %eax
    sbbl %ecx, %edx
    popl %ebx
"""


@dataclass(frozen=True)
class Streamed:
    """What a stream took: ticks of the TSC, requests, events for the front end, and its kicks."""

    ticks: int
    requests: int
    events: int
    kicks: int


class BenchFront:
    """A VBD of domain 0's own, with `sectors` of disk 0, and its front end in the same agent."""

    def __init__(self, agent: Agent, sectors: int) -> None:
        self.agent = agent
        self._memory = agent.machine.memory
        self._ring = agent.page()
        self._pages = agent.pages(SEGMENTS)
        self._grant([self._ring, *self._pages])
        where = EvtchnAllocUnbound(_VALUES["DOMID_SELF"], 0)
        self._done(agent.hypercall("event_channel_op", _VALUES["EVTCHNOP_alloc_unbound"], where), "a port")
        self.port = int(where.port)
        agent.shared_info.evtchn_mask[self.port // 32] |= 1 << self.port % 32
        self.io_op("vbd_create", VbdCreate())
        self.io_op("vbd_extent", VbdExtent(0, 0, 0, 0, sectors))
        self.io_op("vbd_connect", VbdConnect(FIRST_REF, self.port))
        view = self._memory.view(self._ring.machine, sizeof(SringHeader))
        self._header = SringHeader.from_buffer(view)
        self._header.req_event = self._header.rsp_event = 1

    def io_op(self, command: str, argument: Structure) -> None:
        """A command about the VBD, or a disk; what it answers is in `argument` then."""
        where = self.agent.put(argument)
        operation = IoOp(
            _VALUES[f"IO_OP_{command}"], _VALUES["IO_VERSION"],
            domain=0, handle=HANDLE, argument=where, bytes=sizeof(argument),
        )  # fmt: skip
        self._done(self.agent.hypercall("io_op", operation), command)
        memmove(addressof(argument), self.agent.space.read_linear(where, sizeof(argument)), sizeof(argument))

    def info(self) -> VbdInfo:
        """What the hypervisor has counted."""
        found = VbdInfo()
        self.io_op("vbd_info", found)
        return found

    def once(self, requests: int, segments: int, *, write: bool = False) -> int:
        """Have so many requests carried out at once; on a machine that counts, the hypervisor's instructions."""
        start = int(self._header.req_prod)
        for number in range(start, start + requests):
            self._put(number, segments, 8 * SEGMENTS * (number % 64), write=write)
        send = self.agent.put(EvtchnSend(self.port))
        self._header.rsp_event = start + requests
        found = completed(self.agent.ring1(ONCE, esi=self._ring.va, edi=start + requests, ecx=send))
        for number in range(start, start + requests):
            if self._slot(number).rsp.status:
                raise XengenError(f"the disk answers request {number} with an error")
        return found.eax - ONCE_OWN - ONCE_LOOP * found.edx

    def kick(self, requests: int, segments: int) -> int:
        """Show so many requests at once; on a machine that counts, the instructions of the kick's hypercall."""
        start = int(self._header.req_prod)
        for number in range(start, start + requests):
            self._put(number, segments, 8 * SEGMENTS * (number % 64), write=False)
        send = self.agent.put(EvtchnSend(self.port))
        return completed(self.agent.ring1(KICK, esi=self._ring.va, edi=start + requests, ecx=send)).eax

    def await_answers(self) -> None:
        """Wait until all that was shown is answered."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._header.rsp_prod != self._header.req_prod:
            if time.monotonic() > deadline:
                raise XengenError(f"not all requests are answered after {PATIENCE_SECONDS:g} s")

    def stream(self, requests: int, depth: int, segments: int) -> Streamed:
        """Read one stretch after the other, from the first sector on, with `depth` requests in flight."""
        start = int(self._header.req_prod)
        for number in range(SLOTS):
            self._put(start + number, segments, number * segments * PAGE_SECTORS, write=False)
        self._header.rsp_event = start + 1
        before = self.info()
        operation = _VALUES["BLKIF_OP_READ"] | segments << 8 | (HANDLE & 0xFFFF) << 16
        pending = self.agent.address("agent_shared_info") + _VALUES["SHARED_INFO_evtchn_pending"]
        words = [start, start + requests, depth, segments * PAGE_SECTORS, operation, pending, self.port]
        send = self.agent.put(EvtchnSend(self.port))
        found = completed(self.agent.ring1(STREAM, esi=self._ring.va, edi=self.agent.put(words), ecx=send))
        if found.ebx:
            raise XengenError(f"the disk answers {found.ebx} of {requests} requests with an error")
        after = self.info()
        ticks = found.edx << 32 | found.eax
        return Streamed(ticks, requests, after.events - before.events, after.kicks - before.kicks)

    def _grant(self, pages: Sequence[Page]) -> None:
        frames = self.agent.put([0])
        table = GnttabSetupTable(dom=_VALUES["DOMID_SELF"], nr_frames=1, frame_list=frames)
        self._done(self.agent.hypercall("grant_table_op", _VALUES["GNTTABOP_setup_table"], table, 1), "a grant table")
        mfn = int.from_bytes(self.agent.space.read_linear(frames, 4), "little")
        for index, page in enumerate(pages):
            entry = GrantEntryV1(_VALUES["GTF_permit_access"], 0, page.mfn)
            self._memory.write(mfn * 4096 + (FIRST_REF + index) * sizeof(entry), bytes(entry))

    def _slot(self, number: int) -> BlkifSringEntry:
        start = self._ring.machine + sizeof(SringHeader) + number % SLOTS * sizeof(BlkifSringEntry)
        return BlkifSringEntry.from_buffer(self._memory.view(start, sizeof(BlkifSringEntry)))

    def _put(self, number: int, segments: int, sector: int, *, write: bool) -> None:
        operation = _VALUES["BLKIF_OP_WRITE" if write else "BLKIF_OP_READ"]
        made = BlkifRequest(operation, segments, HANDLE & 0xFFFF, number, sector)
        for index in range(segments):
            made.seg[index].gref, made.seg[index].last_sect = FIRST_REF + 1 + index, PAGE_SECTORS - 1
        memmove(addressof(self._slot(number)), addressof(made), sizeof(made))

    def _done(self, result: int, what: str) -> None:
        if result != 0:
            raise XengenError(f"the hypervisor refuses {what}: {result!r}")
