"""Operations that a domain dies of: it alone, and all that it had is free afterwards. Domain 0 never does these.

Invariants
  - Each is one that the ABI says is fatal: the model lets the domain end, and World.expect_end sees that it does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xengen.agent.agent import Agent
from xengen.agent.names import value
from xengen.fuzz.calls import SKIPPED
from xengen.fuzz.world import World

NOWHERE = 0x12345000
KERNEL_SS = value("FLAT_KERNEL_SS")
IRET = "movl $HYPERCALL_iret, %eax\nint $0x82\nud2"

ENDS: dict[str, Callable[[Agent], object]] = {
    "shutdown": lambda agent: agent.hypercall("sched_op_compat", 2, 0),
    "crash": lambda agent: agent.hypercall("sched_op", 2, [3]),
    "iret to ring 0": lambda agent: agent.ring1("pushl $2\npushl $0xe008\npushl $0\npushl $0\n" + IRET),
    "iret from nowhere": lambda agent: agent.ring1(f"movl ${NOWHERE}, %esp\n" + IRET),
    "no handler": lambda agent: agent.batch([("set_trap_table", 0)]) and agent.ring1("ud2"),
    "no stack": lambda agent: agent.ring1(f"movl ${NOWHERE}, %esp\nud2"),
    "no stack for ring 3": lambda agent: _with_stack(agent, NOWHERE),
    "a stack in the hypervisor": lambda agent: _with_stack(agent, 0xFC901000),
}


def _with_stack(agent: Agent, stack: int) -> None:
    agent.hypercall("stack_switch", KERNEL_SS, stack)
    agent.ring3("ud2")


@dataclass(frozen=True)
class End:
    """A domain other than 0 ends."""

    domain: int
    how: str

    def run(self, world: World) -> str:
        """Do it."""
        if self.domain == 0 or world.agent(self.domain) is None:
            return SKIPPED
        world.expect_end(self.domain, ENDS[self.how])
        return self.how
