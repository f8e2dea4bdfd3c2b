"""The back end's part of the handshake, with front ends good and bad (handshake.py, xenbus.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from xengen.control.handshake import Front, Handshake, NotYet
from xengen.control.xenbus import MOVES, State, Step, next_move
from xengen.errors import UserError
from xengen.store.errors import StoreError
from xengen.store.paths import home
from xengen.store.tree import Tree

DOMAIN = 3
FRONT = (*home(DOMAIN), "device", "vbd", "51712")
BACK = (*home(0), "backend", "vbd", str(DOMAIN), "51712")


@dataclass
class FakeBack:
    """A device whose hypervisor says yes, or `refusal`, or is `busy`; `done` is what it was asked for."""

    refusal: str = ""
    shut_reason: str = ""
    busy: bool = False
    done: list[str] = field(default_factory=list)
    kind: str = "vbd"
    handle: int = 51712
    ready: frozenset[State] = frozenset({State.INITIALISED, State.CONNECTED})

    def configuration(self) -> tuple[Mapping[str, object], Mapping[str, object]]:
        return {"virtual-device": self.handle}, {"dev": "xvda"}

    def features(self) -> Mapping[str, object]:
        return {"feature-barrier": 1}

    def connect(self, front: Front) -> Mapping[str, object]:
        self.done.append(f"connect {front.number('ring-ref')} {front.number('event-channel')}")
        if self.busy:
            raise NotYet("something is in flight")
        if self.refusal:
            raise UserError(self.refusal)
        return {"sectors": 8}

    def disconnect(self) -> bool:
        self.done.append("disconnect")
        return not self.busy

    def shut(self) -> str:
        return self.shut_reason

    def destroy(self) -> None:
        self.done.append("destroy")


@dataclass
class Bench:
    """A handshake that was opened, with what a test needs to be its front end."""

    back: FakeBack = field(default_factory=FakeBack)
    tree: Tree = field(default_factory=Tree)

    def __post_init__(self) -> None:
        self.tree.mkdir(0, home(DOMAIN))
        self.handshake = Handshake(self.tree, DOMAIN, self.back)
        self.handshake.open()

    def front(self, **nodes: object) -> None:
        """Write nodes as the front end, its state last, and have the back end look."""
        for name, value in nodes.items():
            self.tree.write(DOMAIN, (*FRONT, name.replace("_", "-")), str(value).encode())
        self.handshake.look()

    def read(self, name: str) -> str:
        """Return a node of the back end as the front end reads it."""
        return self.tree.read(DOMAIN, (*BACK, name)).decode()

    def connect(self) -> None:
        """Do what a front end does from state 2 to 4."""
        self.front(ring_ref=8, event_channel=5, protocol="x86_32-abi", state=3)
        self.front(state=4)


@pytest.fixture
def bench() -> Bench:
    """A device whose nodes are there."""
    return Bench()


def test_an_opened_device_waits_for_its_front_end_and_says_what_it_can(bench: Bench) -> None:
    assert {name: bench.read(name) for name in ("state", "feature-barrier", "frontend", "frontend-id", "dev")} == {
        "state": "2", "feature-barrier": "1", "frontend": "/local/domain/3/device/vbd/51712", "frontend-id": "3",
        "dev": "xvda",
    }  # fmt: skip
    found = {name: bench.tree.read(DOMAIN, (*FRONT, name)) for name in ("state", "backend-id", "virtual-device")}
    assert found == {"state": b"1", "backend-id": b"0", "virtual-device": b"51712"}
    assert bench.tree.read(DOMAIN, (*FRONT, "backend")) == b"/local/domain/0/backend/vbd/3/51712"


def test_the_domain_reads_the_back_end_and_cannot_change_it(bench: Bench) -> None:
    with pytest.raises(StoreError, match="EACCES"):
        bench.tree.write(DOMAIN, (*BACK, "state"), b"4")
    with pytest.raises(StoreError, match="EACCES"):
        bench.tree.write(DOMAIN, (*BACK, "new"), b"")


def test_a_front_end_comes_to_connected_and_its_device_has_data(bench: Bench) -> None:
    bench.front(ring_ref=8, event_channel=5, protocol="x86_32-abi", state=3)
    assert (bench.read("state"), bench.read("sectors")) == ("4", "8")
    bench.front(state=4)
    assert (bench.read("state"), bench.back.done) == ("4", ["connect 8 5"])


def test_a_front_end_may_go_from_initialising_to_connected_at_once(bench: Bench) -> None:
    bench.front(ring_ref=8, event_channel=5, state=4)
    assert (bench.read("state"), bench.back.done) == ("4", ["connect 8 5"])


def test_a_device_that_is_ready_only_when_connected_waits_in_initwait_for_one_that_is_initialised() -> None:
    bench = Bench(FakeBack(ready=frozenset({State.CONNECTED})))
    bench.front(ring_ref=8, event_channel=5, state=3)
    assert (bench.read("state"), bench.back.done) == ("2", [])
    bench.front(state=4)
    assert (bench.read("state"), bench.back.done) == ("4", ["connect 8 5"])


def test_closing_is_followed_step_by_step(bench: Bench) -> None:
    bench.connect()
    bench.front(state=5)
    assert (bench.read("state"), bench.back.done[1:]) == ("5", ["disconnect"])
    bench.front(state=6)
    assert bench.read("state") == "6"


def test_a_front_end_hears_of_the_end_when_nothing_is_in_flight_any_more(bench: Bench) -> None:
    bench.connect()
    bench.back.busy = True
    bench.front(state=6)
    assert bench.read("state") == "4"
    bench.back.busy = False
    bench.handshake.look()
    assert bench.read("state") == "6"


def test_a_ring_that_cannot_be_taken_yet_is_taken_later(bench: Bench) -> None:
    bench.back.busy = True
    bench.connect()
    assert bench.read("state") == "2"
    bench.back.busy = False
    bench.handshake.look()
    assert (bench.read("state"), bench.read("sectors")) == ("4", "8")


def test_a_kernel_behind_a_boot_loader_is_served_again(bench: Bench) -> None:
    bench.connect()
    bench.front(state=6)
    assert bench.read("state") == "6"
    bench.front(ring_ref="", event_channel="", state=1)
    assert bench.read("state") == "2"
    bench.front(ring_ref=9, event_channel=6, state=3)
    assert (bench.read("state"), bench.back.done) == ("4", ["connect 8 5", "disconnect", "connect 9 6"])


def test_a_kernel_that_begins_without_the_others_goodbye_is_served_again(bench: Bench) -> None:
    bench.connect()
    bench.front(state=1)
    assert (bench.read("state"), bench.back.done[1:]) == ("2", ["disconnect"])


def test_a_front_end_whose_nodes_are_gone_is_disconnected(bench: Bench) -> None:
    bench.connect()
    bench.tree.rm(DOMAIN, FRONT)
    bench.handshake.look()
    assert (bench.read("state"), bench.back.done[1:]) == ("6", ["disconnect"])


WRONG = [
    ({"ring_ref": 8}, "the front end's event-channel is '', and no number"),
    ({"event_channel": 8}, "the front end's ring-ref is '', and no number"),
    ({"ring_ref": "-1", "event_channel": 8}, "the front end's ring-ref is '-1', and no number"),
    ({"ring_ref": 1 << 32, "event_channel": 8}, "the front end's ring-ref is '4294967296', and no number"),
    ({"ring_ref": "8\0", "event_channel": 8}, "the front end's ring-ref is '8\\x00', and no number"),
    ({"ring_ref": 8, "event_channel": 8, "protocol": "x86_64-abi"},
     "the front end speaks 'x86_64-abi', and only x86_32-abi is understood"),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "sentence"), WRONG)
def test_what_a_front_end_writes_wrong_closes_its_device_with_the_reason(
    bench: Bench, nodes: dict[str, object], sentence: str
) -> None:
    bench.front(**nodes, state=3)
    assert bench.read("state") == "5"
    assert bench.tree.read(DOMAIN, (*FRONT, "error")).decode() == sentence


def test_a_ring_that_was_refused_is_not_tried_again_before_the_front_end_has_closed() -> None:
    bench = Bench(FakeBack(refusal="no such grant"))
    bench.connect()
    bench.handshake.look()
    assert (bench.read("state"), bench.back.done) == ("5", ["connect 8 5", "disconnect"])
    bench.back.refusal = ""
    bench.front(state=6)
    bench.front(state=1)
    bench.connect()
    assert bench.read("state") == "4"


def test_a_ring_that_the_hypervisor_has_shut_closes_the_device_with_the_reason(bench: Bench) -> None:
    bench.connect()
    assert not bench.handshake.look_for_shut()
    bench.back.shut_reason = "its producer ran away"
    assert bench.handshake.look_for_shut()
    assert (bench.read("state"), bench.back.done[1:]) == ("5", ["disconnect"])
    assert bench.tree.read(DOMAIN, (*FRONT, "error")) == b"its producer ran away"
    assert not bench.handshake.look_for_shut()


@pytest.mark.parametrize("states", [(5, 6), (6,)])
def test_a_device_that_is_to_go_goes_when_its_front_end_has_closed(bench: Bench, states: tuple[int, ...]) -> None:
    bench.connect()
    bench.handshake.ask_to_close()
    assert (bench.read("state"), bench.read("online"), bench.handshake.gone) == ("5", "0", False)
    for state in states:
        bench.front(state=state)
    assert (bench.read("state"), bench.handshake.gone) == ("6", True)
    bench.front(state=1)
    assert bench.read("state") == "6"


def test_a_device_without_a_front_end_goes_at_once(bench: Bench) -> None:
    bench.handshake.ask_to_close()
    assert bench.handshake.gone


def test_close_leaves_nothing(bench: Bench) -> None:
    bench.connect()
    bench.handshake.close()
    assert bench.back.done[1:] == ["disconnect", "destroy"]
    assert bench.tree.directory(0, ("local", "domain")) == (str(DOMAIN),)
    assert bench.tree.directory(0, (*home(DOMAIN), "device")) == ()


def test_close_leaves_the_nodes_of_other_devices(bench: Bench) -> None:
    other = Handshake(bench.tree, DOMAIN, FakeBack(handle=51728))
    other.open()
    bench.handshake.close()
    assert bench.tree.directory(0, FRONT[:-1]) == ("51728",)
    assert bench.tree.directory(0, BACK[:-1]) == ("51728",)


def test_no_two_moves_are_for_one_pair_of_states() -> None:
    pairs = [(front, back) for move in MOVES for front in move.front for back in move.back]
    assert len(pairs) == len(set(pairs))


def test_a_ring_is_connected_exactly_in_connected() -> None:
    """Whatever the front end does: who leaves CONNECTED lets go of the ring, who comes to it has taken one."""
    for move in MOVES:
        assert (Step.CONNECT in move.steps) == (move.then is State.CONNECTED)
        assert Step.DISCONNECT in move.steps or State.CONNECTED not in move.back


@pytest.mark.parametrize("back", list(State))
def test_every_move_leads_to_a_state_in_which_the_back_end_waits(back: State) -> None:
    for front in State:
        move = next_move(front, back)
        assert move is None or next_move(front, move.then) is None
