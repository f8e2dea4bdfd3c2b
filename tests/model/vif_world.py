"""The model of virtual interfaces beside a machine: each step is made in both, and both must say the same.

Invariants
  - After each step every state and counter is compared, and what every interface has received; after each step of a
    front end that means ill, and at the end, the checker looks at the machine.
  - Interface i is domain i's.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import strategies

from tests.boot.rings import until
from tests.boot.vif_host import NetHost
from tests.boot.vifs import CONNECTED, COPY, DROP, EVERYBODY, IN, SHUT, Piece, Received, frame, mac
from tests.model.vif_model import ALL, COUNTERS, NOBODY, Wire
from xengen.abi.netif import NetifRxRequest, NetifTxRequest
from xengen.abi.vif import VifConnect
from xengen.agent.names import value
from xengen.inspect.live import check_machine, hypervisor_of

COUNT = 3
Step = tuple[str, tuple[int, ...]]

_index = strategies.integers(0, COUNT - 1)
_target = strategies.sampled_from([*range(COUNT), ALL, NOBODY])
_size = strategies.sampled_from([13, 14, 60, 96, 97, 300, 1514, 1515])
_slots = strategies.integers(1, 18)
ILL = ("jump", "backwards", "open end", "too many", "rx jump")

steps = strategies.lists(
    strategies.one_of(
        strategies.tuples(strategies.just("send"), strategies.tuples(_index, _target, _size, _slots)),
        strategies.tuples(strategies.just("spoof"), strategies.tuples(_index, _target)),
        strategies.tuples(strategies.just("send without a page"), strategies.tuples(_index, _target, _slots)),
        strategies.tuples(strategies.just("post"), strategies.tuples(_index, strategies.integers(1, 4))),
        strategies.tuples(strategies.just("post a bad one"), strategies.tuples(_index)),
        strategies.tuples(strategies.just("block"), strategies.tuples(_index, _index)),
        strategies.tuples(strategies.just("mean ill"), strategies.tuples(_index, strategies.integers(0, len(ILL) - 1))),
        strategies.tuples(strategies.just("connect"), strategies.tuples(_index)),
    ),
    min_size=1, max_size=14,
)  # fmt: skip


class VifWorld:
    """A machine's interfaces and their model."""

    def __init__(self, host: NetHost) -> None:
        self.host = host
        self.wire = Wire(COUNT)
        self.fronts = [host.connected(domain) for domain in range(COUNT)]
        self._salt = 0

    def run(self, step: Step) -> None:
        """Make a step, and compare."""
        name, arguments = step
        act: Callable[..., None] = getattr(self, "_" + name.replace(" ", "_"))
        act(*arguments)
        self.compare()
        if name == "mean ill":
            self.check()

    def compare(self) -> None:
        """Hold every interface against its model."""
        for front, one in zip(self.fronts, self.wire.interfaces, strict=True):
            if one.connected:
                front.wait_for(len(one.got))
                got = [item.data if isinstance(item, Received) else item for item in front.received()]
                assert got == one.got
                one.got.clear()
            info = front.info()
            state = int(info.state), int(info.reason)
            assert state == (CONNECTED if one.connected else SHUT, value(f"IO_REASON_{one.reason}"))
            assert {name: int(getattr(info, name)) for name in COUNTERS} == {
                name: getattr(one, name) for name in COUNTERS
            }

    def check(self) -> None:
        """Have the checker look."""
        violations = check_machine(self.host.machine)
        assert violations == [], "\n".join(map(str, violations))

    def _send(self, sender: int, to: int, size: int, slots: int) -> None:
        self._packet(sender, to, size, slots, spoofed=False, sound=True)

    def _spoof(self, sender: int, to: int) -> None:
        self._packet(sender, to, 60, 1, spoofed=True, sound=True)

    def _send_without_a_page(self, sender: int, to: int, slots: int) -> None:
        self._packet(sender, to, 200, slots, spoofed=False, sound=False)

    def _post(self, index: int, count: int) -> None:
        one = self.wire.interfaces[index]
        if one.connected:
            self.fronts[index].post(count)
            one.buffers.extend([True] * count)

    def _post_a_bad_one(self, index: int) -> None:
        one = self.wire.interfaces[index]
        if one.connected:
            self.fronts[index].rx.put(NetifRxRequest(id=0, gref=0x7777))
            self.fronts[index].rx.push()
            one.buffers.append(False)

    def _block(self, index: int, other: int) -> None:
        if other not in self.wire.interfaces[index].blocks:
            self.fronts[index].rule(IN, DROP, source_mac=self.fronts[other].mac)
            self.wire.interfaces[index].blocks.add(other)

    def _mean_ill(self, index: int, how: int) -> None:
        front, one = self.fronts[index], self.wire.interfaces[index]
        if not one.connected:
            front.kick()
            return
        header, now = front.tx.header, front.tx.req_prod_pvt
        match ILL[how]:
            case "jump":
                header.req_prod = now + 257
            case "backwards":
                header.req_prod = (now - 1) & 0xFFFFFFFF
            case "open end":
                front.tx.put(NetifTxRequest(8, 0, value("NETTXF_more_data"), 1, 60))
                header.req_prod = now + 1
            case "too many":
                for _ in range(19):
                    front.tx.put(NetifTxRequest(8, 0, value("NETTXF_more_data"), 1, 60))
                header.req_prod = now + 19
            case "rx jump":
                front.rx.header.req_prod += 300
                other = (index + 1) % COUNT
                self._rescued(other, index)
                return
        front.kick()
        self.wire.shut(index, "PRODUCER" if how < 2 else "PACKET")

    def _rescued(self, other: int, index: int) -> None:
        """A receive ring is looked at when there is a packet for it."""
        one = self.wire.interfaces[index]
        if not self.wire.interfaces[other].connected or other in one.blocks:
            self.fronts[index].rx.header.req_prod -= 300
            return
        one.buffers.clear()
        self._packet(other, index, 60, 1, spoofed=False, sound=True)
        self.wire.shut(index, "PRODUCER")

    def _connect(self, index: int) -> None:
        front = self.fronts[index]
        if self.wire.interfaces[index].connected:
            return
        front.forget_buffers()
        front.reset_rings()
        argument = VifConnect(front.tx_ref, front.rx_ref, front.port, 0, COPY)
        assert front.op("vif_connect", argument) == 0
        self.wire.connect(index)

    def _packet(self, sender: int, to: int, size: int, slots: int, *, spoofed: bool, sound: bool) -> None:
        front = self.fronts[sender]
        if not self.wire.interfaces[sender].connected:
            return
        self._salt += 1
        goal = EVERYBODY if to == ALL else mac(77) if to == NOBODY else self.fronts[to].mac
        data = frame(goal, mac(88) if spoofed else front.mac, payload=self._salt.to_bytes(4, "big"), size=size)[:size]
        page = front.page(data)
        cuts = [size * index // slots for index in range(slots + 1)]
        pieces = [
            Piece(page.ref if sound or index else 0x7777, end - start, start)
            for index, (start, end) in enumerate(pairwise(cuts))
        ]
        numbers = front.put(pieces)
        front.push()
        wanted = self.wire.send(sender, to, data, spoofed=spoofed, sound=sound)
        assert front.answers(slots) == [(number, wanted) for number in numbers]
        self._settled()
        front.revoke(page)

    def _settled(self) -> None:
        """Wait until what is for many has reached them all: it is given out run by run."""
        hypervisor = hypervisor_of(self.host.machine)
        until(lambda: hypervisor.word("vif_input_prod") == hypervisor.word("vif_input_cons"), "the queue to be empty")
