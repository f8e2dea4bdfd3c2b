"""The exit statuses of every verb.

Invariants
  - Never a count: a status says which kind of answer it was, and the text says the rest.
"""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What a verb's exit status means."""

    YES = 0
    """It worked; a machine was shut down in order, or what was waited for was seen."""
    NO = 1
    """The answer is no: a check failed, what was waited for was not seen, or QEMU itself died."""
    MISUSE = 2
    """The request was wrong, or something that it needs is missing, or domain 0's kernel was refused."""
    GUEST_DIED = 3
    """A guest died."""
    PANIC = 4
    """The hypervisor panicked, or lost the machine in a triple fault."""
    TIME_OUT = 5
    """Time ran out."""
    INTERRUPTED = 130
    """Ctrl-C."""
