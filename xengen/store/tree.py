"""What can be done with the store: read, write, list, remove, permissions; at once or within a transaction.

Invariants
  - A refused operation changes nothing and reports nothing to watches.
  - A transaction sees the tree as it was when it began, and its own changes. It is carried out when everything that it
    looked at or changed is still the same; if not, nothing of it is (EAGAIN).
  - What an unprivileged domain can store is bounded: the size of a value and the number of its nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from xengen.store.errors import StoreError
from xengen.store.node import READ, WRITE, Node, Permission, below, find, nearest, placed
from xengen.store.paths import ROOT, Path

VALUE_BYTES = 2048
NODES_OF_A_DOMAIN = 1000


@dataclass(frozen=True)
class Change:
    """Something that watches are told of: the place, and whether all of it is gone."""

    path: Path
    removed: tuple[Path, ...] = ()


class Tree:
    """The store as it is. `told` gets each change, after it was made."""

    def __init__(self, told: Callable[[Change], None] = lambda change: None) -> None:
        self._generations = count(1)
        self._told = told
        self.root = Node((Permission("n", 0),))

    def transaction(self, domid: int) -> Transaction:
        """Begin a transaction of a domain."""
        return Transaction(self, domid)

    # Looking.

    def read(self, domid: int, path: Path) -> bytes:
        """Return a node's value; StoreError ENOENT, EACCES."""
        return self._readable(domid, path).value

    def directory(self, domid: int, path: Path) -> tuple[str, ...]:
        """Return the names of a node's children; StoreError ENOENT, EACCES."""
        return tuple(self._readable(domid, path).children)

    def permissions(self, domid: int, path: Path) -> tuple[Permission, ...]:
        """Return a node's permissions; StoreError ENOENT, EACCES."""
        return self._readable(domid, path).permissions

    def generation(self, domid: int, path: Path) -> int:
        """Return what changes whenever the names in a directory do; StoreError ENOENT, EACCES."""
        return self._readable(domid, path).generation

    # Changing.

    def write(self, domid: int, path: Path, value: bytes) -> None:
        """Store a value; a missing node is made, and its parents. StoreError EACCES, ENOSPC."""
        if domid and len(value) > VALUE_BYTES:
            raise StoreError("ENOSPC")
        node = self._writable(domid, path)
        self._place(path, replace(node, value=value, generation=next(self._generations)))
        self._tell(Change(path))

    def mkdir(self, domid: int, path: Path) -> None:
        """Make a node if it is missing, and its parents. StoreError EACCES, ENOSPC."""
        missing = self._find(path) is None
        self._writable(domid, path)
        if missing:
            self._tell(Change(path))

    def rm(self, domid: int, path: Path) -> None:
        """Remove a node and all below it; one that is missing in a directory that exists is removed already.

        StoreError EINVAL (the root), ENOENT (no such directory), EACCES.
        """
        if path == ROOT:
            raise StoreError("EINVAL")
        node = self._find(path)
        parent = self._find(path[:-1])
        if node is None:
            self._denied_or_missing(domid, path[:-1], parent, READ)
            return
        if not node.allows(domid, WRITE):
            raise StoreError("EACCES")
        removed = tuple(place for place, _ in below(node, path))
        for place in removed:
            self._find(place)
        self._place(path, None)
        self._tell(Change(path, removed))

    def set_permissions(self, domid: int, path: Path, permissions: tuple[Permission, ...]) -> None:
        """Replace a node's permissions; only domain 0 gives a node away. StoreError ENOENT, EACCES, EPERM."""
        node = self._find(path)
        if node is None:
            self._denied_or_missing(domid, path, None, READ)
            return
        if domid not in (0, node.owner):
            raise StoreError("EACCES")
        if domid and permissions[0].domid != node.owner:
            raise StoreError("EPERM")
        self._place(path, replace(node, permissions=permissions, generation=next(self._generations)))
        self._tell(Change(path))

    # What a transaction does otherwise.

    def _find(self, path: Path) -> Node | None:
        return find(self.root, path)

    def _tell(self, change: Change) -> None:
        self._told(change)

    # Common to all.

    def _place(self, path: Path, node: Node | None) -> None:
        self.root = placed(self.root, path, node, next(self._generations))

    def _readable(self, domid: int, path: Path) -> Node:
        node = self._find(path)
        if node is None or not node.allows(domid, READ):
            self._denied_or_missing(domid, path, node, READ)
            raise StoreError("ENOENT")
        return node

    def _denied_or_missing(self, domid: int, path: Path, node: Node | None, rights: frozenset[str]) -> None:
        """Refuse what may not be looked at (EACCES), or is not there (ENOENT); whether it is, only readers may know."""
        if node is not None and not node.allows(domid, rights):
            raise StoreError("EACCES")
        if node is None:
            ancestor, depth = nearest(self.root, path)
            self._find(path[:depth])
            raise StoreError("ENOENT" if ancestor.allows(domid, READ) else "EACCES")

    def _writable(self, domid: int, path: Path) -> Node:
        """Return the node that a domain wants to write to; make it, and what is missing above."""
        found, depth = nearest(self.root, path)
        self._find(path)
        self._find(path[:depth])
        if not found.allows(domid, WRITE):
            raise StoreError("EACCES")
        if domid and len(path) > depth and self._owned(domid) + len(path) - depth > NODES_OF_A_DOMAIN:
            raise StoreError("ENOSPC")
        owner = domid or found.owner
        permissions = (replace(found.permissions[0], domid=owner), *found.permissions[1:])
        for length in range(depth + 1, len(path) + 1):
            found = Node(permissions, generation=next(self._generations))
            self._place(path[:length], found)
        return found

    def _owned(self, domid: int) -> int:
        return sum(node.owner == domid for _, node in below(self.root, ROOT))


class Transaction(Tree):
    """Changes that are made all together or not at all."""

    def __init__(self, tree: Tree, domid: int) -> None:
        super().__init__()
        self._tree = tree
        self._domid = domid
        self._base = self.root = tree.root
        self._generations = tree._generations
        self._seen: dict[Path, int | None] = {}
        self._changes: list[Change] = []

    def commit(self) -> None:
        """Carry it out; StoreError EAGAIN when something that it depends on has changed meanwhile."""
        for path, generation in self._seen.items():
            now = find(self._tree.root, path)
            if (None if now is None else now.generation) != generation:
                raise StoreError("EAGAIN")
        for change in self._changes:
            for path in (*change.removed, change.path):
                self._carry_out(path)
            self._tree._tell(change)

    def _carry_out(self, changed: Path) -> None:
        """Bring the node at the changed place, and those above that were made for it, into the tree."""
        for length in range(len(changed) + 1):
            path = changed[:length]
            mine, there = find(self.root, path), find(self._tree.root, path)
            if mine is None:
                if there is not None:
                    self._tree._place(path, None)
                return
            if there is None:
                self._tree._place(path, replace(mine, children=Node(mine.permissions).children))
            elif path == changed:
                self._tree._place(path, replace(mine, children=there.children))

    def _find(self, path: Path) -> Node | None:
        if path not in self._seen:
            base = find(self._base, path)
            self._seen[path] = None if base is None else base.generation
        return super()._find(path)

    def _tell(self, change: Change) -> None:
        self._changes.append(change)
