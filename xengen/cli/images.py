"""Which files a verb boots: the project's own images, built when they are stale, and what the options name.

Invariants
  - Options come as the user wrote them, in order; each --initrd belongs to the last guest named before it.
  - Nothing is built for a file that the user gave.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

import xengen
from xengen.errors import UserError
from xengen.machine.spec import MIB, Module
from xengen.toolchain.packed import unpacked

HYPERVISOR = "hypervisor"
DEMO_GUEST = "hello"
UNITS = {"": MIB, "k": 1 << 10, "m": MIB, "g": 1 << 30}


def source_tree() -> Path:
    """Return the folder that holds asm/, templates/ and build/: the one that this package is part of."""
    tree = Path(xengen.__file__).resolve().parents[1]
    if not (tree / "asm").is_dir():
        raise UserError(f"{tree} holds no sources: install xengen in editable form from its repository (make run)")
    return tree


def image_path(tree: Path, name: str) -> Path:
    """Return where the image called `name` is built."""
    return tree / "build" / (f"{name}.elf" if name == HYPERVISOR else f"guests/{name}.elf")


def built(tree: Path, names: Sequence[str]) -> None:
    """Bring the images called `names` up to date."""
    if names:
        from xengen.toolchain.build import build

        build(tree, tree / "build", images=list(names), debug=True)


def parse_guest(text: str) -> Module:
    """Return the module that FILE[,CMDLINE] names; a comma in FILE is written twice."""
    match = re.fullmatch(r"((?:[^,]|,,)+)(?:,(.*))?", text, re.S)
    if match is None:
        raise UserError(f"--guest wants FILE or FILE,CMDLINE, not {text!r}")
    return Module(Path(match[1].replace(",,", ",")), match[2] or "")


def unpacked_kernel(kernel: Module, folder: Path) -> Module:
    """Return the kernel, or when its file is packed one that is unpacked into `folder`; UserError."""
    try:
        data = kernel.path.read_bytes()
    except OSError:
        return kernel  # whoever boots it says so
    found = unpacked(data, str(kernel.path))
    if found is data:
        return kernel
    path = Path(mkdtemp(dir=folder)) / kernel.path.name
    path.write_bytes(found)
    return Module(path, kernel.command_line)


def modules(
    order: Sequence[str], guests: Sequence[str], initrds: Sequence[Path], default: Path, folder: Path
) -> tuple[Module, ...]:
    """Return the boot modules, domain 0's kernel first; what is packed is unpacked into `folder`.

    `order` names the options ("guest", "initrd") as they came. Without a guest, domain 0 is `default`.
    """
    kernels = [unpacked_kernel(parse_guest(text), folder) for text in guests] or [Module(default)]
    named = 0
    initrd_of: dict[int, Module] = {}
    images = iter(initrds)
    for option in order:
        if option == "guest":
            named += 1
            continue
        initrd = Module(next(images))
        # One that stands before every guest is domain 0's.
        if initrd_of.setdefault(max(0, named - 1), initrd) is not initrd:
            raise UserError(f"a domain has one initrd, and {initrd.path} would be its second: name a --guest before it")
    found = ((kernel, initrd_of.get(domain)) for domain, kernel in enumerate(kernels))
    return tuple(module for pair in found for module in pair if module is not None)


def parse_memory(text: str) -> int:
    """Return a size in bytes: "128" and "128M" are 128 MiB, "1G" is 1024 MiB."""
    size = size_of(text)
    if size is None:
        raise UserError(f"--memory wants a size such as 128M or 1G, not {text!r}")
    return size


def size_of(text: str) -> int | None:
    """Return the bytes that a text such as 16, 16M, 512k or 1GiB means, a plain number being MiB; None for no size."""
    match = re.fullmatch(r"(\d+)([kmg]?)(?:i?b)?", text.strip().lower())
    return None if match is None else int(match[1]) * UNITS[match[2]]
