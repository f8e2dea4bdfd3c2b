"""Scheduling and vcpus (ABI 10.1 to 10.4): sched_op, vcpu_op, the initial context of a vcpu, run states.

Invariants
  - Times are absolute system time in nanoseconds, 64 bits; a timeout of 0 means none.
"""

from __future__ import annotations

from ctypes import c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.structure import AbiStructure, AbiUnion, Constant, Declaration, constants, declare
from xengen.abi.traps import CpuUserRegs, TrapInfo


class SchedShutdown(AbiStructure):
    """SCHEDOP_shutdown and SCHEDOP_shutdown_code: one of SHUTDOWN_*."""

    _fields_ = (("reason", c_uint32),)


class SchedPoll(AbiStructure):
    """SCHEDOP_poll: `ports` points at nr_ports port numbers."""

    _fields_ = (("ports", c_uint32), ("nr_ports", c_uint32), ("timeout", c_uint64))


class SchedRemoteShutdown(AbiStructure):
    """SCHEDOP_remote_shutdown."""

    _fields_ = (("domain_id", c_uint16), ("_pad", c_uint16), ("reason", c_uint32))


class SchedWatchdog(AbiStructure):
    """SCHEDOP_watchdog: timeout in seconds."""

    _fields_ = (("id", c_uint32), ("timeout", c_uint32))


class SchedPinOverride(AbiStructure):
    """SCHEDOP_pin_override: a negative number ends it."""

    _fields_ = (("pcpu", c_int32),)


class SchedBvtGlobal(AbiStructure):
    """Parameters of the scheduler as a whole: the context switch allowance in ns."""

    _fields_ = (("ctx_allow", c_uint32),)


class SchedBvtDomain(AbiStructure):
    """Parameters of a domain. warpl and warpu are in ms when they are put, in ns when they are got."""

    _fields_ = (
        ("mcu_adv", c_uint32),
        ("warpback", c_uint32),
        ("warpvalue", c_int32),
        ("warpl", c_int64),
        ("warpu", c_int64),
    )


class VcpuGuestContext(AbiStructure):
    """All of a vcpu's state: argument of VCPUOP_initialise."""

    _fields_ = (
        ("fpu_ctxt", c_uint8 * 512),
        ("flags", c_uint32),
        ("user_regs", CpuUserRegs),
        ("trap_ctxt", TrapInfo * 256),
        ("ldt_base", c_uint32),
        ("ldt_ents", c_uint32),
        ("gdt_frames", c_uint32 * 16),
        ("gdt_ents", c_uint32),
        ("kernel_ss", c_uint32),
        ("kernel_sp", c_uint32),
        ("ctrlreg", c_uint32 * 8),
        ("debugreg", c_uint32 * 8),
        ("event_callback_cs", c_uint32),
        ("event_callback_eip", c_uint32),
        ("failsafe_callback_cs", c_uint32),
        ("failsafe_callback_eip", c_uint32),
        ("vm_assist", c_uint32),
    )


class VcpuRunstateInfo(AbiStructure):
    """How long, in ns, a vcpu has been in each of RUNSTATE_*, and since when in the present one."""

    _fields_ = (("state", c_int32), ("state_entry_time", c_uint64), ("time", c_uint64 * 4))


class MemoryAreaAddress(AbiUnion):
    """A pointer in an 8-byte union: as handle, as address, or as 64-bit number."""

    _fields_ = (("h", c_uint32), ("v", c_uint32), ("p", c_uint64))


class VcpuRegisterRunstateMemoryArea(AbiStructure):
    """VCPUOP_register_runstate_memory_area."""

    _fields_ = (("addr", MemoryAreaAddress),)


class VcpuSetPeriodicTimer(AbiStructure):
    """VCPUOP_set_periodic_timer."""

    _fields_ = (("period_ns", c_uint64),)


class VcpuSetSingleshotTimer(AbiStructure):
    """VCPUOP_set_singleshot_timer."""

    _fields_ = (("timeout_abs_ns", c_uint64), ("flags", c_uint32))


class VcpuRegisterVcpuInfo(AbiStructure):
    """VCPUOP_register_vcpu_info: frame and offset in it."""

    _fields_ = (("mfn", c_uint64), ("offset", c_uint32), ("rsvd", c_uint32))


class VcpuGetPhysid(AbiStructure):
    """VCPUOP_get_physid."""

    _fields_ = (("phys_id", c_uint64),)


class VcpuRegisterTimeMemoryArea(AbiStructure):
    """VCPUOP_register_vcpu_time_memory_area."""

    _fields_ = (("addr", MemoryAreaAddress),)


STRUCTURES: tuple[Declaration, ...] = (
    declare("sched_shutdown", SchedShutdown, "ABI 10.1"),
    declare("sched_poll", SchedPoll, "ABI 10.1"),
    declare("sched_remote_shutdown", SchedRemoteShutdown, "ABI 10.1"),
    declare("sched_watchdog", SchedWatchdog, "ABI 10.1"),
    declare("sched_pin_override", SchedPinOverride, "ABI 10.1"),
    declare("sched_bvt_global", SchedBvtGlobal, "ABI 12.5"),
    declare("sched_bvt_domain", SchedBvtDomain, "ABI 12.5"),
    declare("vcpu_guest_context", VcpuGuestContext, "ABI 10.4"),
    declare("vcpu_runstate_info", VcpuRunstateInfo, "ABI 10.3"),
    declare("vcpu_register_runstate_memory_area", VcpuRegisterRunstateMemoryArea, "ABI 10.3"),
    declare("vcpu_set_periodic_timer", VcpuSetPeriodicTimer, "ABI 10.3"),
    declare("vcpu_set_singleshot_timer", VcpuSetSingleshotTimer, "ABI 10.3"),
    declare("vcpu_register_vcpu_info", VcpuRegisterVcpuInfo, "ABI 10.3"),
    declare("vcpu_get_physid", VcpuGetPhysid, "ABI 10.3"),
    declare("vcpu_register_time_memory_area", VcpuRegisterTimeMemoryArea, "ABI 10.3"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "sched_op commands", "ABI 10.1",
        SCHEDOP_yield=0, SCHEDOP_block=1, SCHEDOP_shutdown=2, SCHEDOP_poll=3, SCHEDOP_remote_shutdown=4,
        SCHEDOP_shutdown_code=5, SCHEDOP_watchdog=6, SCHEDOP_pin_override=7,
    ),
    *constants(
        "shutdown reasons", "ABI 10.1",
        SHUTDOWN_poweroff=0, SHUTDOWN_reboot=1, SHUTDOWN_suspend=2, SHUTDOWN_crash=3, SHUTDOWN_watchdog=4,
        SHUTDOWN_soft_reset=5,
    ),
    *constants("polling", "ABI 10.1", SCHED_POLL_MAX_PORTS=128),
    *constants(
        "vcpu_op commands", "ABI 10.3",
        VCPUOP_initialise=0, VCPUOP_up=1, VCPUOP_down=2, VCPUOP_is_up=3, VCPUOP_get_runstate_info=4,
        VCPUOP_register_runstate_memory_area=5, VCPUOP_set_periodic_timer=6, VCPUOP_stop_periodic_timer=7,
        VCPUOP_set_singleshot_timer=8, VCPUOP_stop_singleshot_timer=9, VCPUOP_register_vcpu_info=10,
        VCPUOP_send_nmi=11, VCPUOP_get_physid=12, VCPUOP_register_vcpu_time_memory_area=13,
    ),
    *constants("single-shot timer flags", "ABI 10.3", VCPU_SSHOTTMR_future=1),
    *constants(
        "run states", "ABI 10.3",
        RUNSTATE_running=0, RUNSTATE_runnable=1, RUNSTATE_blocked=2, RUNSTATE_offline=3,
    ),
    *constants("run state area", "ABI 6.9", XEN_RUNSTATE_UPDATE_HIGH=1 << 31),
    *constants(
        "vcpu_guest_context flags", "ABI 10.4",
        VGCF_i387_valid=1, VGCF_in_kernel=4, VGCF_failsafe_disables_events=8, VGCF_syscall_disables_events=16,
        VGCF_online=32,
    ),
)
