"""A network front end in plain Python on an agent's memory, and the machine whose domains have virtual interfaces.

Invariants
  - A front end posts buffers and says what it received; what is in a page is what the hypervisor put there.
  - Behind each test all interfaces are gone, the agents answer, and the checker finds nothing wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import Structure
from dataclasses import dataclass

from tests.boot import event_ports
from tests.boot.grants import ACCEPT, PERMIT, READ_ONLY_GRANT, Granted, entry, grant, new_ref, write_entry
from tests.boot.reservations import give, spare_mfns
from tests.boot.rings import FrontRing, io_op, until
from xengen.abi.netif import NetifExtraInfo, NetifRxRequest, NetifRxSringEntry, NetifTxRequest, NetifTxSringEntry
from xengen.abi.vbd import VbdNothing
from xengen.abi.vif import VifConnect, VifCreate, VifCredit, VifFacts, VifInfo, VifPolicy, VifRule
from xengen.agent.agent import Agent
from xengen.agent.names import value

OKAY, ERROR, DROPPED, NULL = (value(f"NETIF_RSP_{name}") for name in ("OKAY", "ERROR", "DROPPED", "NULL"))
TX_BLANK, TX_VALID, TX_MORE, TX_EXTRA = (
    value(f"NETTXF_{name}") for name in ("csum_blank", "data_validated", "more_data", "extra_info")
)
RX_VALID, RX_BLANK = value("NETRXF_data_validated"), value("NETRXF_csum_blank")
CREATED, CONNECTED, SHUT = (value(f"IO_STATE_{name}") for name in ("CREATED", "CONNECTED", "SHUT"))
OUT, IN = value("VIF_OUT"), value("VIF_IN")
TAKE, DROP, REDIRECT = value("VIF_ACCEPT"), value("VIF_DROP"), value("VIF_REDIRECT")
BARE, COPY, NO_CHECKSUM = value("VIF_CREATE_BARE"), value("VIF_RX_COPY"), value("VIF_NO_CHECKSUM")
NO_NIC = value("VIF_NO_NIC")
EVERYBODY = b"\xff" * 6


def signed(word: int) -> int:
    """A 32-bit word as the signed number that a constant of that value is."""
    return word - (1 << 32) if word >> 31 else word


def mac(number: int) -> bytes:
    """The address of the interface of that number."""
    return bytes((0x02, 0x58, 0x45, 0, 0, number))


def frame(to: bytes, source: bytes, kind: int = 0x88B5, payload: bytes = b"", size: int = 60) -> bytes:
    """An Ethernet frame of at least `size` bytes."""
    return (to + source + kind.to_bytes(2, "big") + payload).ljust(size, b"\0")


@dataclass(frozen=True)
class Piece:
    """A slot of a packet to send: where the bytes are."""

    ref: int
    size: int
    offset: int = 0


@dataclass(frozen=True)
class Received:
    """A packet that was received, and the flags it came with."""

    data: bytes
    flags: int


class NetFront:
    """The front end of interface `handle` in `agent`'s domain; `back` is domain 0's agent, who decides about it."""

    def __init__(self, back: Agent, agent: Agent, address: bytes, handle: int = 0) -> None:
        self.back, self.agent, self.mac, self.handle = back, agent, address, handle
        self.tx, self.rx = FrontRing(agent, NetifTxSringEntry), FrontRing(agent, NetifRxSringEntry)
        self.tx_ref, self.rx_ref = (grant(agent, back, page=ring.page).ref for ring in (self.tx, self.rx))
        self.port = self.rx_port = 0
        self.buffers: dict[int, Granted] = {}
        self.room: dict[int, int] = {}
        self._next_id = 0

    # Domain 0's part.

    def op(self, command: str, argument: Structure) -> int:
        """A command about this interface."""
        return int(io_op(self.back, command, argument, self.agent.domain, self.handle))

    def create(self, *, flags: int = 0, nic: int = NO_NIC, ip: bytes = bytes(4)) -> None:
        """Make the interface."""
        made = VifCreate(flags=flags, nic=nic, ip=int.from_bytes(ip, "little"))
        made.mac[:] = self.mac
        assert self.op("vif_create", made) == 0

    def reset_rings(self) -> None:
        """Begin both rings anew, on the same pages."""
        self.tx = FrontRing(self.agent, NetifTxSringEntry, self.tx.page)
        self.rx = FrontRing(self.agent, NetifRxSringEntry, self.rx.page)

    def forget_buffers(self) -> None:
        """Take all buffers back that are on no ring any more."""
        for number in list(self.buffers):
            self._forget(number)

    def try_create(self, *, handle: int = 9, address: bytes | None = None, flags: int = 0, nic: int = NO_NIC) -> int:
        """vif_create of another interface of the domain's; the result."""
        made = VifCreate(flags=flags, nic=nic)
        made.mac[:] = mac(99) if address is None else address
        return int(io_op(self.back, "vif_create", made, self.agent.domain, handle))

    def connect(self, *, flags: int = COPY, split: bool = False) -> None:
        """Offer rings and ports, and have domain 0 connect them."""
        self.port = self._offer()
        self.rx_port = self._offer() if split else 0
        argument = VifConnect(self.tx_ref, self.rx_ref, self.port, self.rx_port, flags)
        assert self.op("vif_connect", argument) == 0

    def info(self) -> VifInfo:
        """What domain 0 sees of it."""
        found = VifInfo()
        assert self.op("vif_info", found) == 0
        return found

    def rule(
        self, direction: int, action: int, *, place: int = 99, to: NetFront | None = None, **facts: int | bytes
    ) -> int:
        """Add a rule that compares the named facts in whole; its place. target: `to`, or the wire."""
        added = VifRule(direction=direction, place=place, action=action, target_handle=NO_NIC)
        if to is not None:
            added.target_domain, added.target_handle = to.agent.domain, to.handle
        for name, wanted in facts.items():
            fill(added.value, name, wanted)
            fill(added.mask, name, b"\xff" * len(wanted) if isinstance(wanted, bytes) else -1)
        assert self.op("vif_rule_add", added) == 0
        return int(added.place)

    def rules(self, direction: int) -> list[VifRule]:
        """The rules of a direction, with their counters."""
        found: list[VifRule] = []
        while self.op("vif_rules", one := VifRule(direction=direction, place=len(found))) == 0:
            found.append(one)
        return found

    def policy(self, direction: int, action: int) -> None:
        """What becomes of packets that no rule decides."""
        assert self.op("vif_policy", VifPolicy(direction, action)) == 0

    def credit(self, size: int, period_us: int) -> None:
        """Limit what it sends."""
        assert self.op("vif_credit", VifCredit(size, period_us)) == 0

    def destroy(self) -> None:
        """Take it away, and what it had."""
        self.op("vif_destroy", VbdNothing())
        for port in (self.port, self.rx_port):
            if port:
                event_ports.close(self.agent, port)
        event_ports.quiet(self.agent)
        for page in (self.tx.page, self.rx.page, *(one.page for one in self.buffers.values())):
            self.agent.give_back(page)

    # The front end's part.

    def page(self, data: bytes = b"", *, read_only: bool = True) -> Granted:
        """A new page of the domain's that is granted to domain 0, with data in it."""
        made = grant(self.agent, self.back, flags=PERMIT | (READ_ONLY_GRANT if read_only else 0))
        self.agent.machine.memory.write(made.page.machine, data)
        return made

    def post(self, count: int) -> None:
        """Put granted pages on the receive ring."""
        for _ in range(count):
            number = self._number()
            self.buffers[number] = self.page(read_only=False)
            self.rx.put(NetifRxRequest(id=number, gref=self.buffers[number].ref))
        self.rx.push()

    def post_room(self, count: int) -> None:
        """Give pages up, and put entries that accept others on the receive ring."""
        assert give(self.agent, spare_mfns(self.agent, count)) == count
        for _ in range(count):
            number, ref = self._number(), new_ref(self.agent)
            write_entry(self.agent, ref, 0, 0, ACCEPT)
            self.room[number] = ref
            self.rx.put(NetifRxRequest(id=number, gref=ref))
        self.rx.push()

    def revoke(self, granted: Granted) -> None:
        """Take a grant back, and the page."""
        write_entry(self.agent, granted.ref, 0, 0, 0)
        self.agent.give_back(granted.page)

    def marks(self, granted: Granted) -> int:
        """Which of reading and writing stand in a grant."""
        return granted.marks

    def revoke_buffer(self, number: int) -> None:
        """Take the grant of a buffer back that is on the ring."""
        write_entry(self.agent, self.buffers[number].ref, 0, 0, 0)

    def taken(self, number: int) -> int:
        """The frame that came for a buffer of `room`."""
        return int(entry(self.agent, self.room[number]).frame)

    def put(
        self, pieces: Sequence[Piece], *, flags: int = 0, total: int = 0, extras: Sequence[NetifExtraInfo] = ()
    ) -> list[int]:
        """Put a packet into the transmit ring; the ids of its slots."""
        size = total or sum(piece.size for piece in pieces)
        numbers = []
        for index, piece in enumerate(pieces):
            more = TX_MORE if index + 1 < len(pieces) else 0
            first = flags | (TX_EXTRA if extras else 0) if index == 0 else 0
            numbers.append(self._number())
            self.tx.put(
                NetifTxRequest(piece.ref, piece.offset, first | more, numbers[-1], piece.size if index else size)
            )
            if index == 0:
                for extra in extras:
                    self.tx.put(extra)
        return numbers

    def push(self) -> None:
        """Show the requests, and kick if the back end asks for it."""
        if self.tx.push():
            self.kick()

    def kick(self) -> None:
        """Notify the back end."""
        assert event_ports.send(self.agent, self.port) == 0

    def answers(self, count: int) -> list[tuple[int, int]]:
        """Wait for so many responses on the transmit ring; id and status of each."""
        found: list[tuple[int, int]] = []

        def enough() -> bool:
            found.extend((one.id, one.status) for one in self.tx.take())
            return len(found) >= count

        until(enough, f"{count} responses")
        return found

    def send(self, data: bytes, *, flags: int = 0) -> int:
        """Send one packet from a page of its own; the status of its response."""
        granted = self.page(data)
        (number,) = self.put([Piece(granted.ref, len(data))], flags=flags)
        self.push()
        ((answered, status),) = self.answers(1)
        assert answered == number
        self.revoke(granted)
        return status

    def wait_for(self, count: int) -> None:
        """Wait until so many responses are on the receive ring."""
        until(lambda: self.rx.header.rsp_prod - self.rx.rsp_cons >= count, f"{count} packets")

    def received(self) -> list[Received | int]:
        """What is there on the receive ring: packets, and the status of buffers that were none."""
        found: list[Received | int] = []
        for one in self.rx.take():
            if one.status < 0:
                self._forget(one.id)
                found.append(int(one.status))
            elif one.id in self.buffers:
                start = self.buffers[one.id].page.machine + one.offset
                found.append(Received(self.agent.machine.memory.read(start, one.status), int(one.flags)))
                self._forget(one.id)
            else:
                mfn = int(entry(self.agent, self.room.pop(one.id)).frame)
                data = self.agent.machine.memory.read(mfn * 4096 + one.offset, one.status)
                found.append(Received(data, int(one.flags)))
        return found

    def packets(self) -> list[bytes]:
        """The packets that are there."""
        return [one.data for one in self.received() if isinstance(one, Received)]

    def _forget(self, number: int) -> None:
        granted = self.buffers.pop(number, None)
        if granted is not None:
            write_entry(self.agent, granted.ref, 0, 0, 0)
            self.agent.give_back(granted.page)

    def _offer(self) -> int:
        port = event_ports.alloc_unbound(self.agent, 0)
        event_ports.mask(self.agent, port)
        return port

    def _number(self) -> int:
        self._next_id = (self._next_id + 1) & 0xFFFF
        return self._next_id


def fill(facts: VifFacts, name: str, wanted: int | bytes) -> None:
    """Set one field of facts: numbers of more than one byte as on the wire, addresses as bytes."""
    if isinstance(wanted, bytes):
        if name.endswith("_ip"):
            setattr(facts, name, int.from_bytes(wanted, "little"))
        else:
            getattr(facts, name)[:] = wanted
    else:
        size = getattr(VifFacts, name).size
        number = wanted & (1 << 8 * size) - 1
        setattr(facts, name, int.from_bytes(number.to_bytes(size, "big"), "little"))
