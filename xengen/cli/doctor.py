"""`xengen doctor`: which outside programs are there, in which version, and what each is for.

Invariants
  - Looking changes nothing and asks no network.
  - Only QEMU is needed; without one of the others some tests are skipped or a verb says what to install.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from xengen.cli.iso import GRUB_PLATFORM
from xengen.cli.status import ExitStatus
from xengen.errors import UserError
from xengen.machine.qemu import PACKAGE, find_emulator


@dataclass(frozen=True)
class Tool:
    """An outside program (or, with a slash, a folder), the Debian package it is in, and what xengen does with it.

    backend: it is a part of QEMU instead, which a build may lack: this network backend.
    """

    name: str
    package: str
    purpose: str
    needed: bool = False
    version_option: str = "--version"
    backend: str = ""


@dataclass(frozen=True)
class Finding:
    """What was found of a tool: its path and version, None where it is missing or does not say; `problem` if unfit."""

    tool: Tool
    path: str | None
    version: str | None
    problem: str | None = None

    @property
    def good(self) -> bool:
        """Whether it can be used."""
        return self.path is not None and self.problem is None


# Elsewhere than on a terminal a tool has one line, however long: it is for programs that look for lines.
WIDTH = 180

TOOLS = (
    Tool("qemu-system-i386", PACKAGE, "boots the hypervisor: run, and every boot test", needed=True),
    Tool("qemu-netdev-user", PACKAGE, "QEMU's own network for a machine: --net user", backend="user"),
    Tool("qemu-netdev-socket", PACKAGE, "networks whose other end is a test", backend="socket"),
    Tool("qemu-system-x86_64", PACKAGE, "boots other hypervisors: run --hypervisor"),
    Tool("as", "binutils", "tests assemble the same source with it and compare the instructions"),
    Tool("objdump", "binutils", "tests have it read the images"),
    Tool("readelf", "binutils", "tests have it read the images"),
    Tool("addr2line", "binutils", "tests have it read the line tables"),
    Tool("gdb", "gdb", "debugs the running hypervisor at source level"),
    Tool("grub-mkrescue", "grub-common", "makes the bootable CD image: iso"),
    Tool(str(GRUB_PLATFORM), "grub-pc-bin", "GRUB for BIOS machines, on the CD image"),
    Tool("grub-mkimage", "grub-common", "makes a third-party guest for the tests"),
    Tool("/usr/lib/grub/i386-xen", "grub-xen-bin", "GRUB as a guest, for the tests"),
    Tool("xorriso", "xorriso", "writes the CD image"),
    Tool("mformat", "mtools", "writes the CD image's EFI part"),
    Tool("bochs", "bochs", "a second emulator, which enforces segment limits", version_option="--help"),
)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as a list of objects.")] = False,
) -> int:
    """Show which outside programs are there and what each is for. Exit status 1 when one that is needed is missing.

    Example: xengen doctor --json
    """
    findings = [examine(tool) for tool in TOOLS]
    if as_json:
        print(json.dumps([as_object(finding) for finding in findings], indent=1))
    else:
        width = None if sys.stdout.isatty() else WIDTH
        Console(file=sys.stdout, highlight=False, width=width).print(table(findings))
    fit = all(finding.good for finding in findings if finding.tool.needed)
    return int(ExitStatus.YES if fit else ExitStatus.NO)


def examine(tool: Tool, search_path: str | None = None) -> Finding:
    """Look for `tool` (on `search_path`, default $PATH) and ask it for its version."""
    if tool.backend:
        return examine_backend(tool, search_path)
    if tool.name.startswith("/"):
        return Finding(tool, tool.name if Path(tool.name).is_dir() else None, None)
    path = shutil.which(tool.name, path=search_path)
    if path is None:
        return Finding(tool, None, None)
    if tool.package == PACKAGE:
        try:
            emulator = find_emulator(tool.name, search_path)
        except UserError as error:
            return Finding(tool, path, None, str(error))
        return Finding(tool, path, ".".join(map(str, emulator.version)))
    return Finding(tool, path, ask_version(path, tool.version_option))


def examine_backend(tool: Tool, search_path: str | None = None) -> Finding:
    """Look whether QEMU (on `search_path`, default $PATH) was built with a network backend."""
    program = TOOLS[0].name
    path = shutil.which(program, path=search_path)
    if path is None:
        return Finding(tool, None, None)
    there = tool.backend in said_by(path, "-machine", "none", "-netdev", "help").split()
    problem = f"this {program} was built without the network backend {tool.backend}: install Debian's {tool.package}"
    return Finding(tool, path, None, None if there else problem)


def ask_version(path: str, option: str) -> str | None:
    """Return the first version number in what `path option` says, None when there is none."""
    match = re.search(r"\d+\.\d+[\w.]*", said_by(path, option))
    return match[0] if match else None


def said_by(path: str, *options: str) -> str:
    """Return what a program says when it is started with `options`; nothing when it does not run."""
    try:
        done = subprocess.run(
            [path, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout + done.stderr


def as_object(finding: Finding) -> dict[str, object]:
    """Return a finding as --json prints it."""
    tool = asdict(finding.tool)
    del tool["version_option"], tool["backend"]
    return {**tool, "path": finding.path, "version": finding.version, "problem": finding.problem}


def table(findings: list[Finding]) -> Table:
    """Return the findings as a table for people."""
    result = Table("tool", "found", "what it is for", box=None, pad_edge=False)
    for finding in findings:
        if finding.problem is not None:
            found = f"[red]{finding.problem}[/]"
        elif finding.path is not None:
            found = f"[green]{finding.version or 'yes'}[/]"
        else:
            colour = "red" if finding.tool.needed else "yellow"
            found = f"[{colour}]missing: apt-get install {finding.tool.package}[/]"
        result.add_row(finding.tool.name, found, finding.tool.purpose)
    return result
