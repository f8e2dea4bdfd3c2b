"""What a domain finds at the other ends of its console and its store page.

Invariants
  - A look at a domain never waits: what does not fit into its rings stays here until there is room.
  - A domain with impossible counters is not served any more, and the reason is kept; nobody else notices.
  - Whenever a counter of ours has moved the domain is notified, for it may wait for data or for room (ABI 11.1).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from xengen.control.reach import SharedPage
from xengen.control.rings import BadRing, Channel, console_channel, store_channel
from xengen.store.connection import Connection
from xengen.store.domain_nodes import DomainFacts, add_domain, remove_domain
from xengen.store.server import Server
from xengen.store.wire import BadStream, Parser

CONSOLE_KEPT = 1 << 20


@dataclass
class ConsoleService:
    """One domain's console: all that it wrote (the last MiB), and what it has yet to read.

    `notify` tells the domain that a counter has moved. `position` counts all bytes that it ever wrote.
    """

    channel: Channel
    notify: Callable[[], object]
    written: bytearray = field(default_factory=bytearray)
    position: int = 0
    waiting: bytearray = field(default_factory=bytearray)

    def look(self) -> bytes:
        """Move what can be moved; return what the domain has written since the last look."""
        new = self.channel.received.take()
        self.written += new
        self.position += len(new)
        del self.written[: max(0, len(self.written) - CONSOLE_KEPT)]
        given = self.channel.sent.put(self.waiting)
        del self.waiting[:given]
        if new or given:
            self.notify()
        return new

    def since(self, position: int) -> bytes:
        """Return what the domain wrote from that position on, as far as it is kept."""
        start = self.position - len(self.written)
        return bytes(self.written[max(0, position - start) :])


@dataclass
class StoreService:
    """One domain's way to the store. `notify` tells the domain that a counter has moved."""

    channel: Channel
    server: Server
    connection: Connection
    notify: Callable[[], object]
    parser: Parser = field(default_factory=Parser)

    def look(self) -> None:
        """Answer what the domain has asked, and hand over what it has yet to be sent."""
        data = self.channel.received.take()
        for message in self.parser.feed(data):
            self.server.handle(self.connection, message)
        given = self.channel.sent.put(self.connection.outgoing)
        del self.connection.outgoing[:given]
        if data or given:
            self.notify()


@dataclass
class DomainServices:
    """Both services of one domain. `broken`: why it is not served any more, or empty."""

    console: ConsoleService
    store: StoreService
    broken: str = ""

    def look(self) -> bytes:
        """Serve the domain once; return what it has written to its console."""
        if self.broken:
            return b""
        try:
            self.store.look()
            return self.console.look()
        except (BadRing, BadStream) as error:
            self.broken = str(error)
            return b""


def serve_domain(
    store: Server,
    facts: DomainFacts,
    page: Callable[[int], SharedPage],
    bell: Callable[[int], Callable[[], object]],
    ends: ExitStack,
) -> DomainServices:
    """Put the store and a console at the other ends of a domain's pages and ports, until `ends` is closed.

    page: from a frame's number to its page. bell: from a port of the domain to what sends it an event.
    """
    add_domain(store.tree, facts)
    ends.callback(remove_domain, store.tree, facts.domid, facts.uuid)
    connection = store.introduce(facts.domid)
    ends.callback(store.release, facts.domid)
    console, requests = console_channel(page(facts.console_ring)), store_channel(page(facts.store_ring))
    return DomainServices(
        ConsoleService(console, bell(facts.console_port)),
        StoreService(requests, store, connection, bell(facts.store_port)),
    )
