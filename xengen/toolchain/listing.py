"""What people read about an image: the rendered source, the map and the listing.

Invariants
  - The rendered source is GNU as source: constants first, line markers wherever the origin jumps.
  - The map has every symbol by address; the listing every statement with its bytes and its template file:line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xengen.toolchain.image import Image, Origin, Symbol
    from xengen.toolchain.provenance import Line

_BYTES_PER_LINE = 8
_SHOWN_BYTES = 32


def source_text(name: str, lines: Sequence[Line], constants: Mapping[str, int]) -> str:
    """Return the whole image as one GNU as source."""
    out = [f"# Made by xengen from the templates of {name}: change those, not this file."]
    out += [f".set {constant}, {value:#x}" for constant, value in constants.items()]
    expected: tuple[str, int] | None = None
    for line in lines:
        if not line.text.strip():
            continue
        place = (line.origin.file, line.origin.line)
        if place != expected:
            out.append(f'# {place[1]} "{place[0]}"')
        out.append(line.text.rstrip())
        expected = (place[0], place[1] + 1)
    return "\n".join(out) + "\n"


def map_text(image: Image) -> str:
    """Return the map: sections, then symbols by address with sizes."""
    lines = [f"# {image.name}: entry {image.entry:#010x}, physical = virtual - {image.load_offset:#x}"]
    lines += ["", "# sections: address, size, permissions, name"]
    for section in image.sections:
        flags = ("w" if section.writable else "-") + ("x" if section.executable else "-")
        lines.append(f"{section.address:08x} {section.size:8x} r{flags} {section.name}")
    lines += ["", "# symbols: address, size, kind, section, name"]
    lines += [
        f"{symbol.address:08x} {symbol.size:8x} {symbol.kind.value:<8} {symbol.section:<10} {symbol.name}"
        for symbol in image.symbols
    ]
    return "\n".join(lines) + "\n"


def listing_text(image: Image) -> str:
    """Return the listing: address, bytes, statement, template file:line."""
    symbols: dict[int, list[Symbol]] = {}
    for symbol in image.symbols:
        symbols.setdefault(symbol.address, []).append(symbol)
    sections = {section.name: section for section in image.sections}
    lines: list[str] = []
    current = ""
    for address, size, name, text, origin in image.statements:
        section = sections[name]
        if name != current:
            current = name
            lines.append(f"# section {current}")
        for symbol in symbols.pop(address, ()):
            lines.append(f"{address:08x} {symbol.name}:")
        start = address - section.address
        data = section.data[start : start + min(size, _SHOWN_BYTES)]
        rows = [data[:_BYTES_PER_LINE].hex(" ")]
        if size > _BYTES_PER_LINE:
            rows += [data[i : i + _BYTES_PER_LINE].hex(" ") for i in range(_BYTES_PER_LINE, len(data), _BYTES_PER_LINE)]
            rows[-1] += " ..." if size > len(data) > 0 else ""
        lines.append(f"{address:08x}  {rows[0]:<24} {text:<48} # {_place(origin)}")
        lines += [f"{address + i * _BYTES_PER_LINE:08x}  {row}" for i, row in enumerate(rows[1:], 1)]
    return "\n".join(lines) + "\n" if lines else ""


def _place(origin: Origin) -> str:
    file, line, macro = origin
    return f"{file}:{line} ({macro})" if macro else f"{file}:{line}"
