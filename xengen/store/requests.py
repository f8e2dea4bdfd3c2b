"""What each request to the store does (ABI 11.3).

Invariants
  - A routine returns the answer's payload, or raises StoreError and has done nothing.
  - What a domain wrote is parsed here, once; below this file paths and numbers are sound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xengen.store.connection import Connection, Watch
from xengen.store.errors import StoreError
from xengen.store.node import parse_permissions
from xengen.store.paths import SPECIAL, Path, absolute, home, parse
from xengen.store.tree import Tree
from xengen.store.wire import PAYLOAD_BYTES, Kind, Message

if TYPE_CHECKING:
    from xengen.store.server import Server


@dataclass(frozen=True)
class Request:
    """One request under way: whose, in which transaction (`tree`), and its payload's parts."""

    server: Server
    connection: Connection
    message: Message
    tree: Tree

    @property
    def parts(self) -> list[bytes]:
        """The NUL-terminated texts of the payload, and what follows the last NUL when there is something."""
        found = self.message.payload.split(b"\0")
        return found if found[-1] else found[:-1]

    def texts(self, least: int, most: int | None = None) -> list[bytes]:
        """Return the parts when there are as many as there must be and all end with NUL; else StoreError EINVAL."""
        if not self.message.payload.endswith(b"\0") or not least <= len(self.parts) <= (most or least):
            raise StoreError("EINVAL")
        return self.parts

    @property
    def domid(self) -> int:
        """Who asks."""
        return self.connection.domid

    def path(self, text: bytes) -> Path:
        """Return the place that the asker means."""
        return parse(text, self.domid)

    def only_path(self) -> Path:
        """Return the place that is the only argument."""
        return self.path(self.texts(1)[0])

    def number(self, text: bytes) -> int:
        """Return a domain's number; StoreError EINVAL."""
        if not text.isdigit() or int(text) >= 0x7FF0:
            raise StoreError("EINVAL")
        return int(text)

    def privileged(self) -> None:
        """StoreError EACCES for all but domain 0."""
        if self.domid:
            raise StoreError("EACCES")


def directory(request: Request) -> bytes:
    """DIRECTORY: the names of the children."""
    names = request.tree.directory(request.domid, request.only_path())
    return b"".join(name.encode() + b"\0" for name in names)


def directory_part(request: Request) -> bytes:
    """DIRECTORY_PART: as many names from an offset on as fit, behind what changes when they do; a NUL ends them."""
    text, offset = request.texts(2)
    if not offset.isdigit():
        raise StoreError("EINVAL")
    path = request.path(text)
    names = [name.encode() + b"\0" for name in request.tree.directory(request.domid, path)]
    head = b"%d\0" % request.tree.generation(request.domid, path)
    whole = b"".join(names)
    rest = whole[int(offset) :]
    if len(head) + len(rest) < PAYLOAD_BYTES:
        return head + rest + b"\0"
    piece = rest[: PAYLOAD_BYTES - len(head)]
    return head + piece[: piece.rfind(b"\0") + 1]


def read(request: Request) -> bytes:
    """READ: the value."""
    return request.tree.read(request.domid, request.only_path())


def write(request: Request) -> bytes:
    """WRITE: all that follows the path's NUL is the value."""
    text, end, value = request.message.payload.partition(b"\0")
    if not end:
        raise StoreError("EINVAL")
    request.tree.write(request.domid, request.path(text), value)
    return b"OK\0"


def mkdir(request: Request) -> bytes:
    """MKDIR."""
    request.tree.mkdir(request.domid, request.only_path())
    return b"OK\0"


def rm(request: Request) -> bytes:
    """RM: with all that is below."""
    request.tree.rm(request.domid, request.only_path())
    return b"OK\0"


def get_permissions(request: Request) -> bytes:
    """GET_PERMS."""
    found = request.tree.permissions(request.domid, request.only_path())
    return b"".join(str(one).encode() + b"\0" for one in found)


def set_permissions(request: Request) -> bytes:
    """SET_PERMS."""
    text, *permissions = request.texts(2, 256)
    request.tree.set_permissions(request.domid, request.path(text), parse_permissions(permissions))
    return b"OK\0"


def watch(request: Request) -> bytes:
    """WATCH: an event follows at once, as if the place had changed."""
    text, token = request.texts(2)
    place = None if text.decode("ascii", "replace") in SPECIAL else request.path(text)
    request.connection.add_watch(Watch(text, token, place))
    return b"OK\0"


def unwatch(request: Request) -> bytes:
    """UNWATCH."""
    request.connection.remove_watch(*request.texts(2))
    return b"OK\0"


def reset_watches(request: Request) -> bytes:
    """RESET_WATCHES: of the connection, and its transactions, too."""
    request.connection.watches.clear()
    request.connection.transactions.clear()
    return b"OK\0"


def transaction_start(request: Request) -> bytes:
    """TRANSACTION_START: the new one's number. Transactions do not nest."""
    if request.message.transaction:
        raise StoreError("EBUSY")
    return b"%d\0" % request.connection.add_transaction(request.server.tree.transaction(request.domid))


def transaction_end(request: Request) -> bytes:
    """TRANSACTION_END: T carries it out, F forgets it. It is over in any case."""
    (word,) = request.texts(1)
    if word not in (b"T", b"F") or not request.message.transaction:
        raise StoreError("EINVAL")
    transaction = request.connection.transactions.pop(request.message.transaction)
    if word == b"T":
        transaction.commit()
    return b"OK\0"


def domain_path(request: Request) -> bytes:
    """GET_DOMAIN_PATH: the home of a domain, whether there is one or not."""
    return absolute(home(request.number(request.texts(1)[0]))).encode() + b"\0"


def is_introduced(request: Request) -> bytes:
    """IS_DOMAIN_INTRODUCED: whether a domain talks to the store."""
    request.privileged()
    return b"T\0" if request.number(request.texts(1)[0]) in request.server.connections else b"F\0"


def request_introduce(request: Request) -> bytes:
    """INTRODUCE: the toolstack has mapped the page and bound the port itself; here the domain becomes known."""
    request.privileged()
    request.server.introduce(request.number(request.texts(3)[0]))
    return b"OK\0"


def request_release(request: Request) -> bytes:
    """RELEASE."""
    request.privileged()
    request.server.release(request.number(request.texts(1)[0]))
    return b"OK\0"


REQUESTS: dict[int, Callable[[Request], bytes]] = {
    Kind.DIRECTORY: directory,
    Kind.DIRECTORY_PART: directory_part,
    Kind.READ: read,
    Kind.WRITE: write,
    Kind.MKDIR: mkdir,
    Kind.RM: rm,
    Kind.GET_PERMS: get_permissions,
    Kind.SET_PERMS: set_permissions,
    Kind.WATCH: watch,
    Kind.UNWATCH: unwatch,
    Kind.RESET_WATCHES: reset_watches,
    Kind.TRANSACTION_START: transaction_start,
    Kind.TRANSACTION_END: transaction_end,
    Kind.GET_DOMAIN_PATH: domain_path,
    Kind.IS_DOMAIN_INTRODUCED: is_introduced,
    Kind.INTRODUCE: request_introduce,
    Kind.RELEASE: request_release,
}
