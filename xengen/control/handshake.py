"""The back end's part of the xenbus handshake (ABI 11.7), through the nodes of both ends.

Invariants
  - A look reads the front end's state once and makes at most one move, so a front end that changes its mind meanwhile
    is seen at the next look.
  - A ring is connected only between CONNECT and DISCONNECT; both are of the same `Back`. What is in flight ends before
    the front end hears that its ring is let go: its pages are its own again then.
  - What a front end wrote is numbers and texts to be checked: a wrong one closes this device, with the reason in its
    node `error`, and nothing else.
  - A front end that closes and begins again (a kernel behind a boot loader) is served again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from xengen.control.xenbus import State, Step, next_move
from xengen.errors import UserError
from xengen.store.errors import StoreError
from xengen.store.node import Permission
from xengen.store.paths import Path, absolute, home
from xengen.store.tree import Tree

PROTOCOL = "x86_32-abi"
WORD = 1 << 32


class NotYet(UserError):
    """A step cannot be made before something has ended; the next look tries again."""


class Front:
    """The front end's nodes, as what it may have written there: checked when they are read."""

    def __init__(self, tree: Tree, place: Path) -> None:
        self._tree = tree
        self.place = place

    def text(self, name: str) -> str:
        """Return a node's value, "" when there is none."""
        try:
            return self._tree.read(0, (*self.place, *name.split("/"))).decode("latin-1")
        except StoreError:
            return ""

    def number(self, name: str) -> int:
        """Return a node's value as a number of 32 bits; UserError."""
        text = self.text(name)
        if not text.isascii() or not text.isdigit() or int(text) >= WORD:
            raise UserError(f"the front end's {name} is {text[:20]!r}, and no number")
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether a node says 1."""
        return self.text(name) == "1"

    @property
    def state(self) -> State:
        """Return its state; what is none counts as UNKNOWN."""
        text = self.text("state")
        return State(int(text)) if text in {str(int(state)) for state in State} else State.UNKNOWN


class Back(Protocol):
    """What the handshake is about: a virtual device that the hypervisor serves once it knows its ring."""

    @property
    def kind(self) -> str:
        """Return "vbd" or "vif"."""

    @property
    def handle(self) -> int:
        """The number that the domain knows it by."""

    @property
    def ready(self) -> frozenset[State]:
        """The states of a front end whose ring is to be taken: its nodes are complete."""

    def configuration(self) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """Return the nodes of front and back end that are there from the beginning, without those of all devices."""

    def features(self) -> Mapping[str, object]:
        """Return the nodes that tell the front end what it can ask for."""

    def connect(self, front: Front) -> Mapping[str, object]:
        """Have the hypervisor serve the front end's ring; return the nodes of the device's data. UserError, NotYet."""

    def disconnect(self) -> bool:
        """Have the hypervisor let go of the ring, if it has one; return whether nothing is in flight any more."""

    def shut(self) -> str:
        """Return why the hypervisor has shut the ring, "" when it serves it."""

    def destroy(self) -> None:
        """Have the hypervisor forget the device."""


@dataclass
class Handshake:
    """One device's handshake in `tree`, with domain `domid`. `open` before all else, `close` at last.

    going: the front end was asked to close, and is not served again.
    """

    tree: Tree
    domid: int
    back: Back
    state: State = State.INITIALISING
    going: bool = False
    front: Front = field(init=False)

    def __post_init__(self) -> None:
        names = (self.back.kind, str(self.back.handle))
        self.front = Front(self.tree, (*home(self.domid), "device", *names))
        self.place: Path = (*home(0), "backend", self.back.kind, str(self.domid), names[1])
        self._steps: dict[Step, Callable[[], Mapping[str, object]]] = {
            Step.ANNOUNCE: self.back.features, Step.CONNECT: self._connect, Step.DISCONNECT: self._disconnect,
        }  # fmt: skip

    def open(self) -> None:
        """Make both ends' nodes, and wait for the front end: a boot loader does not wait for us before."""
        front, back = self.back.configuration()
        paths = {"backend": absolute(self.place), "backend-id": 0}
        self._write(self.front.place, {**front, **paths, "state": int(State.INITIALISING)})
        self._give(self.front.place, Permission("n", self.domid), Permission("r", 0))
        common = {"frontend": absolute(self.front.place), "frontend-id": self.domid, "online": 1}
        self._write(self.place, {**back, **common, "state": int(self.state)})
        self._give(self.place, Permission("n", 0), Permission("r", self.domid))
        self.look()

    def look(self) -> bool:
        """Make the move that the states ask for, if there is one; return whether there was."""
        move = next_move(self.front.state, self.state)
        if move is None or (self.going and move.then is not State.CLOSED):
            return False
        if Step.CONNECT in move.steps and self.front.state not in self.back.ready:
            return False
        try:
            for step in move.steps:
                self._write(self.place, self._steps[step]())
        except NotYet:
            return False
        except UserError as error:
            self._refuse(str(error))
        else:
            self._become(move.then)
        return True

    def look_for_shut(self) -> bool:
        """See whether the hypervisor has shut the ring, and say so to the front end; return whether it has."""
        reason = self.back.shut() if self.state is State.CONNECTED else ""
        if reason:
            self._refuse(reason)
        return bool(reason)

    def ask_to_close(self) -> None:
        """Tell the front end that the device is to go; it has gone when `gone` says so."""
        self.going = True
        self._write(self.place, {"online": 0})
        if self.state is not State.CLOSED:
            self._become(State.CLOSING)

    @property
    def gone(self) -> bool:
        """Whether a front end that was asked to close has done so, or there is none that could."""
        idle = (State.UNKNOWN, State.INITIALISING, State.CLOSED)
        return self.going and (self.state is State.CLOSED or self.front.state in idle)

    def close(self) -> None:
        """Take everything away, whatever the state."""
        self.back.disconnect()
        self.back.destroy()
        for place, keep in ((self.front.place, len(home(self.domid)) + 1), (self.place, len(home(0)) - 1)):
            self._remove(place, keep)

    # How it is done.

    def _connect(self) -> Mapping[str, object]:
        spoken = self.front.text("protocol") or PROTOCOL
        if spoken != PROTOCOL:
            raise UserError(f"the front end speaks {spoken[:40]!r}, and only {PROTOCOL} is understood")
        return self.back.connect(self.front)

    def _disconnect(self) -> Mapping[str, object]:
        if not self.back.disconnect():
            raise NotYet("something is in flight")
        return {}

    def _refuse(self, reason: str) -> None:
        """Close the device, and say why where the front end's owner looks."""
        self.back.disconnect()
        self._write(self.front.place, {"error": reason})
        self._become(State.CLOSING)

    def _become(self, state: State) -> None:
        self.state = state
        self._write(self.place, {"state": int(state)})

    def _write(self, place: Path, nodes: Mapping[str, object]) -> None:
        for name, value in nodes.items():
            self.tree.write(0, (*place, name), str(value).encode())

    def _give(self, place: Path, *permissions: Permission) -> None:
        """Set who may do what with a place and all below it."""
        for path in (place, *((*place, name) for name in self.tree.directory(0, place))):
            self.tree.set_permissions(0, path, permissions)

    def _remove(self, place: Path, keep: int) -> None:
        """Remove a place, and what is empty above it, down to `keep` names."""
        try:
            self.tree.rm(0, place)
            for length in range(len(place) - 1, keep, -1):
                if self.tree.directory(0, place[:length]):
                    return
                self.tree.rm(0, place[:length])
        except StoreError:
            return  # its domain has removed it, or is gone
