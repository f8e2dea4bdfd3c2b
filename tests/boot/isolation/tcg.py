"""What QEMU's TCG (7.2) does otherwise than the manuals, as far as the attempts of the guest hostile show it.

docs/emulators.md tells the same to readers; test_isolation.py holds the two against each other.

Invariants
  - A `Difference` names attempts by patterns, and what becomes of them under TCG.
  - Beside these only what is `by_segment` may differ: in ring 1 nothing at all is known of it then, in ring 3 the page
    tables stop it, for all that is private belongs to the supervisor.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.boot.isolation.outcomes import Expected, words

GOT_OUT = ": GOT OUT"


@dataclass(frozen=True)
class Difference:
    """`what` TCG does, which `attempts` (patterns) show it, and the `outcome` they have then (as in `Expected`)."""

    what: str
    attempts: tuple[str, ...]
    outcome: str

    def explains(self, attempt: str, outcome: str) -> bool:
        """Return whether `attempt` is one of these and ended so."""
        named = any(fnmatchcase(attempt, pattern) for pattern in self.attempts)
        return named and Expected(self.outcome).agrees(outcome)


def _difference(what: str, attempts: str, outcome: str) -> Difference:
    return Difference(what, tuple(words(attempts)), outcome)


DIFFERENCES = (
    _difference(
        "a null selector can be used: its segment begins at 0 and has no end",
        "ring?_read_by_null_?s kernel_stack_null",
        f"done{GOT_OUT} or died: its segments cannot be reloaded*",
    ),
    _difference(
        "far calls, far returns and iret reach the stack with the rights of a supervisor, from ring 3 too",
        "ring3_stack_far_call ring3_stack_far_ret ring3_stack_iret",
        f"done{GOT_OUT} or #GP 0x*",
    ),
    _difference(
        "a call gate copies its parameters with the rights of a supervisor",
        "ring3_gdt_gate_parameters_beyond",
        f"0x1{GOT_OUT}",
    ),
    _difference("iret from any ring enters VM86 mode", "ring1_iret_vm ring3_iret_vm", "*"),
    _difference(
        "a breakpoint on the load of %ss is raised at once, not one instruction late",
        "breakpoint_by_mov_ss breakpoint_by_pop_ss ring3_int_82_behind_mov_ss ring3_int_13_behind_mov_ss",
        "#DB* or died: its kernel stack cannot be written",
    ),
    _difference(
        "an instruction that reads and then writes is said to have read, when both are forbidden",
        "ring3_exchange_m2p ring3_compare_m2p ring3_bit_string_m2p",
        "#PF 0x5 0xfc000000",
    ),
)


def agrees(attempt: str, expected: Expected, outcome: str) -> bool:
    """Return whether `outcome` is what TCG may make of `attempt`."""
    if expected.agrees(outcome) or any(one.explains(attempt, outcome) for one in DIFFERENCES):
        return True
    return expected.by_segment and not (attempt.startswith("ring3_") and outcome.endswith(GOT_OUT))
