"""What a guest made of data runs: a few instructions in ring 1 that write down what they find, then yield for ever.

A guest's own account is worth more than that of its tables: what it says went through the processor. It stays runnable,
so that its memory can be looked at meanwhile.

Invariants
  - `Found` is where the guest writes; `turns` is written last, so what it counts says that the rest is there.
  - The code runs at any address, touches nothing but `Found` and its stack, and never leaves its loop.
  - Encodings: Intel SDM volume 2; how a hypercall is made: ABI 3.1, 3.2.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint32
from dataclasses import dataclass

from xengen.abi.symbols import assembler_symbols

_ABI = assembler_symbols()

# In the order of their numbers in an instruction.
REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
SELECTORS = ("es", "cs", "ss", "ds", "fs", "gs")
MOST_READS = 4
STUB_BYTES = 32


class Found(LittleEndianStructure):
    """What a guest found. `m2p_of_pfn_1` is the M2P entry of its second frame, `read` the words that it was to read.

    `result` and `virt_start` are the answer to xen_version(platform_parameters); `turns` how often it has run since.
    """

    _pack_ = 4
    _fields_ = (
        *((name, c_uint32) for name in (*REGISTERS, *SELECTORS, "eflags", "m2p_of_pfn_1")),
        ("read", c_uint32 * MOST_READS),
        ("result", c_uint32),
        ("virt_start", c_uint32),
        ("turns", c_uint32),
    )


@dataclass(frozen=True)
class Probe:
    """A guest's errand: write to the `Found` at virtual address `found` and find the M2P table at `m2p`.

    `stubs` is its hypercall page; without one it makes its calls itself. `read` are addresses of words to read.
    """

    found: int
    m2p: int
    stubs: int | None = None
    read: tuple[int, ...] = ()

    def code(self) -> bytes:
        """Return the instructions."""
        assert len(self.read) <= MOST_READS
        code = b"".join(self._store(name, number) for number, name in enumerate(REGISTERS))
        for number, name in enumerate(SELECTORS):
            code += bytes((0x8C, 0xC0 | number << 3)) + self._store(name)  # movl %sreg, %eax
        code += b"\x9c\x58" + self._store("eflags")  # pushfl; popl %eax
        code += b"\x8b\x46" + bytes((_ABI["START_INFO_mfn_list"],))  # movl START_INFO_mfn_list(%esi), %eax
        code += b"\x8b\x40\x04"  # movl 4(%eax), %eax
        code += b"\x8b\x04\x85" + _word(self.m2p) + self._store("m2p_of_pfn_1")  # movl m2p(,%eax,4), %eax
        for index, address in enumerate(self.read):
            code += b"\xa1" + _word(address) + self._store("read", offset=4 * index)  # movl address, %eax
        code += self._hypercall("xen_version", _ABI["XENVER_platform_parameters"], self._address("virt_start"))
        code += self._store("result")
        turn = b"\xff\x05" + _word(self._address("turns"))  # incl turns
        turn += self._hypercall("sched_op", _ABI["SCHEDOP_yield"], 0)
        return code + turn + bytes((0xEB, 256 - len(turn) - 2))  # jmp turn

    def _address(self, name: str) -> int:
        return self.found + int(getattr(Found, name).offset)

    def _store(self, name: str, register: int = 0, *, offset: int = 0) -> bytes:
        """Return `movl %register, name + offset`."""
        return bytes((0x89, 0x05 | register << 3)) + _word(self._address(name) + offset)

    def _hypercall(self, name: str, first: int, second: int) -> bytes:
        """Return a hypercall with arguments in %ebx and %ecx; with a page it is `call *%edx`."""
        number = _ABI[f"HYPERCALL_{name}"]
        arguments = b"\xbb" + _word(first) + b"\xb9" + _word(second)
        if self.stubs is None:
            return arguments + b"\xb8" + _word(number) + b"\xcd\x82"
        return arguments + b"\xba" + _word(self.stubs + STUB_BYTES * number) + b"\xff\xd2"


def _word(value: int) -> bytes:
    return value.to_bytes(4, "little")
