"""Names of places in the store (ABI 11.3).

Invariants
  - Inside the store a path is absolute and is kept as a tuple of names; the root is the empty tuple.
  - A relative path of a domain is one below its home, /local/domain/N.
"""

from __future__ import annotations

import re

from xengen.store.errors import StoreError

Path = tuple[str, ...]

ROOT: Path = ()
ABSOLUTE_BYTES = 3072
RELATIVE_BYTES = 2048
SPECIAL = ("@introduceDomain", "@releaseDomain")

_NAMES = re.compile(rb"[A-Za-z0-9_@-]+(/[A-Za-z0-9_@-]+)*")


def home(domid: int) -> Path:
    """Return the place that a domain's relative paths are below."""
    return ("local", "domain", str(domid))


def parse(data: bytes, domid: int) -> Path:
    """Return the path that a domain wrote as `data`; StoreError EINVAL when it is none."""
    absolute = data.startswith(b"/")
    if len(data) > (ABSOLUTE_BYTES if absolute else RELATIVE_BYTES):
        raise StoreError("EINVAL")
    if data == b"/":
        return ROOT
    names = data[1:] if absolute else data
    if not _NAMES.fullmatch(names):
        raise StoreError("EINVAL")
    path = tuple(names.decode("ascii").split("/"))
    return path if absolute else home(domid) + path


def absolute(path: Path) -> str:
    """Return the path as text."""
    return "/" + "/".join(path)
