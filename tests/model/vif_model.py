"""What virtual interfaces on one wire must do, in a few lines: who gets what, what is counted, whose rings are shut.

Invariants
  - Nothing here knows the machine: a step changes the model, and says which statuses its sender must see.
  - An interface is an index; what it sends is bytes. Interface i has the address `address(i)`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

OKAY, ERROR, DROPPED = 0, -1, -2
LEAST, MOST = 14, 1514
ALL, NOBODY = -1, -2


@dataclass
class Interface:
    """What the model knows of one. buffers: those on its ring, whether each is good; got: packets not looked at yet."""

    connected: bool = True
    reason: str = "NONE"
    blocks: set[int] = field(default_factory=set)
    buffers: deque[bool] = field(default_factory=deque)
    got: list[bytes | int] = field(default_factory=list)
    tx_packets: int = 0
    tx_lost: int = 0
    tx_errors: int = 0
    spoofed: int = 0
    filtered: int = 0
    rx_packets: int = 0
    rx_no_buffer: int = 0
    rx_errors: int = 0


COUNTERS = (
    "tx_packets", "tx_lost", "tx_errors", "spoofed", "filtered", "rx_packets", "rx_no_buffer", "rx_errors",
)  # fmt: skip


class Wire:
    """Interfaces that hear each other, and nobody else."""

    def __init__(self, count: int) -> None:
        self.interfaces = [Interface() for _ in range(count)]

    def send(self, sender: int, to: int, data: bytes, *, spoofed: bool, sound: bool) -> int:
        """A packet from `sender` to an interface, ALL or NOBODY; the status of its slots.

        spoofed: its source is not the sender's address; sound: its slots make sense and its pages are granted.
        """
        one = self.interfaces[sender]
        if not sound or not LEAST <= len(data) <= MOST:
            one.tx_errors += 1
            return ERROR
        if spoofed:
            one.spoofed += 1
            return DROPPED
        one.tx_packets += 1
        if to == ALL:
            for other in range(len(self.interfaces)):
                if other != sender:
                    self._deliver(sender, other, data)
        elif to in (NOBODY, sender):
            one.tx_lost += 1
        else:
            self._deliver(sender, to, data)
        return OKAY

    def shut(self, index: int, reason: str) -> None:
        """The interface is shut, if it is connected."""
        one = self.interfaces[index]
        if one.connected:
            one.connected, one.reason = False, reason
            one.buffers.clear()
            one.got.clear()

    def connect(self, index: int) -> None:
        """The interface begins anew, with empty rings."""
        one = self.interfaces[index]
        one.connected, one.reason = True, "NONE"

    def _deliver(self, sender: int, to: int, data: bytes) -> None:
        other = self.interfaces[to]
        if sender in other.blocks:
            other.filtered += 1
        elif not other.connected or not other.buffers:
            other.rx_no_buffer += 1
        elif other.buffers.popleft():
            other.rx_packets += 1
            other.got.append(data)
        else:
            other.rx_errors += 1
            other.got.append(ERROR)
