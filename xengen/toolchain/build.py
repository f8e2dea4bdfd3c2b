"""Builds: from a tree to files, and only what changed.

Invariants
  - A build is a function of the tree: same inputs, same bytes. The key of an image is the hash of everything that it
    may read: its folder, asm/lib, templates, the ABI, the toolchain, and the versions of what they run on.
  - Nothing is written before every image that was asked for has been made; each file appears by a rename.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xengen.errors import UserError
from xengen.toolchain.spec import LIBRARY, TEMPLATES, select_images

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xengen.toolchain.image import Image
    from xengen.toolchain.keystone import Assembler
    from xengen.toolchain.parse import Templates
    from xengen.toolchain.spec import ImageSpec

PACKAGE = Path(__file__).resolve().parent.parent
SUFFIXES = ("elf", "map", "lst", "s")
_PACKAGES = ("keystone_engine", "jinja2")
PHASES = ("check", "render", "lower", "assemble", "link", "write")


@dataclass
class Timings:
    """Seconds per phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to phase `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Add `seconds` to phase `name`."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


@dataclass(frozen=True)
class BuildResult:
    """One image of a build: its files, whether it was made now, and the seconds that each phase took."""

    spec: ImageSpec
    elf: Path
    map: Path
    listing: Path
    source: Path
    fresh: bool
    seconds: dict[str, float]


@dataclass(frozen=True)
class Made:
    """An image in memory and the GNU as source that it was made from."""

    image: Image
    source: str


def make(tree: Path, spec: ImageSpec, assembler: Assembler, *, debug: bool) -> Made:
    """Make one image in memory: render, lower, assemble, link. BuildError at the author's place."""
    from xengen.toolchain.parse import Templates

    with _no_collection():
        return _make(Templates(tree), spec, assembler, debug, Timings())


def _make(templates: Templates, spec: ImageSpec, assembler: Assembler, debug: bool, timings: Timings) -> Made:
    assembler.start()
    with timings.phase("render"):
        from xengen.abi.hypercalls import HYPERCALLS
        from xengen.abi.symbols import assembler_symbols
        from xengen.toolchain.render import render_image

        symbols = assembler_symbols()
        lines = render_image(templates, spec, debug=debug, symbols=symbols, hypercalls=HYPERCALLS)
    with timings.phase("lower"):
        from xengen.toolchain.link import link, used_constants
        from xengen.toolchain.lower import lower_lines

        program = lower_lines(lines)
        constants = used_constants(program, symbols, spec)
    before = assembler.seconds
    start = time.perf_counter()
    image = link(program, spec, constants, assembler)
    assembling = assembler.seconds - before
    timings.add("assemble", assembling)
    timings.add("link", time.perf_counter() - start - assembling)
    with timings.phase("link"):
        from xengen.toolchain.listing import source_text

        return Made(image, source_text(spec.folder, lines, constants))


def build_image(tree: Path, spec: ImageSpec, *, debug: bool = True) -> Image:
    """Make one image in memory with an assembler of its own."""
    from xengen.toolchain.keystone import Assembler

    with Assembler() as assembler:
        return make(tree, spec, assembler, debug=debug).image


def build(
    tree: Path, out: Path, *, images: Sequence[str] | None = None, debug: bool = True
) -> list[BuildResult]:
    """Build the images called `images` (all when None) into `out`, those that changed; BuildError or UserError."""
    with _no_collection():
        return _build(tree, out, images, debug)


def _build(tree: Path, out: Path, images: Sequence[str] | None, debug: bool) -> list[BuildResult]:
    specs = select_images(tree, images)
    timings = {spec.name: Timings() for spec in specs}
    keys: dict[str, str] = {}
    stale: list[ImageSpec] = []
    common = Timings()
    with common.phase("check"):
        tools = _tools_key(tree, debug)
    for spec in specs:
        with timings[spec.name].phase("check"):
            keys[spec.name] = _key(tree, spec, tools)
            if not _is_current(out, spec, keys[spec.name]):
                stale.append(spec)
    if stale:
        from xengen.toolchain.elf import write_elf
        from xengen.toolchain.keystone import Assembler
        from xengen.toolchain.listing import listing_text, map_text
        from xengen.toolchain.parse import Templates

        files: dict[str, dict[str, bytes]] = {}
        templates = Templates(tree)
        with Assembler() as assembler:
            for spec in stale:
                made = _make(templates, spec, assembler, debug, timings[spec.name])
                with timings[spec.name].phase("link"):
                    files[spec.name] = {
                        "elf": write_elf(made.image),
                        "map": map_text(made.image).encode(),
                        "lst": listing_text(made.image).encode(),
                        "s": made.source.encode(),
                    }
        for spec in stale:
            with timings[spec.name].phase("write"):
                _write(out, spec, keys[spec.name], files[spec.name])
    results = []
    for spec in specs:
        elf, symbols, listing, source = (out / f"{spec.output}.{suffix}" for suffix in SUFFIXES)
        seconds = timings[spec.name].seconds
        results.append(BuildResult(spec, elf, symbols, listing, source, fresh=spec in stale, seconds=seconds))
    if results:
        seconds = results[0].seconds
        seconds["check"] = seconds["check"] + common.seconds["check"]
    return results


@contextmanager
def _no_collection() -> Iterator[None]:
    """Leave cyclic garbage alone in the block: a build makes records that live to its end, and hardly any cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _tools_key(tree: Path, debug: bool) -> bytes:
    """Return the hash of what all images share."""
    digest = hashlib.sha256(f"{sys.version_info[:3]} {debug} {_versions()}".encode())
    for folder in (PACKAGE / "abi", PACKAGE / "toolchain"):
        _add_folder(digest, folder, "*.py")
    _add_file(digest, PACKAGE / "__init__.py", "xengen")
    _add_folder(digest, tree / TEMPLATES, "*")
    _add_folder(digest, tree / LIBRARY, "*")
    return digest.digest()


def _versions() -> list[str]:
    """Return names and versions of the packages that decide what the bytes are, as their folders say them."""
    # importlib.metadata would say the same, but takes longer to import than the whole check of a current build.
    folders = [Path(folder) for folder in sys.path]
    return sorted(
        found.name for folder in folders for name in _PACKAGES for found in folder.glob(f"{name}-*.dist-info")
    )


def _key(tree: Path, spec: ImageSpec, tools: bytes) -> str:
    digest = hashlib.sha256(tools + spec.folder.encode())
    _add_folder(digest, tree / spec.folder, "*")
    return digest.hexdigest()


def _add_folder(digest: hashlib._Hash, folder: Path, pattern: str) -> None:
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and "__pycache__" not in path.parts:
            _add_file(digest, path, path.relative_to(folder).as_posix())


def _add_file(digest: hashlib._Hash, path: Path, name: str) -> None:
    data = path.read_bytes()
    digest.update(f"{name}\0{len(data)}\0".encode() + data)


def _manifest(out: Path, spec: ImageSpec) -> Path:
    return out / ".cache" / f"{spec.output.replace('/', '-')}.json"


def _is_current(out: Path, spec: ImageSpec, key: str) -> bool:
    """Return whether the files in `out` are what this key made, unchanged."""
    try:
        manifest = json.loads(_manifest(out, spec).read_text(encoding="utf-8"))
        return bool(
            manifest["key"] == key
            and all(
                hashlib.sha256((out / f"{spec.output}.{suffix}").read_bytes()).hexdigest() == known
                for suffix, known in manifest["files"].items()
            )
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _write(out: Path, spec: ImageSpec, key: str, files: dict[str, bytes]) -> None:
    """Write all files of an image under other names, then rename them, the manifest last."""
    targets = {out / f"{spec.output}.{suffix}": data for suffix, data in files.items()}
    hashes = {suffix: hashlib.sha256(data).hexdigest() for suffix, data in files.items()}
    manifest = json.dumps({"key": key, "files": hashes}, indent=1, sort_keys=True) + "\n"
    targets[_manifest(out, spec)] = manifest.encode()
    temporary: list[tuple[Path, Path]] = []
    try:
        for target, data in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.{os.getpid()}")
            temporary.append((part, target))
            part.write_bytes(data)
        for part, target in temporary:
            os.replace(part, target)
    except OSError as error:
        raise UserError(f"{spec.output} cannot be written in {out}: {error.strerror}") from error
    finally:
        for part, _ in temporary:
            part.unlink(missing_ok=True)


if __name__ == "__main__":
    for result in build(Path.cwd(), Path.cwd() / "build"):
        print(result.elf, "made" if result.fresh else "current", result.seconds)
