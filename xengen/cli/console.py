"""`xengen console`: a domain's console on one's own terminal.

Invariants
  - The terminal is put back as it was, however this ends.
  - Ctrl-] leaves; the domain does not notice. Every other key is the domain's, Ctrl-C included.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from xengen.cli.hosts import AsJson, DomainName, HostName, client, show
from xengen.control.channel import Client
from xengen.control.places import DEFAULT_HOST

LEAVE = b"\x1d"  # Ctrl-]


def console(
    domain: DomainName,
    follow: Annotated[bool, typer.Option("--follow/--once", help="Go on, or show what there is and end.")] = True,
    host: HostName = DEFAULT_HOST,
    as_json: AsJson = False,
) -> None:
    """Talk to a domain: what it wrote so far, then both ways, until Ctrl-] or the domain's end.

    With --json what it wrote so far, as {"text"}, and no more.

    Example: xengen console web
    """
    if as_json:
        with client(host) as reader:
            texts = reader.stream("watch_console", domain=domain, follow=False)
            show({"text": "".join(text for text in texts if text is not None)}, as_json)
        return
    with client(host) as reader, client(host) as writer:
        arguments = {"domain": domain, "follow": follow}
        if not follow or not sys.stdin.isatty():
            _show(reader, arguments)
            return
        typer.echo("(Ctrl-] leaves)", err=True)
        with _raw(sys.stdin.fileno()):
            ended = threading.Event()
            threading.Thread(target=_show, args=(reader, arguments, ended), daemon=True).start()
            _type(writer, domain, ended)


def _show(reader: Client, arguments: dict[str, object], ended: threading.Event | None = None) -> None:
    try:
        for text in reader.stream("watch_console", **arguments):
            if text is not None:
                sys.stdout.buffer.write(text.encode("latin-1"))
                sys.stdout.buffer.flush()
    finally:
        if ended is not None:
            ended.set()


def _type(writer: Client, domain: str, ended: threading.Event) -> None:
    """Send what is typed, until Ctrl-] or the end."""
    while not ended.is_set():
        if not select.select([sys.stdin], [], [], 0.1)[0]:
            continue
        keys = os.read(sys.stdin.fileno(), 1024)
        before, leave, _ = keys.partition(LEAVE)
        if before:
            writer.call("console_input", domain=domain, text=before.decode("latin-1"))
        if leave or not keys:
            return


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Pass every key on as it is, inside the block."""
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        typer.echo("")
