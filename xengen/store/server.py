"""The store's side of the conversation: requests in, answers and watch events out (ABI 11.3).

Invariants
  - Each request gets exactly one answer, in the order of the requests; events come between answers, never inside one.
  - An event tells a domain of nothing that it may not read.
"""

from __future__ import annotations

from xengen.store.connection import Connection, Watch
from xengen.store.errors import StoreError
from xengen.store.node import READ, find
from xengen.store.paths import SPECIAL, Path, absolute, home
from xengen.store.requests import REQUESTS, Request
from xengen.store.tree import Change, Tree
from xengen.store.wire import PAYLOAD_BYTES, Kind, Message


class Server:
    """The store and everybody who talks to it."""

    def __init__(self) -> None:
        self.tree = Tree(self._changed)
        self.connections: dict[int, Connection] = {}

    def introduce(self, domid: int) -> Connection:
        """Begin (or begin again) the conversation with a domain, and tell who watches for new ones."""
        self.connections[domid] = Connection(domid)
        self._special(SPECIAL[0])
        return self.connections[domid]

    def release(self, domid: int) -> None:
        """End the conversation with a domain; StoreError ENOENT when there is none."""
        if self.connections.pop(domid, None) is None:
            raise StoreError("ENOENT")
        self._special(SPECIAL[1])

    def handle(self, connection: Connection, message: Message) -> None:
        """Do what a message asks for; the answer, and events for whoever watches, are queued."""
        routine = REQUESTS.get(message.kind)
        try:
            if routine is None:
                raise StoreError("ENOSYS")
            tree: Tree = self.tree
            if message.transaction and message.kind != Kind.TRANSACTION_START:
                if message.transaction not in connection.transactions:
                    raise StoreError("ENOENT")
                tree = connection.transactions[message.transaction]
            answer = routine(Request(self, connection, message, tree))
            if len(answer) > PAYLOAD_BYTES:
                raise StoreError("E2BIG")
        except StoreError as error:
            connection.send(message.refusal(error.name))
            return
        connection.send(message.answer(answer))
        if message.kind == Kind.WATCH:
            text, token = message.payload.split(b"\0")[:2]
            self._event(connection, text, token)

    # Watches.

    def _changed(self, change: Change) -> None:
        for connection in self.connections.values():
            for watch in connection.watches:
                if watch.place is None:
                    continue
                if change.path[: len(watch.place)] == watch.place:
                    if self._may_know(connection, change):
                        self._event(connection, _seen(watch, change.path, connection.domid), watch.token)
                elif watch.place in change.removed:
                    self._event(connection, watch.text, watch.token)

    def _may_know(self, connection: Connection, change: Change) -> bool:
        node = find(self.tree.root, change.path)
        if node is None:
            node = find(self.tree.root, change.path[:-1])
        return node is None or node.allows(connection.domid, READ)

    def _special(self, name: str) -> None:
        for connection in self.connections.values():
            for watch in connection.watches:
                if watch.text == name.encode():
                    self._event(connection, watch.text, watch.token)

    def _event(self, connection: Connection, text: bytes, token: bytes) -> None:
        connection.send(Message(Kind.WATCH_EVENT, text + b"\0" + token + b"\0"))


def _seen(watch: Watch, path: Path, domid: int) -> bytes:
    """Return a path as the watcher writes it: relative when the watch is."""
    if watch.text.startswith(b"/"):
        return absolute(path).encode()
    return "/".join(path[len(home(domid)) :]).encode()
