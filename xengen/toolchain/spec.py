"""Which images a tree has: one folder with an image.toml for each.

Invariants
  - The hypervisor is asm/hypervisor, a guest asm/guests/NAME; nothing else is an image.
  - Sources are every *.s below the folder, `boot` first, then by path, then the libraries that the image names.
  - All paths in a spec are relative to the tree, with forward slashes.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xengen.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIBRARY = "asm/lib"
TEMPLATES = "templates"
DEFAULT_MACROS = ("templates/macros.s",)


@dataclass(frozen=True)
class ImageSpec:
    """What image.toml says. `base` is the virtual address of the first byte; physical = virtual - `load_offset`."""

    name: str
    folder: str
    base: int
    load_offset: int
    entry: str
    entry_is_physical: bool
    libs: tuple[str, ...]
    macros: tuple[str, ...]
    about: str
    entry_line: int = 1

    @property
    def output(self) -> str:
        """The stem of the image's files below the output folder."""
        return self.name if self.folder == "asm/hypervisor" else f"guests/{self.name}"

    def sources(self, tree: Path) -> tuple[str, ...]:
        """Return the image's source files in assembly order."""
        folder = tree / self.folder
        found = [path.relative_to(folder).parts for path in folder.rglob("*.s")]
        own = sorted(found, key=lambda parts: (parts[0] != "boot", parts))
        if not own:
            raise UserError(f"{self.folder} has no *.s files: write one, or remove the folder")
        return tuple(f"{self.folder}/{'/'.join(parts)}" for parts in own) + self.libs


_REQUIRED: dict[str, type] = {"base": int, "load_offset": int, "entry": str, "entry_is_physical": bool}
_OPTIONAL: dict[str, type] = {"libs": list, "macros": list, "about": str}


def read_spec(tree: Path, folder: str) -> ImageSpec:
    """Read FOLDER/image.toml; UserError names the key that is missing, unknown or of the wrong type."""
    place = f"{folder}/image.toml"
    try:
        text = (tree / place).read_text(encoding="utf-8")
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{place}: {error}") from error
    for key, kind in {**_REQUIRED, **_OPTIONAL}.items():
        if key not in values:
            if key in _REQUIRED:
                raise UserError(f"{place}: key {key!r} is missing")
        elif type(values[key]) is not kind:
            raise UserError(f"{place}: {key!r} must be of type {kind.__name__}")
    for key in values:
        if key not in _REQUIRED and key not in _OPTIONAL:
            raise UserError(f"{place}: unknown key {key!r}")
    if values["base"] % 4096:
        raise UserError(f"{place}: 'base' must be a multiple of 4096")
    macros = tuple(values.get("macros", [name for name in DEFAULT_MACROS if (tree / name).exists()]))
    libs = tuple(f"{LIBRARY}/{name}" for name in values.get("libs", []))
    for name in macros + libs:
        if not (tree / name).is_file():
            raise UserError(f"{place}: there is no file {name}")
    return ImageSpec(
        name=folder.rsplit("/", 1)[-1],
        folder=folder,
        base=values["base"],
        load_offset=values["load_offset"],
        entry=values["entry"],
        entry_is_physical=values["entry_is_physical"],
        libs=libs,
        macros=macros,
        about=values.get("about", ""),
        entry_line=1 + next((n for n, line in enumerate(text.splitlines()) if line.lstrip().startswith("entry")), 0),
    )


def list_images(tree: Path) -> tuple[ImageSpec, ...]:
    """Return every image of the tree: the hypervisor first, then the guests by name."""
    folders = [path.parent for path in tree.glob("asm/hypervisor/image.toml")]
    folders += sorted(path.parent for path in tree.glob("asm/guests/*/image.toml"))
    return tuple(read_spec(tree, folder.relative_to(tree).as_posix()) for folder in folders)


def select_images(tree: Path, names: Sequence[str] | None) -> tuple[ImageSpec, ...]:
    """Return the images called `names` (all when None or empty), in the order of `list_images`."""
    specs = list_images(tree)
    known = [spec.name for spec in specs]
    if not specs:
        raise UserError(f"{tree} has no images: there is no asm/hypervisor/image.toml, no asm/guests/NAME/image.toml")
    for name in names or ():
        if name not in known:
            raise UserError(f"no image is called {name!r}: there are {', '.join(known)}")
    return tuple(spec for spec in specs if not names or spec.name in names)
