"""What a domain expects to find in the store about itself (ABI 11.8).

Invariants
  - The domain reads all of its home, and writes only what the ABI leaves to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from xengen.store.node import Permission
from xengen.store.paths import Path, absolute, home
from xengen.store.tree import Tree

WRITABLE = ("control/shutdown", "control/sysrq", "data", "device")


@dataclass(frozen=True)
class DomainFacts:
    """What the toolstack knows of a domain. Memory in KB; a ring is its frame's mfn, as the domain counts frames."""

    domid: int
    name: str
    uuid: str
    memory: int
    most_memory: int
    store_ring: int
    store_port: int
    console_ring: int
    console_port: int


def add_domain(tree: Tree, facts: DomainFacts) -> None:
    """Make a domain's home and /vm/UUID."""
    place = home(facts.domid)
    vm: Path = ("vm", facts.uuid)
    for node in (place, vm):
        tree.mkdir(0, node)
        tree.set_permissions(0, node, (Permission("n", 0), Permission("r", facts.domid)))
    values = {
        "name": facts.name,
        "vm": absolute(vm),
        "domid": facts.domid,
        "cpu/0/availability": "online",
        "memory/target": facts.memory,
        "memory/static-max": facts.most_memory,
        "memory/videoram": 0,
        "store/port": facts.store_port,
        "store/ring-ref": facts.store_ring,
        "console/port": facts.console_port,
        "console/ring-ref": facts.console_ring,
        "console/limit": 1 << 20,
        "console/type": "xengen",
    }
    for name, value in values.items():
        tree.write(0, (*place, *name.split("/")), str(value).encode())
    for name in WRITABLE:
        node = (*place, *name.split("/"))
        tree.mkdir(0, node)
        tree.set_permissions(0, node, (Permission("n", facts.domid),))
    for name, value in (("name", facts.name), ("uuid", facts.uuid)):
        tree.write(0, (*vm, name), value.encode())


def remove_domain(tree: Tree, domid: int, uuid: str) -> None:
    """Remove what `add_domain` made, and all that came below it."""
    tree.rm(0, home(domid))
    tree.rm(0, ("vm", uuid))
