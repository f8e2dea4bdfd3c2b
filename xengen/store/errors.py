"""What the store says when it does not do as asked: the name of an error number (ABI 11.3)."""

from __future__ import annotations

from xengen.errors import XengenError

NAMES = frozenset({
    "EINVAL", "EACCES", "EEXIST", "EISDIR", "ENOENT", "ENOMEM", "ENOSPC", "EIO", "ENOTEMPTY", "ENOSYS", "EROFS",
    "EBUSY", "EAGAIN", "EISCONN", "E2BIG", "EPERM",
})  # fmt: skip


class StoreError(XengenError):
    """A request was refused; `name` is the error's name, which is what goes over the wire."""

    def __init__(self, name: str) -> None:
        if name not in NAMES:
            raise ValueError(f"{name} is not an error of the store")
        super().__init__(name)
        self.name = name
