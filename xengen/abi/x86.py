"""Facts of the hardware and of the file formats that the hypervisor reads: registers, descriptors, ELF, multiboot.

Invariants
  - Names are those of the manuals (Intel SDM volume 3, the Multiboot 0.6.96 specification, the System V gABI).
  - Nothing here is a decision of ours: those are in `xengen.abi.hypervisor`.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_char, c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.structure import Constant, Declaration

SDM3 = "Intel SDM volume 3"
GABI = "System V gABI, chapter 4"
MULTIBOOT = "Multiboot 0.6.96"
ACPI = "Intel PIIX4 and ICH9 datasheets"


class Tss(LittleEndianStructure):
    """The 32-bit task state segment (SDM volume 3, section 8.2.1), without an I/O permission map."""

    _pack_ = 4
    _fields_ = [
        ("back_link", c_uint32),
        ("esp0", c_uint32),
        ("ss0", c_uint32),
        ("esp1", c_uint32),
        ("ss1", c_uint32),
        ("esp2", c_uint32),
        ("ss2", c_uint32),
        ("cr3", c_uint32),
        ("eip", c_uint32),
        ("eflags", c_uint32),
        ("eax", c_uint32),
        ("ecx", c_uint32),
        ("edx", c_uint32),
        ("ebx", c_uint32),
        ("esp", c_uint32),
        ("ebp", c_uint32),
        ("esi", c_uint32),
        ("edi", c_uint32),
        ("es", c_uint32),
        ("cs", c_uint32),
        ("ss", c_uint32),
        ("ds", c_uint32),
        ("fs", c_uint32),
        ("gs", c_uint32),
        ("ldt", c_uint32),
        ("trap", c_uint16),
        ("io_map_base", c_uint16),
    ]


class MultibootInfo(LittleEndianStructure):
    """What a multiboot loader hands over in %ebx, as far as we read it (Multiboot 0.6.96, section 3.3)."""

    _pack_ = 4
    _fields_ = [
        ("flags", c_uint32),
        ("mem_lower", c_uint32),
        ("mem_upper", c_uint32),
        ("boot_device", c_uint32),
        ("cmdline", c_uint32),
        ("mods_count", c_uint32),
        ("mods_addr", c_uint32),
        ("syms", c_uint32 * 4),
        ("mmap_length", c_uint32),
        ("mmap_addr", c_uint32),
    ]


class MultibootModule(LittleEndianStructure):
    """One boot module: bytes [start, end) of physical memory and the address of its command line."""

    _pack_ = 4
    _fields_ = [("start", c_uint32), ("end", c_uint32), ("cmdline", c_uint32), ("reserved", c_uint32)]


class MultibootMap(LittleEndianStructure):
    """One range of the memory map. `size` does not count itself: the next entry is at size + 4."""

    _pack_ = 4
    _fields_ = [("size", c_uint32), ("base", c_uint64), ("length", c_uint64), ("type", c_uint32)]


class ElfHeader(LittleEndianStructure):
    """Elf32_Ehdr."""

    _pack_ = 4
    _fields_ = [
        ("magic", c_uint32),
        ("class", c_uint8),
        ("data", c_uint8),
        ("version", c_uint8),
        ("padding", c_uint8 * 9),
        ("e_type", c_uint16),
        ("e_machine", c_uint16),
        ("e_version", c_uint32),
        ("e_entry", c_uint32),
        ("e_phoff", c_uint32),
        ("e_shoff", c_uint32),
        ("e_flags", c_uint32),
        ("e_ehsize", c_uint16),
        ("e_phentsize", c_uint16),
        ("e_phnum", c_uint16),
        ("e_shentsize", c_uint16),
        ("e_shnum", c_uint16),
        ("e_shstrndx", c_uint16),
    ]


class ProgramHeader(LittleEndianStructure):
    """Elf32_Phdr."""

    _pack_ = 4
    _fields_ = [
        ("p_type", c_uint32),
        ("p_offset", c_uint32),
        ("p_vaddr", c_uint32),
        ("p_paddr", c_uint32),
        ("p_filesz", c_uint32),
        ("p_memsz", c_uint32),
        ("p_flags", c_uint32),
        ("p_align", c_uint32),
    ]


class SectionHeader(LittleEndianStructure):
    """Elf32_Shdr."""

    _pack_ = 4
    _fields_ = [
        ("sh_name", c_uint32),
        ("sh_type", c_uint32),
        ("sh_flags", c_uint32),
        ("sh_addr", c_uint32),
        ("sh_offset", c_uint32),
        ("sh_size", c_uint32),
        ("sh_link", c_uint32),
        ("sh_info", c_uint32),
        ("sh_addralign", c_uint32),
        ("sh_entsize", c_uint32),
    ]


class NoteHeader(LittleEndianStructure):
    """Elf32_Nhdr; the name and then the descriptor follow, each padded to 4 bytes."""

    _pack_ = 4
    _fields_ = [("namesz", c_uint32), ("descsz", c_uint32), ("type", c_uint32), ("name", c_char * 4)]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("TSS", "tss", Tss, SDM3),
    Declaration("MULTIBOOT_INFO", "multiboot_info", MultibootInfo, MULTIBOOT),
    Declaration("MULTIBOOT_MODULE", "multiboot_module", MultibootModule, MULTIBOOT),
    Declaration("MULTIBOOT_MAP", "multiboot_memory_map", MultibootMap, MULTIBOOT),
    Declaration("ELF_HEADER", "Elf32_Ehdr", ElfHeader, GABI),
    Declaration("PROGRAM_HEADER", "Elf32_Phdr", ProgramHeader, GABI),
    Declaration("SECTION_HEADER", "Elf32_Shdr", SectionHeader, GABI),
    Declaration("NOTE_HEADER", "Elf32_Nhdr", NoteHeader, GABI),
)


def _group(group: str, source: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, source) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "control registers", SDM3,
        CR0_PE=1 << 0, CR0_MP=1 << 1, CR0_EM=1 << 2, CR0_TS=1 << 3, CR0_ET=1 << 4, CR0_NE=1 << 5,
        CR0_WP=1 << 16, CR0_AM=1 << 18, CR0_NW=1 << 29, CR0_CD=1 << 30, CR0_PG=1 << 31,
        CR4_TSD=1 << 2, CR4_DE=1 << 3, CR4_PSE=1 << 4, CR4_PAE=1 << 5, CR4_MCE=1 << 6, CR4_PGE=1 << 7,
        CR4_OSFXSR=1 << 9,
        CR4_OSXMMEXCPT=1 << 10,
    ),
    *_group(
        "debug registers", SDM3,
        DR6_CAUSES=0xE00F, DR6_CLEAR=1 << 12, DR6_BS=1 << 14, DR7_ENABLES=0xFF, DR7_CLEAR=0xD800, DR7_GD=1 << 13,
        DR7_RW_HIGH=0x22220000,
    ),
    *_group(
        "flags", SDM3,
        EFLAGS_ARITHMETIC=0x8D5, EFLAGS_CF=1 << 0, EFLAGS_ONE=1 << 1, EFLAGS_TF=1 << 8, EFLAGS_IF=1 << 9,
        EFLAGS_DF=1 << 10,
        EFLAGS_IOPL=3 << 12, EFLAGS_NT=1 << 14, EFLAGS_RF=1 << 16, EFLAGS_VM=1 << 17, EFLAGS_AC=1 << 18,
        EFLAGS_ID=1 << 21,
    ),
    *_group(
        "vectors", SDM3,
        VECTOR_DE=0, VECTOR_DB=1, VECTOR_NMI=2, VECTOR_BP=3, VECTOR_OF=4, VECTOR_BR=5, VECTOR_UD=6, VECTOR_NM=7,
        VECTOR_DF=8, VECTOR_TS=10, VECTOR_NP=11, VECTOR_SS=12, VECTOR_GP=13, VECTOR_PF=14, VECTOR_MF=16,
        VECTOR_AC=17, VECTOR_MC=18, VECTOR_XM=19,
    ),
    *_group(
        "instructions", SDM3,
        INSTRUCTION_BYTES=15, REGISTER_ESP=4, REGISTER_EBP=5, MODRM_REGISTER=0xC0,
        MODRM_DISPLACEMENT_8=0x40, OPCODE_GROUP_1_BYTE=0x83, OPCODE_MOVE_OFFSET=0xA0, MODRM_RDTSCP=0xF9,
        OPCODE_IN_NUMBER=0xE4,
        OPCODE_IN_DX=0xEC, PORT_OUT=2,
    ),
    *_group("error codes", SDM3, PF_PRESENT=1, PF_WRITE=2, PF_USER=4, PF_RESERVED=8, PF_FETCH=16, SELECTOR_IDT=2),
    *_group(
        "page table entries", SDM3,
        PTE_P=1 << 0, PTE_RW=1 << 1, PTE_US=1 << 2, PTE_PWT=1 << 3, PTE_PCD=1 << 4, PTE_A=1 << 5, PTE_D=1 << 6,
        PTE_PSE=1 << 7, PTE_G=1 << 8, PTE_NX_HIGH=1 << 31, PTE_size=8, PAGE_SIZE=4096, PAGE_SHIFT=12,
        PAGE_OFFSET_MASK=0xFFF, PTES_PER_TABLE=512, L2_SHIFT=21, L3_SHIFT=30, SUPERPAGE_SIZE=1 << 21,
    ),
    *_group(
        "model-specific registers and CPUID", SDM3,
        MSR_TSC=0x10, MSR_MICROCODE=0x8B, MSR_MCG_CAP=0x179, MSR_MCG_STATUS=0x17A, MSR_MISC_ENABLE=0x1A0, MSR_PAT=0x277,
        MSR_PERF_CAPABILITIES=0x345, EFER_SCE=1 << 0, EFER_LME=1 << 8, EFER_LMA=1 << 10, EFER_SVME=1 << 12,
        APIC_BASE_DEFAULT=0xFEE00000, APIC_BASE_BSP=1 << 8, MISC_ENABLE_PERFMON=1 << 7, MISC_ENABLE_NO_BTS=1 << 11,
        MISC_ENABLE_NO_PEBS=1 << 12, CPUID_HYPERVISOR=0x40000000, CPUID_HYPERVISOR_LEAVES=0x10000,
        CPUID_ECX_HYPERVISOR=1 << 31,
        MSR_APIC_BASE=0x1B, MSR_EFER=0xC0000080, EFER_NXE=1 << 11, APIC_BASE_ENABLE=1 << 11,
        CPUID_EDX_FPU=1 << 0, CPUID_EDX_TSC=1 << 4, CPUID_EDX_PAE=1 << 6, CPUID_EDX_APIC=1 << 9,
        CPUID_EDX_PGE=1 << 13, CPUID_EDX_PAT=1 << 16, CPUID_EDX_FXSR=1 << 24, CPUID_EDX_SSE=1 << 25,
        CPUID_EXT_EDX_NX=1 << 20,
        MXCSR_RESET=0x1F80, FCW_RESET=0x37F, FXSAVE_fcw=0, FXSAVE_mxcsr=24, APIC_ID=0x20, APIC_VERSION=0x30,
        APIC_LVT_LINT0=0x350, APIC_TPR=0x80, APIC_EOI=0xB0, APIC_SPURIOUS=0xF0, APIC_ENABLE=1 << 8,
        APIC_IN_SERVICE=0x100, APIC_LVT_TIMER=0x320, APIC_LVT_PERFORMANCE=0x340, APIC_LVT_ERROR=0x370,
        APIC_LVT_MASKED=1 << 16,
        APIC_INITIAL_COUNT=0x380, APIC_CURRENT_COUNT=0x390, APIC_DIVIDE=0x3E0, APIC_DIVIDE_BY_1=0xB,
    ),
    *_group(
        "descriptors", SDM3,
        DESCRIPTOR_size=8, GATE_INTERRUPT=0x8E00, GATE_TRAP=0x8F00, GATE_TASK=0x8500, GATE_DPL_1=1 << 13,
        GATE_DPL_3=3 << 13, SELECTOR_RPL=3, SELECTOR_LDT=4, DESCRIPTOR_DPL=3 << 13, DESCRIPTOR_DPL_1=1 << 13,
        DESCRIPTOR_D=1 << 22, DESCRIPTOR_S=1 << 12, DESCRIPTOR_G=1 << 23, DESCRIPTOR_CODE=1 << 11,
        DESCRIPTOR_EXPAND_DOWN=1 << 10,
        DESCRIPTOR_GATE_BITS=0x1FE0, DESCRIPTOR_CALL_GATE=0xC00,
    ),
    *_group(
        "ELF", GABI,
        ELF_MAGIC=0x464C457F, ELFCLASS32=1, ELFDATA2LSB=1, ET_EXEC=2, EM_386=3, PT_LOAD=1, PT_NOTE=4, PF_X=1, PF_W=2,
        PF_R=4, SHT_SYMTAB=2, SHT_STRTAB=3, SHT_NOTE=7, SHT_NOBITS=8,
    ),
    *_group(
        "multiboot", MULTIBOOT,
        MULTIBOOT_MAGIC=0x1BADB002, MULTIBOOT_LOADED=0x2BADB002, MULTIBOOT_PAGE_ALIGN=1, MULTIBOOT_MEMORY_INFO=2,
        MULTIBOOT_HAS_MEMORY=1, MULTIBOOT_HAS_CMDLINE=4, MULTIBOOT_HAS_MODULES=8, MULTIBOOT_HAS_MAP=64,
        MULTIBOOT_RAM=1,
    ),
    *_group(
        "16550 serial port", "National Semiconductor PC16550D datasheet",
        COM1=0x3F8, UART_DATA=0, UART_IER=1, UART_FCR=2, UART_LCR=3, UART_MCR=4, UART_LSR=5, UART_LCR_8N1=3,
        UART_LCR_DLAB=0x80, UART_FCR_ENABLE=7, UART_IIR_QUEUES=0xC0, UART_MCR_DTR_RTS=3, UART_LSR_DR=1,
        UART_LSR_THRE=0x20,
    ),
    *_group(
        "8259, 8254, RTC, PCI ports", "Intel 8259A and 8254 datasheets, PC/AT",
        PIC_MASTER_DATA=0x21, PIC_SLAVE_DATA=0xA1, PIC_MASTER_COMMAND=0x20, PIC_SLAVE_COMMAND=0xA0, PIC_ICW1=0x11,
        PIC_ICW4=1, PIT_CHANNEL_0=0x40, PIT_CHANNEL_2=0x42, PIT_COMMAND=0x43, PIT_GATE=0x61, PIT_CHANNEL_MASK=0xC0,
        PIT_SELECT_CHANNEL_2=0x80, PIT_FREQUENCY=1193182,
        NMI_STATUS_SERR=0x80, NMI_STATUS_IOCHK=0x40, RTC_INDEX=0x70, RTC_DATA=0x71, PCI_ADDRESS=0xCF8, PCI_DATA=0xCFC,
        KEYBOARD_COMMAND=0x64, KEYBOARD_RESET=0xFE,
    ),
    *_group(
        "power management", ACPI,
        PCI_ID_PIIX4_PM=0x71138086, PCI_ID_ICH9_LPC=0x29188086, PM_CONTROL=4, PM_SLEEP_S5=0x2000,
    ),
)
