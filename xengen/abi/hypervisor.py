"""The hypervisor's own structures: decisions of ours, not of the public ABI.

Invariants
  - Its numbers are in xengen/abi/hypervisor_numbers.py, and CONSTANTS of this module.
  - A frame's record is FRAME: 16 bytes, indexed by machine frame number.
  - ENTRY_FRAME is what is on the hypervisor's stack while it works for a guest; it ends at the top of the stack.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_int32, c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.hypervisor_numbers import CONSTANTS, OURS
from xengen.abi.sched import VcpuRunstateInfo
from xengen.abi.structure import Declaration
from xengen.abi.traps import TrapInfo

__all__ = ["CONSTANTS", "STRUCTURES"]


class EntryFrame(LittleEndianStructure):
    """A guest's state as it stands on the hypervisor's stack: what `pushal` and the processor pushed.

    `error_code` holds the guest's %ebp and `vector` a return address while a bare hypercall handler runs.
    From ring 0 the processor pushes no esp and ss: there the frame ends after eflags.
    """

    _pack_ = 4
    _fields_ = [
        ("edi", c_uint32),
        ("esi", c_uint32),
        ("ebp", c_uint32),
        ("unused", c_uint32),
        ("ebx", c_uint32),
        ("edx", c_uint32),
        ("ecx", c_uint32),
        ("eax", c_uint32),
        ("es", c_uint32),
        ("ds", c_uint32),
        ("vector", c_uint32),
        ("error_code", c_uint32),
        ("eip", c_uint32),
        ("cs", c_uint32),
        ("eflags", c_uint32),
        ("esp", c_uint32),
        ("ss", c_uint32),
    ]


class Frame(LittleEndianStructure):
    """What is known of one machine frame (design, section 4: memory typing).

    count: references (allocation, mappings, links). type: FRAME_TYPE_* | flags | type count.
    owner: address of the DOMAIN, or 0. link: free for the owner of the list that the frame is on.
    """

    _pack_ = 4
    _fields_ = [("count", c_uint32), ("type", c_uint32), ("owner", c_uint32), ("link", c_uint32)]


class Timer(LittleEndianStructure):
    """A timer (time/timers.s): `routine` is called when system time has passed `deadline`.

    position: where in timer_heap it stands; 0: it is not set.
    """

    _pack_ = 4
    _fields_ = [("deadline", c_uint64), ("routine", c_uint32), ("position", c_uint32)]


class Port(LittleEndianStructure):
    """One event channel port of a domain (ABI 9.1); all zero when it is free.

    state: EVTCHNSTAT_*. virq: of a port in that state. remote: the DOMAIN that an interdomain port or an IPI leads to,
    and remote_port the port there; of an unbound port the number of the domain that may bind to it; of one that leads
    to a virtual device its index.
    """

    _pack_ = 4
    _fields_ = [("state", c_uint8), ("virq", c_uint8), ("remote_port", c_uint16), ("remote", c_uint32)]


class Domain(LittleEndianStructure):
    """A domain. One heap block; `next` chains all domains in order of their ids, the last one points at none.

    ports: the PORTs, PORTS_PER_BLOCK in a heap block, 0 where none of them was ever used. virqs: the port that each
    virtual interrupt is bound to, or 0. store_port, console_port: as start_info has them; 0 for domain 0.
    name: ends with NUL. death: the text that says why it died, or 0.
    """

    _pack_ = 4
    _fields_ = [
        ("id", c_uint32),
        ("next", c_uint32),
        ("vcpu", c_uint32),
        ("flags", c_uint32),
        ("shutdown_reason", c_uint32),
        ("shared_info", c_uint32),
        ("shared_info_mfn", c_uint32),
        ("nr_pages", c_uint32),
        ("max_pages", c_uint32),
        ("vm_assist", c_uint32),
        ("virt_start", c_uint32),
        ("window_l1", c_uint32),
        ("console_interrupted", c_uint32),
        ("release_next", c_uint32),
        ("handle", c_uint8 * 16),
        ("pause_count", c_uint32),
        ("watchdogs", Timer * 2),
        ("ports", c_uint32 * 32),
        ("virqs", c_uint16 * 24),
        ("store_port", c_uint32),
        ("console_port", c_uint32),
        ("grants", c_uint32),
        ("console_mfn", c_uint32),
        ("store_mfn", c_uint32),
        ("name", c_uint8 * 32),
        ("death", c_uint32),
    ]


class DirectGate(LittleEndianStructure):
    """A gate of a guest's own that goes into the IDT while its vcpu runs: the vector, and the gate's two words."""

    _pack_ = 4
    _fields_ = [("vector", c_uint32), ("low", c_uint32), ("high", c_uint32)]


class VcpuSched(LittleEndianStructure):
    """What the scheduler knows of a vcpu (sched/bvt.s). Virtual times are in ns * mcu_advance.

    avt, evt: actual and effective virtual time. place, warp_place: where it stands in run_queue and warp_queue; 0: it
    does not. order: who came first among equals. sleeps: SLEEP_*. poll_port: the one port that it polls, or POLL_ANY.
    warping: whether it warps now. warp_value: W; warp_limit, unwarp: L and U in ns; warp_rest: what is left of L.
    warp_timer serves both.
    """

    _pack_ = 4
    _fields_ = [
        ("avt", c_uint64),
        ("evt", c_uint64),
        ("place", c_uint32),
        ("warp_place", c_uint32),
        ("order", c_uint32),
        ("sleeps", c_uint32),
        ("poll_port", c_uint32),
        ("mcu_advance", c_uint32),
        ("warpback", c_uint32),
        ("warping", c_uint32),
        ("warp_value", c_uint64),
        ("warp_limit", c_uint64),
        ("warp_rest", c_uint64),
        ("unwarp", c_uint64),
        ("warp_timer", Timer),
        ("poll_timer", Timer),
    ]


class Hand(LittleEndianStructure):
    """Frames that memory_op has in hand for a vcpu (mm/hand.s).

    first: mfn of the first extent, 0 when there is none. extents: how many, of 1 << order frames each. limit: the
    first mfn that is too high for them; 0: they are to be freed. rest: frames of the first extent that are not zeroed
    yet; of those to be freed, that are still there.
    """

    _pack_ = 4
    _fields_ = [
        ("first", c_uint32),
        ("extents", c_uint32),
        ("order", c_uint32),
        ("limit", c_uint32),
        ("rest", c_uint32),
    ]


class Vcpu(LittleEndianStructure):
    """A domain's one virtual processor. One heap block aligned to its size class.

    l3: the four entries that CR3 points at (a copy of the guest's L3 with only the bits that hardware allows).
    info: the address, in the reserved region, of the vcpu_info in use. frame: the guest's state while it does not run.
    ts: the virtual CR0.TS, 0 or CR0_TS. cr4: the bits of CR4 that are the guest's own. iopl: the virtual IOPL.
    io_bitmap: guest address of the bits of io_ports ports. periodic: period of its timer in ns, 0 when stopped.
    info_page: the heap page whose address shows frame info_mfn, and info_spare the frame that the heap gave for it;
    0 until register_vcpu_info. runstate_area: guest address where `runstate` is kept up to date, or 0.
    gates: the first direct_gates of them are valid. timer: the single-shot one. periodic_last: when the periodic one
    last ticked, or should have. virtual_alarm: its alarm in virtual time, or 0. time_area: guest address of a copy of
    its time record, or 0. hypercalls: how often it made each, by number. upcalls: events delivered. plain: PLAIN_*
    (sched/plain.s). outer_frame: what outer_frame_set made of kernel_sp.
    """

    _pack_ = 4
    _fields_ = [
        ("fpu", c_uint8 * 512),
        ("l3", c_uint64 * 4),
        ("domain", c_uint32),
        ("info", c_uint32),
        ("cr3", c_uint32),
        ("guest_table", c_uint32),
        ("kernel_sp", c_uint32),
        ("kernel_ss", c_uint32),
        ("event_cs", c_uint32),
        ("event_eip", c_uint32),
        ("failsafe_cs", c_uint32),
        ("failsafe_eip", c_uint32),
        ("failsafe_flags", c_uint32),
        ("last_hypercall", c_uint32),
        ("in_multicall", c_uint32),
        ("cr2", c_uint32),
        ("nmi_masked", c_uint32),
        ("fs", c_uint16),
        ("gs", c_uint16),
        ("gdt_entries", c_uint32),
        ("gdt_frames", c_uint32 * 14),
        ("ldt_base", c_uint32),
        ("ldt_entries", c_uint32),
        ("old_table", c_uint32),
        ("hand", Hand),
        ("debugreg", c_uint32 * 8),
        ("frame", EntryFrame),
        ("traps", TrapInfo * 256),
        ("ts", c_uint32),
        ("cr4", c_uint32),
        ("iopl", c_uint32),
        ("io_bitmap", c_uint32),
        ("io_ports", c_uint32),
        ("nmi_pending", c_uint32),
        ("periodic", c_uint64),
        ("info_page", c_uint32),
        ("info_mfn", c_uint32),
        ("info_spare", c_uint32),
        ("runstate_area", c_uint32),
        ("runstate", VcpuRunstateInfo),
        ("direct_gates", c_uint32),
        ("gates", DirectGate * 8),
        ("sched", VcpuSched),
        ("timer", Timer),
        ("periodic_last", c_uint64),
        ("virtual_alarm", c_uint64),
        ("time_area", c_uint32),
        ("hypercalls", c_uint32 * 64),
        ("upcalls", c_uint32),
        ("plain", c_uint32),
        ("outer_frame", c_uint32),
    ]


class ClockReading(LittleEndianStructure):
    """A reading of the clock: the TSC, and the system time that it stands for, in ns."""

    _pack_ = 4
    _fields_ = [("tsc", c_uint64), ("ns", c_uint64)]


class WallClock(LittleEndianStructure):
    """The time of day at system time 0: seconds since the beginning of 1970, and nanoseconds."""

    _pack_ = 4
    _fields_ = [("sec", c_uint64), ("nsec", c_uint32)]


class VcpuSetVirtualAlarm(LittleEndianStructure):
    """Argument of VCPUOP_set_virtual_alarm: the virtual time, in ns, when the event is to come; 0: no alarm."""

    _pack_ = 4
    _fields_ = [("virtual_ns", c_uint64)]


class GuestImage(LittleEndianStructure):
    """What the domain builder has learned of one kernel image, and where it puts what.

    file_*, initrd_start, command_line and first_byte are physical addresses (the builder runs with physical memory
    mapped one to one); pstart and pend are pseudo-physical; the others that name a place are the guest's virtual
    addresses (`symbols`: 0 when there are none). `error` is 0, or the address of a format that says why it is refused;
    `error_pages` are the numbers that it may show, `errno` the error when it is not the image's fault. texts_used:
    bytes of guest_texts that hold texts of its notes. domain: the DOMAIN that it is for, 0 while there is none.
    """

    _pack_ = 4
    _fields_ = [
        ("file_start", c_uint32),
        ("file_size", c_uint32),
        ("command_line", c_uint32),
        ("initrd_start", c_uint32),
        ("initrd_size", c_uint32),
        ("error", c_uint32),
        ("error_pages", c_uint32 * 2),
        ("texts_used", c_uint32),
        ("notes", c_uint32),
        ("legacy", c_uint32),
        ("entry", c_uint32),
        ("hypercall_page", c_uint32),
        ("virt_base", c_uint32),
        ("paddr_offset", c_uint32),
        ("hv_start_low", c_uint32),
        ("mod_start_pfn", c_uint32),
        ("supported_features", c_uint32),
        ("xen_version", c_uint32),
        ("guest_os", c_uint32),
        ("loader", c_uint32),
        ("pae_mode", c_uint32),
        ("features", c_uint32),
        ("bsd_symtab", c_uint32),
        ("extended_cr3", c_uint32),
        ("domain_id", c_uint32),
        ("pstart", c_uint32),
        ("pend", c_uint32),
        ("virt_offset", c_uint32),
        ("virt_kend", c_uint32),
        ("symbols", c_uint32),
        ("virt_start", c_uint32),
        ("nr_pages", c_uint32),
        ("nr_pt_frames", c_uint32),
        ("initrd_virt", c_uint32),
        ("p2m", c_uint32),
        ("start_info", c_uint32),
        ("store_page", c_uint32),
        ("console_page", c_uint32),
        ("page_tables", c_uint32),
        ("stack", c_uint32),
        ("virt_end", c_uint32),
        ("initrd_pfn", c_uint32),
        ("area_pages", c_uint32),
        ("first_mfn", c_uint32),
        ("first_byte", c_uint32),
        ("domain", c_uint32),
        ("errno", c_uint32),
    ]


class Image(LittleEndianStructure):
    """An image in the hypervisor's memory: a boot module that was kept, or one that domain 0 has sent.

    flags: IMAGE_*, 0: the record is free. first_mfn, pages: its run of frames, as far as it is taken. bytes: its size.
    """

    _pack_ = 4
    _fields_ = [
        ("flags", c_uint32),
        ("first_mfn", c_uint32),
        ("pages", c_uint32),
        ("bytes", c_uint32),
        ("name", c_uint8 * 64),
    ]


class RangeRecord(LittleEndianStructure):
    """A piece of physical memory, in bytes: [start, end)."""

    _pack_ = 4
    _fields_ = [("start", c_uint32), ("end", c_uint32)]


class HeapBlock(LittleEndianStructure):
    """The head of a free heap block: the next free one of its size class, or 0."""

    _pack_ = 4
    _fields_ = [("next", c_uint32)]


class WhereLine(LittleEndianStructure):
    """One row of the line table that the linker puts into .where."""

    _pack_ = 4
    _fields_ = [("address", c_uint32), ("file", c_uint16), ("line", c_uint16)]


class WhereSymbol(LittleEndianStructure):
    """One row of the symbol table that the linker puts into .where."""

    _pack_ = 4
    _fields_ = [("address", c_uint32), ("name", c_uint32)]


class Fixup(LittleEndianStructure):
    """One row of the exception table: a fault at `address` in ring 0 continues at `target`."""

    _pack_ = 4
    _fields_ = [("address", c_uint32), ("target", c_uint32)]


class BounceFrame(LittleEndianStructure):
    """The largest frame that a guest can get on its kernel stack (ABI 5.5), lowest address first.

    ds to gs are there in a failsafe frame only; an exception's error code stands where gs does.
    """

    _pack_ = 4
    _fields_ = [
        ("ds", c_uint32),
        ("es", c_uint32),
        ("fs", c_uint32),
        ("gs", c_uint32),
        ("eip", c_uint32),
        ("cs", c_uint32),
        ("eflags", c_uint32),
        ("esp", c_uint32),
        ("ss", c_uint32),
    ]


class IretFrame(LittleEndianStructure):
    """What the iret hypercall finds on the guest's stack (ABI 5.10); esp and ss only for a return to an outer ring."""

    _pack_ = 4
    _fields_ = [
        ("eax", c_uint32),
        ("eip", c_uint32),
        ("cs", c_uint32),
        ("eflags", c_uint32),
        ("esp", c_uint32),
        ("ss", c_uint32),
    ]


class Continuation(LittleEndianStructure):
    """The hypercall that a guest is made to repeat: its number and its first arguments (ABI 3.5).

    new_edx: whether edx changes, too; if not it stays as the guest gave it.
    """

    _pack_ = 4
    _fields_ = [
        ("number", c_uint32),
        ("ebx", c_uint32),
        ("ecx", c_uint32),
        ("edx", c_uint32),
        ("new_edx", c_uint32),
    ]


class StoreRow(LittleEndianStructure):
    """What stores: the operation or group of operations, the routine for the other operand, the size or 0."""

    _pack_ = 4
    _fields_ = [("operation", c_uint32), ("source", c_uint32), ("size", c_uint32)]


class MsrRow(LittleEndianStructure):
    """One model-specific register as guests see it: its number, and the routines that read and write it."""

    _pack_ = 4
    _fields_ = [("number", c_uint32), ("read", c_uint32), ("write", c_uint32)]


class CpuidRow(LittleEndianStructure):
    """What guests see of one leaf of CPUID: the bits of each register that are shown, and bits that are set in ecx."""

    _pack_ = 4
    _fields_ = [
        ("leaf", c_uint32),
        ("eax", c_uint32),
        ("ebx", c_uint32),
        ("ecx", c_uint32),
        ("edx", c_uint32),
        ("ecx_set", c_uint32),
    ]


class Option(LittleEndianStructure):
    """One option of the hypervisor's command line: its name with the `=`, and the routine that takes the value."""

    _pack_ = 4
    _fields_ = [("name", c_uint32), ("routine", c_uint32), ("argument", c_uint32)]


class LegacyKey(LittleEndianStructure):
    """One key of the section __xen_guest, with its `=`, and the note that means the same."""

    _pack_ = 4
    _fields_ = [("name", c_uint32), ("note", c_uint32)]


class FeatureName(LittleEndianStructure):
    """One feature that a guest may require by name."""

    _pack_ = 4
    _fields_ = [("name", c_uint32), ("length", c_uint32), ("number", c_uint32)]


class TimeScale(LittleEndianStructure):
    """How TSC ticks become nanoseconds (ABI 4.3)."""

    _pack_ = 4
    _fields_ = [("mul", c_uint32), ("shift", c_int32)]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("ENTRY_FRAME", "entry_frame", EntryFrame, OURS),
    Declaration("FRAME", "frame", Frame, OURS),
    Declaration("PORT", "port", Port, OURS),
    Declaration("DOMAIN", "domain", Domain, OURS),
    Declaration("TIMER", "timer", Timer, OURS),
    Declaration("VCPU_SET_VIRTUAL_ALARM", "vcpu_set_virtual_alarm", VcpuSetVirtualAlarm, OURS),
    Declaration("DIRECT_GATE", "direct_gate", DirectGate, OURS),
    Declaration("VCPU_SCHED", "vcpu_sched", VcpuSched, OURS),
    Declaration("HAND", "hand", Hand, OURS),
    Declaration("VCPU", "vcpu", Vcpu, OURS),
    Declaration("GUEST_IMAGE", "guest_image", GuestImage, OURS),
    Declaration("IMAGE", "image", Image, OURS),
    Declaration("RANGE", "range", RangeRecord, OURS),
    Declaration("HEAP_BLOCK", "heap_block", HeapBlock, OURS),
    Declaration("WHERE_LINE", "where_line", WhereLine, OURS),
    Declaration("WHERE_SYMBOL", "where_symbol", WhereSymbol, OURS),
    Declaration("FIXUP", "fixup", Fixup, OURS),
    Declaration("STORE_ROW", "store_row", StoreRow, OURS),
    Declaration("MSR_ROW", "msr_row", MsrRow, OURS),
    Declaration("CPUID_ROW", "cpuid_row", CpuidRow, OURS),
    Declaration("OPTION", "option", Option, OURS),
    Declaration("BOUNCE_FRAME", "bounce_frame", BounceFrame, OURS),
    Declaration("IRET_FRAME", "iret_frame", IretFrame, OURS),
    Declaration("LEGACY_KEY", "legacy_key", LegacyKey, OURS),
    Declaration("FEATURE_NAME", "feature_name", FeatureName, OURS),
    Declaration("CONTINUATION", "continuation", Continuation, OURS),
    Declaration("CLOCK_READING", "clock_reading", ClockReading, OURS),
    Declaration("WALL_CLOCK", "wall_clock", WallClock, OURS),
    Declaration("TIME_SCALE", "time_scale", TimeScale, OURS),
)
