"""What the agent guest and Python share (design, section 5): the mailbox, its commands, and the traps recorded.

Invariants
  - One page, the mailbox, tells where everything stands; Python finds it, and the arrays, by their symbols.
  - Whoever sees request and done differ in the mailbox owns it: Python before it raises `request`, the agent after.
  - A command is 64 bytes: registers in, registers out; one that was ended by a trap says which one.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint8, c_uint16, c_uint32

from xengen.abi.structure import Constant, Declaration

AGENT = "the agent guest"
ACTIONS = 258


class AgentRegisters(LittleEndianStructure):
    """The general registers of a command, in the order in which hypercalls take them; eax is a hypercall's number."""

    _pack_ = 4
    _fields_ = [(name, c_uint32) for name in ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp")]


class AgentCommand(LittleEndianStructure):
    """One thing to do. `offset` is where in the code area a snippet begins.

    `status` afterwards: 0, or the number (from 1) of the trap of this request that ended the command, or
    AGENT_STATUS_UNKNOWN. `after` are the registers then, or at the trap.
    """

    _pack_ = 4
    _fields_ = [
        ("verb", c_uint8),
        ("_pad", c_uint8),
        ("offset", c_uint16),
        ("before", AgentRegisters),
        ("status", c_uint32),
        ("after", AgentRegisters),
    ]


class AgentTrap(LittleEndianStructure):
    """What a handler found: registers, then what was on its stack from %esp up (`words`, more than the frame has).

    vector: 0 to 255, AGENT_EVENT or AGENT_FAILSAFE. stack: %esp at the handler's first instruction, less 4.
    mask: evtchn_upcall_mask then. command: index of the command under way.
    """

    _pack_ = 4
    _fields_ = [
        *((name, c_uint32) for name in ("eflags", "gs", "fs", "es", "ds", "edi", "esi", "ebp", "stack")),
        *((name, c_uint32) for name in ("ebx", "edx", "ecx", "eax", "vector")),
        ("words", c_uint32 * 9),
        ("cr2", c_uint32),
        ("mask", c_uint32),
        ("ss", c_uint32),
        ("command", c_uint32),
    ]


class AgentMailbox(LittleEndianStructure):
    """The page over which both talk.

    request: raised by Python when `count` commands are there. done: set to it by the agent when they are through.
    current: index of the command under way, AGENT_IDLE between requests. traps: how many there were in this request.
    spins: how often the agent looks before it yields, 0 for never. nap: for how many ns it sleeps instead of a yield,
    or 0. p2m: machine address of the P2M list's first page.
    actions: by vector, what a handler does in the end (AGENT_ABORT, AGENT_RETURN, or an address to go on at).
    """

    _pack_ = 4
    _fields_ = [
        ("magic", c_uint32),
        ("request", c_uint32),
        ("done", c_uint32),
        ("count", c_uint32),
        ("current", c_uint32),
        ("traps", c_uint32),
        ("spins", c_uint32),
        ("start_info", c_uint32),
        ("p2m", c_uint32),
        ("nap", c_uint32),
        ("actions", c_uint32 * ACTIONS),
    ]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("AGENT_COMMAND", "agent_command", AgentCommand, AGENT),
    Declaration("AGENT_TRAP", "agent_trap", AgentTrap, AGENT),
    Declaration("AGENT_MAILBOX", "agent_mailbox", AgentMailbox, AGENT),
)


def _group(group: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, AGENT) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "verbs of the agent",
        AGENT_HYPERCALL=0, AGENT_COPY=1, AGENT_LOAD=2, AGENT_STORE=3, AGENT_KERNEL=4, AGENT_USER=5, AGENT_VERBS=6,
    ),
    *_group("actions of the agent's handlers", AGENT_ABORT=0, AGENT_RETURN=1, AGENT_ACTIONS=ACTIONS),
    *_group("vectors of the agent", AGENT_DONE_VECTOR=0x81, AGENT_EVENT=256, AGENT_FAILSAFE=257),
    *_group("states of the agent", AGENT_IDLE=0xFFFFFFFF, AGENT_STATUS_UNKNOWN=0xFFFFFFFF, AGENT_MAGIC=0x47414758),
    *_group(
        "sizes of the agent",
        AGENT_COMMANDS=2048, AGENT_TRAPS=64, AGENT_TRAP_WORDS=9, AGENT_SPINS=1000, AGENT_POOL_PAGES=256,
        AGENT_CODE_PAGES=4, AGENT_USER_CODE_PAGES=4, AGENT_USER_STACK_PAGES=1, AGENT_USER_DATA_PAGES=2,
        AGENT_SCRATCH_PAGES=16,
    ),
)
