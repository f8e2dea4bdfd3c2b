"""The store's tree: values, permissions, what watches are told, and transactions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xengen.store.errors import StoreError
from xengen.store.node import Permission, below, find, parse_permissions
from xengen.store.paths import ROOT, Path, parse
from xengen.store.tree import NODES_OF_A_DOMAIN, VALUE_BYTES, Change, Tree

HOME: Path = ("local", "domain", "5")


def place(text: str) -> Path:
    return parse(text.encode(), 5)


def refused(name: str, work: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(StoreError) as caught:
        work(*arguments)
    assert caught.value.name == name


@pytest.fixture
def tree() -> Tree:
    """A store in which domain 5 owns its home."""
    tree = Tree()
    tree.mkdir(0, HOME)
    tree.set_permissions(0, HOME, (Permission("n", 5),))
    return tree


@pytest.mark.parametrize("text", ["/", "/a", "/a/b-c/d_e/f@1", "device/vbd", "@introduceDomain"])
def test_a_path_of_the_allowed_characters_is_one(text: str) -> None:
    assert isinstance(place(text), tuple)


@pytest.mark.parametrize("text", ["", "/a/", "//a", "/a//b", "a/", "/a b", "/a.b", "/é", "/" + "a" * 3072, "a" * 2049])
def test_anything_else_is_not(text: str) -> None:
    refused("EINVAL", place, text)


def test_a_relative_path_is_below_the_domains_home() -> None:
    assert place("device/vbd") == (*HOME, "device", "vbd")


def test_a_written_value_is_read_and_its_parents_are_there(tree: Tree) -> None:
    tree.write(0, place("/a/b/c"), b"\0any\xff")
    assert tree.read(0, place("/a/b/c")) == b"\0any\xff"
    assert tree.read(0, place("/a/b")) == b""
    assert tree.directory(0, place("/a")) == ("b",)


def test_mkdir_keeps_what_is_there(tree: Tree) -> None:
    tree.write(5, place("x"), b"1")
    tree.mkdir(5, place("x"))
    assert tree.read(5, place("x")) == b"1"


def test_rm_takes_everything_below(tree: Tree) -> None:
    tree.write(5, place("x/y/z"), b"1")
    tree.rm(5, place("x"))
    refused("ENOENT", tree.read, 5, place("x/y/z"))
    assert tree.directory(5, HOME) == ()


def test_what_is_missing_in_a_directory_is_removed_already(tree: Tree) -> None:
    tree.rm(5, place("nothing"))
    refused("ENOENT", tree.rm, 5, place("nothing/below"))


def test_nobody_removes_the_root(tree: Tree) -> None:
    refused("EINVAL", tree.rm, 0, ROOT)


STRANGERS: list[tuple[str, Callable[[Tree], object]]] = [
    ("read", lambda tree: tree.read(6, place("x"))),
    ("directory", lambda tree: tree.directory(6, place("x"))),
    ("permissions", lambda tree: tree.permissions(6, place("x"))),
    ("write", lambda tree: tree.write(6, place("x"), b"2")),
    ("write below", lambda tree: tree.write(6, place("x/y"), b"2")),
    ("mkdir", lambda tree: tree.mkdir(6, place("x/y"))),
    ("rm", lambda tree: tree.rm(6, place("x"))),
    ("set_permissions", lambda tree: tree.set_permissions(6, place("x"), (Permission("b", 6),))),
    ("read what is not there", lambda tree: tree.read(6, place("x/y"))),
    ("rm what is not there", lambda tree: tree.rm(6, place("x/y/z"))),
]


@pytest.mark.parametrize(("what", "work"), STRANGERS, ids=[what for what, _ in STRANGERS])
def test_a_stranger_may_do_nothing_and_changes_nothing(tree: Tree, what: str, work: Callable[[Tree], object]) -> None:
    tree.write(5, place("x"), b"1")
    before = tree.root
    refused("EACCES", work, tree)
    assert tree.root is before


@pytest.mark.parametrize(("right", "reads", "writes"), [("n", 0, 0), ("r", 1, 0), ("w", 0, 1), ("b", 1, 1)])
@pytest.mark.parametrize("named", [True, False], ids=["named", "everybody else"])
def test_a_right_is_what_its_letter_says(tree: Tree, right: str, reads: int, writes: int, named: bool) -> None:
    tree.write(5, place("x"), b"1")
    rights = (Permission("n", 5), Permission(right, 6)) if named else (Permission(right, 5),)
    tree.set_permissions(5, place("x"), rights)
    for allowed, work in ((reads, lambda: tree.read(6, place("x"))), (writes, lambda: tree.write(6, place("x"), b"2"))):
        if allowed:
            work()
        else:
            refused("EACCES", work)


def test_a_new_node_has_its_parents_permissions_and_its_maker_as_owner(tree: Tree) -> None:
    tree.set_permissions(5, HOME, (Permission("r", 5), Permission("b", 7)))
    tree.write(7, place("x"), b"1")
    assert tree.permissions(7, place("x")) == (Permission("r", 7), Permission("b", 7))
    tree.write(0, place("y"), b"1")
    assert tree.permissions(5, place("y")) == (Permission("r", 5), Permission("b", 7))


def test_only_domain_0_gives_a_node_away(tree: Tree) -> None:
    tree.write(5, place("x"), b"1")
    refused("EPERM", tree.set_permissions, 5, place("x"), (Permission("n", 6),))
    tree.set_permissions(0, place("x"), (Permission("n", 6),))
    assert tree.read(6, place("x")) == b"1"


@pytest.mark.parametrize("texts", [[], [b""], [b"x5"], [b"r"], [b"r-1"], [b"r5", b"q6"], [b"r999999"]])
def test_permissions_that_are_none_are_refused(texts: list[bytes]) -> None:
    refused("EINVAL", parse_permissions, texts)


def test_a_domain_cannot_fill_the_store(tree: Tree) -> None:
    refused("ENOSPC", tree.write, 5, place("x"), b"1" * (VALUE_BYTES + 1))
    for number in range(NODES_OF_A_DOMAIN - 1):  # it owns its home
        tree.mkdir(5, place(f"n{number}"))
    refused("ENOSPC", tree.mkdir, 5, place("more"))
    tree.write(5, place("n0"), b"what is there can change")
    tree.write(0, place("more"), b"1" * (VALUE_BYTES + 1))


def test_watches_are_told_what_changed_and_what_went(tree: Tree) -> None:
    told: list[Change] = []
    watched = Tree(told.append)
    watched.write(0, place("/a/b"), b"1")
    watched.mkdir(0, place("/a/b"))
    watched.set_permissions(0, place("/a"), (Permission("r", 0),))
    watched.rm(0, place("/a"))
    watched.rm(0, place("/a"))
    assert told == [
        Change(("a", "b")), Change(("a",)), Change(("a",), (("a",), ("a", "b"))),
    ]  # fmt: skip


# Transactions.


def test_a_transaction_is_seen_by_nobody_before_it_is_carried_out(tree: Tree) -> None:
    transaction = tree.transaction(5)
    transaction.write(5, place("x/y"), b"1")
    assert transaction.read(5, place("x/y")) == b"1"
    refused("ENOENT", tree.read, 5, place("x"))
    transaction.commit()
    assert tree.read(5, place("x/y")) == b"1"


def test_a_transaction_sees_nothing_of_what_happens_meanwhile(tree: Tree) -> None:
    tree.write(5, place("x"), b"1")
    transaction = tree.transaction(5)
    tree.write(5, place("x"), b"2")
    assert transaction.read(5, place("x")) == b"1"


DISTURBANCES: list[tuple[str, Callable[[Tree], object], Callable[[Tree], object]]] = [
    ("it read what was written", lambda t: t.read(5, place("x")), lambda t: t.write(0, place("x"), b"2")),
    ("it wrote what was written", lambda t: t.write(5, place("x"), b"3"), lambda t: t.write(0, place("x"), b"2")),
    ("it listed what grew", lambda t: t.directory(5, HOME), lambda t: t.write(0, place("new"), b"2")),
    ("it made what is there now", lambda t: t.mkdir(5, place("new")), lambda t: t.write(0, place("new"), b"2")),
    ("it read what is gone", lambda t: t.read(5, place("x")), lambda t: t.rm(0, place("x"))),
    ("it removed what was written", lambda t: t.rm(5, place("d")), lambda t: t.write(0, place("d/e"), b"2")),
    ("it removed what grew", lambda t: t.rm(5, place("d")), lambda t: t.write(0, place("d/e/f"), b"2")),
    ("it missed what is there now", lambda t: refused("ENOENT", t.read, 5, place("new")),
     lambda t: t.mkdir(0, place("new"))),
    ("it read whose permissions changed", lambda t: t.read(5, place("x")),
     lambda t: t.set_permissions(0, place("x"), (Permission("r", 5),))),
]  # fmt: skip


@pytest.mark.parametrize(("what", "mine", "other"), DISTURBANCES, ids=[what for what, _, _ in DISTURBANCES])
def test_a_transaction_that_was_overtaken_is_refused_whole(
    tree: Tree, what: str, mine: Callable[[Tree], object], other: Callable[[Tree], object]
) -> None:
    tree.write(5, place("x"), b"1")
    tree.write(5, place("d/e"), b"1")
    transaction = tree.transaction(5)
    transaction.write(5, place("also"), b"1")
    mine(transaction)
    other(tree)
    before = tree.root
    refused("EAGAIN", transaction.commit)
    assert tree.root is before


def test_transactions_about_different_things_do_not_disturb_each_other(tree: Tree) -> None:
    tree.write(5, place("x"), b"1")
    tree.write(5, place("d/e"), b"1")
    first, second = tree.transaction(5), tree.transaction(5)
    first.write(5, place("x"), b"2")
    second.write(5, place("d/e"), b"2")
    first.commit()
    second.commit()
    assert (tree.read(5, place("x")), tree.read(5, place("d/e"))) == (b"2", b"2")


def test_what_a_transaction_removes_and_makes_again_has_nothing_of_the_old(tree: Tree) -> None:
    tree.write(5, place("d/e"), b"1")
    transaction = tree.transaction(5)
    transaction.rm(5, place("d"))
    transaction.write(5, place("d/f"), b"2")
    transaction.commit()
    assert tree.directory(5, place("d")) == ("f",)


def test_watches_are_told_of_a_transaction_when_it_is_carried_out() -> None:
    told: list[Change] = []
    tree = Tree(told.append)
    transaction = tree.transaction(0)
    transaction.write(0, ("a",), b"1")
    assert told == []
    transaction.commit()
    assert told == [Change(("a",))]


NAMES = st.sampled_from("abc")
PLACES = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
STEPS = st.lists(st.tuples(st.sampled_from(["write", "mkdir", "rm"]), PLACES, st.binary(max_size=2)), max_size=12)


def do(tree: Tree, steps: list[tuple[str, Path, bytes]]) -> None:
    for verb, path, value in steps:
        try:
            if verb == "write":
                tree.write(0, path, value)
            else:
                getattr(tree, verb)(0, path)
        except StoreError:
            pass


def contents(tree: Tree) -> dict[Path, bytes]:
    return {path: node.value for path, node in below(tree.root, ROOT)}


@given(STEPS, STEPS)
def test_a_transaction_does_what_its_steps_do_without_one(
    before: list[tuple[str, Path, bytes]], steps: list[tuple[str, Path, bytes]]
) -> None:
    at_once, together = Tree(), Tree()
    do(at_once, before + steps)
    do(together, before)
    transaction = together.transaction(0)
    do(transaction, steps)
    transaction.commit()
    assert contents(together) == contents(at_once)


@given(STEPS, STEPS, STEPS)
def test_a_refused_or_carried_out_transaction_is_as_if_it_came_after_the_others(
    before: list[tuple[str, Path, bytes]], mine: list[tuple[str, Path, bytes]], others: list[tuple[str, Path, bytes]]
) -> None:
    tree = Tree()
    do(tree, before)
    transaction = tree.transaction(0)
    do(transaction, mine)
    do(tree, others)
    expected = Tree()
    do(expected, before + others)
    try:
        transaction.commit()
    except StoreError:
        pass
    else:
        do(expected, mine)
    assert contents(tree) == contents(expected)
    assert find(tree.root, ROOT) is tree.root
