"""The states of a device's two ends (ABI 11.7), and what a back end does in each pair of them, as data.

Invariants
  - A pair of states that no move names is one in which the back end waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from xengen.abi.symbols import assembler_symbols

_VALUES = assembler_symbols()


class State(IntEnum):
    """States of either end."""

    UNKNOWN = _VALUES["XenbusStateUnknown"]
    INITIALISING = _VALUES["XenbusStateInitialising"]
    INIT_WAIT = _VALUES["XenbusStateInitWait"]
    INITIALISED = _VALUES["XenbusStateInitialised"]
    CONNECTED = _VALUES["XenbusStateConnected"]
    CLOSING = _VALUES["XenbusStateClosing"]
    CLOSED = _VALUES["XenbusStateClosed"]
    RECONFIGURING = _VALUES["XenbusStateReconfiguring"]
    RECONFIGURED = _VALUES["XenbusStateReconfigured"]


class Step(Enum):
    """What the back end does before it changes its state."""

    ANNOUNCE = "write what it can"
    CONNECT = "take the ring"
    DISCONNECT = "let go of the ring"


@dataclass(frozen=True)
class Move:
    """When the front end is in one of the states `front` and we in one of `back`: the steps, and our next state."""

    front: frozenset[State]
    back: frozenset[State]
    steps: tuple[Step, ...]
    then: State


def _move(front: tuple[State, ...], back: tuple[State, ...], then: State, *steps: Step) -> Move:
    return Move(frozenset(front), frozenset(back), steps, then)


# Behind CLOSING a front end is not connected again until it has been in CLOSED: so a ring that was refused is not
# tried for ever. netfront goes from INITIALISING to CONNECTED at once.
MOVES = (
    _move((State.INITIALISING,), (State.INITIALISING, State.CLOSED), State.INIT_WAIT, Step.ANNOUNCE),
    _move((State.INITIALISING,), (State.CONNECTED, State.CLOSING), State.INIT_WAIT, Step.DISCONNECT, Step.ANNOUNCE),
    _move((State.INITIALISED, State.CONNECTED), (State.INIT_WAIT, State.CLOSED), State.CONNECTED, Step.CONNECT),
    _move((State.CLOSING,), (State.INIT_WAIT, State.CONNECTED), State.CLOSING, Step.DISCONNECT),
    _move(
        (State.CLOSED, State.UNKNOWN), (State.INIT_WAIT, State.CONNECTED, State.CLOSING), State.CLOSED, Step.DISCONNECT
    ),
)


def next_move(front: State, back: State) -> Move | None:
    """Return what the back end does now, or None."""
    return next((move for move in MOVES if front in move.front and back in move.back), None)
