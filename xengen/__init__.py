"""xengen: generates, boots, tests and measures a paravirtualizing hypervisor for 32-bit x86.

`xengen.Host` is the toolstack's Python API (docs/toolstack.md); it is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xengen.control.host import Host

__all__ = ["Host", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load what is not needed by everybody."""
    if name == "Host":
        from xengen.control.host import Host

        return Host
    raise AttributeError(f"module 'xengen' has no attribute {name!r}")
