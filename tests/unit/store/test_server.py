"""The store's conversation: answers and errors of each request, watches, limits, and the nodes of a domain."""

from __future__ import annotations

import pytest

from xengen.store.connection import TRANSACTIONS, WATCHES, Connection
from xengen.store.domain_nodes import DomainFacts, add_domain, remove_domain
from xengen.store.paths import home
from xengen.store.server import Server
from xengen.store.wire import Kind, Message, Parser

FACTS = DomainFacts(
    5, "web", "0000-5", memory=16384, most_memory=32768, store_ring=100, store_port=1, console_ring=101, console_port=2
)


class Talk:
    """A domain's side of the conversation."""

    def __init__(self, server: Server, domid: int) -> None:
        self.server = server
        self.connection: Connection = server.introduce(domid)

    def __call__(self, kind: int, *texts: bytes, transaction: int = 0) -> bytes:
        """Send a request whose texts end with NUL; return the answer's payload, or the name of the error."""
        return self.raw(kind, b"".join(text + b"\0" for text in texts), transaction)

    def raw(self, kind: int, payload: bytes, transaction: int = 0) -> bytes:
        """Send a request with any payload."""
        self.events()
        self.server.handle(self.connection, Message(kind, payload, request=77, transaction=transaction))
        answers = [one for one in self._messages() if one.kind != Kind.WATCH_EVENT]
        (answer,) = answers
        assert (answer.request, answer.transaction) == (77, transaction)
        assert answer.kind in (kind, Kind.ERROR)
        return answer.payload.rstrip(b"\0") if answer.kind == Kind.ERROR else answer.payload

    def events(self) -> list[tuple[bytes, ...]]:
        """Return path and token of each event that has come."""
        found = [one for one in self._messages() if one.kind == Kind.WATCH_EVENT]
        self._seen = len(self.connection.outgoing)
        return [tuple(one.payload.split(b"\0")[:2]) for one in found]

    _seen = 0

    def _messages(self) -> list[Message]:
        return list(Parser().feed(bytes(self.connection.outgoing[self._seen :])))


@pytest.fixture
def server() -> Server:
    """A store with domain 0 and what domain 5 expects."""
    server = Server()
    add_domain(server.tree, FACTS)
    return server


@pytest.fixture
def dom0(server: Server) -> Talk:
    return Talk(server, 0)


@pytest.fixture
def guest(server: Server) -> Talk:
    return Talk(server, 5)


REQUESTS = [
    (Kind.READ, [b"name"], b"web"),
    (Kind.READ, [b"/local/domain/5/memory/target"], b"16384"),
    (Kind.READ, [b"domid"], b"5"),
    (Kind.READ, [b"console/port"], b"2"),
    (Kind.READ, [b"store/ring-ref"], b"100"),
    (Kind.READ, [b"vm"], b"/vm/0000-5"),
    (Kind.READ, [b"nothing"], b"ENOENT"),
    (Kind.READ, [b"/local/domain/6/name"], b"EACCES"),
    (Kind.READ, [b"/vm/0000-5/name"], b"web"),
    (Kind.READ, [b"a//b"], b"EINVAL"),
    (Kind.READ, [], b"EINVAL"),
    (Kind.READ, [b"name", b"more"], b"EINVAL"),
    (Kind.DIRECTORY, [b"memory"], b"target\0static-max\0videoram\0"),
    (Kind.DIRECTORY, [b"device"], b""),
    (Kind.DIRECTORY, [b"device/vbd"], b"ENOENT"),
    (Kind.DIRECTORY_PART, [b"cpu", b"x"], b"EINVAL"),
    (Kind.WRITE, [b"name", b"other"], b"EACCES"),
    (Kind.MKDIR, [b"data/a/b"], b"OK\0"),
    (Kind.MKDIR, [b"memory/a"], b"EACCES"),
    (Kind.RM, [b"control/shutdown"], b"OK\0"),
    (Kind.RM, [b"name"], b"EACCES"),
    (Kind.GET_PERMS, [b"data"], b"n5\0"),
    (Kind.GET_PERMS, [b"name"], b"n0\0r5\0"),
    (Kind.SET_PERMS, [b"data", b"n5", b"r0"], b"OK\0"),
    (Kind.SET_PERMS, [b"data", b"n0"], b"EPERM"),
    (Kind.SET_PERMS, [b"data", b"what"], b"EINVAL"),
    (Kind.SET_PERMS, [b"data"], b"EINVAL"),
    (Kind.SET_PERMS, [b"name", b"n5"], b"EACCES"),
    (Kind.GET_DOMAIN_PATH, [b"9"], b"/local/domain/9\0"),
    (Kind.GET_DOMAIN_PATH, [b"nine"], b"EINVAL"),
    (Kind.GET_DOMAIN_PATH, [b"40000"], b"EINVAL"),
    (Kind.UNWATCH, [b"name", b"t"], b"ENOENT"),
    (Kind.TRANSACTION_END, [b"T"], b"EINVAL"),
    (Kind.IS_DOMAIN_INTRODUCED, [b"5"], b"EACCES"),
    (Kind.INTRODUCE, [b"6", b"1", b"1"], b"EACCES"),
    (Kind.RELEASE, [b"0"], b"EACCES"),
    (Kind.CONTROL, [b"help"], b"ENOSYS"),
    (Kind.RESUME, [b"5"], b"ENOSYS"),
    (0xFFFF, [], b"ENOSYS"),
    (99, [b"x"], b"ENOSYS"),
]


@pytest.mark.parametrize(("kind", "texts", "answer"), REQUESTS)
def test_a_domain_gets_the_answer_that_the_abi_says(guest: Talk, kind: int, texts: list[bytes], answer: bytes) -> None:
    assert guest(kind, *texts) == answer


def test_a_value_is_all_that_follows_the_path(guest: Talk) -> None:
    assert guest.raw(Kind.WRITE, b"data/x\0a\0b\xff") == b"OK\0"
    assert guest(Kind.READ, b"data/x") == b"a\0b\xff"
    assert guest.raw(Kind.WRITE, b"data/x") == b"EINVAL"


def test_domain_0_introduces_and_releases(dom0: Talk) -> None:
    assert dom0(Kind.IS_DOMAIN_INTRODUCED, b"7") == b"F\0"
    assert dom0(Kind.INTRODUCE, b"7", b"1", b"1") == b"OK\0"
    assert dom0(Kind.IS_DOMAIN_INTRODUCED, b"7") == b"T\0"
    assert dom0(Kind.RELEASE, b"7") == b"OK\0"
    assert dom0(Kind.RELEASE, b"7") == b"ENOENT"


def test_a_directory_that_does_not_fit_is_too_big_and_comes_in_parts(dom0: Talk) -> None:
    names = [b"%d-%s" % (number, b"n" * 250) for number in range(40)]
    for name in names:
        dom0(Kind.MKDIR, b"/many/" + name)
    assert dom0(Kind.DIRECTORY, b"/many") == b"E2BIG"
    found, generations = b"", set()
    while True:
        generation, _, part = dom0(Kind.DIRECTORY_PART, b"/many", b"%d" % len(found)).partition(b"\0")
        generations.add(generation)
        if part.endswith(b"\0\0") or part == b"\0":
            found += part[:-1]
            break
        found += part
    assert found == b"".join(name + b"\0" for name in names)
    assert len(generations) == 1
    dom0(Kind.RM, b"/many/" + names[0])
    assert dom0(Kind.DIRECTORY_PART, b"/many", b"0").partition(b"\0")[0] not in generations


# Watches.


def test_a_watch_fires_at_once_and_at_each_change_below(guest: Talk, dom0: Talk) -> None:
    assert guest(Kind.WATCH, b"memory", b"t") == b"OK\0"
    assert guest.events() == [(b"memory", b"t")]
    dom0(Kind.WRITE, b"/local/domain/5/memory/target")
    dom0.raw(Kind.WRITE, b"/local/domain/5/memory/target\x001")
    dom0(Kind.RM, b"/local/domain/5/name")
    assert guest.events() == [(b"memory/target", b"t"), (b"memory/target", b"t")]


def test_an_absolute_watch_says_absolute_paths(guest: Talk, dom0: Talk) -> None:
    guest(Kind.WATCH, b"/local/domain/5/memory", b"t")
    guest.events()
    dom0.raw(Kind.WRITE, b"/local/domain/5/memory/target\x001")
    assert guest.events() == [(b"/local/domain/5/memory/target", b"t")]


def test_a_watch_fires_when_something_above_goes(guest: Talk, dom0: Talk) -> None:
    guest(Kind.WATCH, b"memory/target", b"t")
    guest.events()
    dom0(Kind.RM, b"/local/domain/5/memory")
    assert guest.events() == [(b"memory/target", b"t")]


def test_the_same_watch_is_not_kept_twice(guest: Talk) -> None:
    assert guest(Kind.WATCH, b"name", b"t") == b"OK\0"
    assert guest(Kind.WATCH, b"name", b"t") == b"EEXIST"
    assert guest(Kind.WATCH, b"name", b"u") == b"OK\0"
    assert guest(Kind.UNWATCH, b"name", b"t") == b"OK\0"
    assert guest(Kind.UNWATCH, b"name", b"t") == b"ENOENT"


def test_a_domain_is_told_nothing_of_what_it_may_not_read(server: Server, dom0: Talk, guest: Talk) -> None:
    guest(Kind.WATCH, b"/local/domain", b"t")
    guest.events()
    add_domain(server.tree, DomainFacts(6, "db", "0000-6", 1, 1, 1, 1, 1, 1))
    told = [path for path, _ in guest.events()]
    assert not any(path.startswith(b"/local/domain/6/") for path in told)


@pytest.mark.parametrize("name", [b"@introduceDomain", b"@releaseDomain"])
def test_the_special_watches_tell_of_domains(server: Server, dom0: Talk, name: bytes) -> None:
    dom0(Kind.WATCH, name, b"t")
    dom0.events()
    server.introduce(9)
    server.release(9)
    assert dom0.events() == [(name, b"t")]


def test_reset_watches_forgets_watches_and_transactions(guest: Talk, dom0: Talk) -> None:
    guest(Kind.WATCH, b"memory", b"t")
    number = int(guest(Kind.TRANSACTION_START, b"").rstrip(b"\0"))
    assert guest(Kind.RESET_WATCHES, b"") == b"OK\0"
    guest.events()
    dom0.raw(Kind.WRITE, b"/local/domain/5/memory/target\x001")
    assert guest.events() == []
    assert guest(Kind.READ, b"name", transaction=number) == b"ENOENT"


# Transactions.


def begin(talk: Talk) -> int:
    return int(talk(Kind.TRANSACTION_START, b"").rstrip(b"\0"))


@pytest.mark.parametrize(("word", "value"), [(b"T", b"1"), (b"F", b"ENOENT")], ids=["commit", "abort"])
def test_a_transaction_is_carried_out_or_forgotten(guest: Talk, word: bytes, value: bytes) -> None:
    number = begin(guest)
    guest.raw(Kind.WRITE, b"data/x\x001", number)
    assert guest(Kind.READ, b"data/x") == b"ENOENT"
    assert guest(Kind.READ, b"data/x", transaction=number) == b"1"
    assert guest(Kind.TRANSACTION_END, word, transaction=number) == b"OK\0"
    assert guest(Kind.READ, b"data/x") == value
    assert guest(Kind.TRANSACTION_END, word, transaction=number) == b"ENOENT"


def test_an_overtaken_transaction_is_to_be_tried_again(guest: Talk, dom0: Talk) -> None:
    number = begin(guest)
    guest(Kind.READ, b"name", transaction=number)
    dom0.raw(Kind.WRITE, b"/local/domain/5/name\0other")
    assert guest(Kind.TRANSACTION_END, b"T", transaction=number) == b"EAGAIN"


def test_a_domains_transaction_is_nobody_elses(guest: Talk, dom0: Talk) -> None:
    begin(dom0)
    begin(dom0)
    begin(guest)
    assert guest(Kind.READ, b"name", transaction=2) == b"ENOENT"


# Limits.


def test_a_domain_keeps_so_many_watches_and_transactions_and_domain_0_more(guest: Talk, dom0: Talk) -> None:
    for talk, refusals in ((guest, (b"E2BIG", b"ENOSPC")), (dom0, (b"OK\0", b"%d\0" % (TRANSACTIONS + 1)))):
        for number in range(WATCHES):
            assert talk(Kind.WATCH, b"/local", b"%d" % number) == b"OK\0"
        for _ in range(TRANSACTIONS):
            begin(talk)
        assert (talk(Kind.WATCH, b"/local", b"x"), talk(Kind.TRANSACTION_START, b"")) == refusals


def test_a_removed_domain_leaves_nothing_behind(server: Server) -> None:
    before = server.tree.root.children.keys()
    remove_domain(server.tree, 5, "0000-5")
    assert server.tree.directory(0, home(5)[:-1]) == ()
    assert server.tree.directory(0, ("vm",)) == ()
    assert server.tree.root.children.keys() == before
