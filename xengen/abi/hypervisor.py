"""The hypervisor's own address-space layout and structures: decisions of ours, not of the public ABI.

Invariants
  - The reserved region is 0xFC000000 to 0xFFFFFFFF in every address space; only the read-only M2P table at its
    start lies within the limits of guest segments (design, section 4).
  - A frame's record is FRAME: 16 bytes, indexed by machine frame number.
  - ENTRY_FRAME is what is on the hypervisor's stack while it works for a guest; it ends at the top of the stack.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_int32, c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.sched import VcpuRunstateInfo
from xengen.abi.structure import Constant, Declaration
from xengen.abi.traps import TrapInfo

OURS = "xengen"


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
    and remote_port the port there; of an unbound port the number of the domain that may bind to it.
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

    avt, evt: actual and effective virtual time. charged: system time up to which avt has been charged while the vcpu
    runs. turn_avt: avt when its turn began. place, warp_place: where it stands in run_queue and warp_queue; 0: it does
    not. order: who came first among equals. sleeps: SLEEP_*. poll_port: the one port that it polls, or POLL_ANY.
    warping: whether it warps now. warp_value: W; warp_limit, unwarp: L and U in ns; warp_rest: what is left of L.
    warp_timer serves both.
    """

    _pack_ = 4
    _fields_ = [
        ("avt", c_uint64),
        ("evt", c_uint64),
        ("charged", c_uint64),
        ("turn_avt", c_uint64),
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
    its time record, or 0. hypercalls: how often it made each, by number. upcalls: events delivered.
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
        ("fs", c_uint32),
        ("gs", c_uint32),
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


def _group(group: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, OURS) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "address space of the hypervisor",
        HV_START=0xFC000000,
        HV_PRIVATE_START=0xFC400000,
        M2P_READ_ONLY=0xFC000000,
        M2P=0xFC400000,
        M2P_BYTES=0x400000,
        IMAGE_WINDOW=0xFC800000,
        HEAP_START=0xFCC00000,
        HEAP_END=0xFD400000,
        DOMAIN_WINDOW=0xFD400000,
        MAP_CACHE=0xFD600000,
        MAP_CACHE_SLOTS=512,
        MAP_CACHE_QUARTER=128,
        FIXMAP_APIC=0xFD800000,
        LINEAR_TABLES=0xFE000000,
        FRAME_TABLE=0xFF000000,
        MAX_FRAMES=0xFC000,
        FRAME_LEAVES=1 << 20,
        IMAGE_LOAD_OFFSET=0xFC800000,
        M2P_ALIAS=0xF5800000,
        M2P_ALIAS_BYTES=0x1000000,
        INVALID_M2P_ENTRY=0xFFFFFFFF,
        HV_L2_FIRST=480,
        ALIAS_L2_FIRST=428,
        DOMAIN_WINDOW_L2=0xFD400000 >> 21 & 511,
        LINEAR_TABLES_L2=0xFE000000 >> 21 & 511,
        LINEAR_L2=0xFE000000 + (0xFE000000 >> 12) * 8,
        LDT_WINDOW=0xFD410000,
        LDT_WINDOW_BYTES=0x10000,
        PTE_HIGH_FRAME=0xFFFFF,
        INVALID_MFN=0xFFFFFFFF,
        GDT_GUEST_PAGES=14,
        GDT_GUEST_ENTRIES=7168,
        LDT_PAGES=16,
        MAX_EXTENT_ORDER=9,
        MEMORY_OPERATIONS=32,
    ),
    *_group(
        "segments of the hypervisor",
        HV_CS=0xE008, HV_DS=0xE010, HV_TSS=0xE040, HV_LDT=0xE048, DOUBLE_FAULT_TSS=0xE000,
        GDT_RESERVED_OFFSET=0xE000, GDT_LIMIT=0xEFFF, GUEST_LIMIT_FIELD=0xFC3FF, IDT_ENTRIES=256,
    ),
    *_group(
        "frame types",
        FRAME_ALLOCATED=1 << 31,
        FRAME_TYPE_NONE=0 << 28, FRAME_TYPE_L1=1 << 28, FRAME_TYPE_L2=2 << 28, FRAME_TYPE_L3=3 << 28,
        FRAME_TYPE_SEGMENTS=4 << 28, FRAME_TYPE_WRITABLE=5 << 28, FRAME_TYPE_L2_RESERVED=6 << 28,
        FRAME_TYPE_MASK=0xF << 28, FRAME_VALIDATED=1 << 27, FRAME_PINNED=1 << 26, FRAME_PARTIAL=1 << 25,
        FRAME_UNDO=1 << 24, FRAME_DROPPING=1 << 23, FRAME_COUNT_MASK=(1 << 23) - 1,
        FRAME_INDEX_MASK=(1 << 12) - 1, FRAME_ERROR_SHIFT=12, FRAME_ERROR_MASK=0x7FF << 12,
    ),
    *_group(
        "domain flags",
        DOMAIN_PRIVILEGED=1, DOMAIN_DYING=2, DOMAIN_DYING_BIT=1, DOMAIN_SHUTDOWN=4, DOMAIN_CRASHED=8,
        DOMAIN_SUSPENDED=16, DOMAIN_CODE_SET=32, DOMAIN_UNBUILT=64, DOMAIN_PRESERVE=128, DOMAIN_DESTROYED=256,
        RELEASE_FRAMES=4,
    ),
    *_group(
        "domain builder",
        XEN_NOTE_NAME=0x006E6558, LEGACY_NAME_BYTES=12, START_INFO_MAGIC_BYTES=32, GUEST_NAME_BYTES=64,
        GUEST_TEXTS_BYTES=1024, XEN_NOTE_SEEN=31, MAX_PROGRAM_HEADERS=1024,
        MAX_SHARED_VCPUS=32, MIN_PAGE_TABLE_FRAMES=5, MAX_PAGES_UNBOUNDED=0x7FFFFFFF,
        DEFAULT_DOMU_PAGES=8192, VGA_TEXT_MODE=3,
    ),
    *_group(
        "ends of the machine",
        EXIT_PORT=0xF4, EXIT_PANIC=0x10, EXIT_DOMAIN0_DIED=0x11, EXIT_NO_DOMAIN0=0x12, DEBUG_PORT=0xE9,
    ),
    *_group(
        "bounce frames",
        BOUNCE_FRAME_error_code=12, BOUNCE_PLAIN_BYTES=12, BOUNCE_ERROR_CODE=1, BOUNCE_SEGMENTS=4,
        BOUNCE_MASK_EVENTS=0x100,
        EXCEPTION_VECTORS=32, DR6_RESET=0xFFFF0FF0, DR7_RESET=0x400,
        PANIC_VECTOR=0x100, PANIC_BACKTRACE_WORDS=256,
    ),
    *_group(
        "limits of a vcpu",
        IO_PORTS=65536, SHORTEST_PERIOD=1_000_000, LONGEST_PERIOD_HIGH=(1 << 30) - 1,
        DEFAULT_PERIOD=10_000_000, DIRECT_GATES=8, DIRECT_VECTOR_FIRST=0x30, DIRECT_VECTOR_END=0xF0,
        DIRECT_SYSTEM_CALL=0x80, OUTER_FRAME_BYTES=20, NEVER_MAPPED=0xFFFFF000,
    ),
    *_group(
        "emulation of instructions",
        EMULATE_DONE=0, EMULATE_NOT=1, EMULATE_FAULT=2, EMULATE_AGAIN=3, EMULATE_PREFIXES=11, EMULATE_TWO_BYTES=12,
        EMULATE_FIRST_ROUTINE=13, PREFIX_SEGMENT=7, PREFIX_ES=1, PREFIX_CS=2, PREFIX_SS=3, PREFIX_DS=4, PREFIX_FS=5,
        PREFIX_GS=6, PREFIX_OPERAND=8, PREFIX_ADDRESS=16, PREFIX_LOCK=32, PREFIX_REPEAT=64, STRING_PIECE=64,
        CR4_GUEST=0xC, OWN_PORTS_END=0x500, FORCED_CPUID_BYTES=7, FORCED_CPUID_FIRST=0x65780B0F,
        CPUID_HYPERVISOR_LAST=2, VECTOR_SEGMENT_TURNED=15, MSR_HYPERCALL_PAGE=0x40000000,
    ),
    *_group("reasons to leave the shortest way out", WORK_SCHEDULE=1, WORK_NMI=2, WORK_YIELD=4),
    *_group(
        "hypercalls",
        HYPERCALL_INSTRUCTION_BYTES=2, SHUTDOWN_REASONS=6, CONSOLE_PIECE=128, CONSOLE_DIGITS=10, CONSOLE_LONGEST=14,
    ),
    *_group(
        "event channels of the hypervisor",
        PORT_BLOCK_SHIFT=5, PORTS_PER_BLOCK=32, PORT_BLOCKS=32, PORT_BLOCK_BYTES=256, PORT_CLOSE_BLOCKS=8,
        EVENT_PIRQS=16, CONSOLE_LOOK_NS=10_000_000, WORK_OF_A_PORT_SEARCH=2, WORK_OF_A_PORT_BLOCK=16,
    ),
    *_group("log levels", LOG_ERROR=0, LOG_WARNING=1, LOG_INFO=2, LOG_DEBUG=3),
    *_group("console targets", CONSOLE_COM1=1, CONSOLE_DEBUG_PORT=2),
    *_group(
        "sizes",
        STACK_BYTES=8192, DOUBLE_FAULT_STACK_BYTES=2048, MAX_RANGES=64, MAX_MODULES=32, COMMAND_LINE_BYTES=1024,
        HEAP_CLASSES=8, HEAP_SMALLEST=32, PADDING_BYTES=0x80000, SPARE_FRAMES=256,
    ),
    *_group(
        "work in one stretch, in entries of tables handled",
        WORK_PIECE=384, WORK_OF_A_REQUEST=2, WORK_OF_A_CALL=8, WORK_OF_A_PAGE=32, WORK_OF_A_LINE=6,
        WORK_OF_A_TRAP_TABLE=96, WORK_OF_A_TABLE=64, WORK_OF_A_FREE=2, WORK_UNBOUNDED=0x7FFFFFFF,
    ),
    *_group(
        "time",
        TIMERS=4096, TIMER_VECTOR=0xF0, SPURIOUS_VECTOR=0xFF, PIC_VECTOR=0x20, ALARM_LONGEST=1 << 30,
        ALARM_DIRECT=1 << 24, ALARM_SHORTER_SHIFT=10, CLOCK_RENEWAL=1_000_000_000,
        TIMEOUT_FARTHEST_HIGH=1 << 18, TIMEOUT_INSTEAD=100_000_000,
    ),
    *_group(
        "scheduling",
        SLEEP_NONE=0, SLEEP_EVENT=1, SLEEP_POLL=2, POLL_ANY=0xFFFFFFFF, RUN_QUEUE_PLACES=1024, MCU_NS=100_000,
        MCU_ADVANCE=10, WARP_LIMIT_MS=2000, UNWARP_MS=1000, NS_PER_MS=1_000_000, NS_PER_S=1_000_000_000,
        CONTEXT_ALLOWANCE=5_000_000, SMALLEST_ALLOWANCE=10_000, SLICE_ALONE=10, AVT_HIGH_LIMIT=1 << 30,
        AVT_HIGH_REBASE=1 << 29, CHARGE_HIGH_LIMIT=1 << 28, WATCHDOGS=2, RELEASE_INTERVAL=1_000_000, RELEASE_PIECES=16,
        PARAMETER_LONGEST_HIGH=1 << 10,
    ),
    *_group("extensions of the ABI", VCPUOP_set_virtual_alarm=64, VIRQ_VIRTUAL_ALARM=23),
    *_group(
        "control of domains",
        CONTROL_BEGUN=0x42454755, JOB_UNITS=24, JOB_UNIT_SHIFT=4, JOB_UNITS_OF_A_TABLE=8, JOB_STACK_BYTES=4096,
        RUN_SEARCH_PIECE=2048, RUN_SEARCH_MIXED=4, DOMAIN_NAME_BYTES=32, IMAGE_NAME_BYTES=64, IMAGE_WORD_BYTES=7,
        IMAGE_WRITE_PAGES=16, IMAGE_REMOVE_PIECE=512,
        DOMAINS_PIECE=32, REFUSAL_BYTES=128, DECIMAL_DIGITS=10, RELEASE_MORE=0, RELEASE_THROUGH=1, RELEASE_GONE=2,
    ),
    *_group("version", XENGEN_MAJOR=4, XENGEN_MINOR=2),
)
