"""`xengen info`: what is in an image, ours or somebody else's.

Invariants
  - A thin verb over `xengen.toolchain.inspect_elf.read_elf`: facts go to stdout, errors are its `UserError`s.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xengen.toolchain.inspect_elf import ElfInfo

SHOWN_SYMBOLS = 10


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ELF file.")],
    symbols: Annotated[bool, typer.Option("--symbols", help="List every symbol, not only the largest.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Show what is in an image: segments, notes, symbols, and code size by template file.

    Example: xengen info build/guests/hello.elf
    """
    from xengen.toolchain.inspect_elf import read_elf

    found = read_elf(file)
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(found), indent=2))
        return
    for line in _text(found, all_symbols=symbols):
        typer.echo(line)


def _text(found: ElfInfo, *, all_symbols: bool) -> Iterator[str]:
    yield f"{found.path}: ELF{found.elf_class}, {found.machine}, entry {found.entry:#010x}"
    yield ""
    yield "segments     address   physical       file     memory  flags"
    for segment in found.segments:
        yield (
            f"  {segment.kind:<9}{segment.address:>9x}  {segment.physical:>9x}  {segment.file_size:>9x}"
            f"  {segment.memory_size:>9x}  {segment.flags}"
        )
    yield ""
    if not found.notes:
        yield "notes: none"
    else:
        yield "notes"
        for note in found.notes:
            value = f"{note.value:#x}" if isinstance(note.value, int) else note.value
            cut = f"  (cut short: {note.missing} bytes missing)" if note.missing else ""
            yield f"  {note.owner:<12} {note.name:<18} {value}{cut}"
    yield ""
    yield from _symbol_lines(found, all_symbols)
    if found.code_by_file:
        yield ""
        yield f"code by file: {sum(found.code_by_file.values())} bytes"
        for name, size in found.code_by_file.items():
            yield f"  {size:>8}  {name}"


def _symbol_lines(found: ElfInfo, all_symbols: bool) -> Iterator[str]:
    if not found.symbols:
        yield "symbols: none"
        return
    if all_symbols:
        shown = sorted(found.symbols, key=lambda symbol: (symbol.address, symbol.name))
        yield f"symbols: {len(shown)}"
    else:
        largest = sorted(found.symbols, key=lambda symbol: (-symbol.size, symbol.address, symbol.name))
        shown = [symbol for symbol in largest[:SHOWN_SYMBOLS] if symbol.size]
        yield f"symbols: {len(found.symbols)}" + (", the largest of them:" if shown else "")
    for symbol in shown:
        yield f"  {symbol.address:08x} {symbol.size:>8} {symbol.kind:<8} {symbol.name}"
