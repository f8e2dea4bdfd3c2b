"""Where a host that runs in the background keeps its socket and its logs.

Invariants
  - The folder is the user's alone (mode 0700), below XDG_RUNTIME_DIR, or the temporary folder where there is none.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from xengen.errors import UserError

DEFAULT_HOST = "default"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}")


@dataclass(frozen=True)
class HostPlaces:
    """The files of one host, by the host's name."""

    folder: Path

    @property
    def socket(self) -> Path:
        """Where it takes calls."""
        return self.folder / "socket"

    @property
    def log(self) -> Path:
        """What the process and the hypervisor have said."""
        return self.folder / "log"

    def console(self, domain: str) -> Path:
        """What a domain wrote to its console."""
        return self.folder / f"console-{domain}.log"


def places(name: str = DEFAULT_HOST) -> HostPlaces:
    """Return the places of the host `name`, whose folder is there afterwards. UserError for a name that is none."""
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot be a host's name: use letters, digits, - and _")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    root = Path(runtime) / "xengen" if runtime else Path(tempfile.gettempdir()) / f"xengen-{os.getuid()}"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root.stat().st_uid != os.getuid():
            raise UserError(f"{root} belongs to somebody else: set XDG_RUNTIME_DIR to a folder of your own")
        (root / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {root / name}: {error.strerror}") from error
    return HostPlaces(root / name)
