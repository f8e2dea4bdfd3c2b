"""Networks measured: what a packet costs, how many packets come with one event, how fair three senders are served.

Invariants
  - Costs are counted on a machine where an instruction takes a nanosecond, while the front end spins, so that nothing
    but the hypervisor's and the front end's instructions passes. The least of ROUNDS is taken: timers come between.
  - What the front end executes itself is not part of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xengen.abi.symbols import assembler_symbols
from xengen.agent.agent import Agent, completed
from xengen.bench.front import ONCE, ONCE_OWN
from xengen.bench.net_front import (
    KICK,
    LISTEN,
    LOOP,
    MOST_SLOTS,
    RECEIVE,
    RECEIVE_OWN,
    SLOTS,
    TX_BYTES,
    BenchVif,
    Grants,
)  # fmt: skip
from xengen.errors import XengenError
from xengen.machine.machine import Machine
from xengen.machine.nics import Cable, NicSpec
from xengen.machine.spec import MachineSpec, Module

_VALUES = assembler_symbols()
ROUNDS = 12
BATCH = 8
BURST = 200
SHORT, LONG = 60, 1514
PATIENCE_SECONDS = 60.0
OUTSIDE = bytes.fromhex("52540000beef")
# The hypervisor's instructions that one packet may take. Copying one of 1514 bytes is 380 of them.
MOST = {
    ("switched", SHORT): 1200, ("switched", LONG): 1650, ("exchanged", SHORT): 2200, ("exchanged", LONG): 2300,
    ("sent", SHORT): 1000, ("sent", LONG): 1100, ("received", SHORT): 1000, ("received", LONG): 1450,
}  # fmt: skip
LEAST_PER_EVENT = 4.0
MOST_IN_A_RUN = 16_000
MANY = 200
FAIR_SIZES = (1514, 700, 200)
FAIR_PACKETS = 1500
MOST_UNFAIR = 0.02

# The words that FAIR has for each ring, and how many rings there are.
RING, REF, CONS, PORT, WORDS = 0, 4, 8, 12, 16


def _refill(index: int) -> str:
    base = index * WORDS
    return f"""
    movl {base + RING}(%edi), %esi
    movl SRING_HEADER_rsp_prod(%esi), %eax
next{index}:
    movl {base + CONS}(%edi), %ecx
    cmpl %eax, %ecx
    je full{index}
    incl {base + CONS}(%edi)
    andl ${SLOTS - 1}, %ecx
    imull ${TX_BYTES}, %ecx, %ecx
    movl {base + REF}(%edi), %edx
    movl %edx, SRING_HEADER_size(%esi,%ecx)
    jmp next{index}
full{index}:
    addl ${SLOTS}, %eax
    movl SRING_HEADER_req_prod(%esi), %ecx
    movl %eax, SRING_HEADER_req_prod(%esi)
    movl %eax, %edx
    subl %ecx, %edx
    subl SRING_HEADER_req_event(%esi), %eax
    cmpl %edx, %eax
    jae quiet{index}
    movl $HYPERCALL_event_channel_op, %eax
    movl $EVTCHNOP_send, %ebx
    movl {base + PORT}(%edi), %ecx
    int $0x82
quiet{index}:
"""


# %edi: the words of each ring; %ebp: how many packets of the first ring are to be answered. Keeps all rings full.
FAIR = "round:" + "".join(_refill(index) for index in range(3)) + f"    cmpl %ebp, {CONS}(%edi)\n    jb round\n"


@dataclass(frozen=True)
class Cost:
    """The hypervisor's instructions for one packet of so many bytes; not the front end's. way: of MOST."""

    way: str
    nic: str
    size: int
    instructions: float

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"{self.way}, {self.size} bytes" + (f", {self.nic}" if self.nic else "")

    @property
    def missed(self) -> bool:
        """Whether it is more than it may be."""
        return self.instructions > MOST[self.way, self.size]


@dataclass(frozen=True)
class Run:
    """The hypervisor's instructions in one run of work, while many packets of a kind wait: interrupts are off."""

    way: str
    instructions: int

    @property
    def missed(self) -> bool:
        """Whether it is longer than it may be."""
        return self.instructions > MOST_IN_A_RUN


@dataclass(frozen=True)
class Notified:
    """How many packets a front end that wants to hear of each next one has got with one event, under load."""

    way: str
    packets_per_event: float

    @property
    def missed(self) -> bool:
        """Whether it is told too often."""
        return self.packets_per_event < LEAST_PER_EVENT


@dataclass(frozen=True)
class Share:
    """What a sender of packets of `size` bytes has sent while three do nothing else; its part of the bytes of all."""

    size: int
    packets: int
    part: float

    @property
    def missed(self) -> bool:
        """Whether it is farther from a third than it may be."""
        return abs(self.part * 3 - 1) > MOST_UNFAIR


@dataclass(frozen=True)
class Files:
    """The images that are measured."""

    hypervisor: Path
    agent: Path


@contextmanager
def machine(files: Files, nic: str = "") -> Iterator[tuple[Machine, Agent, Grants]]:
    """A machine on which an instruction takes a nanosecond, with an agent in domain 0, and a NIC of a model."""
    nics = (NicSpec(nic, Cable()),) if nic else ()
    spec = MachineSpec(files.hypervisor, "", (Module(files.agent),), icount=True, nics=nics)
    with Machine(spec) as running, Agent(running) as agent:
        yield running, agent, Grants(agent)


def measure_costs(files: Files) -> Iterator[Cost]:
    """Yield what packets cost: between domains, by copy and by exchange; to a NIC, and from one."""
    with machine(files) as (_, agent, grants):
        sender, copied = BenchVif(agent, grants, 0), BenchVif(agent, grants, 1)
        for size in (SHORT, LONG):
            yield Cost("switched", "", size, _least(lambda: _switch(sender, copied, size)))  # noqa: B023
    with machine(files) as (_, agent, grants):
        sender, exchanged = BenchVif(agent, grants, 0), BenchVif(agent, grants, 1, copy=False)
        for size in (SHORT, LONG):
            yield Cost("exchanged", "", size, _least(lambda: _switch(sender, exchanged, size)))  # noqa: B023
    for nic in ("virtio", "e1000"):
        with machine(files, nic) as (running, agent, grants):
            vif = BenchVif(agent, grants, 0, nic=0)
            for size in (SHORT, LONG):
                yield Cost("sent", nic, size, _least(lambda: _send(vif, OUTSIDE, size)))  # noqa: B023
            for size in (SHORT, LONG):
                yield Cost("received", nic, size, _least(lambda: _receive(running, vif, size)))  # noqa: B023


def measure_runs(files: Files) -> Iterator[Run]:
    """Yield how long one run of work is when more packets wait than it sends."""
    with machine(files) as (_, agent, grants):
        sender, copied = BenchVif(agent, grants, 0), BenchVif(agent, grants, 1)
        exchanged = BenchVif(agent, grants, 2, copy=False)
        for way, receiver in (("switched", copied), ("exchanged", exchanged)):
            _make_room(receiver, MANY)
            yield Run(way, _kick(sender, sender.fill(receiver.mac, LONG, MANY)))
            _drain(sender)
    for nic in ("virtio", "e1000"):
        with machine(files, nic) as (_, agent, grants):
            vif = BenchVif(agent, grants, 0, nic=0)
            yield Run(f"sent, {nic}", _kick(vif, vif.fill(OUTSIDE, LONG, MANY)))
            _drain(vif)
            yield Run(f"sent in many slots, {nic}", _kick(vif, vif.fill_slots(OUTSIDE, LONG, MANY // MOST_SLOTS)))


def measure_notified(files: Files) -> Iterator[Notified]:
    """Yield how many packets come with one event: of a sender that has filled its ring, and of a NIC in a burst."""
    with machine(files) as (_, agent, grants):
        sender, receiver = BenchVif(agent, grants, 0), BenchVif(agent, grants, 1)
        receiver.post(BURST)
        sender.tx.req_prod = sender.fill(receiver.mac, LONG, BURST)
        sender.tx.rsp_event = BURST
        _listen(receiver, BURST, sender.send_argument, lambda: None)
        yield Notified("switched", BURST / receiver.info().events)
    with machine(files, "virtio") as (running, agent, grants):
        receiver = BenchVif(agent, grants, 0, nic=0)
        receiver.post(BURST)

        def burst() -> None:
            for _ in range(BURST):
                running.cables[0].send(_packet(receiver.mac, LONG))

        _listen(receiver, BURST, 0, burst)
        yield Notified("received", BURST / receiver.info().events)


def measure_fairness(files: Files) -> list[Share]:
    """Have three interfaces send packets of different sizes to a NIC as fast as they can; what each has sent."""
    with machine(files, "virtio") as (_, agent, grants):
        senders = [BenchVif(agent, grants, number, nic=0) for number in range(len(FAIR_SIZES))]
        words: list[int] = []
        for sender, size in zip(senders, FAIR_SIZES, strict=True):
            sender.fill(OUTSIDE, size, SLOTS)
            words += [sender.tx_page.va, sender.data_ref, 0, agent.put_bytes(sender.port.to_bytes(4, "little"))]
        where = agent.put(words)
        completed(agent.ring1(FAIR, edi=where, ebp=FAIR_PACKETS))
        data = agent.space.read_linear(where, 4 * len(words))
        packets = [int.from_bytes(data[at : at + 4], "little") for at in range(CONS, len(data), WORDS)]
    total = sum(count * size for count, size in zip(packets, FAIR_SIZES, strict=True))
    return [Share(size, count, count * size / total) for count, size in zip(packets, FAIR_SIZES, strict=True)]


def _least(measured: Callable[[], float]) -> float:
    return min(measured() for _ in range(ROUNDS))


def _kick(vif: BenchVif, target: int) -> int:
    vif.tx.rsp_event = target
    return completed(vif.agent.ring1(KICK, esi=vif.tx_page.va, edi=target, ecx=vif.send_argument)).eax


def _drain(vif: BenchVif) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while vif.tx.rsp_prod != vif.tx.req_prod:
        if time.monotonic() > deadline:
            raise XengenError(f"{vif.tx.req_prod - vif.tx.rsp_prod} packets are not answered")


def _make_room(receiver: BenchVif, count: int) -> None:
    if receiver.info().flags & _VALUES["VIF_RX_COPY"]:
        receiver.post(count)
    else:
        given = _given_up(receiver, count)
        receiver.agent.hypercall("memory_op", _VALUES["XENMEM_decrease_reservation"], given)
        receiver.post_room(count)


def _switch(sender: BenchVif, receiver: BenchVif, size: int) -> float:
    _make_room(receiver, BATCH)
    before = receiver.rx.rsp_prod
    found = _send(sender, receiver.mac, size)
    if receiver.rx.rsp_prod - before != BATCH:
        raise XengenError(f"of {BATCH} packets {receiver.rx.rsp_prod - before} were received")
    return found


def _given_up(vif: BenchVif, count: int) -> list[int]:
    """The argument of memory_op that gives as many pages back as are to come: of those behind the initial mapping."""
    first = vif.rx.req_prod
    mfns = [vif.agent.mfn(1024 + first + index) for index in range(count)]
    return [vif.agent.put(mfns), count, 0, 0, _VALUES["DOMID_SELF"]]


def _send(vif: BenchVif, to: bytes, size: int) -> float:
    target = vif.fill(to, size, BATCH)
    vif.tx.rsp_event = target
    found = completed(vif.agent.ring1(ONCE, esi=vif.tx_page.va, edi=target, ecx=vif.send_argument))
    return (found.eax - ONCE_OWN - LOOP * found.edx) / BATCH


def _receive(running: Machine, vif: BenchVif, size: int) -> float:
    vif.post(BATCH)
    target = int(vif.rx.rsp_prod) + BATCH
    vif.rx.rsp_event = target

    def burst() -> None:
        for _ in range(BATCH):
            running.cables[0].send(_packet(vif.mac, size))

    begun = vif.agent.put([0])
    with _when_begun(vif, begun, burst):
        found = completed(vif.agent.ring1(RECEIVE, esi=vif.rx_page.va, edi=target, ecx=begun))
    return (found.eax - RECEIVE_OWN - LOOP * found.edx) / BATCH


def _listen(vif: BenchVif, count: int, send: int, burst: Callable[[], None]) -> None:
    vif.rx.rsp_event = 1
    begun = vif.agent.put([0])
    pending = vif.agent.address("agent_shared_info") + _VALUES["SHARED_INFO_evtchn_pending"]
    with _when_begun(vif, begun, burst):
        completed(vif.agent.ring1(
            LISTEN, eax=begun, esi=vif.rx_page.va, edi=count, ecx=send, edx=pending, ebp=vif.port,
        ))  # fmt: skip


@contextmanager
def _when_begun(vif: BenchVif, flag: int, act: Callable[[], None]) -> Iterator[None]:
    """Inside the block, `act` runs beside it as soon as the word at `flag` is not 0."""

    def wait() -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while vif.agent.space.read_linear(flag, 4) == bytes(4):
            if time.monotonic() > deadline:
                return
        act()

    beside = threading.Thread(target=wait)
    beside.start()
    try:
        yield
    finally:
        beside.join()


def _packet(to: bytes, size: int) -> bytes:
    return (to + OUTSIDE + b"\x88\xb5").ljust(size, b"\xa5")
