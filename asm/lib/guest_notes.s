# What makes an ELF file a guest: the Xen notes that a domain builder looks for (ABI 1.2). Each guest adds GUEST_OS.
#
# Invariants
#   - The first byte of the domain's memory is at VIRT_BASE, so an image at virtual address V is loaded V - VIRT_BASE
#     bytes into it. The load_offset in the guest's image.toml is VIRT_BASE, so p_paddr says just that, and
#     PADDR_OFFSET is 0.
#   - The guest's entry is `start`.
#   - There is no HYPERCALL_PAGE: these guests make their calls by `int $0x82`, which a 32-bit guest always may.

        .set    VIRT_BASE, 0xc0000000

{{ elf_note("XEN_VERSION", ".asciz", '"xen-3.0"') }}
{{ elf_note("LOADER", ".asciz", '"generic"') }}
{{ elf_note("PAE_MODE", ".asciz", '"yes"') }}
{{ elf_note("VIRT_BASE", ".long", "VIRT_BASE") }}
{{ elf_note("PADDR_OFFSET", ".long", "0") }}
{{ elf_note("ENTRY", ".long", "start") }}
