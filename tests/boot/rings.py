"""A front end's side of a shared ring (ABI 11.4), in plain Python on the live memory of an agent's page; and io_op.

Invariants
  - A front end keeps its counters to itself: `req_prod_pvt`, `rsp_cons`. What is in the page is the interface alone.
  - A request is in its slot before the producer says so (`push`); a response is read before the consumer goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ctypes import LittleEndianUnion, Structure, addressof, memmove, sizeof
from typing import Any

from xengen.abi.io import IoOp
from xengen.abi.rings import SringHeader, ring_entries
from xengen.agent.agent import Agent, Page
from xengen.agent.names import value
from xengen.agent.outcome import Result

PATIENCE = 30.0
WORD = 1 << 32


class FrontRing:
    """The ring in `page` of `agent`, whose slots are `entry`: a union with the fields `req` and `rsp`."""

    def __init__(self, agent: Agent, entry: type[LittleEndianUnion], page: Page | None = None) -> None:
        self.agent = agent
        self.page = agent.page() if page is None else page
        self.size = ring_entries(sizeof(entry))
        memory = agent.machine.memory
        self.header = SringHeader.from_buffer(memory.view(self.page.machine, sizeof(SringHeader)))
        start, length = self.page.machine + sizeof(SringHeader), self.size * sizeof(entry)
        self.slots: Any = (entry * self.size).from_buffer(memory.view(start, length))
        self.restart()

    def restart(self) -> None:
        """Begin anew, as before a connection."""
        self.agent.machine.memory.write(self.page.machine, bytes(4096))
        self.header.req_event = self.header.rsp_event = 1
        self.req_prod_pvt = self.rsp_cons = 0

    @property
    def free(self) -> int:
        """How many requests there is room for."""
        return self.size - (self.req_prod_pvt - self.rsp_cons) % WORD

    def put(self, request: Structure) -> None:
        """Write a request into the next slot, which nobody sees yet."""
        assert self.free > 0, "the ring is full"
        slot = self.slots[self.req_prod_pvt % self.size]
        memmove(addressof(slot), addressof(request), sizeof(request))
        self.req_prod_pvt = (self.req_prod_pvt + 1) % WORD

    def push(self) -> bool:
        """Show the back end what was put; whether it asks to be notified."""
        old, new = self.header.req_prod, self.req_prod_pvt
        self.header.req_prod = new
        return bool((new - self.header.req_event) % WORD < (new - old) % WORD)

    def take(self) -> list[Any]:
        """Copies of the responses that are there, in their order."""
        found = []
        while self.rsp_cons != self.header.rsp_prod:
            response = self.slots[self.rsp_cons % self.size].rsp
            found.append(type(response).from_buffer_copy(response))
            self.rsp_cons = (self.rsp_cons + 1) % WORD
        return found

    def ask_for(self, responses: int) -> None:
        """Ask to be notified when so many further responses are there."""
        self.header.rsp_event = (self.rsp_cons + responses) % WORD


def until(condition: Callable[[], object], what: str = "it") -> None:
    """Wait for a fact."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"


def io_op(agent: Agent, command: str, argument: Structure, domain: int = 0, handle: int = 0) -> Result:
    """Make a command of io_op; what it answers is in `argument` then."""
    where = agent.put(argument)
    result = agent.hypercall("io_op", IoOp(
        cmd=value(f"IO_OP_{command}"), interface_version=value("IO_VERSION"), domain=domain, handle=handle,
        argument=where, bytes=sizeof(argument),
    ))  # fmt: skip
    memmove(addressof(argument), agent.space.read_linear(where, sizeof(argument)), sizeof(argument))
    return result
