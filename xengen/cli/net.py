"""`xengen net`: the interfaces of a running host and its domains, their rules, and what those have counted."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from xengen.cli.hosts import AsJson, HostName, call, show
from xengen.cli.tables import print_table
from xengen.control.places import DEFAULT_HOST
from xengen.errors import UserError


class Action(StrEnum):
    """What to do."""

    LIST = "list"
    RULES = "rules"
    ACCEPT = "accept"
    DROP = "drop"
    REDIRECT = "redirect"
    REMOVE = "remove"
    RATE = "rate"
    ATTACH = "attach"
    DETACH = "detach"


class Direction(StrEnum):
    """Of packets, as the domain sees it."""

    IN = "in"
    OUT = "out"


RULES = (Action.ACCEPT, Action.DROP, Action.REDIRECT)
# What stands behind the domain, where something does.
WANTED = {
    **dict.fromkeys(RULES, "a pattern such as udp:7@10.0.2.0/24, or rest"),
    Action.REMOVE: "the number of a rule (xengen net rules)",
    Action.RATE: "a size such as 1M, which it may send in a second, or 0",
    Action.ATTACH: "an interface such as mac=00:16:3e:00:00:01,allow=icmp",
}


def net(
    action: Annotated[
        Action,
        typer.Argument(
            help="list; rules; accept, drop, redirect PATTERN (or rest: what no rule decides); remove RULE; rate SIZE; "
            "attach NIC; detach."
        ),
    ] = Action.LIST,
    domain: Annotated[str, typer.Argument(metavar="[DOMAIN]", show_default=False)] = "",
    what: Annotated[str, typer.Argument(metavar="[PATTERN|RULE|SIZE|NIC]", show_default=False)] = "",
    interface: Annotated[int, typer.Option("--interface", metavar="N", help="Which of the domain's.")] = 0,
    direction: Annotated[Direction, typer.Option("--direction", help="What comes in, or goes out.")] = Direction.IN,
    place: Annotated[int | None, typer.Option("--place", metavar="N", help="Before which rule.")] = None,
    to: Annotated[str, typer.Option("--to", metavar="DOMAIN[/N]", help="Whom packets are redirected to.")] = "",
    host: HostName = DEFAULT_HOST,
    as_json: AsJson = False,
) -> None:
    """Show interfaces, rules and counters; change what domains may send and get.

    Example: xengen net accept web udp:7@10.0.2.0/24
    """
    if action is not Action.LIST and not domain:
        raise UserError(f"xengen net {action} wants a domain")
    if bool(what) != (action in WANTED):
        wanted = WANTED.get(action, "nothing more")
        raise UserError(f"xengen net {action} {domain} wants {wanted}".replace("  ", " "))
    one = {"domain": domain, "interface": interface}
    if action is Action.LIST:
        _show_list({"nics": call(host, "nics"), "interfaces": call(host, "vifs", domain=domain)}, as_json)
    elif action is Action.RULES:
        _show_rules(call(host, "rules", **one), as_json)
    elif action in RULES and what == "rest":
        show(call(host, "policy", **one, action=action, direction=direction), as_json)
    elif action in RULES:
        rule = {"pattern": what, "action": action, "direction": direction, "place": place, "to": to}
        made = call(host, "rule_add", **one, **rule)
        show(made, as_json, f"it is rule {made['place']} for what goes {direction}")
    elif action is Action.REMOVE:
        show(call(host, "rule_remove", **one, place=_number(what), direction=direction), as_json)
    elif action is Action.RATE:
        show(call(host, "rate", **one, rate=what), as_json)
    elif action is Action.ATTACH:
        made = call(host, "nic_attach", domain=domain, share=what)
        show(made, as_json, f"{made['domain']} has interface {made['interface']}, {made['mac']}")
    else:
        gone = call(host, "nic_detach", **one)
        how = "is gone" if gone["closed"] else "was taken away: the domain did not close it"
        show(gone, as_json, f"interface {interface} {how}")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UserError(f"a rule has a number, and {text!r} is none: xengen net rules shows them")
    return int(text)


def _show_list(found: dict[str, list[dict[str, Any]]], as_json: bool) -> None:
    if as_json:
        show(found, as_json)
        return
    for nic in found["nics"]:
        link = "" if nic["link"] else ", no link"
        counters = f"{nic['sent']} sent, {nic['received']} received, {nic['dropped']} dropped"
        typer.echo(f"nic {nic['nic']}: {nic['name']}, {nic['mac']}{link}; {counters}")
    if not found["nics"]:
        typer.echo("this host has no network interface: start it with xengen up --net user")
    if not found["interfaces"]:
        return
    names = ("tx_packets", "rx_packets", "spoofed", "filtered", "rx_no_buffer")
    headings = ("domain", "if", "mac", "ip", "nic", "state", "sent", "received", "spoofed", "filtered", "no buffer")
    rows = [
        [one["domain"], one["interface"], one["mac"], one["ip"], "none" if one["nic"] is None else one["nic"],
         one["state"], *(one.get(name, "") for name in names)]
        for one in found["interfaces"]
    ]  # fmt: skip
    print_table(headings, rows, headings[:6])


def _show_rules(rules: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show(rules, as_json)
        return
    names = ("direction", "place", "pattern", "action", "target", "packets", "bytes")
    headings = ("direction", "rule", "pattern", "action", "to", "packets", "bytes")
    print_table(headings, [[one[name] for name in names] for one in rules], headings[:5])
