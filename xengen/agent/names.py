"""Constants of the ABI and the processor by name, for tests that drive an agent.

Invariants
  - Nothing is decided here: each value is the one that `xengen.abi` declares.
"""

from __future__ import annotations

from typing import Final

from xengen.abi.symbols import assembler_symbols

_VALUES: Final = assembler_symbols()

EPERM: Final = _VALUES["EPERM"]
ENOENT: Final = _VALUES["ENOENT"]
ESRCH: Final = _VALUES["ESRCH"]
ENOMEM: Final = _VALUES["ENOMEM"]
EACCES: Final = _VALUES["EACCES"]
EFAULT: Final = _VALUES["EFAULT"]
EBUSY: Final = _VALUES["EBUSY"]
EINVAL: Final = _VALUES["EINVAL"]
ENOSYS: Final = _VALUES["ENOSYS"]

DE: Final = _VALUES["VECTOR_DE"]
DB: Final = _VALUES["VECTOR_DB"]
NMI: Final = _VALUES["VECTOR_NMI"]
BP: Final = _VALUES["VECTOR_BP"]
OF: Final = _VALUES["VECTOR_OF"]
BR: Final = _VALUES["VECTOR_BR"]
UD: Final = _VALUES["VECTOR_UD"]
NM: Final = _VALUES["VECTOR_NM"]
TS: Final = _VALUES["VECTOR_TS"]
NP: Final = _VALUES["VECTOR_NP"]
SS: Final = _VALUES["VECTOR_SS"]
GP: Final = _VALUES["VECTOR_GP"]
PF: Final = _VALUES["VECTOR_PF"]
MF: Final = _VALUES["VECTOR_MF"]
XM: Final = _VALUES["VECTOR_XM"]
PF_PRESENT: Final = _VALUES["PF_PRESENT"]
PF_WRITE: Final = _VALUES["PF_WRITE"]
PF_USER: Final = _VALUES["PF_USER"]
SELECTOR_IDT: Final = _VALUES["SELECTOR_IDT"]

EFLAGS_CF: Final = _VALUES["EFLAGS_CF"]
EFLAGS_TF: Final = _VALUES["EFLAGS_TF"]
EFLAGS_IF: Final = _VALUES["EFLAGS_IF"]
EFLAGS_DF: Final = _VALUES["EFLAGS_DF"]
EFLAGS_IOPL: Final = _VALUES["EFLAGS_IOPL"]
EFLAGS_NT: Final = _VALUES["EFLAGS_NT"]
EFLAGS_VM: Final = _VALUES["EFLAGS_VM"]

PTE_P: Final = _VALUES["PTE_P"]
PTE_RW: Final = _VALUES["PTE_RW"]
PTE_US: Final = _VALUES["PTE_US"]
PTE_PWT: Final = _VALUES["PTE_PWT"]
PTE_PCD: Final = _VALUES["PTE_PCD"]
PTE_A: Final = _VALUES["PTE_A"]
PTE_D: Final = _VALUES["PTE_D"]
PTE_PSE: Final = _VALUES["PTE_PSE"]
PTE_G: Final = _VALUES["PTE_G"]
PTE_NX: Final = _VALUES["PTE_NX_HIGH"] << 32
PTE_AVAILABLE: Final = 0xE00

DOMID_SELF: Final = _VALUES["DOMID_SELF"]
DOMID_IO: Final = _VALUES["DOMID_IO"]
DOMID_XEN: Final = _VALUES["DOMID_XEN"]
DOMID_INVALID: Final = _VALUES["DOMID_INVALID"]

KERNEL_CS: Final = _VALUES["FLAT_KERNEL_CS"]
KERNEL_DS: Final = _VALUES["FLAT_KERNEL_DS"]
USER_CS: Final = _VALUES["FLAT_USER_CS"]
USER_DS: Final = _VALUES["FLAT_USER_DS"]
TI_MASK_EVENTS: Final = _VALUES["TI_MASK_EVENTS"]

HV_START: Final = _VALUES["HV_START"]
HV_PRIVATE_START: Final = _VALUES["HV_PRIVATE_START"]
GDT_GUEST_ENTRIES: Final = _VALUES["GDT_GUEST_ENTRIES"]

UVMF_NONE: Final = _VALUES["UVMF_NONE"]
UVMF_TLB_FLUSH: Final = _VALUES["UVMF_TLB_FLUSH"]
UVMF_INVLPG: Final = _VALUES["UVMF_INVLPG"]
UVMF_ALL: Final = _VALUES["UVMF_ALL"]


def value(name: str) -> int:
    """Return the value of any name of the model, such as XENVER_version; KeyError when there is none."""
    return _VALUES[name]
