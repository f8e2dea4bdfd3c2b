"""The hypercall table (ABI 3.3): number, name, arguments, how the handler is entered, errors.

Invariants
  - One row per number of the ABI, in order; a number without a row answers -ENOSYS, as does a row whose entry is None.
  - `arguments` are in register order: ebx, ecx, edx, esi, edi, ebp.
  - `errors` are those of the call itself. What it hands on from a list of operations (multicall) is not in it.
"""

from __future__ import annotations

from ctypes import c_int32, c_uint32
from dataclasses import dataclass
from enum import Enum

from xengen.abi.structure import AbiStructure, Constant, Declaration, constants, declare

REGISTERS = ("ebx", "ecx", "edx", "esi", "edi", "ebp")


class Entry(Enum):
    """What a handler finds when it is called."""

    BARE = "bare"
    """The guest's %ds and %es, nothing saved: for the shortest calls."""

    SPLIT = "split"
    """fast_NAME as BARE for the commonest use; when it returns with carry set, do_NAME runs as FULL."""

    FULL = "full"
    """A whole ENTRY_FRAME on the stack, and the hypervisor's %ds and %es."""


@dataclass(frozen=True)
class Hypercall:
    """One row of the table. `entry` is None while the call is not there yet."""

    number: int
    name: str
    arguments: tuple[str, ...]
    entry: Entry | None
    errors: tuple[str, ...]
    about: str

    @property
    def handler(self) -> str:
        """The assembler symbol of its handler."""
        return f"do_{self.name}"

    @property
    def registers(self) -> tuple[tuple[str, str], ...]:
        """(register, argument) for each argument."""
        return tuple(zip(REGISTERS, self.arguments, strict=False))


BARE, SPLIT, FULL, ABSENT = Entry.BARE, Entry.SPLIT, Entry.FULL, None

HYPERCALLS: tuple[Hypercall, ...] = (
    Hypercall(0, "set_trap_table", ("traps",), FULL, ("EFAULT",),
              "Installs handlers from a list that ends with address 0; a null list clears the table."),
    Hypercall(1, "mmu_update", ("requests", "count", "done", "foreigndom"), SPLIT,
              ("EFAULT", "EINVAL", "EPERM", "ESRCH", "EBUSY", "ENOSYS"),
              "Stores page-table entries, or entries of the M2P table, after validating each."),
    Hypercall(2, "set_gdt", ("frame_list", "entries"), FULL, ("EFAULT", "EINVAL"),
              "Makes up to 14 frames of the guest its descriptor table."),
    Hypercall(3, "stack_switch", ("ss", "esp"), BARE, (),
              "Sets the stack that entries from ring 3 use."),
    Hypercall(4, "set_callbacks", ("event_cs", "event_eip", "failsafe_cs", "failsafe_eip"), FULL, (),
              "Registers the event and the failsafe callback, without flags."),
    Hypercall(5, "fpu_taskswitch", ("set",), BARE, (),
              "Sets or clears the virtual CR0.TS."),
    Hypercall(6, "sched_op_compat", ("cmd", "value"), FULL, ("ENOSYS",),
              "The old form of sched_op: yield, block, and shutdown with the reason as a value."),
    Hypercall(7, "platform_op", ("op",), FULL, ("EFAULT", "EPERM", "EACCES", "EINVAL", "ENOSYS"),
              "Machine control by domain 0: it sets the wall clock."),
    Hypercall(8, "set_debugreg", ("reg", "value"), FULL, ("EINVAL", "EPERM"),
              "Writes a debug register of the vcpu."),
    Hypercall(9, "get_debugreg", ("reg",), FULL, ("EINVAL",),
              "Returns a debug register of the vcpu."),
    Hypercall(10, "update_descriptor", ("pa_low", "pa_high", "desc_low", "desc_high"), FULL, ("EINVAL",),
              "Stores one segment descriptor at a machine address after checking it."),
    Hypercall(12, "memory_op", ("cmd", "arg"), FULL,
              ("EFAULT", "EINVAL", "EPERM", "EACCES", "ESRCH", "ENOMEM", "EOPNOTSUPP", "ENOSYS"),
              "Gives and takes memory of a domain, and tells about it; bits from 6 up of cmd are a start extent."),
    Hypercall(13, "multicall", ("calls", "count"), SPLIT, ("EFAULT", "EINVAL"),
              "Runs a list of hypercalls and stores each one's result."),
    Hypercall(14, "update_va_mapping", ("va", "pte_low", "pte_high", "flags"), SPLIT,
              ("EINVAL", "EFAULT", "EPERM", "EBUSY"),
              "Stores the L1 entry that maps an address, and flushes as asked."),
    Hypercall(15, "set_timer_op", ("timeout_low", "timeout_high"), SPLIT, (),
              "Sets the vcpu's one-shot timer to an absolute system time in ns; 0 stops it."),
    Hypercall(16, "event_channel_op_compat", ("op",), FULL,
              ("EFAULT", "EINVAL", "EPERM", "ESRCH", "ENOENT", "EEXIST", "ENOSPC", "EACCES", "ENOSYS"),
              "The old form of event_channel_op: command and argument in one structure."),
    Hypercall(17, "xen_version", ("cmd", "arg"), SPLIT, ("EFAULT", "EINVAL", "ENOBUFS", "ENODATA", "EPERM", "ENOSYS"),
              "Tells version, features and build of the hypervisor; version 0 also serves as the null hypercall."),
    Hypercall(18, "console_io", ("cmd", "count", "buffer"), FULL, ("EFAULT", "EPERM", "ENOSYS"),
              "Writes to or reads from the hypervisor's console."),
    Hypercall(19, "physdev_op_compat", ("op",), FULL, ("EFAULT", "EINVAL", "EPERM", "ENOSYS"),
              "The old form of physdev_op: command and argument in one structure."),
    Hypercall(20, "grant_table_op", ("cmd", "array", "count"), FULL, ("EFAULT", "EINVAL", "EPERM", "ESRCH", "ENOSYS"),
              "Shares pages between domains; each element of the array carries a status of its own."),
    Hypercall(21, "vm_assist", ("cmd", "type"), FULL, ("EINVAL", "ENOSYS"),
              "Switches an assist on or off."),
    Hypercall(22, "update_va_mapping_otherdomain", ("va", "pte_low", "pte_high", "flags", "domid"), FULL,
              ("EINVAL", "EFAULT", "EPERM", "ESRCH", "EBUSY"),
              "As update_va_mapping, with a frame that another domain owns."),
    Hypercall(23, "iret", (), FULL, (),
              "Returns to the frame on the guest's stack and sets the upcall mask from its IF; a bad frame is fatal."),
    Hypercall(24, "vcpu_op", ("cmd", "vcpu", "arg"), FULL,
              ("EFAULT", "EINVAL", "ENOENT", "EEXIST", "ENXIO", "ETIME", "ENOMEM", "ENOSYS"),
              "Starts, stops and asks about a vcpu, and sets its timers and memory areas."),
    Hypercall(25, "set_segment_base", (), ABSENT, ("ENOSYS",),
              "For 64-bit guests only."),
    Hypercall(26, "mmuext_op", ("ops", "count", "done", "foreigndom"), SPLIT,
              ("EFAULT", "EINVAL", "EPERM", "EACCES", "ESRCH", "EBUSY", "EOPNOTSUPP", "ENOSYS"),
              "Pins tables, switches the base pointer, flushes, sets the LDT, clears and copies pages."),
    Hypercall(27, "xsm_op", ("op",), ABSENT, ("ENOSYS",),
              "Security modules."),
    Hypercall(28, "nmi_op", ("cmd", "arg"), FULL, ("EFAULT", "EINVAL", "ENOSYS"),
              "The old way to register an NMI callback."),
    Hypercall(29, "sched_op", ("cmd", "arg"), SPLIT, ("EFAULT", "EINVAL", "EPERM", "ESRCH", "ENOSPC", "ENOSYS"),
              "Yield, block, poll, shutdown, watchdog; a suspend has the start_info mfn in a third argument."),
    Hypercall(30, "callback_op", ("cmd", "arg"), FULL, ("EFAULT", "EINVAL", "ENOSYS"),
              "Registers a callback with flags, or takes it back."),
    Hypercall(31, "xenoprof_op", ("cmd", "arg"), ABSENT, ("ENOSYS",),
              "The profiler of old."),
    Hypercall(32, "event_channel_op", ("cmd", "arg"), SPLIT,
              ("EFAULT", "EINVAL", "EPERM", "ESRCH", "ENOENT", "EEXIST", "ENOSPC", "EACCES", "EBUSY", "ENOSYS"),
              "Allocates, binds, closes, sends and unmasks event channels."),
    Hypercall(33, "physdev_op", ("cmd", "arg"), FULL, ("EFAULT", "EINVAL", "EPERM", "ENOSYS"),
              "I/O privilege of a vcpu, and interrupts of devices."),
    Hypercall(34, "hvm_op", ("cmd", "arg"), ABSENT, ("ENOSYS",),
              "For fully virtualized guests."),
    Hypercall(35, "sysctl", ("op",), FULL,
              ("EFAULT", "EPERM", "EACCES", "EINVAL", "ENOENT", "ENOMEM", "ENOSPC", "EBUSY", "ENOSYS"),
              "Control of the hypervisor by domain 0: its memory, all domains, images; in a form of our own."),
    Hypercall(36, "domctl", ("op",), FULL,
              ("EFAULT", "EPERM", "EACCES", "EINVAL", "ESRCH", "ENOENT", "EEXIST", "ENOMEM", "EBUSY", "ENOSYS"),
              "Control of a domain by domain 0: create, build, pause, destroy, information; in a form of our own."),
    Hypercall(37, "kexec_op", ("cmd", "arg"), ABSENT, ("ENOSYS",),
              "Loads a kernel to run after a crash."),
    Hypercall(38, "tmem_op", ("op",), ABSENT, ("ENOSYS",),
              "Transcendent memory; obsolete."),
    Hypercall(39, "argo_op", ("cmd", "arg1", "arg2", "arg3", "arg4"), ABSENT, ("ENOSYS",),
              "Messages between domains."),
    Hypercall(40, "xenpmu_op", ("cmd", "arg"), ABSENT, ("ENOSYS",),
              "Performance counters."),
    Hypercall(41, "dm_op", ("domid", "nr_buffers", "buffers"), ABSENT, ("ENOSYS",),
              "For device models."),
    Hypercall(42, "hypfs_op", ("cmd", "path", "path_length", "buffer", "buffer_size"), ABSENT, ("ENOSYS",),
              "The hypervisor's parameters as a tree."),
    Hypercall(48, "arch_0", ("op",), ABSENT, ("ENOSYS",),
              "Machine-check information for domain 0 (mca)."),
    *(
        Hypercall(48 + index, f"arch_{index}", (), ABSENT, ("ENOSYS",), "Reserved for the architecture.")
        for index in range(1, 7)
    ),
    Hypercall(55, "io_op", ("op",), FULL,
              ("EFAULT", "EPERM", "EACCES", "EINVAL", "ESRCH", "ENOENT", "EEXIST", "ENOMEM", "ENOSPC", "EBUSY",
               "ENOSYS"),
              "Virtual devices of domains, by domain 0: disks, interfaces; in the place of arch_7."),
)

# Ours in the place of a number that the ABI reserves for the architecture (io.py).
OWN_CALLS = {"io_op": "arch_7"}

_BY_NUMBER = {call.number: call for call in HYPERCALLS}
_BY_NAME = {call.name: call for call in HYPERCALLS}


def by_number(number: int) -> Hypercall | None:
    """The call with this number; None when the ABI has no such call."""
    return _BY_NUMBER.get(number)


def by_name(name: str) -> Hypercall:
    """The call of this name. Raises KeyError when there is none."""
    return _BY_NAME[name]


class MulticallEntry(AbiStructure):
    """One call in the list of a multicall; the hypervisor stores `result`."""

    _fields_ = (("op", c_uint32), ("result", c_int32), ("args", c_uint32 * 6))


STRUCTURES: tuple[Declaration, ...] = (declare("multicall_entry", MulticallEntry, "ABI 3.4"),)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "hypercall numbers", "ABI 3.3",
        **{f"HYPERCALL_{OWN_CALLS.get(call.name, call.name)}": call.number for call in HYPERCALLS},
    ),
    *constants(
        "hypercall mechanism", "ABI 3.1, 3.2",
        HYPERCALL_VECTOR=0x82, NR_HYPERCALLS=64, HYPERCALL_STUB_SIZE=32, HYPERCALL_PAGE_STUBS=128,
        HYPERCALL_IRET_STUB=23 * 32,
    ),
)
