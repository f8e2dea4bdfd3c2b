"""`xengen sched`: how a domain of a running host shares the processor (BVT)."""

from __future__ import annotations

from typing import Annotated

import typer

from xengen.cli.hosts import AsJson, DomainName, HostName, call, show
from xengen.control.places import DEFAULT_HOST


def sched(
    domain: DomainName,
    weight: Annotated[int | None, typer.Option("--weight", metavar="N", help="Its share, relative to others'.")] = None,
    warp: Annotated[
        float | None,
        typer.Option("--warp", metavar="MS", help="How far it may run ahead when it wakes, in ms; 0: not."),
    ] = None,
    warp_limit: Annotated[
        float | None, typer.Option("--warp-limit", metavar="MS", help="The longest that it runs warped; 0: no limit.")
    ] = None,
    unwarp: Annotated[
        float | None, typer.Option("--unwarp", metavar="MS", help="How long it stays unwarped after that.")
    ] = None,
    host: HostName = DEFAULT_HOST,
    as_json: AsJson = False,
) -> None:
    """Show or set how a domain shares the processor.

    Example: xengen sched web --weight 20 --warp 5
    """
    wanted = {"weight": weight, "warp_ms": warp, "warp_limit_ms": warp_limit, "unwarp_ms": unwarp}
    given = {key: value for key, value in wanted.items() if value is not None}
    found = call(host, "sched", domain=domain, **given)
    show(
        found,
        as_json,
        f"weight      {found['weight']}",
        f"warp        {found['warp_ms']:g} ms",
        f"warp limit  {found['warp_limit_ms']:g} ms",
        f"unwarp      {found['unwarp_ms']:g} ms",
    )
