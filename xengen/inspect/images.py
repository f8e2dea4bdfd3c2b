"""The images that the hypervisor keeps, as they are in memory: which frames are theirs.

Invariants
  - A record with flags 0 is free, and its other fields mean nothing.
  - While room for an image is being made its record does not say yet what is taken: the job's own variables do.
"""

from __future__ import annotations

from ctypes import sizeof
from dataclasses import dataclass

from xengen.abi.hypervisor import Image
from xengen.inspect import layout
from xengen.inspect.views import Hypervisor


@dataclass(frozen=True)
class KeptImage:
    """An image: its number, its name, its length in bytes, and its frames."""

    number: int
    name: str
    size: int
    frames: range


def kept_images(hypervisor: Hypervisor) -> tuple[KeptImage, ...]:
    """Return the images in the order of their numbers; BadStructure when the table leads nowhere."""
    start, job = hypervisor.symbol("images"), hypervisor.word("job_key")
    found = []
    for number in range(layout.MAX_IMAGES):
        address = start + number * sizeof(Image)
        record = hypervisor.structure(Image, address)
        if not record.flags:
            continue
        first, count = int(record.first_mfn), int(record.pages)
        if job == address:
            first, count = hypervisor.word("run_first"), hypervisor.word("run_taken")
        name = bytes(record.name).partition(b"\0")[0].decode("ascii", "replace")
        found.append(KeptImage(number, name, int(record.bytes), range(first, first + count)))
    return tuple(found)
