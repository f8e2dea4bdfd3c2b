"""The handshake with front ends that do anything in any order: the steps are Hypothesis's, always the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from xengen.control.handshake import Front, Handshake, NotYet
from xengen.control.xenbus import State
from xengen.errors import UserError
from xengen.store.node import Permission
from xengen.store.paths import home
from xengen.store.tree import Tree

DOMAIN = 3
FRONT = (*home(DOMAIN), "device", "vbd", "51712")
BACK = (*home(0), "backend", "vbd", str(DOMAIN), "51712")
READY = frozenset({State.INITIALISED, State.CONNECTED})


@dataclass
class ModelBack:
    """A device that knows whether it has a ring, and what is in flight: a hypervisor that is held to its promises."""

    connected: bool = False
    in_flight: bool = False
    refuses: bool = False
    is_shut: bool = False
    kind: str = "vbd"
    handle: int = 51712
    ready: frozenset[State] = field(default=READY)

    def configuration(self) -> tuple[Mapping[str, object], Mapping[str, object]]:
        return {}, {}

    def features(self) -> Mapping[str, object]:
        return {"feature-barrier": 1}

    def connect(self, front: Front) -> Mapping[str, object]:
        assert not self.connected, "a ring is taken twice"
        front.number("ring-ref"), front.number("event-channel")
        if self.in_flight:
            raise NotYet("something is in flight")
        if self.refuses:
            raise UserError("no such grant")
        self.connected, self.is_shut = True, False
        return {"sectors": 8}

    def disconnect(self) -> bool:
        self.connected = self.is_shut = False
        return not self.in_flight

    def shut(self) -> str:
        assert self.connected, "a ring that was let go of is asked for"
        return "its producer ran away" if self.is_shut else ""

    def destroy(self) -> None:
        self.disconnect()


@dataclass
class History:
    """A device, and what can happen to it."""

    back: ModelBack = field(default_factory=ModelBack)
    tree: Tree = field(default_factory=Tree)

    def __post_init__(self) -> None:
        self.tree.mkdir(0, FRONT[:-2])
        self.tree.set_permissions(0, FRONT[:-2], (Permission("n", DOMAIN),))
        self.handshake = Handshake(self.tree, DOMAIN, self.back)
        self.handshake.open()

    def write(self, name: str, value: str) -> None:
        """The front end writes a node."""
        self.tree.write(DOMAIN, (*FRONT, name), value.encode())

    def remove(self) -> None:
        """The front end removes its nodes."""
        self.tree.rm(DOMAIN, FRONT)

    def flight(self, there: bool) -> None:
        """Something begins to be in flight, or ends."""
        self.back.in_flight = there and (self.back.connected or self.back.in_flight)

    def refuse(self, refuses: bool) -> None:
        """The front end's grants turn bad, or good."""
        self.back.refuses = refuses

    def shut(self) -> None:
        """The hypervisor shuts the ring."""
        self.back.is_shut = self.back.connected

    def ask(self) -> None:
        """The device is to go."""
        self.handshake.ask_to_close()

    def look(self) -> None:
        """The toolstack looks; what it sees must fit together."""
        self.handshake.look()
        self.handshake.look_for_shut()
        state = self.handshake.state
        assert self.tree.read(DOMAIN, (*BACK, "state")) == b"%d" % state
        assert self.back.connected <= (state is State.CONNECTED or self.back.in_flight)
        assert self.back.connected or state is not State.CONNECTED or self.back.in_flight

    def settle(self) -> None:
        """All that is wrong ends, and the front end closes and begins again, as it should."""
        self.back.in_flight = self.back.refuses = False
        for name, value in (("state", "6"), ("state", "1"), ("ring-ref", "8"), ("event-channel", "5"), ("state", "3")):
            self.write(name, value)
            for _ in range(2):
                self.look()


NODES = st.sampled_from(["state", "ring-ref", "event-channel", "protocol"])
VALUES = st.sampled_from(["0", "1", "2", "3", "4", "5", "6", "7", "8", "99", "", "x", "-1", "4294967296", "x86_32-abi"])
STEP = st.one_of(
    st.tuples(st.just("write"), st.just("state"), st.sampled_from("0123456789")),
    st.tuples(st.just("write"), st.sampled_from(["ring-ref", "event-channel"]), st.just("8")),
    st.tuples(st.just("write"), NODES, VALUES),
    st.tuples(st.sampled_from(["look", "look", "look", "remove", "shut"])),
    st.tuples(st.sampled_from(["flight", "refuse"]), st.booleans()),
)


@settings(derandomize=True, database=None, deadline=None, max_examples=400)
@given(st.lists(STEP, max_size=40))
def test_whatever_a_front_end_does_one_that_begins_again_is_served(steps: list[tuple[str | bool, ...]]) -> None:
    history = History()
    for name, *arguments in steps:
        getattr(history, str(name))(*arguments)
    history.write("protocol", "")
    history.settle()
    assert (history.handshake.state, history.back.connected) == (State.CONNECTED, True)


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(st.lists(STEP, max_size=20), st.lists(STEP, max_size=20))
def test_a_device_that_is_to_go_is_not_connected_again(
    before: list[tuple[str | bool, ...]], after: list[tuple[str | bool, ...]]
) -> None:
    history = History()
    for name, *arguments in [*before, ("ask",), *after]:
        getattr(history, str(name))(*arguments)
    history.settle()
    assert history.handshake.gone
    assert not history.back.connected
    history.handshake.close()
    assert history.tree.directory(0, ("local", "domain")) == (str(DOMAIN),)
