"""Kernels and initrds on their way to a host.

Invariants
  - What the host has under that name is taken as it is; any other is a file, which is uploaded piece by piece.
  - The lock is held for a piece at a time, so that domains are served meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from xengen.control.calls import UPLOAD_PIECE, Control, Image
from xengen.errors import UserError


def upload(
    control: Control,
    lock: AbstractContextManager[Any],
    name: str,
    uploaded: ExitStack,
    unpack: Callable[[bytes, str], bytes] = lambda data, name: data,
) -> Generator[tuple[int, int], None, Image]:
    """Return the host's image of that name, or upload what `unpack` makes of the file until `uploaded` ends.

    Yields (bytes done, bytes) on the way. UserError.
    """
    with lock:
        for image in control.images():
            if image.name == name:
                return image
    try:
        data = unpack(Path(name).read_bytes(), name)
    except OSError as error:
        raise UserError(f"{name} is no image of this host, and no file that can be read ({error.strerror})") from error
    if not data:
        raise UserError(f"{name} is empty")
    with lock:
        image = control.add_image(Path(name).name[-63:], len(data))
    uploaded.callback(_remove, control, lock, image)
    for offset in range(0, len(data), UPLOAD_PIECE):
        with lock:
            control.write_image(image, offset, data[offset : offset + UPLOAD_PIECE])
        yield min(offset + UPLOAD_PIECE, len(data)), len(data)
    return image


def _remove(control: Control, lock: AbstractContextManager[Any], image: Image) -> None:
    with lock:
        control.remove_image(image)
