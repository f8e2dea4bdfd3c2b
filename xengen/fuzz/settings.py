"""Wild settings and wild calls: what an agent survives because it is put back to how it began in the same step.

Invariants
  - After each of these the agent's handlers, callbacks, stack and descriptor tables are those of the start.
  - No call is made that would stop the domain, or whose pointers lead to something that can be read.
"""

from __future__ import annotations

from dataclasses import dataclass

from xengen.abi.traps import TrapInfo
from xengen.agent.agent import Agent
from xengen.agent.names import EINVAL, ENOSYS, value
from xengen.fuzz.calls import OK, SKIPPED, named
from xengen.fuzz.world import Failure, World

ASSISTS = (0, 1, 2, 3, 5)  # types that there are (ABI 6.9)
LEAST = -133  # the greatest error number of the ABI's Linux
EXCLUDED = frozenset({
    "iret", "vm_assist", "update_va_mapping", "update_va_mapping_otherdomain", "update_descriptor", "console_io",
    "set_debugreg", "get_debugreg", "vcpu_op",
})  # fmt: skip
HARMLESS_SCHEDOPS = (0, 77)  # yield, and one that does not exist: the others stop the domain


@dataclass(frozen=True)
class Settings:
    """A domain sets traps, callbacks or its stack to something wild: `name` is the call, `words` what it is given."""

    domain: int
    name: str
    words: tuple[int, ...]

    def run(self, world: World) -> str:
        """Do it, and undo it."""
        agent = world.agent(self.domain)
        if agent is None:
            return SKIPPED
        arguments: tuple[int, ...] = self.words
        expected = OK
        if self.name == "set_trap_table":
            wild = [
                TrapInfo(word & 0xFF, word >> 8 & 7, word >> 11 & 0xFFFF, word | 1) for word in self.words
            ]
            arguments = (agent.put([*wild, TrapInfo()]),)
        elif self.name == "vm_assist":
            command, kind, *_ = self.words
            if kind not in ASSISTS:
                expected = frozenset({-EINVAL, -ENOSYS})
            elif command > 1:
                expected = frozenset({-ENOSYS})
            else:
                domain = world.model.domains[self.domain]
                domain.assists = domain.assists & ~(1 << kind) | (not command) << kind
        result = int(agent.hypercall(self.name, *arguments))
        if result not in expected:
            raise Failure(f"{self.name} returned {named(result)}")
        undo(world, agent)
        return f"{self.name} {named(result)}"


@dataclass(frozen=True)
class Wild:
    """A domain makes any call with any arguments."""

    domain: int
    number: int
    arguments: tuple[int, ...]

    def run(self, world: World) -> str:
        """Make it, and undo it."""
        agent = world.agent(self.domain)
        if agent is None or not self._allowed():
            return SKIPPED
        registers = agent.registers_of_hypercall(self.number, *self.arguments)
        result = int(registers.result)
        if result < LEAST and self.number in NUMBERED:
            raise Failure(f"hypercall {self.number} returned {named(result)}")
        if self.number not in NUMBERED and result != -ENOSYS:
            raise Failure(f"hypercall {self.number}, which does not exist, returned {named(result)}")
        undo(world, agent)
        return named(result) if result <= 0 else "positive"

    def _allowed(self) -> bool:
        name = NUMBERED.get(self.number, "")
        if name.startswith("sched_op"):
            return self.arguments[0] & 0xFFFFFFFF in HARMLESS_SCHEDOPS
        return name not in EXCLUDED


NAMES = (
    "set_trap_table", "mmu_update", "set_gdt", "stack_switch", "set_callbacks", "fpu_taskswitch", "sched_op_compat",
    "platform_op", "set_debugreg", "get_debugreg", "update_descriptor", "memory_op", "multicall", "update_va_mapping",
    "set_timer_op", "event_channel_op_compat", "xen_version", "console_io", "physdev_op_compat", "grant_table_op",
    "vm_assist", "update_va_mapping_otherdomain", "iret", "vcpu_op", "set_segment_base", "mmuext_op", "xsm_op",
    "nmi_op", "sched_op", "callback_op", "xenoprof_op", "event_channel_op", "physdev_op", "hvm_op", "sysctl", "domctl",
    "kexec_op", "tmem_op", "argo_op", "xenpmu_op", "dm_op", "hypfs_op",
)  # fmt: skip
NUMBERED = {value(f"HYPERCALL_{name}"): name for name in NAMES}


def undo(world: World, agent: Agent) -> None:
    """Put the agent back, and have the model know."""
    agent.reset()
    domain = world.model.domains[agent.domain]
    world.model.drop_gdt(domain)
    world.model.set_ldt(agent.domain, 0, 0)
