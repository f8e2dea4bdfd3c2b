"""The program `xengen`: which verbs there are, and how errors come out.

Invariants
  - A verb's module is imported when the verb is used (or all help is asked for), so that starting is fast.
  - A wrong request ends as one sentence on stderr and status 2; what a machine did wrong as its report and status 1.
    A traceback is a bug in xengen.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

import typer

import xengen
from xengen.cli.options import InOrder
from xengen.cli.status import ExitStatus
from xengen.errors import UserError, XengenError

VERBS = (
    "build", "run", "demo", "iso", "info", "bench", "fuzz", "lint", "abi", "doctor",
    "up", "down", "list", "create", "pause", "unpause", "destroy", "console", "sched", "memory", "top", "dmesg",
    "store", "disk", "net",
)  # fmt: skip
PLAIN_HELP = {"help_option_names": ["-h", "--help"]}


def application(verbs: Sequence[str] = VERBS) -> typer.Typer:
    """Return the program with `verbs` in it."""
    app = typer.Typer(
        name="xengen",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings=PLAIN_HELP,
    )
    app.callback(invoke_without_command=True)(top)
    for verb in verbs:
        function = getattr(import_module(f"xengen.cli.{verb}"), verb)
        app.command(verb, cls=InOrder, context_settings=PLAIN_HELP)(function)
    return app


def top(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Generate, boot, test and measure a paravirtualizing hypervisor for 32-bit x86.

    Example: xengen run
    """
    if version:
        typer.echo(xengen.__version__)
        raise typer.Exit()


def chosen(words: Sequence[str]) -> Sequence[str]:
    """Return the verbs that the command line `words` needs: the one that it names, or all of them for help."""
    first = next((word for word in words if not word.startswith("-")), "")
    if first in VERBS:
        return (first,)
    return () if list(words) == ["--version"] else VERBS


def run_command_line(words: Sequence[str]) -> int:
    """Carry out one command line (without the program's name) and return its exit status."""
    try:
        command = typer.main.get_command(application(chosen(words)))
        status = int(command.main(args=list(words), prog_name="xengen", standalone_mode=False) or 0)
        sys.stdout.flush()
        return status
    except UserError as error:
        complain(str(error))
        return ExitStatus.MISUSE
    except typer.TyperException as error:
        complain(misuse(error.format_message(), words))
        return ExitStatus.MISUSE
    except XengenError as error:
        complain(str(error))
        return ExitStatus.NO
    except (KeyboardInterrupt, typer.Abort):
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        give_up_output()  # whoever read it has seen enough
        return ExitStatus.NO
    except OSError as error:
        give_up_output()
        complain(f"xengen: {error.filename or 'what it has to say cannot be written'}: {error.strerror or error}")
        return ExitStatus.MISUSE


def give_up_output() -> None:
    """If what was printed cannot be written, let it go: Python would complain again when it flushes at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_standard_files() -> None:
    """See to it that descriptors 0 to 2 are open: what a machine opens must not take their places."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Whatever asks us to end is answered as Ctrl-C is: nothing of ours stays behind."""
    raise KeyboardInterrupt


def complain(text: str) -> None:
    """Say what went wrong."""
    print(text, file=sys.stderr)


def misuse(message: str, words: Sequence[str]) -> str:
    """Return one sentence for a command line that cannot be understood, with where to read on."""
    verbs = chosen(words)
    program = f"xengen {verbs[0]}" if len(verbs) == 1 else "xengen"
    sentence = " ".join(message.split()).rstrip(".")
    return f"{program}: {sentence[:1].lower()}{sentence[1:]} (see {program} --help)" if sentence else ""


def main() -> int:
    """The entry point of the script `xengen`."""
    open_standard_files()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has the latter ignored
            signal.signal(number, interrupt)
    return run_command_line(sys.argv[1:])
