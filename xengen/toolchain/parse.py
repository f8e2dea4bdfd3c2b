"""The templates of a tree as Jinja's syntax trees.

Invariants
  - A file is read once for all images of a build; what it renders to is each image's own.
  - Its local labels are written out, its lines are marked, then Jinja's parser gets its tokens. What tags.py does not
    read, or what is wrong then, Jinja's own lexer reads: what it says of it is what the author gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from jinja2 import nodes
from jinja2.lexer import TokenStream
from jinja2.parser import Parser

from xengen.toolchain.errors import BuildError
from xengen.toolchain.image import Origin
from xengen.toolchain.labels import written_out
from xengen.toolchain.provenance import Provenance
from xengen.toolchain.tags import GLUE, Part, parts, tokens


def jinja_environment() -> jinja2.Environment:
    """Return the Jinja that our templates are written for; it has no globals yet."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    environment.globals.clear()
    return environment


@dataclass(frozen=True)
class Templates:
    """The templates of `tree` and what is known about them."""

    tree: Path
    provenance: Provenance = field(default_factory=Provenance)
    environment: jinja2.Environment = field(default_factory=jinja_environment)
    _bodies: dict[str, list[nodes.Node]] = field(default_factory=dict, repr=False)

    def body(self, file: str, roots: tuple[str, ...]) -> list[nodes.Node]:
        """Return the tree of a file below one of `roots`; jinja2's errors, or BuildError for what is no text."""
        if not file.startswith(roots):
            raise jinja2.TemplateNotFound(file, f"{file} is not in {', '.join(roots)}")
        if file not in self._bodies:
            found = list(written_out(parts(self._read(file))))
            self._bodies[file] = self._parsed(file, list(self.provenance.mark(file, found)))
        return self._bodies[file]

    def _read(self, file: str) -> str:
        path = self.tree / file
        try:
            source = path.read_text(encoding="utf-8")
        except (FileNotFoundError, IsADirectoryError):
            raise jinja2.TemplateNotFound(file, f"there is no file {file}") from None
        except UnicodeDecodeError as error:
            line = path.read_bytes().count(b"\n", 0, error.start) + 1
            raise BuildError(Origin(file, line), "not UTF-8 text") from error
        found = [glue for glue in GLUE if glue in source]
        for number, text in enumerate(source.split("\n"), 1) if found else ():
            if any(glue in text for glue in found):
                what = "'{%-' and '-%}' glue lines together: the whitespace is trimmed already, leave the '-' out"
                raise BuildError(Origin(file, number), what, text)
        return source

    def _parsed(self, file: str, found: Sequence[Part]) -> list[nodes.Node]:
        taken = tokens(found)
        if taken is not None:
            parser = Parser(self.environment, "", file, file)
            parser.stream = TokenStream(iter(taken), file, file)
            with suppress(jinja2.TemplateSyntaxError):
                return parser.subparse()
        return Parser(self.environment, "".join(part.text for part in found), file, file).subparse()
