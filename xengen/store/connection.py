"""What the store keeps for one domain that talks to it.

Invariants
  - Watches and transactions are bounded for all but domain 0, and go with the connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from xengen.store.errors import StoreError
from xengen.store.paths import Path
from xengen.store.tree import Transaction
from xengen.store.wire import Message

WATCHES = 128
TRANSACTIONS = 10


@dataclass(frozen=True)
class Watch:
    """A watch as it was asked for: the path in its own words, a token, and the place, None for a special one."""

    text: bytes
    token: bytes
    place: Path | None


@dataclass
class Connection:
    """One domain's conversation; `outgoing` is what it has yet to be sent."""

    domid: int
    outgoing: bytearray = field(default_factory=bytearray)
    watches: list[Watch] = field(default_factory=list)
    transactions: dict[int, Transaction] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(1))

    def send(self, message: Message) -> None:
        """Queue a message."""
        self.outgoing += message.encode()

    def add_watch(self, watch: Watch) -> None:
        """Keep a watch; StoreError EEXIST (the same again), E2BIG (too many)."""
        if self._watch(watch.text, watch.token) is not None:
            raise StoreError("EEXIST")
        if len(self.watches) >= WATCHES and self.domid:
            raise StoreError("E2BIG")
        self.watches.append(watch)

    def remove_watch(self, text: bytes, token: bytes) -> None:
        """Forget a watch; StoreError ENOENT."""
        watch = self._watch(text, token)
        if watch is None:
            raise StoreError("ENOENT")
        self.watches.remove(watch)

    def add_transaction(self, transaction: Transaction) -> int:
        """Keep a transaction and return its number; StoreError ENOSPC (too many)."""
        if len(self.transactions) >= TRANSACTIONS and self.domid:
            raise StoreError("ENOSPC")
        number = next(self.numbers)
        self.transactions[number] = transaction
        return number

    def _watch(self, text: bytes, token: bytes) -> Watch | None:
        return next((one for one in self.watches if (one.text, one.token) == (text, token)), None)
