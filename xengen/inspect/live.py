"""The checker on a machine that runs: stops it where a guest runs, checks, lets it go on.

Invariants
  - Within the hypervisor records are in between; the processor is looked at only in ring 1 to 3, or halted in ring 0.
  - A machine that ran goes on afterwards. One that stood still stays exactly where it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from xengen.errors import XengenError
from xengen.inspect import layout
from xengen.inspect.invariants import check
from xengen.inspect.tables import Permits, nothing_permitted
from xengen.inspect.views import BadStructure, Hypervisor
from xengen.inspect.violation import Rule, Violation
from xengen.machine.memory import PhysicalMemory, below_4g
from xengen.machine.registers import Registers
from xengen.machine.symbols import SymbolTable

SETTLE_SECONDS = 5.0
SHORTEST_RUN_SECONDS, LONGEST_RUN_SECONDS, RUN_GROWTH = 0.0001, 0.005, 1.5


class Stoppable(Protocol):
    """What the checker needs of a machine; `xengen.machine.machine.Machine` has it."""

    @property
    def memory(self) -> PhysicalMemory:
        """Physical memory, live."""

    @property
    def symbols(self) -> SymbolTable | None:
        """The hypervisor's symbols."""

    def paused(self) -> AbstractContextManager[None]:
        """Hold the processor inside the block."""

    def pause(self) -> None:
        """Stop the processor."""

    def resume(self) -> None:
        """Let the processor run."""

    def registers(self) -> Registers:
        """Return the processor's registers."""

    def qmp(self, name: str, **arguments: Any) -> Any:
        """Run a command of QEMU's machine protocol."""


def hypervisor_of(machine: Stoppable) -> Hypervisor:
    """Return the views over a machine's hypervisor; XengenError when its image has no symbols."""
    symbols = machine.symbols
    if symbols is None:
        raise XengenError("the machine's kernel has no symbols: boot the ELF image that the build made")
    return Hypervisor(machine.memory.view(0, below_4g(machine.memory.size)), symbols.address)


def check_machine(machine: Stoppable, *, permits: Permits = nothing_permitted) -> list[Violation]:
    """Return every broken rule of a running or stopped machine, its control registers included.

    XengenError when the processor stands still within the hypervisor, or does not leave it within SETTLE_SECONDS.
    """
    hypervisor = hypervisor_of(machine)
    ran = bool(machine.qmp("query-status")["running"])
    with machine.paused():
        registers = _settle(machine, ran)
        return [*check(hypervisor, permits=permits), *check_registers(hypervisor, registers)]


def check_registers(hypervisor: Hypervisor, registers: Registers) -> list[Violation]:
    """Return what the processor's registers have that they should not have while a guest runs."""
    try:
        return [Violation(Rule.REGISTERS, detail) for detail in _register_faults(hypervisor, registers)]
    except BadStructure as error:
        return [Violation(Rule.STRUCTURE, str(error))]


def _settle(machine: Stoppable, may_run: bool) -> Registers:
    """Let the processor run until it is out of the hypervisor, and return its registers there.

    It runs longer each time: QEMU may carry out a stop behind a cont before the processor has done anything. At the
    first instruction of a hypercall, where QEMU likes to stop, the hypervisor has done nothing yet: that is out of it.
    """
    entry = None if machine.symbols is None else machine.symbols.address("hypercall_entry")
    deadline = time.monotonic() + SETTLE_SECONDS
    run = SHORTEST_RUN_SECONDS
    registers = machine.registers()
    while registers.cpl == 0 and not registers.halted and registers.eip != entry:
        if not may_run:
            raise XengenError(f"the processor stands in the hypervisor, at {registers.eip:#x}: nothing can be checked")
        if time.monotonic() > deadline:
            where = machine.symbols.describe(registers.eip) if machine.symbols else f"{registers.eip:#x}"
            raise XengenError(f"the processor did not leave the hypervisor for {SETTLE_SECONDS:g} s: it is at {where}")
        machine.resume()
        time.sleep(run)
        run = min(run * RUN_GROWTH, LONGEST_RUN_SECONDS)
        machine.pause()
        registers = machine.registers()
    return registers


def _register_faults(hypervisor: Hypervisor, registers: Registers) -> Iterator[str]:
    domains = {domain.vcpu.address: domain for domain in hypervisor.domains() if domain.vcpu is not None}
    address = hypervisor.word("current_vcpu")
    current = domains.get(address)
    if address == hypervisor.symbol("idle_vcpu"):
        idle_l3 = hypervisor.physical(hypervisor.symbol("idle_l3"))
        if registers.cr3 != idle_l3:
            yield f"cr3 is {registers.cr3:#x}, but nobody runs: the idle tables are at {idle_l3:#x}"
    elif current is None or current.vcpu is None:
        yield "current_vcpu is no domain's"
    elif registers.cr3 != current.vcpu.record.cr3:
        yield f"cr3 is {registers.cr3:#x}, but domain {current.id} runs with {int(current.vcpu.record.cr3):#x}"
    wanted = layout.CR0_PG | layout.CR0_WP
    if registers.cr0 & wanted != wanted:
        yield f"cr0 is {registers.cr0:#x}: paging and write protection must be on"
    if not registers.pae:
        yield f"cr4 is {registers.cr4:#x}: PAE must be on"
    if hypervisor.word("no_execute_high") and not registers.efer & layout.EFER_NXE:
        yield f"EFER is {registers.efer:#x}: the no-execute bit must be on"
    if (registers.gdt.base, registers.gdt.limit) != (layout.DOMAIN_WINDOW, layout.GDT_LIMIT):
        yield f"the GDT is at {registers.gdt.base:#x}, limit {registers.gdt.limit:#x}: not the domain's window"
    idt = hypervisor.symbol("idt")
    if (registers.idt.base, registers.idt.limit) != (idt, layout.IDT_ENTRIES * 8 - 1):
        yield f"the IDT is at {registers.idt.base:#x}, limit {registers.idt.limit:#x}: not idt at {idt:#x}"
    if registers.tr.base != hypervisor.symbol("tss"):
        yield f"the task register shows {registers.tr.base:#x}, not the TSS"
