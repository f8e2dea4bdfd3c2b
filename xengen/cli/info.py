"""`xengen info`: what is in an image, ours or somebody else's; or what is known of a domain of a running host.

Invariants
  - What is a file is an image; any other name is a domain's, when a host runs that has one of that name.
  - A thin verb over `xengen.toolchain.inspect_elf.read_elf`: facts go to stdout, errors are its `UserError`s.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xengen.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xengen.toolchain.inspect_elf import ElfInfo

SHOWN_SYMBOLS = 10


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE|DOMAIN", help="An ELF file, or a domain of a running host.")],
    symbols: Annotated[bool, typer.Option("--symbols", help="List every symbol, not only the largest.")] = False,
    host: Annotated[str, typer.Option("--host", metavar="NAME", help="Which host, if there are several.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Show what is in an image (segments, notes, symbols, code size by template file), or what a domain is and does.

    Example: xengen info build/guests/hello.elf
    """
    from xengen.toolchain.inspect_elf import read_elf

    if not file.exists():
        if _is_domain(str(file), host):
            _show_domain(str(file), host, as_json)
            return
        raise UserError(f"{file} is no file, and no domain of a running host: xengen list shows its domains")

    found = read_elf(file)
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(found), indent=2))
        return
    for line in _text(found, all_symbols=symbols):
        typer.echo(line)


def _is_domain(name: str, host: str) -> bool:
    """Whether a host runs that has a domain of this name or number."""
    from xengen.cli.hosts import call

    try:
        domains = call(host, "domains")
    except UserError:
        return False
    return any(name in (one["name"], str(one["id"])) for one in domains)


def _show_domain(name: str, host: str, as_json: bool) -> None:
    from xengen.cli.hosts import call, show

    found = call(host, "info", domain=name)
    by_name = found.get("hypercalls_by_name", {})
    facts = [f"{key:<12}{value}" for key, value in found.items() if value not in ("", by_name)]
    show(found, as_json, *facts, *(f"  {name:<26}{count:>10}" for name, count in by_name.items()))


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
