"""What the tests' kernels do; entered with a stack, behind the routines in kernels.py."""

from __future__ import annotations


def saying(text: str, then: str = "jmp power_off") -> str:
    """Return a kernel that writes `text` to COM1 and goes on with the instructions `then`."""
    data = ", ".join(f"{byte:#x}" for byte in text.encode())
    return f"""
    movl $message, %esi
    call print
    {then}
message:
    .byte {data}, 0x0
"""


SPIN = """
    call spin
    jmp halt
spin:
    jmp spin
"""

# An exception without a descriptor table: the processor cannot deliver it, nor the double fault.
TRIPLE_FAULT = """
    call fall
    jmp halt
fall:
    lidt no_table
    ud2
no_table:
    .long 0x0, 0x0
"""

# The keyboard controller pulls the processor's reset line.
RESET = """
    movb $0xfe, %al
    outb %al, $0x64
    jmp halt
"""

ECHO = """
    movw $0x3fd, %dx
echo_wait:
    inb %dx, %al
    testb $0x1, %al
    jz echo_wait
    movw $0x3f8, %dx
    inb %dx, %al
    outb %al, %dx
    movw $0x3fd, %dx
    jmp echo_wait
"""

# Like ECHO, with an int3 before each byte is sent back.
BREAKPOINT_PER_BYTE = (
    """
    movl $breakpoint, %eax
    movw %ax, 0x200018
    movw $0x8, 0x20001a
    movw $0x8e00, 0x20001c
    shrl $0x10, %eax
    movw %ax, 0x20001e
    lidt table
"""
    + ECHO.replace("    outb", "    int3\n    outb")
    + """
breakpoint:
    iret
table:
    .word 0x7ff
    .long 0x200000
"""
)


def exiting(value: int) -> str:
    """Return instructions that write `value` to the debug exit port."""
    return f"movb ${value:#x}, %al\n    jmp debug_exit"
