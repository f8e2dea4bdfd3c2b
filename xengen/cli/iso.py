"""`xengen iso`: a CD image that boots the hypervisor through GRUB, on an emulator or a real PC.

Invariants
  - GRUB's menu comes from qemu/grub.cfg; GRUB gives an image no name of its own, so each command line begins with one,
    as QEMU's -kernel does it.
  - The ISO appears whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from xengen.cli import images
from xengen.cli.options import options_in_order
from xengen.errors import UserError
from xengen.machine.qemu import CONFIGURATION
from xengen.machine.spec import Module

GRUB_PLATFORM = Path("/usr/lib/grub/i386-pc")
PROGRAMS = {"grub-mkrescue": "grub-common", "xorriso": "xorriso", "mformat": "mtools"}


@dataclass(frozen=True)
class _Placed:
    """A file of the ISO: its path there, where it comes from, and its command line."""

    target: str
    source: Path
    command_line: str

    @property
    def words(self) -> str:
        return f"{self.target} {self.target} {self.command_line}".strip()


def iso(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The ISO.")] = Path("build/xengen.iso"),
    guest: Annotated[
        list[str] | None,
        typer.Option("--guest", metavar="FILE[,CMDLINE]", help="A guest kernel; the first is domain 0. Repeatable."),
    ] = None,
    initrd: Annotated[
        list[Path] | None,
        typer.Option("--initrd", metavar="FILE", help="An initrd for the last guest named (or domain 0). Repeatable."),
    ] = None,
    hypervisor: Annotated[
        Path | None, typer.Option("--hypervisor", metavar="FILE", help="Put this multiboot image on it instead.")
    ] = None,
    append: Annotated[str, typer.Option("--append", metavar="TEXT", help="The hypervisor's command line.")] = "",
) -> None:
    """Make a bootable CD image of the hypervisor and guests.

    Example: xengen iso --out build/xengen.iso && qemu-system-i386 -cdrom build/xengen.iso -serial stdio
    """
    own: list[str] = [] if hypervisor else [images.HYPERVISOR]
    own += [] if guest else [images.DEMO_GUEST]
    tree = images.source_tree() if own else Path()
    demo = images.image_path(tree, images.DEMO_GUEST)
    folder = Path(ctx.with_resource(tempfile.TemporaryDirectory(prefix="xengen-")))
    modules = images.modules(options_in_order(ctx), guest or [], initrd or [], demo, folder)
    check_tools()
    images.built(tree, own)
    make_iso(out, hypervisor or images.image_path(tree, images.HYPERVISOR), append, modules)
    typer.echo(str(out))


def missing_packages() -> list[str]:
    """Return the Debian packages that making an ISO needs and that are not there, sorted."""
    missing = {package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    if not GRUB_PLATFORM.is_dir():
        missing.add("grub-pc-bin")
    return sorted(missing)


def check_tools() -> None:
    """Raise UserError when a tool is missing, naming the packages and the command that installs them."""
    missing = missing_packages()
    if missing:
        names = " ".join(missing)
        raise UserError(f"making an ISO needs packages that are missing ({names}): apt-get install {names}")


def grub_menu(hypervisor: str, modules: list[str]) -> str:
    """Return GRUB's configuration: what follows `multiboot`, and what follows each `module`."""
    template = Template((CONFIGURATION / "grub.cfg").read_text(encoding="utf-8"))
    return template.safe_substitute(
        hypervisor=hypervisor, modules="\n".join(f"    module {module}" for module in modules)
    )


def make_iso(out: Path, hypervisor: Path, command_line: str, modules: tuple[Module, ...]) -> None:
    """Write the ISO `out`. UserError when a file is missing or GRUB's tools fail."""
    placed = [_Placed("/boot/hypervisor.elf", hypervisor, command_line)]
    placed += [
        _Placed(f"/boot/{number}-{module.path.name.replace(' ', '_')}", module.path, module.command_line)
        for number, module in enumerate(modules)
    ]
    with tempfile.TemporaryDirectory(prefix="xengen-iso-") as folder:
        root = Path(folder) / "root"
        (root / "boot/grub").mkdir(parents=True)
        for file in placed:
            try:
                shutil.copyfile(file.source, root / file.target[1:])
            except OSError as error:
                raise UserError(f"cannot read {file.source}: {error.strerror}") from error
        menu = grub_menu(placed[0].words, [file.words for file in placed[1:]])
        (root / "boot/grub/grub.cfg").write_text(menu, encoding="utf-8")
        made = Path(folder) / "made.iso"
        command = ["grub-mkrescue", f"--directory={GRUB_PLATFORM}", "-o", str(made), str(root)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0 or not made.is_file():
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise UserError(f"grub-mkrescue failed: {last}")
        _put(made, out)


def _put(made: Path, out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_name(f".{out.name}.part")
        shutil.copyfile(made, part)
        os.replace(part, out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from error
