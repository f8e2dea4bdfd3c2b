"""`xengen disk`: makes disk images, shows what is on them, and who has what of a running host's disks."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from xengen.cli.hosts import AsJson, HostName, call, show
from xengen.cli.tables import print_table
from xengen.control.partitions import table_of_file
from xengen.control.places import DEFAULT_HOST
from xengen.control.shares import SECTOR, sectors
from xengen.errors import UserError
from xengen.machine.disks import DiskSpec

TEXTS = ("", "device", "state", "right", "kind", "name")


class Action(StrEnum):
    """What to do."""

    LIST = "list"
    CREATE = "create"
    PARTITIONS = "partitions"
    ATTACH = "attach"
    DETACH = "detach"


WANTED = {
    Action.LIST: ((), ("DOMAIN",)),
    Action.CREATE: (("FILE", "SIZE"), ()),
    Action.PARTITIONS: (("FILE",), ()),
    Action.ATTACH: (("DOMAIN", "DISK[:START-END][:r|rw]"), ()),
    Action.DETACH: (("DOMAIN", "DEVICE"), ()),
}


def disk(
    action: Annotated[
        Action,
        typer.Argument(
            help="list: disks, or those of a DOMAIN; create FILE SIZE; partitions FILE; attach DOMAIN DISK; detach "
            "DOMAIN DEVICE."
        ),
    ] = Action.LIST,
    words: Annotated[list[str] | None, typer.Argument(metavar="[ARGUMENTS]", show_default=False)] = None,
    host: HostName = DEFAULT_HOST,
    as_json: AsJson = False,
) -> None:
    """Make disk images; show what is on a disk, and which domain has what of it; give and take.

    Example: xengen disk create web.img 64M
    """
    given = words or []
    needed, more = WANTED[action]
    if not len(needed) <= len(given) <= len(needed) + len(more):
        wanted = " ".join((*needed, *(f"[{one}]" for one in more))) or "nothing more"
        raise UserError(f"xengen disk {action} wants {wanted}")
    match action:
        case Action.LIST if given:
            _show_virtual(call(host, "vbds", domain=given[0]), as_json)
        case Action.LIST:
            _show_disks(call(host, "disks"), as_json)
        case Action.CREATE:
            show(_create(Path(given[0]), given[1]), as_json, f"{given[0]} is an empty disk of {given[1]}")
        case Action.PARTITIONS:
            _show_table(Path(given[0]), as_json)
        case Action.ATTACH:
            made = call(host, "disk_attach", domain=given[0], share=given[1])
            show(made, as_json, f"{made['domain']} has {made['device']}")
        case Action.DETACH:
            gone = call(host, "disk_detach", domain=given[0], device=given[1])
            how = "is gone" if gone["closed"] else "was taken away: the domain did not close it"
            show(gone, as_json, f"{given[1]} {how}")


def _create(path: Path, size: str) -> dict[str, Any]:
    """Make a file of zeros that takes no room until it is written; UserError when there is one already."""
    count = sectors(size)
    if not count:
        raise UserError(f"a disk has at least one sector, and {size} is less: say, 64M")
    try:
        with path.open("xb") as file:
            file.truncate(count * SECTOR)
    except FileExistsError:
        raise UserError(f"{path} is there already: remove it first, or give another name") from None
    except OSError as error:
        raise UserError(f"cannot make {path}: {error.strerror}") from error
    return {"file": str(path), "sectors": count}


def _show_table(path: Path, as_json: bool) -> None:
    DiskSpec(path, read_only=True).check()
    table = table_of_file(path)
    found = [
        {"partition": one.number, "start": one.start, "sectors": one.sectors, "kind": one.kind, "name": one.name}
        for one in table.partitions
    ]
    if as_json:
        show({"scheme": table.scheme, "partitions": found}, as_json)
    elif not table.scheme:
        typer.echo(f"{path} has no partition table")
    else:
        typer.echo(f"{path}: {table.scheme.upper()}")
        headings = ("partition", "start", "sectors", "size", "kind", "name")
        print_table(headings, [_partition_row(one) for one in found], TEXTS)


def _partition_row(one: dict[str, Any]) -> list[object]:
    return [one["partition"], one["start"], one["sectors"], _size(one["sectors"]), one["kind"], one["name"]]


def _show_disks(disks: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show(disks, as_json)
        return
    if not disks:
        typer.echo("this host has no disk: start it with xengen up --disk FILE")
    for one in disks:
        right = ", read-only" if one["read_only"] else ""
        counters = f"{one['reads']} reads, {one['writes']} writes, {one['errors']} errors"
        typer.echo(f"{one['disk']}: {one['name']} ({one['driver']}{right}), {_size(one['sectors'])}; {counters}")
        rows: list[list[object]] = [
            [f"p{part['partition']}", part["start"], part["sectors"], _size(part["sectors"]), part["kind"]]
            for part in one["partitions"]
        ]
        for part in one["extents"]:
            whose = f"{part['domain']} {part['device']}"
            rows.append([whose, part["start"], part["sectors"], _size(part["sectors"]), part["right"]])
        if rows:
            print_table(("", "start", "sectors", "size", ""), rows, TEXTS)


def _show_virtual(devices: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show(devices, as_json)
        return
    columns = ("reads", "writes", "errors", "refused", "events")
    rows: list[list[object]] = [
        [one["device"], one["state"], one["right"], _size(one["sectors"]), *(one.get(name, "") for name in columns)]
        for one in devices
    ]
    print_table(("device", "state", "right", "size", *columns), rows, TEXTS)


def _size(count: int) -> str:
    """Return a number of sectors as a size for people."""
    size = float(count * SECTOR)
    for unit in ("B", "K", "M", "G"):
        if size < 1024 or unit == "G":
            break
        size /= 1024
    return f"{size:.4g} {unit}"
