"""Network front ends on an agent's memory, for measurements: their requests and loops are as short as they can be.

Invariants
  - Domain 0's agent is its own customer: all interfaces are of its own domain, so that nobody has to be switched to.
  - Loops run in the agent, in ring 1. What they execute themselves is counted by them, or known from their text.
"""

from __future__ import annotations

from ctypes import Structure, addressof, memmove, sizeof
from itertools import pairwise

from xengen.abi.event import EvtchnAllocUnbound, EvtchnSend
from xengen.abi.grant import GnttabSetupTable, GrantEntryV1
from xengen.abi.io import IoOp
from xengen.abi.netif import NetifRxRequest, NetifTxRequest
from xengen.abi.rings import SringHeader
from xengen.abi.symbols import assembler_symbols
from xengen.abi.vif import VifConnect, VifCreate, VifInfo
from xengen.agent.agent import Agent, Page
from xengen.errors import XengenError

_VALUES = assembler_symbols()
SLOTS = _VALUES["NETIF_TX_RING_ENTRIES"]
MOST_SLOTS = _VALUES["XEN_NETIF_NR_SLOTS_MIN"]
NO_NIC = _VALUES["VIF_NO_NIC"]
TX_BYTES, RX_BYTES = sizeof(NetifTxRequest), sizeof(NetifRxRequest)

# %esi: the transmit ring; %edi: the producer to show; %ecx: an EVTCHN_SEND. %eax: ticks until the call is back, with
# which the hypervisor's first run of work comes.
KICK = """
    movl %edi, SRING_HEADER_req_prod(%esi)
    rdtsc
    movl %eax, %ebp
    movl $HYPERCALL_event_channel_op, %eax
    movl $EVTCHNOP_send, %ebx
    int $0x82
    rdtsc
    subl %ebp, %eax
"""

# %esi: the receive ring; %edi: how many responses there will be; %ecx: a word that says that this has begun. %eax and
# %edx as for ONCE of front.py.
RECEIVE = """
    movl $1, (%ecx)
    rdtsc
    movl %eax, %ebp
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
RECEIVE_OWN = 4
LOOP = 3

# %esi: the receive ring; %edi: how many responses there will be; %ecx: an EVTCHN_SEND, or 0; %edx: the words of pending
# bits; %ebp: the port of the receive ring. Sleeps until an event (it looks at the pending bit), takes what is there,
# and asks for an event with the next one. (%eax): a word that says that this has begun.
LISTEN = """
    movl $1, (%eax)
    testl %ecx, %ecx
    jz asleep
    pushl %edx
    movl $HYPERCALL_event_channel_op, %eax
    movl $EVTCHNOP_send, %ebx
    int $0x82
    popl %edx
asleep:
    lock btrl %ebp, (%edx)
    jnc asleep
look:
    movl SRING_HEADER_rsp_prod(%esi), %eax
    cmpl %edi, %eax
    je over
    incl %eax
    movl %eax, SRING_HEADER_rsp_event(%esi)
    decl %eax
    cmpl SRING_HEADER_rsp_prod(%esi), %eax
    jne look
    jmp asleep
over:
"""


class Grants:
    """The grant table of an agent's domain: one frame of entries, from the first that is free on."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._next = _VALUES["GNTTAB_NR_RESERVED_ENTRIES"]
        frames = agent.put([0])
        table = GnttabSetupTable(dom=_VALUES["DOMID_SELF"], nr_frames=1, frame_list=frames)
        _done(agent.hypercall("grant_table_op", _VALUES["GNTTABOP_setup_table"], table, 1), "a grant table")
        self._mfn = int.from_bytes(agent.space.read_linear(frames, 4), "little")

    def show(self, page: Page) -> int:
        """Grant a page to domain 0; the ref."""
        return self.put(_VALUES["GTF_permit_access"], page.mfn)

    def put(self, flags: int, mfn: int) -> int:
        """Write the next entry, for domain 0; the ref."""
        ref, self._next = self._next, self._next + 1
        entry = GrantEntryV1(flags, 0, mfn)
        self._agent.machine.memory.write(self._mfn * 4096 + ref * sizeof(entry), bytes(entry))
        return ref


class BenchVif:
    """A virtual interface of domain 0's own, connected, and its front end in the same agent."""

    def __init__(self, agent: Agent, grants: Grants, number: int, *, nic: int = NO_NIC, copy: bool = True) -> None:
        self.agent, self.grants, self.number = agent, grants, number
        self.mac = bytes((2, 0, 0, 0, 0, number + 1))
        self.tx_page, self.rx_page, self.data = agent.pages(3)
        self.data_ref = grants.show(self.data)
        where = EvtchnAllocUnbound(_VALUES["DOMID_SELF"], 0)
        _done(agent.hypercall("event_channel_op", _VALUES["EVTCHNOP_alloc_unbound"], where), "a port")
        self.port = int(where.port)
        agent.shared_info.evtchn_mask[self.port // 32] |= 1 << self.port % 32
        for page in (self.tx_page, self.rx_page):
            header = self._header(page)
            header.req_event = header.rsp_event = 1
        made = VifCreate(nic=nic)
        made.mac[:] = self.mac
        self.io_op("vif_create", made)
        refs = [grants.show(page) for page in (self.tx_page, self.rx_page)]
        self.io_op("vif_connect", VifConnect(*refs, self.port, 0, _VALUES["VIF_RX_COPY"] if copy else 0))
        self.send_argument = agent.put_bytes(bytes(EvtchnSend(self.port)))

    @property
    def tx(self) -> SringHeader:
        """The head of its transmit ring, live."""
        return self._header(self.tx_page)

    @property
    def rx(self) -> SringHeader:
        """The head of its receive ring, live."""
        return self._header(self.rx_page)

    def io_op(self, command: str, argument: Structure) -> None:
        """A command about the interface; what it answers is in `argument` then."""
        where = self.agent.put(argument)
        operation = IoOp(
            _VALUES[f"IO_OP_{command}"], _VALUES["IO_VERSION"],
            domain=0, handle=self.number, argument=where, bytes=sizeof(argument),
        )  # fmt: skip
        _done(self.agent.hypercall("io_op", operation), command)
        memmove(addressof(argument), self.agent.space.read_linear(where, sizeof(argument)), sizeof(argument))

    def info(self) -> VifInfo:
        """What the hypervisor has counted."""
        found = VifInfo()
        self.io_op("vif_info", found)
        return found

    def fill(self, to: bytes, size: int, count: int) -> int:
        """Put so many packets of `size` bytes into the transmit ring, unseen; where its producer is to be then."""
        self.agent.machine.memory.write(self.data.machine, (to + self.mac + b"\x88\xb5").ljust(size, b"\x5a"))
        start = int(self.tx.req_prod)
        for number in range(start, start + count):
            request = NetifTxRequest(self.data_ref, 0, 0, number & 0xFFFF, size)
            self._write(self.tx_page, number % SLOTS * TX_BYTES, bytes(request))
        return start + count

    def fill_slots(self, to: bytes, size: int, count: int) -> int:
        """Put so many packets of as many slots as they may have into the transmit ring; where its producer is then."""
        start = self.fill(to, size, 0)
        number = start
        for _ in range(count):
            cuts = [size * slot // MOST_SLOTS for slot in range(MOST_SLOTS + 1)]
            for slot, (begin, end) in enumerate(pairwise(cuts)):
                more = _VALUES["NETTXF_more_data"] if slot + 1 < MOST_SLOTS else 0
                request = NetifTxRequest(self.data_ref, begin, more, number & 0xFFFF, end - begin if slot else size)
                self._write(self.tx_page, number % SLOTS * TX_BYTES, bytes(request))
                number += 1
        return number

    def post(self, count: int) -> None:
        """Put one granted page so many times on the receive ring."""
        ref = self.grants.show(self.data)
        start = int(self.rx.req_prod)
        for number in range(start, start + count):
            self._write(self.rx_page, number % SLOTS * RX_BYTES, bytes(NetifRxRequest(number & 0xFFFF, 0, ref)))
        self.rx.req_prod = start + count

    def post_room(self, count: int) -> None:
        """Put so many entries that accept a page on the receive ring; the domain has room for them."""
        start = int(self.rx.req_prod)
        for number in range(start, start + count):
            ref = self.grants.put(_VALUES["GTF_accept_transfer"], 0)
            self._write(self.rx_page, number % SLOTS * RX_BYTES, bytes(NetifRxRequest(number & 0xFFFF, 0, ref)))
        self.rx.req_prod = start + count

    def _header(self, page: Page) -> SringHeader:
        return SringHeader.from_buffer(self.agent.machine.memory.view(page.machine, sizeof(SringHeader)))

    def _write(self, page: Page, at: int, data: bytes) -> None:
        self.agent.machine.memory.write(page.machine + sizeof(SringHeader) + at, data)


def _done(result: int, what: str) -> None:
    if result != 0:
        raise XengenError(f"the hypervisor refuses {what}: {result!r}")
