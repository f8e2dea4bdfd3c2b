"""Templates to text: Jinja2 with exact provenance.

Invariants
  - The result is a function of the tree, the image, `debug` and the ABI symbols: `unique` counts from zero per image.
  - Every rendered line has an `Origin`; a line that a macro made is attributed to the call, and names the macro line.
  - Whatever goes wrong in a template is a `BuildError` with the author's place.
  - Macros of the files that image.toml names are known in every template without an import, and a later file of
    that list sees the earlier ones.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

import jinja2

from xengen import __version__
from xengen.toolchain.errors import BuildError
from xengen.toolchain.image import Origin
from xengen.toolchain.labels import local_label
from xengen.toolchain.spec import LIBRARY, TEMPLATES
from xengen.toolchain.walk import Walker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xengen.toolchain.parse import Templates
    from xengen.toolchain.provenance import Line, Provenance
    from xengen.toolchain.spec import ImageSpec
    from xengen.toolchain.walk import Place


class TemplateFailure(Exception):
    """A template said `error("...")`, or used a helper wrongly."""


class AbiNames:
    """The ABI's assembler symbols as attributes, for the rare value that a template must compute with."""

    def __init__(self, symbols: Mapping[str, int]) -> None:
        self.__dict__.update(symbols)


def template_names(debug: bool, symbols: Mapping[str, int], hypercalls: Sequence[Any]) -> dict[str, Any]:
    """Return what the templates of one image know; the counters start here."""
    numbers: dict[str, count[int]] = {}
    taken: set[str] = set()

    def unique(stem: str) -> str:
        """Return a label that nobody else has: .Lstem_N."""
        return f".L{stem}_{next(numbers.setdefault(stem, count()))}"

    def labels(routine: str) -> Callable[[str], str]:
        """Return a function from a name to that routine's local label."""
        if routine in taken:
            raise TemplateFailure(f'labels("{routine}") was asked for before: one routine, one set of labels')
        taken.add(routine)
        return partial(local_label, routine)

    def error(message: str) -> NoReturn:
        """Stop the build at this line."""
        raise TemplateFailure(message)

    builtin = {name: jinja2.defaults.DEFAULT_NAMESPACE[name] for name in ("range", "dict", "namespace")}
    return builtin | {
        "abi": AbiNames(symbols),
        "debug": debug,
        "error": error,
        "hypercalls": hypercalls,
        "labels": labels,
        "unique": unique,
        "version": __version__,
    }


def render_image(
    templates: Templates, spec: ImageSpec, *, debug: bool, symbols: Mapping[str, int], hypercalls: Sequence[Any]
) -> list[Line]:
    """Render all sources of an image, in assembly order; BuildError at the author's place."""
    provenance = templates.provenance
    roots = (f"{spec.folder}/", f"{LIBRARY}/", f"{TEMPLATES}/")
    names = template_names(debug, symbols, hypercalls)
    walker = Walker(templates.environment, partial(templates.body, roots=roots), names)
    lines: list[Line] = []
    file = ""
    try:
        for file in spec.macros:
            names.update(walker.module(file))
        for file in spec.sources(templates.tree):
            lines += provenance.split(walker.text(file), file)
    except BuildError:
        raise
    except jinja2.TemplateSyntaxError as error:
        raise BuildError(Origin(error.name or file, error.lineno), _sentence(error.message)) from error
    except Exception as error:
        what = str(error) if isinstance(error, (TemplateFailure, jinja2.TemplateError)) else _describe(error)
        raise BuildError(_place(provenance, walker.places, file), _sentence(what)) from error
    return lines


def _place(provenance: Provenance, places: Sequence[Place], file: str) -> Origin:
    """Return the line that failed: the last one outside of macros, with the macro's line when one was inside."""
    origin = Origin(file, 1)
    for place in places:
        name = provenance.macro_at(place.file, place.line)
        if name is None:
            origin = Origin(place.file, place.line)
        else:
            origin = Origin(origin.file, origin.line, f"{name}, {place.file}:{place.line}")
    return origin


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _sentence(message: str | None) -> str:
    return " ".join((message or "template error").split()).rstrip(".")
