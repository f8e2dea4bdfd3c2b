"""A failing run as a test that can be pasted: what it imports, and each operation as one writes it.

Invariants
  - The file runs by pytest in the project's folder and fails as long as the flaw is there.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from xengen.fuzz.world import Operation

WIDTH = 110
TEMPLATE = '''\
"""Saved by xengen fuzz, seed {seed}. Run: .venv/bin/pytest {path}

What happened:
{problem}
"""

from __future__ import annotations

{imports}
from tests.model.worlds import Images, world_of


def test_seed_{seed}() -> None:
    with world_of(Images()) as world:
{steps}
        world.finish()
'''


def save(folder: Path, seed: int, run: Sequence[Operation], problem: str) -> Path:
    """Write the test into `folder` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"test_seed_{seed}.py"
    path.write_text(source(path, seed, run, problem), encoding="utf-8")
    return path


def source(path: Path, seed: int, run: Sequence[Operation], problem: str) -> str:
    """Return the text of the test."""
    steps = "\n".join(textwrap.indent(f"world.run({operation!r})", " " * 8) for operation in run)
    told = textwrap.indent(problem.replace("\\", "/").replace('"""', "'''"), "    ")
    return TEMPLATE.format(seed=seed, path=path, problem=told, imports="\n".join(imports(run)), steps=steps)


def imports(run: Sequence[Operation]) -> list[str]:
    """Return the lines that import what the operations are written with."""
    found: dict[str, set[str]] = {}
    for operation in run:
        for kind in _kinds(operation):
            found.setdefault(kind.__module__, set()).add(kind.__name__)
    return [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(found.items())]


def _kinds(what: Any) -> Iterator[type]:
    """Yield the dataclasses that a value is made of."""
    if isinstance(what, tuple):
        for element in what:
            yield from _kinds(element)
    elif is_dataclass(what):
        yield type(what)
        for field in fields(what):
            yield from _kinds(getattr(what, field.name))
