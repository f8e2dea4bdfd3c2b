"""Event channels (ABI chapter 9): the argument of each operation, states and virtual interrupts.

Invariants
  - Ports are 1 to 1023 (two-level ABI, 32 words of 32 bits); port 0 is never given out.
  - A field that an operation answers in is behind those that it reads.
"""

from __future__ import annotations

from ctypes import c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.structure import AbiStructure, AbiUnion, Constant, Declaration, constants, declare


class EvtchnAllocUnbound(AbiStructure):
    """EVTCHNOP_alloc_unbound: a port of `dom` that `remote_dom` may bind to."""

    _fields_ = (("dom", c_uint16), ("remote_dom", c_uint16), ("port", c_uint32))


class EvtchnBindInterdomain(AbiStructure):
    """EVTCHNOP_bind_interdomain."""

    _fields_ = (
        ("remote_dom", c_uint16),
        ("_pad", c_uint16),
        ("remote_port", c_uint32),
        ("local_port", c_uint32),
    )


class EvtchnBindVirq(AbiStructure):
    """EVTCHNOP_bind_virq."""

    _fields_ = (("virq", c_uint32), ("vcpu", c_uint32), ("port", c_uint32))


class EvtchnBindPirq(AbiStructure):
    """EVTCHNOP_bind_pirq."""

    _fields_ = (("pirq", c_uint32), ("flags", c_uint32), ("port", c_uint32))


class EvtchnBindIpi(AbiStructure):
    """EVTCHNOP_bind_ipi."""

    _fields_ = (("vcpu", c_uint32), ("port", c_uint32))


class EvtchnClose(AbiStructure):
    """EVTCHNOP_close."""

    _fields_ = (("port", c_uint32),)


class EvtchnSend(AbiStructure):
    """EVTCHNOP_send."""

    _fields_ = (("port", c_uint32),)


class EvtchnUnboundStatus(AbiStructure):
    """Who may bind to an unbound port."""

    _fields_ = (("dom", c_uint16),)


class EvtchnInterdomainStatus(AbiStructure):
    """The other end of an interdomain port."""

    _fields_ = (("dom", c_uint16), ("_pad", c_uint16), ("port", c_uint32))


class EvtchnStatusDetail(AbiUnion):
    """evtchn_status.u: which one holds follows from `status`."""

    _fields_ = (
        ("unbound", EvtchnUnboundStatus),
        ("interdomain", EvtchnInterdomainStatus),
        ("pirq", c_uint32),
        ("virq", c_uint32),
    )


class EvtchnStatus(AbiStructure):
    """EVTCHNOP_status."""

    _fields_ = (
        ("dom", c_uint16),
        ("_pad", c_uint16),
        ("port", c_uint32),
        ("status", c_uint32),
        ("vcpu", c_uint32),
        ("u", EvtchnStatusDetail),
    )


class EvtchnBindVcpu(AbiStructure):
    """EVTCHNOP_bind_vcpu."""

    _fields_ = (("port", c_uint32), ("vcpu", c_uint32))


class EvtchnUnmask(AbiStructure):
    """EVTCHNOP_unmask."""

    _fields_ = (("port", c_uint32),)


class EvtchnReset(AbiStructure):
    """EVTCHNOP_reset."""

    _fields_ = (("dom", c_uint16),)


class EvtchnInitControl(AbiStructure):
    """EVTCHNOP_init_control (FIFO ABI)."""

    _fields_ = (
        ("control_gfn", c_uint64),
        ("offset", c_uint32),
        ("vcpu", c_uint32),
        ("link_bits", c_uint8),
        ("_pad", c_uint8 * 7),
    )


class EvtchnExpandArray(AbiStructure):
    """EVTCHNOP_expand_array (FIFO ABI)."""

    _fields_ = (("array_gfn", c_uint64),)


class EvtchnSetPriority(AbiStructure):
    """EVTCHNOP_set_priority (FIFO ABI)."""

    _fields_ = (("port", c_uint32), ("priority", c_uint32))


class EvtchnOpArgument(AbiUnion):
    """evtchn_op.u."""

    _fields_ = (
        ("alloc_unbound", EvtchnAllocUnbound),
        ("bind_interdomain", EvtchnBindInterdomain),
        ("bind_virq", EvtchnBindVirq),
        ("bind_pirq", EvtchnBindPirq),
        ("bind_ipi", EvtchnBindIpi),
        ("close", EvtchnClose),
        ("send", EvtchnSend),
        ("status", EvtchnStatus),
        ("bind_vcpu", EvtchnBindVcpu),
        ("unmask", EvtchnUnmask),
    )


class EvtchnOp(AbiStructure):
    """Argument of event_channel_op_compat."""

    _fields_ = (("cmd", c_uint32), ("u", EvtchnOpArgument))


STRUCTURES: tuple[Declaration, ...] = (
    declare("evtchn_alloc_unbound", EvtchnAllocUnbound, "ABI 9.2"),
    declare("evtchn_bind_interdomain", EvtchnBindInterdomain, "ABI 9.2"),
    declare("evtchn_bind_virq", EvtchnBindVirq, "ABI 9.2"),
    declare("evtchn_bind_pirq", EvtchnBindPirq, "ABI 9.2"),
    declare("evtchn_bind_ipi", EvtchnBindIpi, "ABI 9.2"),
    declare("evtchn_close", EvtchnClose, "ABI 9.2"),
    declare("evtchn_send", EvtchnSend, "ABI 9.2"),
    declare("evtchn_status", EvtchnStatus, "ABI 9.2"),
    declare("evtchn_bind_vcpu", EvtchnBindVcpu, "ABI 9.2"),
    declare("evtchn_unmask", EvtchnUnmask, "ABI 9.2"),
    declare("evtchn_reset", EvtchnReset, "ABI 9.2"),
    declare("evtchn_init_control", EvtchnInitControl, "ABI layout"),
    declare("evtchn_expand_array", EvtchnExpandArray, "ABI layout"),
    declare("evtchn_set_priority", EvtchnSetPriority, "ABI layout"),
    declare("evtchn_op", EvtchnOp, "ABI 9.5"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "event_channel_op commands", "ABI 9.2",
        EVTCHNOP_bind_interdomain=0, EVTCHNOP_bind_virq=1, EVTCHNOP_bind_pirq=2, EVTCHNOP_close=3, EVTCHNOP_send=4,
        EVTCHNOP_status=5, EVTCHNOP_alloc_unbound=6, EVTCHNOP_bind_ipi=7, EVTCHNOP_bind_vcpu=8, EVTCHNOP_unmask=9,
        EVTCHNOP_reset=10, EVTCHNOP_init_control=11, EVTCHNOP_expand_array=12, EVTCHNOP_set_priority=13,
    ),
    *constants(
        "event channel states", "ABI 9.1",
        EVTCHNSTAT_closed=0, EVTCHNSTAT_unbound=1, EVTCHNSTAT_interdomain=2, EVTCHNSTAT_pirq=3, EVTCHNSTAT_virq=4,
        EVTCHNSTAT_ipi=5,
    ),
    *constants("event channels", "ABI 9.1, 9.2", EVTCHN_2L_NR_CHANNELS=1024, BIND_PIRQ__WILL_SHARE=1),
    *constants(
        "virtual interrupts", "ABI 9.3",
        VIRQ_TIMER=0, VIRQ_DEBUG=1, VIRQ_CONSOLE=2, VIRQ_DOM_EXC=3, VIRQ_TBUF=4, VIRQ_DEBUGGER=6, VIRQ_XENOPROF=7,
        VIRQ_CON_RING=8, VIRQ_PCPU_STATE=9, VIRQ_MEM_EVENT=10, VIRQ_ARGO=11, VIRQ_ENOMEM=12, VIRQ_XENPMU=13,
        VIRQ_ARCH_0=16, VIRQ_ARCH_1=17, VIRQ_ARCH_2=18, VIRQ_ARCH_3=19, VIRQ_ARCH_4=20, VIRQ_ARCH_5=21,
        VIRQ_ARCH_6=22, VIRQ_ARCH_7=23, VIRQ_MCA=16, NR_VIRQS=24,
    ),
)
