"""physdev_op (ABI 10.7): I/O privilege of a vcpu, and the interrupts of devices.

Invariants
  - A domain without devices uses set_iopl and set_iobitmap only.
"""

from __future__ import annotations

from ctypes import c_int32, c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.structure import AbiStructure, AbiUnion, Constant, Declaration, constants, declare


class PhysdevEoi(AbiStructure):
    """PHYSDEVOP_eoi."""

    _fields_ = (("irq", c_uint32),)


class PhysdevIrqStatusQuery(AbiStructure):
    """PHYSDEVOP_irq_status_query; flags are XENIRQSTAT_*."""

    _fields_ = (("irq", c_uint32), ("flags", c_uint32))


class PhysdevSetIopl(AbiStructure):
    """PHYSDEVOP_set_iopl."""

    _fields_ = (("iopl", c_uint32),)


class PhysdevSetIobitmap(AbiStructure):
    """PHYSDEVOP_set_iobitmap: the bitmap is guest memory, read at each access."""

    _fields_ = (("bitmap", c_uint32), ("nr_ports", c_uint32))


class PhysdevApic(AbiStructure):
    """PHYSDEVOP_apic_read and PHYSDEVOP_apic_write."""

    _fields_ = (("apic_physbase", c_uint32), ("reg", c_uint32), ("value", c_uint32))


class PhysdevIrq(AbiStructure):
    """PHYSDEVOP_alloc_irq_vector and PHYSDEVOP_free_irq_vector."""

    _fields_ = (("irq", c_uint32), ("vector", c_uint32))


class PhysdevMapPirq(AbiStructure):
    """PHYSDEVOP_map_pirq."""

    _fields_ = (
        ("domid", c_uint16),
        ("_pad", c_uint16),
        ("type", c_int32),
        ("index", c_int32),
        ("pirq", c_int32),
        ("bus", c_int32),
        ("devfn", c_int32),
        ("entry_nr", c_int32),
        ("table_base", c_uint64),
    )


class PhysdevUnmapPirq(AbiStructure):
    """PHYSDEVOP_unmap_pirq."""

    _fields_ = (("domid", c_uint16), ("_pad", c_uint16), ("pirq", c_int32))


class PhysdevManagePci(AbiStructure):
    """PHYSDEVOP_manage_pci_add and PHYSDEVOP_manage_pci_remove."""

    _fields_ = (("bus", c_uint8), ("devfn", c_uint8))


class PhysdevSetupGsi(AbiStructure):
    """PHYSDEVOP_setup_gsi."""

    _fields_ = (("gsi", c_int32), ("triggering", c_uint8), ("polarity", c_uint8), ("_pad", c_uint16))


class PhysdevPirqEoiGmfn(AbiStructure):
    """PHYSDEVOP_pirq_eoi_gmfn: a page with one "needs EOI" bit for each pirq."""

    _fields_ = (("gmfn", c_uint32),)


class PhysdevGetFreePirq(AbiStructure):
    """PHYSDEVOP_get_free_pirq."""

    _fields_ = (("type", c_int32), ("pirq", c_uint32))


class PhysdevOpArgument(AbiUnion):
    """physdev_op.u."""

    _fields_ = (
        ("irq_status_query", PhysdevIrqStatusQuery),
        ("set_iopl", PhysdevSetIopl),
        ("set_iobitmap", PhysdevSetIobitmap),
        ("apic_op", PhysdevApic),
        ("irq_op", PhysdevIrq),
    )


class PhysdevOp(AbiStructure):
    """Argument of physdev_op_compat."""

    _fields_ = (("cmd", c_uint32), ("u", PhysdevOpArgument))


STRUCTURES: tuple[Declaration, ...] = (
    declare("physdev_eoi", PhysdevEoi, "ABI 10.7"),
    declare("physdev_irq_status_query", PhysdevIrqStatusQuery, "ABI 10.7"),
    declare("physdev_set_iopl", PhysdevSetIopl, "ABI 10.7"),
    declare("physdev_set_iobitmap", PhysdevSetIobitmap, "ABI 10.7"),
    declare("physdev_apic", PhysdevApic, "ABI 10.7"),
    declare("physdev_irq", PhysdevIrq, "ABI 10.7"),
    declare("physdev_map_pirq", PhysdevMapPirq, "ABI 10.7"),
    declare("physdev_unmap_pirq", PhysdevUnmapPirq, "ABI 10.7"),
    declare("physdev_manage_pci", PhysdevManagePci, "ABI 10.7"),
    declare("physdev_setup_gsi", PhysdevSetupGsi, "ABI 10.7"),
    declare("physdev_pirq_eoi_gmfn", PhysdevPirqEoiGmfn, "ABI 10.7"),
    declare("physdev_get_free_pirq", PhysdevGetFreePirq, "ABI 10.7"),
    declare("physdev_op", PhysdevOp, "ABI 10.7"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "physdev_op commands", "ABI 10.7",
        PHYSDEVOP_IRQ_UNMASK_NOTIFY=4, PHYSDEVOP_irq_status_query=5, PHYSDEVOP_set_iopl=6, PHYSDEVOP_set_iobitmap=7,
        PHYSDEVOP_apic_read=8, PHYSDEVOP_apic_write=9, PHYSDEVOP_alloc_irq_vector=10, PHYSDEVOP_free_irq_vector=11,
        PHYSDEVOP_eoi=12, PHYSDEVOP_map_pirq=13, PHYSDEVOP_unmap_pirq=14, PHYSDEVOP_manage_pci_add=15,
        PHYSDEVOP_manage_pci_remove=16, PHYSDEVOP_pirq_eoi_gmfn_v1=17, PHYSDEVOP_setup_gsi=21,
        PHYSDEVOP_get_free_pirq=23, PHYSDEVOP_pci_mmcfg_reserved=24, PHYSDEVOP_pci_device_add=25,
        PHYSDEVOP_pci_device_remove=26, PHYSDEVOP_pirq_eoi_gmfn_v2=28,
    ),
    *constants("pirq status", "ABI 10.7", XENIRQSTAT_needs_eoi=1, XENIRQSTAT_shared=2),
)
