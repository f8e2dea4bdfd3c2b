"""A routine's local labels, written out before Jinja sees them: more than half of all tags are such labels.

Between `{% set L = labels("frame_get") %}` and the end of the routine, `{{ L("done") }}` can be nothing but
`.Lframe_get_done`, as long as no other tag comes between that might change L.

Invariants
  - Nothing is written out behind a block tag other than one that begins the routine; expressions may come between.
  - The lines stay as they are, and the `set` stays too: that two routines do not ask for the same labels is its matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from xengen.toolchain.tags import Part

_SET = re.compile(r'\{% set (\w+) = labels\("(\w+)"\) %\}')
_CALL = re.compile(r'\{% call \w+\("\w+"\) %\}')
_USE = re.compile(r'\{\{ (\w+)\("(\w+)"\) \}\}')


def local_label(routine: str, name: str) -> str:
    """Return the assembler's name for a local label of a routine."""
    return f".L{routine}_{name}"


def written_out(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts of a template with its local labels as text."""
    texts: list[str] = []
    first = 1
    variable = routine = ""
    is_in_call = False
    for part in parts:
        line, text, is_tag = part
        if not is_tag:
            if not texts:
                first = line
            texts.append(text)
            continue
        use = _USE.fullmatch(text)
        if use and use[1] == variable:
            texts.append(local_label(routine, use[2]))
            continue
        yield Part(first, "".join(texts), False)
        texts = []
        yield part
        if not text.startswith("{%"):
            continue
        asked = _SET.fullmatch(text)
        if asked:
            variable, routine, is_in_call = asked[1], asked[2], False
        elif not is_in_call and _CALL.fullmatch(text):
            is_in_call = True
        else:
            variable = ""
    yield Part(first, "".join(texts), False)
