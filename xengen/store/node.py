"""Nodes of the store and who may do what with them (ABI 11.3).

Invariants
  - A node never changes: a change makes a new node, and new ones on the way up to the root. So whoever holds a root has
    the whole tree as it was, for nothing.
  - `generation` is new whenever the node's own value, permissions or names of children are: two roots have the same
    node at a place when the generations there are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from xengen.store.errors import StoreError
from xengen.store.paths import Path

READ, WRITE = frozenset("rb"), frozenset("wb")

_PERMISSION = re.compile(rb"([nrwb])([0-9]{1,5})")
_NOBODY: Mapping[str, Node] = MappingProxyType({})


@dataclass(frozen=True)
class Permission:
    """What a domain may do: n nothing, r read, w write, b both. A node's first names its owner, and what others may."""

    right: str
    domid: int

    def __str__(self) -> str:
        return f"{self.right}{self.domid}"


def parse_permissions(texts: Iterable[bytes]) -> tuple[Permission, ...]:
    """Return permissions from their wire form; StoreError EINVAL when one is none or there are none."""
    found = []
    for text in texts:
        match = _PERMISSION.fullmatch(text)
        if match is None:
            raise StoreError("EINVAL")
        found.append(Permission(match[1].decode(), int(match[2])))
    if not found:
        raise StoreError("EINVAL")
    return tuple(found)


@dataclass(frozen=True)
class Node:
    """One node: its value, its permissions (never none), and its children by name, the oldest first."""

    permissions: tuple[Permission, ...]
    value: bytes = b""
    children: Mapping[str, Node] = field(default_factory=lambda: _NOBODY)
    generation: int = 0

    @property
    def owner(self) -> int:
        """The domain that it belongs to."""
        return self.permissions[0].domid

    def allows(self, domid: int, rights: frozenset[str]) -> bool:
        """Whether a domain has one of `rights`; its owner and domain 0 have all."""
        if domid in (0, self.owner):
            return True
        for permission in self.permissions[1:]:
            if permission.domid == domid:
                return permission.right in rights
        return self.permissions[0].right in rights


def find(root: Node, path: Path) -> Node | None:
    """Return the node at a path, or None."""
    node: Node | None = root
    for name in path:
        node = node.children.get(name) if node is not None else None
    return node


def nearest(root: Node, path: Path) -> tuple[Node, int]:
    """Return the deepest node there is on the way to `path`, and how many names lead to it."""
    node = root
    for depth, name in enumerate(path):
        child = node.children.get(name)
        if child is None:
            return node, depth
        node = child
    return node, len(path)


def placed(root: Node, path: Path, node: Node | None, generation: int) -> Node:
    """Return the tree with `node` at `path`, whose parent exists; without that place when `node` is None.

    A parent that gains or loses a child gets the new generation.
    """
    if not path:
        if node is None:
            raise ValueError("a tree has a root")
        return node
    name, *rest = path
    child = root.children.get(name)
    if rest:
        if child is None:
            raise KeyError(name)
        changed = placed(child, tuple(rest), node, generation)
        return replace(root, children=MappingProxyType({**root.children, name: changed}))
    children = {**root.children}
    if node is None:
        del children[name]
    else:
        children[name] = node
    gained = (child is None) != (node is None)
    return replace(root, children=MappingProxyType(children), generation=generation if gained else root.generation)


def below(node: Node, path: Path) -> Iterable[tuple[Path, Node]]:
    """Yield the node and all its descendants with their paths, parents first."""
    yield path, node
    for name, child in node.children.items():
        yield from below(child, (*path, name))
