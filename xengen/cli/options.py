"""Options whose order matters: which --initrd came behind which --guest.

Invariants
  - Only names are kept, in the order of the command line; the values stay where typer puts them.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

ORDERED = {"--guest": "guest", "--initrd": "initrd"}
_KEY = "xengen.order"


class InOrder(TyperCommand):
    """A command that remembers the order of its `ORDERED` options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note the order, and parse."""
        names = (word.partition("=")[0] for word in args)
        ctx.meta[_KEY] = [ORDERED[name] for name in names if name in ORDERED]
        return super().parse_args(ctx, args)


def options_in_order(ctx: Any) -> list[str]:
    """Return the names ("guest", "initrd") in the order in which the command line had them."""
    return list(ctx.meta.get(_KEY, []))
