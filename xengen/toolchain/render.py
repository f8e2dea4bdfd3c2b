"""Templates to text: Jinja2 with exact provenance.

Invariants
  - The result is a function of the tree, the image, `debug` and the ABI symbols: `unique` counts from zero per image.
  - Every rendered line has an `Origin`; a line that a macro made is attributed to the call, and names the macro line.
  - Whatever goes wrong in a template is a `BuildError` with the author's place.
  - A template that several images of a build use is marked and compiled once; what it renders to is each image's own.
  - Macros of the files that image.toml names are known in every template without an import, and a later file of
    that list sees the earlier ones.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

import jinja2

from xengen import __version__
from xengen.toolchain.errors import BuildError
from xengen.toolchain.image import Origin
from xengen.toolchain.provenance import GLUE, Provenance
from xengen.toolchain.spec import LIBRARY, TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import CodeType

    from jinja2.bccache import Bucket

    from xengen.toolchain.spec import ImageSpec


@dataclass(frozen=True, slots=True)
class Line:
    """One rendered line of GNU as text and where it was written."""

    text: str
    origin: Origin


class TemplateFailure(Exception):
    """A template said `error("...")`, or used a helper wrongly."""


class AbiNames:
    """The ABI's assembler symbols as attributes, for the rare value that a template must compute with."""

    def __init__(self, symbols: Mapping[str, int]) -> None:
        self.__dict__.update(symbols)


class _Compiled(jinja2.BytecodeCache):
    """The code of templates that were compiled before, in memory; Jinja compares the hash of the source."""

    def __init__(self) -> None:
        self.codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self.codes[bucket.key, bucket.checksum] = bucket.code


@dataclass(frozen=True)
class Templates:
    """The templates of `tree` and what is known about them, shared by the images of one build."""

    tree: Path
    provenance: Provenance = field(default_factory=Provenance)
    compiled: jinja2.BytecodeCache = field(default_factory=_Compiled)


class _Loader(jinja2.BaseLoader):
    def __init__(self, templates: Templates, roots: tuple[str, ...]) -> None:
        self.tree = templates.tree
        self.roots = roots  # what the build looks at to see whether an image is current
        self.provenance = templates.provenance

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        if not template.startswith(self.roots):
            raise jinja2.TemplateNotFound(template, f"{template} is not in {', '.join(self.roots)}")
        known = self.provenance.marked.get(template)
        if known is not None:
            return known, template, lambda: True
        path = self.tree / template
        try:
            source = path.read_text(encoding="utf-8")
        except (FileNotFoundError, IsADirectoryError):
            raise jinja2.TemplateNotFound(template, f"there is no file {template}") from None
        except UnicodeDecodeError as error:
            line = path.read_bytes().count(b"\n", 0, error.start) + 1
            raise BuildError(Origin(template, line), "not UTF-8 text") from error
        for number, text in enumerate(source.split("\n"), 1) if GLUE.search(source) else ():
            if GLUE.search(text):
                what = "'{%-' and '-%}' glue lines together: the whitespace is trimmed already, leave the '-' out"
                raise BuildError(Origin(template, number), what, text)
        return self.provenance.mark(template, source), template, lambda: True


def _helpers(debug: bool, symbols: Mapping[str, int], hypercalls: Sequence[Any]) -> dict[str, Any]:
    """Return the globals of the templates of one image; the counters start here."""
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
        return lambda name: f".L{routine}_{name}"

    def error(message: str) -> NoReturn:
        """Stop the build at this line."""
        raise TemplateFailure(message)

    return {
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
    environment = jinja2.Environment(
        loader=_Loader(templates, (f"{spec.folder}/", f"{LIBRARY}/", f"{TEMPLATES}/")),
        bytecode_cache=templates.compiled,
        optimized=False,  # to fold constants costs more than it saves: a template runs once per image
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    builtin = {name: jinja2.defaults.DEFAULT_NAMESPACE[name] for name in ("range", "dict", "namespace")}
    environment.globals.clear()
    environment.globals.update(builtin | _helpers(debug, symbols, hypercalls))
    lines: list[Line] = []
    for file in spec.macros:
        module = _guarded(provenance, file, partial(_module, environment, file))
        exported = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        environment.globals.update(exported)
    for file in spec.sources(templates.tree):
        text = _guarded(provenance, file, partial(_text, environment, file))
        for plain, origin in provenance.split(text, file):
            lines.append(Line(plain, origin))
    return lines


def _module(environment: jinja2.Environment, file: str) -> Any:
    return environment.get_template(file).module


def _text(environment: jinja2.Environment, file: str) -> str:
    return environment.get_template(file).render()


def _guarded(provenance: Provenance, file: str, work: Callable[[], Any]) -> Any:
    """Do `work`; whatever the template did wrong becomes a BuildError at the template's line."""
    try:
        return work()
    except BuildError:
        raise
    except jinja2.TemplateSyntaxError as error:
        raise BuildError(Origin(error.name or file, error.lineno), _sentence(error.message)) from error
    except Exception as error:
        origin = _place(provenance, file, error)
        what = str(error) if isinstance(error, (TemplateFailure, jinja2.TemplateError)) else _describe(error)
        raise BuildError(origin, _sentence(what)) from error


def _place(provenance: Provenance, file: str, error: Exception) -> Origin:
    """Return the line that failed: the last one outside of macros, with the macro's line when one was inside."""
    origin = Origin(file, 1)
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename not in provenance.files or frame.lineno is None:
            continue
        name = provenance.macro_at(frame.filename, frame.lineno)
        if name is None:
            origin = Origin(frame.filename, frame.lineno)
        else:
            origin = Origin(origin.file, origin.line, f"{name}, {frame.filename}:{frame.lineno}")
    return origin


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _sentence(message: str | None) -> str:
    return " ".join((message or "template error").split()).rstrip(".")
